//! Letting go of how a verdict came about, once people had time to look.
//!
//! A verdict is the contribution's and stays, as do the committee that passed it and each member's accuracy and reward where the
//! contribution may earn: its judges earn with it. What each of them committed to and revealed goes, with a round that was drawn again; of
//! what is refused, or was taken back before it was final, the whole round goes and who attested it.

use datanet_types::ContributionId;

use super::{Round, round, state_key};
use crate::component::contributions::{self, Contribution};
use crate::component::{BlockContext, Params, params};
use crate::state::{StateError, StateRead, StateWrite};

/// What is to be forgotten of a contribution will be, from now on in [`Params::forget_seconds`].
pub(in crate::component) fn schedule<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &ContributionId,
    params: &Params,
) {
    let at = block.seconds().saturating_add(params.forget_seconds);
    state.put(state_key::lapsed(at, contribution), contribution);
}

/// Forgets at the end of a block what is due, oldest first, until the block's budget of committee members is used up (one contribution
/// always has its turn).
pub(in crate::component) fn forget_due<S: StateWrite>(state: &mut S, block: &BlockContext) -> Result<(), StateError> {
    let not_yet = state_key::lapsed_at(block.seconds().saturating_add(1));
    let mut budget = params::get(state)?.max_tally_members as usize;
    let due = state.due::<ContributionId>(&state_key::all_lapsed(), &not_yet, budget.max(1))?;
    for (index, (key, id)) in due.into_iter().enumerate() {
        let contribution = contributions::expect(state, &id)?;
        let rounds = rounds(state, &contribution)?;
        let cost = rounds.iter().fold(1usize, |sum, round| sum.saturating_add(round.committee.len()));
        if index > 0 && cost > budget {
            break;
        }
        budget = budget.saturating_sub(cost);
        rounds.iter().for_each(|round| forget(state, round, &contribution));
        if !contribution.is_wanted() && contributions::forget_attestations(state, &id)? {
            // There are more: it is first in the next block.
            continue;
        }
        state.delete(key);
    }
    Ok(())
}

fn rounds<S: StateRead>(state: &S, contribution: &Contribution) -> Result<Vec<Round>, StateError> {
    let all = (0..=contribution.round).map(|number| round(state, &contribution.id, number));
    all.filter_map(Result::transpose).collect()
}

fn forget<S: StateWrite>(state: &mut S, round: &Round, contribution: &Contribution) {
    let (id, number) = (&round.contribution, round.number);
    for member in &round.committee {
        state.delete(state_key::commitment(id, number, &member.account));
        state.delete(state_key::reveal(id, number, &member.account));
    }
    if number < contribution.round || !contribution.may_earn() {
        state.delete(state_key::round(id, number));
    }
}
