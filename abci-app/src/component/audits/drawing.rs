//! Filling the seats of audits.

use std::collections::BTreeSet;

use datanet_types::Digest;
use datanet_types::id::tagged_hash;

use super::{Audit, Phase, auditor, event, expect, set_due};
use crate::component::agenda::Turn;
use crate::component::nodes;
use crate::component::settlement::Place;
use crate::component::validation::committee;
use crate::component::{BlockContext, Event};
use crate::state::{StateError, StateWrite};

/// Once it is time, fills the seats: before the block's transactions, as those of contributions.
pub(in crate::component) fn draw<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    place: &Place,
) -> Result<Vec<Event>, StateError> {
    let (block, mut audit) = (turn.block, expect(state, place)?);
    if block.height < audit.draw_height {
        set_due(state, &mut audit, block.height.saturating_add(1));
        return Ok(Vec::new());
    }
    let node = nodes::expect(state, &audit.node)?;
    // Who doubts is no auditor, as long as there are others.
    let before = BTreeSet::from([audit.challenger]);
    let params = audit.params(state)?;
    let drawable = turn.drawable(state, &params)?;
    let candidates = committee::candidates(&drawable, &node.account, &before, &params);
    audit.seed = seed(block, &audit);
    let committee = committee::draw(&candidates, audit.seats, &audit.seed);
    audit.committee = committee.into_iter().map(auditor).collect();
    audit.commit_deadline = block.seconds().saturating_add(params.audit_seconds);
    set_due(state, &mut audit, 0);
    audit.set_phase(Phase::Commit);
    let names: Vec<String> = audit.committee.iter().map(|auditor| auditor.account.to_string()).collect();
    let event =
        event("audit.drawn", &audit).with("committee", names.join(",")).with("commit_deadline", audit.commit_deadline);
    // Nobody is heard where nobody sits.
    let due = if audit.committee.is_empty() { block.seconds() } else { audit.commit_deadline };
    set_due(state, &mut audit, due);
    Ok(vec![event])
}

fn seed(block: &BlockContext, audit: &Audit) -> Digest {
    let (epoch, seats, round) = (audit.epoch.to_le_bytes(), audit.seats.to_le_bytes(), audit.round.to_le_bytes());
    Digest(tagged_hash("datanet/audit-committee/v2", &[&block.beacon.0, &audit.node.0, &epoch, &seats, &round]))
}
