//! Who may rate an epoch: whoever paid for it, once, for a while after it is final.

use std::collections::BTreeMap;

use datanet_types::{Address, Amount, NodeKey};

use super::state_key;
use crate::component::agenda::{self, Kind};
use crate::component::settlement::{Payment, Place};
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

/// Those who have paid for an epoch that is final and have not rated it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Rights {
    /// Who sold: its node's account when it became final.
    #[prost(message, required, tag = "1")]
    pub seller: Address,
    /// By account.
    #[prost(message, repeated, tag = "2")]
    pub payers: Vec<Payer>,
    /// Block time up to which they may, in seconds since 1970.
    #[prost(uint64, tag = "3")]
    pub until: u64,
}

/// Who has paid, and how much.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Payer {
    /// Who.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Base units, from all its channels.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// An epoch of `seller`'s is final: its payers may rate it as long as it would stay if nobody claimed anything of it.
pub(in crate::component) fn open<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    place: &Place,
    (seller, paid): (Address, &[Payment]),
    params: &Params,
) {
    let mut by_payer = BTreeMap::<Address, Amount>::new();
    for payment in paid {
        let sum = by_payer.entry(payment.payer).or_default();
        *sum = sum.saturating_add(payment.amount);
    }
    let payers = by_payer.into_iter().map(|(account, amount)| Payer { account, amount }).collect();
    let until = block.seconds().saturating_add(params.forget_seconds);
    state.put(state_key::open(place), &Rights { seller, payers, until });
    agenda::schedule(state, Kind::LapseRatings, until, place);
}

/// Who may still rate an epoch.
pub(super) fn get<S: StateRead>(state: &S, place: &Place) -> Result<Option<Rights>, StateError> {
    state.get(&state_key::open(place))
}

/// Up to `limit` epochs that somebody may still rate, by node and number.
///
/// # Errors
/// When the store cannot be read.
pub fn open_rights<S: StateRead>(state: &S, limit: usize) -> Result<Vec<(NodeKey, u64, Rights)>, StateError> {
    let prefix = state_key::all_open();
    let entries = state.list::<Rights>(&prefix, None, limit)?;
    let place = |key: &str| -> Result<(NodeKey, u64), StateError> {
        let node = part_of_key(key, &prefix)?;
        Ok((node, part_of_key(key, &format!("{prefix}{node}/"))?))
    };
    entries.into_iter().map(|(key, rights)| place(&key).map(|(node, epoch)| (node, epoch, rights))).collect()
}

/// Stores who may still rate it; with the last of them it is over.
pub(super) fn put<S: StateWrite>(state: &mut S, place: &Place, rights: &Rights) {
    if rights.payers.is_empty() {
        state.delete(state_key::open(place));
        agenda::cancel(state, Kind::LapseRatings, rights.until, place);
    } else {
        state.put(state_key::open(place), rights);
    }
}

/// Who may still rate an epoch; nobody where it is not final, all have, or it is too late.
///
/// # Errors
/// When the store cannot be read.
pub fn rights<S: StateRead>(state: &S, node: &NodeKey, epoch: u64) -> Result<Option<Rights>, StateError> {
    get(state, &Place { node: *node, epoch })
}

/// Nobody rates an epoch any more whose time for that is over.
pub(in crate::component) fn lapse<S: StateWrite>(state: &mut S, place: &Place) -> Vec<Event> {
    state.delete(state_key::open(place));
    Vec::new()
}
