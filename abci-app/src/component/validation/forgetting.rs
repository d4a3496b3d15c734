//! Letting go of how a verdict came about, once people had time to look.
//!
//! A verdict is the contribution's and stays, as do the committee that passed it and each member's accuracy and reward where the
//! contribution may earn: its judges earn with it, and so do the nodes that had it judged. What each of them committed to and revealed goes, with a round that was drawn again; of
//! what is refused, or was taken back before it was final, the whole round goes and who attested it.

use datanet_types::ContributionId;

use super::{Round, round, state_key};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::contributions::{self, Contribution};
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateRead, StateWrite};

/// What is to be forgotten of a contribution will be, from now on in [`Params::forget_seconds`].
pub(in crate::component) fn schedule<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &ContributionId,
    params: &Params,
) {
    let at = block.seconds().saturating_add(params.forget_seconds);
    agenda::schedule(state, Kind::ForgetRound, at, contribution);
}

/// Forgets what is due of a contribution.
pub(in crate::component) fn forget<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ContributionId,
) -> Result<Vec<Event>, StateError> {
    let contribution = contributions::expect(state, id)?;
    rounds(state, &contribution)?.iter().for_each(|round| forget_round(state, round, &contribution));
    state.delete(state_key::challenge(id));
    if !contribution.is_wanted() && contributions::forget_attestations(state, &contribution)? {
        // There are more: its turn comes again.
        agenda::schedule(state, Kind::ForgetRound, turn.block.seconds(), id);
    }
    Ok(Vec::new())
}

fn rounds<S: StateRead>(state: &S, contribution: &Contribution) -> Result<Vec<Round>, StateError> {
    // A challenge's comes behind the one that passed the verdict.
    let all = (0..=contribution.round.saturating_add(1)).map(|number| round(state, &contribution.id, number));
    all.filter_map(Result::transpose).collect()
}

fn forget_round<S: StateWrite>(state: &mut S, round: &Round, contribution: &Contribution) {
    let (id, number) = (&round.contribution, round.number);
    for member in &round.committee {
        state.delete(state_key::commitment(id, number, &member.account));
        state.delete(state_key::reveal(id, number, &member.account));
    }
    if number != contribution.round || !contribution.may_earn() {
        state.delete(state_key::round(id, number));
    }
}
