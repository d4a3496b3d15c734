//! The end of a phase.

use datanet_types::ContributionId;

use super::closing::Closing;
use super::tally::Vote;
use super::{Phase, Round, expect_round, open_reveal, put, reveal, set_due};
use crate::component::agenda::Turn;
use crate::component::{Event, contributions, datanets, params};
use crate::state::{StateError, StateRead, StateWrite};

impl<'a> Closing<'a> {
    /// A contribution that is due.
    pub(super) fn of<S: StateRead>(state: &S, turn: &Turn<'a>, id: &ContributionId) -> Result<Self, StateError> {
        let contribution = contributions::expect(state, id)?;
        let round = expect_round(state, &contribution, contribution.judging_round())?;
        let datanet = datanets::expect(state, &contribution.datanet)?;
        let params = params::at(state, contribution.submitted_height)?;
        Ok(Self { block: turn.block, params, contribution, datanet, round })
    }
}

/// Closes the phase that a contribution's round is in.
pub(in crate::component) fn close<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ContributionId,
) -> Result<Vec<Event>, StateError> {
    let mut closing = Closing::of(state, turn, id)?;
    // Without a single commitment there is nothing to reveal, so that waiting for it would be in vain.
    if closing.round.phase() == Phase::Commit && closing.round.committed > 0 {
        let event = open_reveal(state, &mut closing.round, closing.block, &closing.params);
        put(state, &closing.round);
        return Ok(vec![event]);
    }
    set_due(state, &mut closing.round, 0);
    let votes = votes(state, &closing.round)?;
    closing.conclude(state, &votes)
}

/// What each member revealed, in the order of the committee.
fn votes<S: StateRead>(state: &S, round: &Round) -> Result<Vec<Option<Vote>>, StateError> {
    let of = |member: &super::Member| -> Result<Option<Vote>, StateError> {
        let reveal = reveal(state, &round.contribution, round.number, &member.account)?;
        Ok(reveal.map(|reveal| Vote { seats: member.seats, scores: reveal.scores }))
    };
    round.committee.iter().map(of).collect()
}
