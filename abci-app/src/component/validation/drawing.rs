//! Filling a committee's seats.

use std::collections::BTreeSet;

use super::closing::Closing;
use super::{Phase, Round, challenge, committee, drawn_event, put, round, set_due};
use crate::component::Event;
use crate::component::agenda::Turn;
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
    let before = members_before(state, &turn.round)?;
    let drawable = drawing.drawable(state, &turn.params)?;
    let (contribution, size) = (&turn.contribution, turn.datanet.committee_size);
    let (candidates, seats) = if contribution.challenged {
        let challenger = challenge::expect(state, &contribution.id)?.challenger;
        (challenge::candidates(&drawable, contribution, &challenger, &before, &turn.params), challenge::seats(size))
    } else {
        (committee::candidates(&drawable, &contribution.contributor, &before, &turn.params), size)
    };
    let seed = committee::seed(turn.block, &contribution.id, turn.round.number);
    let committee = committee::draw(&candidates, seats, &seed);
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
fn members_before<S: StateRead>(state: &S, present: &Round) -> Result<BTreeSet<Address>, StateError> {
    let Some(number) = present.number.checked_sub(1) else { return Ok(BTreeSet::new()) };
    let before = round(state, &present.contribution, number)?;
    Ok(before.iter().flat_map(|round| &round.committee).map(|member| member.account).collect())
}
