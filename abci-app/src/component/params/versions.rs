//! Which parameters held when: the chain's present ones, those before, and those that come.
//!
//! ```text
//!   set_params ─► next ── authority_delay_seconds ──► present (from this height) ── the next change ─► version n (until that height)
//!                  └── cancel_params: off                                                              └─► forgotten, oldest first
//! ```
//!
//! What is made under a version is checked against that version for as long as it lives, so that a change is never one of what somebody
//! has given, staked or earned already: a contribution is judged as the chain was when it was given, an epoch's fees are divided as they
//! were when its answers were given, and it is challenged and answered for as when it was settled. A version is kept for as long as the
//! longest channel lasts after its end, since a voucher may wait for that long; of what is older still, the oldest that is kept holds.
//!
//! The present ones are one record, decoded once a block; it also says whether anything is to come, and what is kept.

use std::rc::Rc;

use super::{Params, Record, read, state_key};
use crate::component::{BlockContext, Event};
use crate::state::{StateError, StateRead, StateWrite};

/// A version of the parameters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// Its number: 0 is the genesis's.
    pub number: u64,
    /// The first height at which it holds.
    pub from: u64,
    /// The numbers.
    pub params: Params,
}

/// Parameters that are announced.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Scheduled {
    /// Block time, in seconds since 1970: they hold from the first block on that has it.
    pub due: u64,
    /// The numbers.
    pub params: Params,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Next {
    #[prost(message, required, tag = "1")]
    params: Record,
    #[prost(uint64, tag = "2")]
    due: u64,
}

/// The present version.
///
/// # Errors
/// When the store cannot be read, or holds no parameters: genesis was not executed.
pub fn present<S: StateRead>(state: &S) -> Result<Version, StateError> {
    Ok(read(state)?.version())
}

/// The number of the present version.
///
/// # Errors
/// As [`present`].
pub fn number<S: StateRead>(state: &S) -> Result<u64, StateError> {
    Ok(read(state)?.number)
}

/// The parameters that held at `height`; of a height before all that is kept, the oldest that are kept.
///
/// # Errors
/// As [`present`], or when a version is missing that should be kept.
pub fn at<S: StateRead>(state: &S, height: u64) -> Result<Params, StateError> {
    let mut record = read(state)?;
    let oldest = record.oldest;
    while record.from > height && record.number > oldest {
        record = kept(state, record.number.saturating_sub(1))?;
    }
    Ok(record.params())
}

/// A version by number, with the height from which the next one holds; none if it is not there yet, or forgotten.
///
/// # Errors
/// As [`at`].
pub fn version<S: StateRead>(state: &S, number: u64) -> Result<Option<(Version, Option<u64>)>, StateError> {
    let present = read(state)?;
    if number == present.number {
        return Ok(Some((present.version(), None)));
    }
    if number < present.oldest || number > present.number {
        return Ok(None);
    }
    let next = number.saturating_add(1);
    let end = if next == present.number { present.from } else { kept(state, next)?.from };
    Ok(Some((kept(state, number)?.version(), Some(end))))
}

/// All that are kept, oldest first; the last is the present one.
///
/// # Errors
/// As [`at`].
pub fn all<S: StateRead>(state: &S) -> Result<Vec<Version>, StateError> {
    let present = read(state)?;
    let former = (present.oldest..present.number).map(|number| Ok(kept(state, number)?.version()));
    former.chain([Ok(present.version())]).collect()
}

/// What is announced and does not hold yet.
///
/// # Errors
/// When the store cannot be read.
pub fn scheduled<S: StateRead>(state: &S) -> Result<Option<Scheduled>, StateError> {
    let next = state.get::<Next>(&state_key::next())?;
    Ok(next.map(|next| Scheduled { due: next.due, params: next.params.params() }))
}

fn kept<S: StateRead>(state: &S, number: u64) -> Result<Rc<Record>, StateError> {
    let key = state_key::version(number);
    let record = state.get_decoded(&key)?;
    record
        .ok_or_else(|| StateError::Corrupt { key, reason: "a version of the parameters that is not there".to_owned() })
}

/// Announces parameters, in the place of those that are announced already; with `None`, nothing comes.
pub(in crate::component) fn schedule<S: StateWrite>(
    state: &mut S,
    scheduled: Option<&Scheduled>,
) -> Result<(), StateError> {
    let present = read(state)?;
    match scheduled {
        Some(Scheduled { due, params }) => {
            let next = Next { params: Record::of(params, &present.chain_id), due: *due };
            state.put(state_key::next(), &next);
        }
        None => state.delete(state_key::next()),
    }
    let due = scheduled.map_or(0, |scheduled| scheduled.due);
    state.put(state_key::params(), &Record { next_due: due, ..Record::clone(&present) });
    Ok(())
}

/// Parameters that a vote has made: they hold from the next block on, or from this one where it has just begun. What the authority has announced is off, since it was made
/// out of others.
pub(in crate::component) fn supersede<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: Params,
) -> Result<(), StateError> {
    // Nothing is due at second 0: that says that nothing comes.
    schedule(state, Some(&Scheduled { due: block.seconds().max(1), params }))
}

/// A change of the parameters: those before, and those that hold from this block on.
#[derive(Debug)]
pub(in crate::component) struct Change {
    pub before: Params,
    pub after: Params,
    pub event: Event,
}

/// At the beginning of a block: what is announced holds once it is due. Costs nothing where nothing is.
pub(in crate::component) fn begin_block<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Option<Change>, StateError> {
    let present = read(state)?;
    if present.next_due == 0 || block.seconds() < present.next_due {
        return Ok(None);
    }
    let next: Next = state.expect(state_key::next(), "parameters that are due and not there")?;
    state.delete(state_key::next());
    let ended = Record { next_due: 0, ..Record::clone(&present) };
    state.put(state_key::version(ended.number), &ended);
    let (number, from) = (ended.number.saturating_add(1), block.height);
    let (oldest, since) = (ended.oldest, block.seconds());
    let mut record = Record { number, from, since, oldest, next_due: 0, ..next.params };
    forget(state, &mut record)?;
    state.put(state_key::params(), &record);
    let event = Event::new("params.changed").with("version", number).with("from", from);
    Ok(Some(Change { before: ended.params(), after: record.params(), event }))
}

/// Drops the versions that nothing can refer to any more: only a change adds one, so that nobody has to look between two.
fn forget<S: StateWrite>(state: &mut S, present: &mut Record) -> Result<(), StateError> {
    while present.oldest < present.number {
        let next = present.oldest.saturating_add(1);
        let end = if next == present.number { present.since } else { kept(state, next)?.since };
        let oldest = kept(state, present.oldest)?;
        let longest = oldest.channel_max_seconds.max(present.channel_max_seconds);
        let last = end.saturating_add(longest).saturating_add(oldest.channel_min_seconds);
        if present.since <= last {
            return Ok(());
        }
        state.delete(state_key::version(oldest.number));
        present.oldest = present.oldest.saturating_add(1);
    }
    Ok(())
}
