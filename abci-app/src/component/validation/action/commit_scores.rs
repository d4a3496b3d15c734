//! Committing to scores.

use datanet_types::Digest;
use datanet_types::action::CommitScores;
use datanet_types::tx::VerifiedTx;

use super::require_round;
use crate::code;
use crate::component::error::ensure;
use crate::component::validation::{self, Committed, Phase, open_reveal, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

impl ActionHandler for CommitScores {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.commitment != Digest::ZERO, code::SCORES_INVALID, || {
            "the commitment is empty; hash the scores with a random salt".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (contribution, mut round) = require_round(state, &self.contribution, ctx, Phase::Commit)?;
        let (id, number, member) = (&contribution.id, round.number, &ctx.tx.signer);
        let before = validation::commitment(state, id, number, member)?;
        ensure(before.is_none(), code::SCORED_BEFORE, || {
            "you have committed in this round; a commitment can't be changed, reveal it".to_owned()
        })?;
        let committed = Committed { commitment: self.commitment, height: ctx.block.height };
        state.put(state_key::commitment(id, number, member), &committed);
        round.committed = round.committed.saturating_add(1);
        let event = Event::new("validation.committed").with("contribution", id).with("round", number);
        let mut events = vec![event.with("account", member)];
        if round.committed as usize >= round.committee.len() {
            let params = params::at(state, contribution.submitted_height)?;
            events.push(open_reveal(state, &mut round, ctx.block, &params));
        }
        validation::put(state, &round);
        Ok(events)
    }
}
