//! How a channel ends, and when it is forgotten.
//!
//! A channel is `open -> closed -> forgotten`. Before its expiry the payer alone can only ask for it: then the node has
//! [`Params::close_seconds`] in which what it holds can be settled, and the channel closes by itself. So it does where nobody closes it for a
//! while after its expiry: nothing is left of a channel that nobody cares for. All of it is by block time, so that whoever fills blocks
//! with transactions takes no time from the node.

use datanet_types::ChannelId;

use super::{Channel, deposit_account, expect, put, state_key};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::{BlockContext, Event, Params, accounts, settlement};
use crate::state::{StateError, StateWrite};

/// Seconds until a closed channel is looked at again that cannot be forgotten yet.
const AGAIN_SECONDS: u64 = 3_600;

/// The payer wants it back, and the node has not said that it may have it.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    channel: &mut Channel,
    params: &Params,
) -> Event {
    channel.closing_at = block.seconds().saturating_add(params.close_seconds).min(channel.ends_at);
    agenda::schedule(state, Kind::CloseChannel, channel.closing_at, &channel.id);
    put(state, channel);
    let event = Event::new("channel.closing").with("channel", channel.id).with("payer", channel.payer);
    event.with("node", channel.node).with("closing_at", channel.closing_at)
}

/// It expires at `expires_at`, and is closed if nobody has closed it as long after that as a channel lasts at least.
pub(super) fn set_expiry<S: StateWrite>(state: &mut S, channel: &mut Channel, expires_at: u64, params: &Params) {
    agenda::cancel(state, Kind::CloseChannel, channel.ends_at, &channel.id);
    channel.expires_at = expires_at;
    channel.ends_at = expires_at.saturating_add(params.channel_min_seconds);
    agenda::schedule(state, Kind::CloseChannel, channel.ends_at, &channel.id);
}

/// What is left goes back. The record stays for whoever looks.
pub(super) fn close<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    channel: &mut Channel,
    params: &Params,
) -> Result<Event, StateError> {
    accounts::release(state, &deposit_account(&channel.id), channel.payer, channel.left())?;
    if channel.is_closing() {
        agenda::cancel(state, Kind::CloseChannel, channel.closing_at, &channel.id);
    }
    agenda::cancel(state, Kind::CloseChannel, channel.ends_at, &channel.id);
    channel.closed_height = block.height;
    agenda::schedule(state, Kind::ForgetChannel, block.seconds().saturating_add(params.forget_seconds), &channel.id);
    put(state, channel);
    let event = Event::new("channel.closed").with("channel", channel.id).with("payer", channel.payer);
    Ok(event.with("node", channel.node).with("charged", channel.charged).with("returned", channel.left()))
}

/// Closes a channel that is due.
pub(in crate::component) fn close_due<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ChannelId,
) -> Result<Vec<Event>, StateError> {
    let mut channel = expect(state, id)?;
    Ok(vec![close(state, turn.block, &mut channel, turn.params)?])
}

/// Forgets a channel that was closed long ago.
pub(in crate::component) fn forget<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ChannelId,
) -> Result<Vec<Event>, StateError> {
    let channel = expect(state, id)?;
    if settlement::may_be_audited(state, &channel.node, channel.last_epoch)? {
        // Its auditors look at when it was opened.
        agenda::schedule(state, Kind::ForgetChannel, turn.block.seconds().saturating_add(AGAIN_SECONDS), id);
    } else {
        state.delete(state_key::channel(id));
    }
    Ok(Vec::new())
}
