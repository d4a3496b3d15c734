//! Filling a committee's seats.

use std::collections::BTreeSet;

use super::closing::Closing;
use super::{Phase, committee, drawn_event, put, round, set_due};
use crate::component::Event;
use crate::component::agenda::Turn;
use crate::component::contributions::Contribution;
use crate::state::{StateError, StateRead, StateWrite};
use datanet_types::{Address, ContributionId};

/// Once it is time, fills the seats and opens the round for commitments: before the block's transactions, so that who may be drawn was
/// fixed when nobody knew the beacon. If there is nobody, nobody judges it.
pub(in crate::component) fn draw<S: StateWrite>(
    state: &mut S,
    drawing: &Turn<'_>,
    id: &ContributionId,
) -> Result<Vec<Event>, StateError> {
    let mut turn = Closing::of(state, drawing, id)?;
    if turn.block.height < turn.round.draw_height {
        set_due(state, &mut turn.round, turn.block.height.saturating_add(1));
        put(state, &turn.round);
        return Ok(Vec::new());
    }
    let before = members_before(state, &turn.contribution)?;
    let drawable = drawing.drawable(state, &turn.params)?;
    let candidates = committee::candidates(&drawable, &turn.contribution.contributor, &before, &turn.params);
    let seed = committee::seed(turn.block, &turn.contribution.id, turn.round.number);
    let committee = committee::draw(&candidates, turn.datanet.committee_size, &seed);
    if committee.is_empty() {
        set_due(state, &mut turn.round, 0);
        return turn.unjudged_for_good(state);
    }
    let deadline = turn.block.seconds().saturating_add(turn.params.commit_seconds);
    let mut round = turn.round;
    (round.seed, round.committee, round.commit_deadline) = (seed, committee, deadline);
    set_due(state, &mut round, 0);
    round.set_phase(Phase::Commit);
    set_due(state, &mut round, deadline);
    put(state, &round);
    Ok(vec![drawn_event(&round)])
}

/// Who was on the committee of the round before this one.
fn members_before<S: StateRead>(state: &S, contribution: &Contribution) -> Result<BTreeSet<Address>, StateError> {
    let Some(number) = contribution.round.checked_sub(1) else { return Ok(BTreeSet::new()) };
    let before = round(state, &contribution.id, number)?;
    Ok(before.iter().flat_map(|round| &round.committee).map(|member| member.account).collect())
}
