//! Who is away too often. Votes missed are counted over windows of blocks, and judged when a window ends: a validator that is away
//! changes nothing before, so that an idle chain rests.

use datanet_types::ConsensusAddress;
use datanet_types::amount::BPS;

use super::{expect, set, slashing, state_key};
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

/// Votes missed in the present window.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Missed {
    #[prost(uint64, tag = "1")]
    votes: u64,
}

/// Votes that a validator has missed in the present window.
///
/// # Errors
/// When the store cannot be read.
pub fn missed<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<u64, StateError> {
    Ok(state.get::<Missed>(&state_key::missed(validator))?.map_or(0, |missed| missed.votes))
}

/// Counts who did not vote for the block before, and judges when a window is over.
pub(super) fn count<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    for vote in block.consensus.last_commit.iter().filter(|vote| !vote.signed) {
        if set::is_active(state, &vote.validator)? {
            let votes = missed(state, &vote.validator)?.saturating_add(1);
            state.put(state_key::missed(&vote.validator), &Missed { votes });
        }
    }
    if block.height.checked_rem(params.liveness_window) == Some(0) {
        judge(state, block, params)
    } else {
        Ok(Vec::new())
    }
}

/// Windows have another length from now on: the votes of one that was cut are not judged.
pub(super) fn begin_anew<S: StateWrite>(state: &mut S) -> Result<(), StateError> {
    for (key, _) in state.scan(&state_key::all_missed(), None, usize::MAX)? {
        state.delete(key);
    }
    Ok(())
}

fn judge<S: StateWrite>(state: &mut S, block: &BlockContext, params: &Params) -> Result<Vec<Event>, StateError> {
    let mut events = Vec::new();
    // No more than were active in the window, which is bounded.
    for (key, missed) in state.list::<Missed>(&state_key::all_missed(), None, usize::MAX)? {
        let validator: ConsensusAddress = part_of_key(&key, &state_key::all_missed())?;
        let too_many =
            missed.votes.saturating_mul(BPS) > params.liveness_window.saturating_mul(u64::from(params.max_missed_bps));
        if too_many {
            events.extend(jail(state, block, params, &validator, missed.votes)?);
        }
        state.delete(key);
    }
    Ok(events)
}

fn jail<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    validator: &ConsensusAddress,
    missed: u64,
) -> Result<Option<Event>, StateError> {
    // From the beginning of the window on: who leaves before it is over has been away all the same.
    let since = block.height.saturating_sub(params.liveness_window);
    Ok(send_off(state, block, params, validator, since)?.map(|event| event.with("missed", missed)))
}

/// Sends off who proved a block before its time: with a name that was not its proposer's. What it gains is nothing, the proof does not
/// count ([`crate::component::beacon`]); it costs what being away costs, and comes back as easily.
pub(super) fn send_off_misnamed<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    validator: &ConsensusAddress,
) -> Result<Option<Event>, StateError> {
    let since = block.height.saturating_sub(1);
    Ok(send_off(state, block, params, validator, since)?.map(|event| event.with("misnamed", since)))
}

fn send_off<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    validator: &ConsensusAddress,
    since: u64,
) -> Result<Option<Event>, StateError> {
    let mut record = expect(state, validator)?;
    if record.jailed_until > 0 {
        return Ok(None);
    }
    record.jailed_until = block.seconds().saturating_add(params.jail_seconds).max(1);
    let taken = slashing::slash(state, &mut record, since, params.downtime_slash_bps)?;
    let event = Event::new("staking.jailed").with("validator", validator);
    Ok(Some(event.with("amount", taken).with("until", record.jailed_until)))
}
