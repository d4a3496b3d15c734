//! The beginning of a block: filling the seats of audits.

use std::collections::BTreeSet;

use datanet_types::Digest;
use datanet_types::id::tagged_hash;

use super::{Audit, Phase, auditor, due, event, set_due};
use crate::component::nodes;
use crate::component::validation::committee;
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateWrite};

/// Draws the committees that are due: before the block's transactions, as those of contributions.
pub(in crate::component) fn draw_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let mut events = Vec::new();
    for audit in due(state, block)?.into_iter().filter(|audit| audit.phase() == Phase::Draw) {
        let params = audit.params(state)?;
        events.extend(draw(state, block, audit, &params)?);
    }
    Ok(events)
}

/// Once it is time, fills the seats.
fn draw<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    mut audit: Audit,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    if block.height < audit.draw_height {
        set_due(state, &mut audit, block.height.saturating_add(1));
        return Ok(Vec::new());
    }
    let node = nodes::expect(state, &audit.node)?;
    // Who doubts is no auditor, as long as there are others.
    let before = BTreeSet::from([audit.challenger]);
    let validators = nodes::drawable(state, block, params)?;
    let candidates = committee::candidates(&validators, &node.account, &before, params);
    audit.seed = seed(block, &audit);
    let committee = committee::draw(&candidates, audit.seats, &audit.seed);
    audit.committee = committee.into_iter().map(auditor).collect();
    audit.deadline = block.height.saturating_add(params.audit_window);
    audit.set_phase(Phase::Vote);
    let names: Vec<String> = audit.committee.iter().map(|auditor| auditor.account.to_string()).collect();
    let event = event("audit.drawn", &audit).with("committee", names.join(",")).with("deadline", audit.deadline);
    let due = if audit.committee.is_empty() { block.height.saturating_add(1) } else { audit.deadline };
    set_due(state, &mut audit, due);
    Ok(vec![event])
}

fn seed(block: &BlockContext, audit: &Audit) -> Digest {
    let (epoch, seats, round) = (audit.epoch.to_le_bytes(), audit.seats.to_le_bytes(), audit.round.to_le_bytes());
    Digest(tagged_hash("datanet/audit-committee/v2", &[&block.beacon.0, &audit.node.0, &epoch, &seats, &round]))
}
