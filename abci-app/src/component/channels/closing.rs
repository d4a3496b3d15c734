//! How a channel ends, and when it is forgotten.
//!
//! A channel is `open -> closed -> forgotten`. Before its expiry the payer alone can only ask for it: then the node has
//! [`Params::close_seconds`] in which what it holds can be settled, and the channel closes by itself. So it does where nobody closes it for a
//! while after its expiry: nothing is left of a channel that nobody cares for. What waits for a time, and what waits for a height, each
//! stands in an index ordered by it.

use datanet_types::ChannelId;

use super::{Channel, deposit_account, expect, put, state_key};
use crate::component::{BlockContext, Event, Params, accounts, params, settlement};
use crate::state::{StateError, StateWrite};

/// Channels closed or forgotten in one block at most, and as many whose expiry is over; what is left is first in the next.
const MAX_A_BLOCK: usize = 128;
/// Seconds until a closed channel is looked at again that cannot be forgotten yet.
const AGAIN_SECONDS: u64 = 3_600;

/// The payer wants it back, and the node has not said that it may have it.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    channel: &mut Channel,
    params: &Params,
) -> Event {
    channel.closing_at = block.seconds().saturating_add(params.close_seconds);
    state.put(state_key::due(channel.closing_at, &channel.id), &channel.id);
    put(state, channel);
    let event = Event::new("channel.closing").with("channel", channel.id).with("payer", channel.payer);
    event.with("node", channel.node).with("closing_at", channel.closing_at)
}

/// It ends some day, from now on: after its expiry, which is new.
pub(super) fn schedule_end<S: StateWrite>(state: &mut S, channel: &mut Channel, params: &Params) {
    channel.ends = channel.expiry.saturating_add(params.channel_min_blocks);
    state.put(state_key::expiring(channel.ends, &channel.id), &channel.id);
}

/// Its expiry is about to change, or it is closed.
pub(super) fn unschedule_end<S: StateWrite>(state: &mut S, channel: &Channel) {
    state.delete(state_key::expiring(channel.ends, &channel.id));
}

/// What is left goes back. The record stays for whoever looks.
pub(super) fn close<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    channel: &mut Channel,
    params: &Params,
) -> Result<Event, StateError> {
    accounts::release(state, &deposit_account(&channel.id), &channel.payer, channel.left())?;
    if channel.is_closing() {
        state.delete(state_key::due(channel.closing_at, &channel.id));
    }
    unschedule_end(state, channel);
    channel.closed_height = block.height;
    state.put(state_key::due(block.seconds().saturating_add(params.forget_seconds), &channel.id), &channel.id);
    put(state, channel);
    let event = Event::new("channel.closed").with("channel", channel.id).with("payer", channel.payer);
    Ok(event.with("node", channel.node).with("charged", channel.charged).with("returned", channel.left()))
}

/// Closes at the end of a block what is due, and forgets what was closed long ago; oldest first.
pub(in crate::component) fn close_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let mut events = close_expired(state, block)?;
    let not_yet = state_key::due_at(block.seconds().saturating_add(1));
    for (key, id) in state.due::<ChannelId>(&state_key::all_due(), &not_yet, MAX_A_BLOCK)? {
        state.delete(key);
        let mut channel = expect(state, &id)?;
        if channel.is_open() {
            let params = params::get(state)?;
            events.push(close(state, block, &mut channel, &params)?);
        } else if settlement::may_be_audited(state, &channel.node, channel.last_epoch)? {
            // Its auditors look at when it was opened.
            state.put(state_key::due(block.seconds().saturating_add(AGAIN_SECONDS), &id), &id);
        } else {
            state.delete(state_key::channel(&id));
        }
    }
    Ok(events)
}

fn close_expired<S: StateWrite>(state: &mut S, block: &BlockContext) -> Result<Vec<Event>, StateError> {
    let not_yet = state_key::expiring_at(block.height.saturating_add(1));
    let mut events = Vec::new();
    for (_, id) in state.due::<ChannelId>(&state_key::all_expiring(), &not_yet, MAX_A_BLOCK)? {
        let (mut channel, params) = (expect(state, &id)?, params::get(state)?);
        events.push(close(state, block, &mut channel, &params)?);
    }
    Ok(events)
}
