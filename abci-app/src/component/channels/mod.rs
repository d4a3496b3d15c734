//! Payment channels: a deposit from which one serving node is paid by cumulative vouchers.
//!
//! A voucher that the node holds is good until the channel is closed, whatever its payer does meanwhile: deposit and expiry only grow,
//! and closing early takes either the node's word or its time to settle ([`closing`]).

pub mod action;
mod closing;
pub mod state_key;

use datanet_types::{Address, Amount, ChannelId, NodeKey, PublicKey};

use super::error::{ensure, refuse};
use super::{ActionError, BlockContext, Params, TxContext};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub(super) use closing::close_due;

/// A payment channel.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Channel {
    /// Its id.
    #[prost(message, required, tag = "1")]
    pub id: ChannelId,
    /// Who pays.
    #[prost(message, required, tag = "2")]
    pub payer: Address,
    /// The key that signs its vouchers, whoever speaks for the payer by now.
    #[prost(message, required, tag = "3")]
    pub voucher_key: PublicKey,
    /// The serving node.
    #[prost(message, required, tag = "4")]
    pub node: NodeKey,
    /// Base units locked so far.
    #[prost(uint64, tag = "5")]
    pub deposit: Amount,
    /// Base units settled so far.
    #[prost(uint64, tag = "6")]
    pub charged: Amount,
    /// Height from which the payer may close it.
    #[prost(uint64, tag = "7")]
    pub expiry: u64,
    /// Height at which it was opened.
    #[prost(uint64, tag = "8")]
    pub opened_height: u64,
    /// Height at which it was closed; 0 while it is open.
    #[prost(uint64, tag = "9")]
    pub closed_height: u64,
    /// Block time at which it closes by itself, in seconds since 1970, once its payer has asked for that before the expiry; 0 before.
    #[prost(uint64, tag = "10")]
    pub closing_at: u64,
    /// The last of its node's epochs that it paid for; 0 for none.
    #[prost(uint64, tag = "11")]
    pub last_epoch: u64,
    /// Height at whose end it is closed if nobody has closed it before: as long after its expiry as a channel lasts at least.
    #[prost(uint64, tag = "12")]
    pub ends: u64,
}

impl Channel {
    /// Whether vouchers can be settled.
    pub fn is_open(&self) -> bool {
        self.closed_height == 0
    }

    /// Whether its payer has asked for it to be closed before the expiry: what the node holds must be settled soon.
    pub fn is_closing(&self) -> bool {
        self.closing_at != 0
    }

    /// Base units that vouchers can still charge.
    pub fn left(&self) -> Amount {
        self.deposit.saturating_sub(self.charged)
    }
}

/// A channel by id, open or closed and not forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, id: &ChannelId) -> Result<Option<Channel>, StateError> {
    state.get(&state_key::channel(id))
}

/// Up to `limit` open channels to a node by id, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn of_node<S: StateRead>(
    state: &S,
    node: &NodeKey,
    after: Option<&ChannelId>,
    limit: usize,
) -> Result<Vec<Channel>, StateError> {
    let after = after.map(|id| state_key::of_node(node, id));
    indexed(state, &state_key::all_of_node(node), after.as_deref(), limit)
}

/// Up to `limit` open channels of a payer by id, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn of_payer<S: StateRead>(
    state: &S,
    payer: &Address,
    after: Option<&ChannelId>,
    limit: usize,
) -> Result<Vec<Channel>, StateError> {
    let after = after.map(|id| state_key::of_payer(payer, id));
    indexed(state, &state_key::all_of_payer(payer), after.as_deref(), limit)
}

/// The account that holds what is left of a channel's deposit.
pub fn deposit_account(id: &ChannelId) -> Address {
    Address::module("channel", &[&id.0])
}

fn indexed<S: StateRead>(
    state: &S,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Channel>, StateError> {
    let entries = state.list::<ChannelId>(prefix, after, limit)?;
    let channels = entries.into_iter().map(|(_, id)| get(state, &id));
    channels.filter_map(Result::transpose).collect()
}

/// The channel, which must be there and open.
pub(super) fn require_open<S: StateRead>(state: &S, id: &ChannelId) -> Result<Channel, ActionError> {
    let Some(channel) = get(state, id)? else {
        return refuse(code::CHANNEL_UNKNOWN, format!("there is no channel {id}; open one first"));
    };
    ensure(channel.is_open(), code::CHANNEL_CLOSED, || {
        format!("channel {id} was closed at height {}; open a new one", channel.closed_height)
    })?;
    Ok(channel)
}

/// A channel that an index of the ledger's own says is there.
fn expect<S: StateRead>(state: &S, id: &ChannelId) -> Result<Channel, StateError> {
    state.expect(state_key::channel(id), "a channel that is due and not there")
}

/// Only who pays changes it.
fn require_payer(channel: &Channel, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    ensure(channel.payer == ctx.tx.signer, code::CHANNEL_FOREIGN, || {
        format!("channel {} belongs to {}; only its payer can do this", channel.id, channel.payer)
    })
}

/// The last height that a channel may expire at, if it is opened or topped up now.
fn latest_expiry(block: &BlockContext, params: &Params) -> u64 {
    block.height.saturating_add(params.channel_max_blocks)
}

fn check_latest(expiry: u64, latest: u64) -> Result<(), ActionError> {
    ensure(expiry <= latest, code::CHANNEL_INVALID, || {
        format!("expiry is height {expiry}, the latest now is {latest}; top the channel up later to go on")
    })
}

/// Stores a channel.
pub(super) fn put<S: StateWrite>(state: &mut S, channel: &Channel) {
    let (of_node, of_payer) =
        (state_key::of_node(&channel.node, &channel.id), state_key::of_payer(&channel.payer, &channel.id));
    if channel.is_open() {
        state.put(of_node, &channel.id);
        state.put(of_payer, &channel.id);
    } else {
        state.delete(of_node);
        state.delete(of_payer);
    }
    state.put(state_key::channel(&channel.id), channel);
}
