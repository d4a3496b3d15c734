//! What stops a component in which the ledger contradicts itself, while all others go on.
//!
//! A contradiction ([`StateError::Contradiction`]) is a fault in the rules: a record that another names is not there, an escrow holds
//! less than it owes. All nodes find it at the same place, since it follows from state alone. So it is no reason for any of them to
//! stop, and none to go on with what is known to be wrong:
//!
//! ```text
//!   an action, or work that was due ── contradiction ──► taken back; breaker of its component tripped, `component.tripped`
//!                                                             │
//!     its actions are refused (TRIPPED), for a fee in a block; │ what is due waits; everything else goes on
//!                                                             ▼
//!                                                     reset ──► what is due is done, oldest first
//! ```
//!
//! Some things never trip ([`spares`]): what each transaction passes, what one needs to get at its money or to save an account from
//! a stolen key, and votes, by which what stands still is made to run again. There every contradiction is refused by itself. Of [`staking`](super::staking) the work on the set of validators goes on
//! too ([`try_always`]).
//!
//! A store that fails, or holds what does not decode, is one node's own trouble, and stays fatal for that node.

mod action;
mod owner;
pub mod state_key;

use super::{ActionError, BlockContext, Component, Event, Params, TxContext};
use crate::code;
use crate::state::{StateAttempt, StateError, StateRead, StateWrite, part_of_key};

use owner::owner;

/// A breaker that has tripped.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Tripped {
    /// The height at which it did.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The key under which the contradiction was found.
    #[prost(string, tag = "2")]
    pub key: String,
}

/// When settlement ran again for the last time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Again {
    /// Block time, in seconds since 1970.
    #[prost(uint64, tag = "1")]
    since: u64,
}

/// Whether nodes can settle what they are owed, and have been able to for as long as a payer that closes a channel has to leave them: while
/// they cannot, no payer takes a deposit back without its node's word.
///
/// # Errors
/// When the store cannot be read.
pub fn settles<S: StateRead>(state: &S, block: &BlockContext, params: &Params) -> Result<bool, StateError> {
    if tripped(state, Component::Settlement)?.is_some() {
        return Ok(false);
    }
    let again = state.get::<Again>(&state_key::settles_again())?;
    Ok(again.is_none_or(|again| again.since.saturating_add(params.close_seconds) <= block.seconds()))
}

/// Whether a component never trips.
pub fn spares(component: Component) -> bool {
    use Component::{Accounts, Admission, Authority, Beacon, Breaker, Genesis, Governance, Ledger, Params, Query};
    matches!(
        component,
        Accounts | Admission | Authority | Beacon | Breaker | Genesis | Governance | Ledger | Params | Query
    )
}

/// A component's breaker, if it has tripped.
///
/// # Errors
/// When the store cannot be read.
pub fn tripped<S: StateRead>(state: &S, component: Component) -> Result<Option<Tripped>, StateError> {
    if spares(component) {
        return Ok(None);
    }
    state.get(&state_key::tripped(component))
}

/// All components that stand still, by name.
///
/// # Errors
/// When the store cannot be read.
pub fn all_tripped<S: StateRead>(state: &S) -> Result<Vec<(Component, Tripped)>, StateError> {
    let all = state_key::all_tripped();
    let named = |(key, tripped): (String, Tripped)| Ok((part_of_key(&key, &all)?, tripped));
    state.list::<Tripped>(&all, None, Component::ALL.len())?.into_iter().map(named).collect()
}

/// Lets a component run again; what happened, if it stood still. Whoever calls this has seen to it that the contradiction is gone: where it is
/// not, the component trips again at once.
///
/// # Errors
/// When the store cannot be read.
pub fn reset<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    component: Component,
) -> Result<Option<Event>, StateError> {
    let Some(tripped) = tripped(state, component)? else { return Ok(None) };
    state.delete(state_key::tripped(component));
    if component == Component::Settlement {
        state.put(state_key::settles_again(), &Again { since: block.seconds() });
    }
    Ok(Some(Event::new("component.reset").with("component", component).with("tripped", tripped.height)))
}

/// Refuses an action of a component that stands still.
pub(super) fn check<S: StateRead>(state: &S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    let component = owner(&ctx.tx.action);
    match tripped(state, component)? {
        None => Ok(()),
        Some(Tripped { height, key }) => Err(ActionError::refused(
            code::TRIPPED,
            format!(
                "{component} stands still since height {height}, where the ledger contradicted itself under {key:?}; \
                 wait until that is mended, everything else goes on"
            ),
        )),
    }
}

/// What follows for a component from an action of its own that has failed, and was taken back: nothing where it was refused.
pub fn on_failure<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>, failure: &ActionError) -> Vec<Event> {
    match failure {
        ActionError::State(StateError::Contradiction { key, reason }) => {
            let component = owner(&ctx.tx.action);
            let event =
                if spares(component) { contradicted(component) } else { trip(state, ctx.block, component, key) };
            vec![event.with("height", ctx.block.height).with("key", key).with("reason", reason)]
        }
        _ => Vec::new(),
    }
}

/// Does the work of a component at the beginning or end of a block, unless it stands still; where the work finds a contradiction all of it is
/// taken back, and the component trips. What happened, in either case.
///
/// # Errors
/// When the store cannot be read.
pub fn guard<S: StateAttempt>(
    state: &mut S,
    block: &BlockContext,
    component: Component,
    work: impl FnOnce(&mut S) -> Result<Vec<Event>, StateError>,
) -> Result<Vec<Event>, StateError> {
    if tripped(state, component)?.is_some() {
        return Ok(Vec::new());
    }
    match state.attempt(work) {
        Err(StateError::Contradiction { key, reason }) => {
            let event = if spares(component) { contradicted(component) } else { trip(state, block, component, &key) };
            Ok(vec![event.with("height", block.height).with("key", key).with("reason", reason)])
        }
        done => done,
    }
}

/// Does work that goes on while its component stands still: where it finds a contradiction all of it is taken back, nothing comes of it in
/// this block, and it is tried again in the next. Only for work that is as good a block later.
///
/// # Errors
/// When the store cannot be read.
pub fn try_always<S: StateAttempt, T: Default>(
    state: &mut S,
    block: &BlockContext,
    component: Component,
    events: &mut Vec<Event>,
    work: impl FnOnce(&mut S) -> Result<T, StateError>,
) -> Result<T, StateError> {
    match state.attempt(work) {
        Err(StateError::Contradiction { key, reason }) => {
            let event = contradicted(component).with("height", block.height);
            events.push(event.with("key", key).with("reason", reason));
            Ok(T::default())
        }
        done => done,
    }
}

fn trip<S: StateWrite>(state: &mut S, block: &BlockContext, component: Component, key: &str) -> Event {
    let tripped = Tripped { height: block.height, key: key.to_owned() };
    state.put(state_key::tripped(component), &tripped);
    Event::new("component.tripped").with("component", component)
}

fn contradicted(component: Component) -> Event {
    Event::new("component.contradicted").with("component", component)
}
