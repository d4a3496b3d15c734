//! What becomes of a proposal, step by step, each when it is due.

use datanet_types::action::Proposed;

use super::{Proposal, Status, carrying_out, count, deposit_account, stakes, state_key};
use crate::component::agenda::{self, Kind, Number, Turn};
use crate::component::{Event, Params, accounts, params};
use crate::state::{StateError, StateRead, StateWrite};

/// Entries that are forgotten at a time: so many votes lie behind a proposal as people like to cast.
const FORGOTTEN_AT_ONCE: usize = 100;

/// Does what is due with a proposal.
pub(in crate::component) fn step<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    number: &Number,
) -> Result<Vec<Event>, StateError> {
    let proposal: Proposal =
        state.expect(state_key::proposal(number.number), "a proposal that is due and not there")?;
    match proposal.status() {
        Status::Voting if !proposal.marked => mark(state, turn, proposal),
        Status::Voting => end(state, turn, proposal),
        Status::Passed => carry_out(state, turn, proposal),
        _ => forget(state, turn, proposal),
    }
}

/// Stores a proposal with what is next.
pub(super) fn put<S: StateWrite>(state: &mut S, proposal: &mut Proposal, due: u64) {
    proposal.due = due;
    agenda::schedule(state, Kind::Proposal, due, &Number { number: proposal.number });
    state.put(state_key::proposal(proposal.number), proposal);
}

/// Validators have had their say for others: whether it would pass as things stand.
fn mark<S: StateWrite>(state: &mut S, turn: &Turn<'_>, mut proposal: Proposal) -> Result<Vec<Event>, StateError> {
    let params = params::at(state, proposal.height)?;
    let outcome = count(state, turn.params, proposal.number)?.outcome(&params, proposal.is_strong());
    (proposal.marked, proposal.passing) = (true, outcome == Status::Passed);
    let ends = proposal.ends;
    put(state, &mut proposal, ends);
    Ok(Vec::new())
}

/// The vote is over, unless it turned after the mark: then those whom that surprised have another quarter, once.
fn end<S: StateWrite>(state: &mut S, turn: &Turn<'_>, mut proposal: Proposal) -> Result<Vec<Event>, StateError> {
    let (params, now) = (params::at(state, proposal.height)?, turn.block.seconds());
    let tally = count(state, turn.params, proposal.number)?;
    let outcome = tally.outcome(&params, proposal.is_strong());
    if outcome == Status::Passed && !proposal.passing && !proposal.extended {
        proposal.extended = true;
        proposal.ends = now.saturating_add(Proposal::late_seconds(&params));
        let ends = proposal.ends;
        put(state, &mut proposal, ends);
        return Ok(vec![event("proposal.extended", &proposal).with("ends", ends)]);
    }
    proposal.tally = Some(tally);
    let (held, deposit) = (deposit_account(proposal.number), proposal.deposit);
    if outcome == Status::Vetoed {
        accounts::release(state, &held, accounts::treasury(), deposit)?;
    } else {
        accounts::release(state, &held, proposal.proposer, deposit)?;
    }
    let told = tell(&proposal, outcome);
    let is_text = matches!(proposal.proposed, Some(Proposed::Text(_)));
    match outcome {
        Status::Passed if is_text => close(state, turn, proposal, Status::Done)?,
        Status::Passed => {
            proposal.set_status(Status::Passed);
            put(state, &mut proposal, now.saturating_add(params.timelock_seconds));
        }
        outcome => close(state, turn, proposal, outcome)?,
    }
    Ok(vec![told])
}

fn carry_out<S: StateWrite>(state: &mut S, turn: &Turn<'_>, mut proposal: Proposal) -> Result<Vec<Event>, StateError> {
    if carrying_out::must_wait(state, turn.block, &proposal)? {
        put(state, &mut proposal, turn.block.seconds().saturating_add(1));
        return Ok(Vec::new());
    }
    let params = params::at(state, proposal.height)?;
    let done = if stands(state, turn, &params, &proposal)? {
        carrying_out::carry_out(state, turn, &proposal)?
    } else {
        carrying_out::Carried::no(Status::Lapsed, "those who were for it have left".to_owned())
    };
    let carrying_out::Carried { status, mut events, why } = done;
    let told = tell(&proposal, status);
    events.push(if why.is_empty() { told } else { told.with("reason", why) });
    close(state, turn, proposal, status)?;
    Ok(events)
}

/// Whether it would still have passed with what is left of the stake that was for it: who votes for something stays until it is done.
fn stands<S: StateRead>(state: &S, turn: &Turn<'_>, params: &Params, proposal: &Proposal) -> Result<bool, StateError> {
    let then = proposal.tally.unwrap_or_default();
    let now = count(state, turn.params, proposal.number)?;
    let left = super::Tally { yes: then.yes.min(now.yes), ..then };
    Ok(left.outcome(params, proposal.is_strong()) == Status::Passed)
}

/// Nothing more comes of it: it is there to be looked at for a while.
fn close<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    mut proposal: Proposal,
    status: Status,
) -> Result<(), StateError> {
    proposal.set_status(status);
    stakes::leave(state, proposal.number)?;
    put(state, &mut proposal, turn.block.seconds().saturating_add(turn.params.forget_seconds));
    Ok(())
}

/// Forgets a proposal with all votes on it, so many in a block.
fn forget<S: StateWrite>(state: &mut S, turn: &Turn<'_>, mut proposal: Proposal) -> Result<Vec<Event>, StateError> {
    let number = proposal.number;
    let mut keys = Vec::new();
    for prefix in [state_key::votes(number), state_key::stakes(number)] {
        let room = FORGOTTEN_AT_ONCE.saturating_sub(keys.len());
        keys.extend(state.scan(&prefix, None, room)?.into_iter().map(|(key, _)| key));
    }
    let all = keys.len() < FORGOTTEN_AT_ONCE;
    keys.into_iter().for_each(|key| state.delete(key));
    if all {
        state.delete(state_key::proposal(number));
    } else {
        put(state, &mut proposal, turn.block.seconds().saturating_add(1));
    }
    Ok(Vec::new())
}

fn tell(proposal: &Proposal, status: Status) -> Event {
    event("proposal.decided", proposal).with("status", status.name())
}

/// An event of a proposal's.
pub(super) fn event(kind: &str, proposal: &Proposal) -> Event {
    let what = proposal.proposed.as_ref().map_or("", Proposed::name);
    Event::new(kind).with("proposal", proposal.number).with("kind", what)
}
