//! Committing to what one found.

use datanet_types::Digest;
use datanet_types::action::CommitFinding;
use datanet_types::tx::VerifiedTx;

use super::{require_phase, require_seat};
use crate::code;
use crate::component::audits::{Phase, open_reveal, put};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for CommitFinding {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.commitment != Digest::ZERO, code::FINDING, || {
            "the commitment is empty; hash the finding with a random salt".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut audit = require_phase(state, &self.node, self.epoch, ctx, Phase::Commit)?;
        let before = require_seat(&mut audit, &ctx.tx.signer)?.commitment.replace(self.commitment);
        ensure(before.is_none(), code::AUDITED_BEFORE, || {
            "you have committed to what you found; that can't be changed, reveal it".to_owned()
        })?;
        let event = Event::new("audit.committed").with("node", self.node).with("epoch", self.epoch);
        let mut events = vec![event.with("account", ctx.tx.signer)];
        if audit.committed().count() >= audit.committee.len() {
            let params = audit.params(state)?;
            events.push(open_reveal(state, ctx.block, &mut audit, &params));
        } else {
            put(state, &audit);
        }
        Ok(events)
    }
}
