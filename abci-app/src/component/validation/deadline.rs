//! Rounds that are due: at the beginning of a block those whose committee is drawn, at its end those that close.

use super::closing::Closing;
use super::tally::Vote;
use super::{Phase, Round, drawing, expect_round, open_reveal, put, reveal, set_due, state_key};
use crate::component::nodes::{self, Validator};
use crate::component::{BlockContext, Event, contributions, datanets, params};
use crate::state::{StateError, StateRead, StateWrite};
use datanet_types::ContributionId;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Draws the committees that are due: before the block's transactions, so that who may be drawn was fixed when nobody knew
/// the beacon.
pub(in crate::component) fn draw_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    // Read once a block for each delay, of which there is one unless the parameters have just changed: there may be a thousand.
    let mut validators: BTreeMap<u64, Vec<Validator>> = BTreeMap::new();
    each_due(state, block, true, |state, turn| {
        let validators = match validators.entry(turn.params.draw_delay) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(nodes::drawable(state, block, turn.params)?),
        };
        drawing::draw(state, turn, validators)
    })
}

/// Closes the phases that are due.
pub(in crate::component) fn close_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    each_due(state, block, false, close)
}

/// Gives a turn to the rounds that are due and wait for their committee (or do not), oldest first, until the block's budget of committee
/// members is used up (one contribution always has its turn). What is left is first in the next block.
fn each_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    drawing: bool,
    mut go_on: impl FnMut(&mut S, Closing<'_>) -> Result<Vec<Event>, StateError>,
) -> Result<Vec<Event>, StateError> {
    let mut budget = params::get(state)?.max_tally_members as usize;
    let not_yet = state_key::due(block.height.saturating_add(1), &ContributionId::ZERO);
    let (mut events, mut had) = (Vec::new(), 0usize);
    for (_, id) in state.due::<ContributionId>(&state_key::all_due(), &not_yet, budget.max(1))? {
        let contribution = contributions::expect(state, &id)?;
        let round = expect_round(state, &contribution)?;
        if (round.phase() == Phase::Draw) != drawing {
            continue;
        }
        let datanet = datanets::expect(state, &contribution.datanet)?;
        let cost = if drawing { datanet.committee_size as usize } else { round.committee.len() };
        if had > 0 && cost > budget {
            break;
        }
        (budget, had) = (budget.saturating_sub(cost), had.saturating_add(1));
        let params = params::at(state, contribution.submitted_height)?;
        events.extend(go_on(state, Closing { block, params: &params, contribution, datanet, round })?);
    }
    Ok(events)
}

fn close<S: StateWrite>(state: &mut S, mut turn: Closing<'_>) -> Result<Vec<Event>, StateError> {
    // Without a single commitment there is nothing to reveal, so that waiting for it would be in vain.
    if turn.round.phase() == Phase::Commit && turn.round.committed > 0 {
        let event = open_reveal(state, &mut turn.round, turn.block.height, turn.params);
        put(state, &turn.round);
        return Ok(vec![event]);
    }
    set_due(state, &mut turn.round, 0);
    let votes = votes(state, &turn.round)?;
    turn.conclude(state, &votes)
}

/// What each member revealed, in the order of the committee.
fn votes<S: StateRead>(state: &S, round: &Round) -> Result<Vec<Option<Vote>>, StateError> {
    let of = |member: &super::Member| -> Result<Option<Vote>, StateError> {
        let reveal = reveal(state, &round.contribution, round.number, &member.account)?;
        Ok(reveal.map(|reveal| Vote { seats: member.seats, scores: reveal.scores }))
    };
    round.committee.iter().map(of).collect()
}
