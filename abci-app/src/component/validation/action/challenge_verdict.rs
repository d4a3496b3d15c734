//! Doubting a verdict.

use datanet_types::ContributionId;
use datanet_types::action::ChallengeVerdict;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::contributions::{self, Contribution, Status};
use crate::component::error::ensure;
use crate::component::validation::{Challenge, challenge_account, challenge_deposit, settling, start_round, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, nodes, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for ChallengeVerdict {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut contribution = contributions::require(state, &self.contribution)?;
        check(state, ctx, &contribution)?;
        let (id, challenger, deposit) = (contribution.id, ctx.tx.signer, challenge_deposit(&contribution));
        accounts::transfer(state, challenger, challenge_account(&id), deposit)?;
        settling::close_challenges(state, &mut contribution);
        contribution.challenged = true;
        contributions::put(state, &contribution);
        let challenge = Challenge { challenger, deposit, round: contribution.judging_round(), ..Challenge::default() };
        state.put(state_key::challenge(&id), &challenge);
        let params = params::at(state, contribution.submitted_height)?;
        start_round(state, ctx.block, &contribution, &params);
        let event = Event::new("verdict.challenged").with("contribution", id).with("challenger", challenger);
        Ok(vec![event.with("deposit", deposit).with("round", challenge.round)])
    }
}

fn check<S: StateRead>(state: &S, ctx: &TxContext<'_>, contribution: &Contribution) -> Result<(), ActionError> {
    let id = &contribution.id;
    ensure(!contribution.is_before_judges(), code::CONTRIBUTION_JUDGING, || {
        format!("contribution {id} is before its judges; wait for the verdict, which is final if it is the second")
    })?;
    // Nobody is heard in the block that is the first behind the window either, at whose end it is settled.
    ensure(ctx.block.seconds() <= contribution.challenge_until, code::VERDICT_FINAL, || {
        format!(
            "the verdict on contribution {id} is final: it was challenged, or its time for that is over, or nobody judged it"
        )
    })?;
    if contribution.status() == Status::Refused {
        ensure(contribution.contributor == ctx.tx.signer, code::CONTRIBUTION_FOREIGN, || {
            format!("contribution {id} was refused; only {}, who gave it, can challenge that", contribution.contributor)
        })?;
        check_not_given_again(state, ctx, contribution)?;
    }
    ensure(nodes::any_validator(state)?, code::NO_VALIDATORS, || {
        format!(
            "nobody is there to judge it anew, for which {} would be put up",
            display(challenge_deposit(contribution))
        )
    })
}

/// What is refused and given again is judged as that: both could be accepted.
fn check_not_given_again<S: StateRead>(
    state: &S,
    ctx: &TxContext<'_>,
    given: &Contribution,
) -> Result<(), ActionError> {
    let (chain, next) = (&ctx.block.chain_id, given.attempt.saturating_add(1));
    let next = ContributionId::derive(chain, &given.datanet, &given.contributor, &given.blob, next);
    ensure(contributions::get(state, &next)?.is_none(), code::CONTRIBUTION_TAKEN, || {
        format!("these bytes were given again, as contribution {next}, whose verdict counts")
    })
}
