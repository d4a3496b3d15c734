//! Revealing scores.

use datanet_types::Scores;
use datanet_types::action::RevealScores;
use datanet_types::scores::Commitment;
use datanet_types::tx::VerifiedTx;

use super::require_round;
use crate::code;
use crate::component::contributions::Contribution;
use crate::component::error::{ensure, refuse};
use crate::component::validation::{self, Phase, Reveal, Round, set_due, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for RevealScores {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.scores.is_none_or(|scores| scores.in_range()), code::SCORES_INVALID, || {
            "a score is over 10000; scores are basis points from 0 to 10000".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (contribution, mut round) = require_round(state, &self.contribution, ctx, Phase::Reveal)?;
        check_commitment(state, self, ctx, &contribution, &round)?;
        let account = ctx.tx.signer;
        let reveal = Reveal { account, scores: self.scores, report: self.report, height: ctx.block.height };
        state.put(state_key::reveal(&contribution.id, round.number, &account), &reveal);
        round.revealed = round.revealed.saturating_add(1);
        if round.revealed >= round.committed {
            // Nobody else can reveal: the end of this block tallies.
            set_due(state, &mut round, ctx.block.seconds());
        }
        validation::put(state, &round);
        let event = Event::new("validation.revealed").with("contribution", contribution.id);
        let event = event.with("round", round.number).with("account", account).with("report", self.report);
        let Some(scores) = self.scores else { return Ok(vec![event.with("unavailable", true)]) };
        let scores = Scores::NAMES.into_iter().zip(scores.as_array());
        Ok(vec![scores.fold(event, |event, (name, score)| event.with(name, score))])
    }
}

fn check_commitment<S: StateRead>(
    state: &S,
    action: &RevealScores,
    ctx: &TxContext<'_>,
    contribution: &Contribution,
    round: &Round,
) -> Result<(), ActionError> {
    let (id, number, validator) = (&contribution.id, round.number, &ctx.tx.signer);
    let Some(committed) = validation::commitment(state, id, number, validator)? else {
        return refuse(code::WRONG_PHASE, "you did not commit in this round, so there is nothing to reveal");
    };
    ensure(validation::reveal(state, id, number, validator)?.is_none(), code::SCORED_BEFORE, || {
        "you have revealed in this round; scores can't be changed".to_owned()
    })?;
    let digest = Commitment {
        chain_id: &ctx.block.chain_id,
        datanet: &contribution.datanet,
        contribution: id,
        blob: &contribution.blob,
        validator,
        scores: action.scores.as_ref(),
        report: &action.report,
        salt: &action.salt,
    }
    .digest();
    ensure(digest == committed.commitment, code::COMMITMENT_MISMATCH, || {
        "scores, report and salt do not give your commitment; reveal exactly what you committed to".to_owned()
    })
}
