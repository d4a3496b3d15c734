//! A verdict is final once nobody can challenge it any more: then its judges are paid, and the bond goes where it belongs.

use datanet_types::{ContributionId, ModuleAddress};

use super::{Round, expect_round, schedule};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::contributions::{self, Contribution, review_account};
use crate::component::{BlockContext, Event, Params, accounts, datanets, params};
use crate::state::{StateError, StateWrite};

/// A verdict was passed: from now on it can be challenged for a while; or it is final, where nothing can be.
pub(super) fn open_window<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    count(state, contribution, |disputable| disputable.saturating_add(1))?;
    if params.verdict_challenge_seconds == 0 {
        return settle_now(state, block, contribution);
    }
    contribution.challenge_until = block.seconds().saturating_add(params.verdict_challenge_seconds);
    agenda::schedule(state, Kind::SettleVerdict, contribution.challenge_until, &contribution.id);
    contributions::put(state, contribution);
    Ok(Vec::new())
}

/// Nobody challenged a verdict.
pub(in crate::component) fn settle<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ContributionId,
) -> Result<Vec<Event>, StateError> {
    settle_now(state, turn.block, &mut contributions::expect(state, id)?)
}

/// The first verdict is final.
pub(in crate::component) fn settle_now<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Vec<Event>, StateError> {
    let params = params::at(state, contribution.submitted_height)?;
    pay(state, &expect_round(state, contribution, contribution.round)?, &review_account(&contribution.id))?;
    contributions::settle_bond(state, contribution, contribution.penalty(&params))?;
    close_window(state, block, contribution, &params)
}

/// Nothing can become of the verdict any more, and nobody has anything to get of it; how it came about is forgotten some day.
pub(super) fn close_window<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    close_challenges(state, contribution);
    count(state, contribution, |disputable| disputable.saturating_sub(1))?;
    contribution.challenged = false;
    contributions::put(state, contribution);
    schedule(state, block, &contribution.id, params);
    contributions::fine_keepers(state, block, contribution, params)
}

/// Counts a verdict that can become another, or cannot any more.
fn count<S: StateWrite>(
    state: &mut S,
    contribution: &Contribution,
    change: impl Fn(u64) -> u64,
) -> Result<(), StateError> {
    let mut counts = datanets::counts(state, &contribution.datanet)?;
    counts.disputable = change(counts.disputable);
    datanets::put_counts(state, &contribution.datanet, &counts);
    Ok(())
}

/// Takes the end of the window off the agenda, if it is there.
pub(super) fn close_challenges<S: StateWrite>(state: &mut S, contribution: &mut Contribution) {
    if contribution.challenge_until != 0 {
        agenda::cancel(state, Kind::SettleVerdict, contribution.challenge_until, &contribution.id);
    }
    contribution.challenge_until = 0;
}

/// Pays a round's members what they are to have.
pub(super) fn pay<S: StateWrite>(state: &mut S, round: &Round, from: &ModuleAddress) -> Result<(), StateError> {
    round.committee.iter().try_for_each(|member| accounts::release(state, from, member.account, member.reward))
}
