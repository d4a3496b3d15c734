//! The end of a block: drawing committees and closing what is due.

use std::collections::BTreeSet;

use super::closing::Closing;
use super::tally::Vote;
use super::{Phase, Round, committee, drawn_event, expect_round, open_reveal, put, reveal, round, set_due, state_key};
use crate::component::contributions::{self, Contribution};
use crate::component::nodes::{self, Validator};
use crate::component::{BlockContext, Event, datanets, params};
use crate::state::{StateError, StateRead, StateWrite};
use datanet_types::{Address, ContributionId};

/// Goes on with the rounds that are due, oldest first, until the block's budget of committee members is used up (one
/// contribution always has its turn). What is left is first in the next block.
pub(in crate::component) fn close_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let params = params::get(state)?;
    let mut budget = params.max_tally_members as usize;
    let not_yet = state_key::due(block.height.saturating_add(1), &ContributionId::ZERO);
    let (mut events, mut validators) = (Vec::new(), None);
    for (index, (key, id)) in
        state.list::<ContributionId>(&state_key::all_due(), None, budget.max(1))?.into_iter().enumerate()
    {
        if key >= not_yet {
            break;
        }
        let contribution = contributions::expect(state, &id)?;
        let datanet = datanets::expect(state, &contribution.datanet)?;
        let round = expect_round(state, &contribution)?;
        let cost = if round.phase() == Phase::Draw { datanet.committee_size as usize } else { round.committee.len() };
        if index > 0 && cost > budget {
            break;
        }
        budget = budget.saturating_sub(cost);
        if round.phase() == Phase::Draw {
            // Read once a block: there may be a thousand.
            let validators = match &validators {
                Some(read) => read,
                None => validators.insert(nodes::validators(state)?),
            };
            let turn = Closing { block, params: &params, contribution, datanet, round };
            events.extend(draw(state, turn, validators)?);
        } else {
            events.extend(close(state, Closing { block, params: &params, contribution, datanet, round })?);
        }
    }
    Ok(events)
}

/// Once it is time, fills the seats and opens the round for commitments. If there is nobody, nobody judges it.
fn draw<S: StateWrite>(
    state: &mut S,
    mut turn: Closing<'_>,
    validators: &[Validator],
) -> Result<Vec<Event>, StateError> {
    if turn.block.height < turn.round.draw_height {
        set_due(state, &mut turn.round, turn.block.height.saturating_add(1));
        put(state, &turn.round);
        return Ok(Vec::new());
    }
    let before = members_before(state, &turn.contribution)?;
    let candidates = committee::candidates(validators, &turn.contribution.contributor, &before, turn.params);
    let seed = committee::seed(turn.block, &turn.contribution.id, turn.round.number);
    let committee = committee::draw(&candidates, turn.datanet.committee_size, &seed);
    if committee.is_empty() {
        set_due(state, &mut turn.round, 0);
        return turn.unjudged_for_good(state);
    }
    let deadline = turn.block.height.saturating_add(turn.params.commit_window);
    let mut round = turn.round;
    (round.seed, round.committee, round.commit_deadline) = (seed, committee, deadline);
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
