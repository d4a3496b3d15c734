//! Judging: a drawn committee commits to scores, reveals them, and is measured against its own tally.
//!
//! A round goes `Draw -> Commit -> Reveal -> Judged`; or `Unavailable`, if most could not get the bytes; or `Unjudged` if less
//! than two thirds of the seats revealed: then a second committee of others is drawn, once. Committees are drawn at a height; phases end at a block's time, or early, as soon as nobody is left
//! to wait for. Once it is over and people had time to look, what it took is forgotten.
//!
//! A verdict can be challenged for a while, for a deposit: a larger committee of others judges anew ([`challenge()`]), and what it says is
//! final. Nobody is paid before ([`settling`]).

pub mod action;
mod challenge;
mod closing;
pub(super) mod committee;
mod deadline;
mod drawing;
mod forgetting;
mod record;
mod settling;
pub mod state_key;
mod tally;

use datanet_types::{Address, ContributionId};

use super::agenda::{self, Kind};
use super::contributions::Contribution;
use super::{BlockContext, Event, Params};
use crate::state::{StateError, StateRead, StateWrite};

pub use challenge::{Challenge, Outcome as ChallengeOutcome, challenge, challenge_account, challenge_deposit};
pub(super) use deadline::close;
pub(super) use drawing::draw;
pub(super) use forgetting::{forget, schedule};
pub use record::{Committed, Member, Phase, Reveal, Round};
pub(super) use settling::{settle, settle_now};

/// A round of judging by number.
///
/// # Errors
/// When the store cannot be read.
pub fn round<S: StateRead>(state: &S, contribution: &ContributionId, number: u32) -> Result<Option<Round>, StateError> {
    state.get(&state_key::round(contribution, number))
}

/// The round that passed a contribution's verdict, or is to; none once it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn current_round<S: StateRead>(state: &S, contribution: &Contribution) -> Result<Option<Round>, StateError> {
    round(state, &contribution.id, contribution.round)
}

/// The round that a committee is at or was last: the present one, or a challenge's; none once it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn judging_round<S: StateRead>(state: &S, contribution: &Contribution) -> Result<Option<Round>, StateError> {
    round(state, &contribution.id, contribution.judging_round())
}

/// Up to `limit` contributions that committees are at, or are to be drawn for.
///
/// # Errors
/// When the store cannot be read.
pub fn before_judges<S: StateRead>(state: &S, limit: usize) -> Result<Vec<ContributionId>, StateError> {
    let mut ids: Vec<ContributionId> = agenda::list(state, Kind::CloseRound, limit)?;
    ids.extend(agenda::list::<_, ContributionId>(state, Kind::DrawRound, limit.saturating_sub(ids.len()))?);
    Ok(ids)
}

/// A round of a contribution, which must be there.
fn expect_round<S: StateRead>(state: &S, contribution: &Contribution, number: u32) -> Result<Round, StateError> {
    state.expect(state_key::round(&contribution.id, number), "a contribution without a round")
}

/// A member's commitment in a round, until it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn commitment<S: StateRead>(
    state: &S,
    contribution: &ContributionId,
    number: u32,
    member: &Address,
) -> Result<Option<Committed>, StateError> {
    state.get(&state_key::commitment(contribution, number, member))
}

/// A member's judgement in a round, until it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn reveal<S: StateRead>(
    state: &S,
    contribution: &ContributionId,
    number: u32,
    member: &Address,
) -> Result<Option<Reveal>, StateError> {
    state.get(&state_key::reveal(contribution, number, member))
}

/// Begins the contribution's present round: its committee is drawn some blocks later, when nobody who could have chosen the
/// contribution knows of what.
pub(super) fn start_round<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &Contribution,
    params: &Params,
) {
    let mut round = Round {
        contribution: contribution.id,
        number: contribution.judging_round(),
        phase: Phase::Draw as i32,
        draw_height: block.height.saturating_add(params.draw_delay),
        ..Round::default()
    };
    // Looked at in each block until then: what changes makes an idle chain go on at once.
    set_due(state, &mut round, block.height.saturating_add(1));
    put(state, &round);
}

fn drawn_event(round: &Round) -> Event {
    let names: Vec<String> = round.committee.iter().map(|member| member.account.to_string()).collect();
    Event::new("validation.drawn")
        .with("contribution", round.contribution)
        .with("round", round.number)
        .with("committee", names.join(","))
        .with("commit_deadline", round.commit_deadline)
}

/// Ends the commit phase.
fn open_reveal<S: StateWrite>(state: &mut S, round: &mut Round, block: &BlockContext, params: &Params) -> Event {
    let deadline = block.seconds().saturating_add(params.reveal_seconds);
    set_due(state, round, deadline);
    round.set_phase(Phase::Reveal);
    round.reveal_deadline = deadline;
    Event::new("validation.reveal_opened")
        .with("contribution", round.contribution)
        .with("round", round.number)
        .with("reveal_deadline", deadline)
}

/// Moves a round on the agenda; 0 takes it out. Before its phase changes from or to [`Phase::Draw`], it must be out.
fn set_due<S: StateWrite>(state: &mut S, round: &mut Round, due: u64) {
    let kind = if round.phase() == Phase::Draw { Kind::DrawRound } else { Kind::CloseRound };
    if round.due != 0 {
        agenda::cancel(state, kind, round.due, &round.contribution);
    }
    if due != 0 {
        agenda::schedule(state, kind, due, &round.contribution);
    }
    round.due = due;
}

fn put<S: StateWrite>(state: &mut S, round: &Round) {
    state.put(state_key::round(&round.contribution, round.number), round);
}
