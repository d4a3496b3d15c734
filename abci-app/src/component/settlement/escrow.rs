//! What is left of an epoch's money, and which of its leaves were paid.
//!
//! Every epoch has an account of its own, which only its own leaves are paid from, and nobody sends anything to. What is left in
//! it is in the record that says which epochs are open, too.

use datanet_types::amount::display;
use datanet_types::epoch::MAX_ACCOUNTS;
use datanet_types::{Account, Amount, ModuleAddress, NodeKey};

use super::{Epoch, forgetting, state_key};
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, BlockContext, accounts};
use crate::state::{StateError, StateRead, StateWrite};

/// Leaves remembered under one key: a claim rewrites 256 bytes at most.
const PIECE_BITS: u64 = 2_048;
/// Keys that an epoch's claims may take.
const MOST_PIECES: usize = (MAX_ACCOUNTS / PIECE_BITS) as usize;

/// An epoch with money that nobody has claimed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct OpenEpoch {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// Base units left.
    #[prost(uint64, tag = "2")]
    pub left: Amount,
}

/// Which leaves of a piece were paid: bit `i % 8` of byte `i / 8`, without zeros behind the last.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Piece {
    #[prost(bytes = "vec", tag = "1")]
    bits: Vec<u8>,
}

/// Where a leaf's bit is: piece, byte, mask.
fn place(index: u64) -> (u64, usize, u8) {
    let bit = index % PIECE_BITS;
    (index / PIECE_BITS, (bit / 8) as usize, 1u8.rotate_left((bit % 8) as u32))
}

/// The account that holds what of an epoch nobody has claimed.
pub fn account(node: &NodeKey, number: u64) -> ModuleAddress {
    ModuleAddress::of("settlement", &[&node.0, &number.to_le_bytes()])
}

/// An epoch, if money is left of it.
///
/// # Errors
/// When the store cannot be read.
pub fn open<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Option<OpenEpoch>, StateError> {
    state.get(&state_key::open(node, number))
}

/// Up to `limit` epochs of a node with money left, in order, from behind number `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(
    state: &S,
    node: &NodeKey,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<OpenEpoch>, StateError> {
    let after = after.map(|number| state_key::open(node, number));
    let entries = state.list(&state_key::all_open(node), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, open)| open).collect())
}

/// Whether the leaf at `index` of a settled epoch was paid. Of an epoch without money left, all were.
///
/// # Errors
/// When the store cannot be read.
pub fn is_claimed<S: StateRead>(state: &S, node: &NodeKey, number: u64, index: u64) -> Result<bool, StateError> {
    if open(state, node, number)?.is_none() {
        return Ok(true);
    }
    let (piece, byte, mask) = place(index);
    let piece: Piece = state.get(&state_key::claimed(node, number, piece))?.unwrap_or_default();
    Ok(piece.bits.get(byte).is_some_and(|bits| bits & mask != 0))
}

/// Notes that an epoch has money, unless it has none.
pub(super) fn begin<S: StateWrite>(state: &mut S, epoch: &Epoch) {
    put(state, &epoch.node, OpenEpoch { epoch: epoch.epoch, left: epoch.totals.claimable() });
}

/// Pays `account` the leaf at `index`, which is proven; `false` if that was paid before.
pub(super) fn pay<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    epoch: &Epoch,
    account: Account,
    (index, amount): (u64, Amount),
) -> Result<bool, ActionError> {
    let (node, number) = (&epoch.node, epoch.epoch);
    if is_claimed(state, node, number, index)? {
        return Ok(false);
    }
    let before = open(state, node, number)?.unwrap_or_default();
    // All that can be proven sums to what was there: this is the same once more, should that be wrong.
    ensure(amount <= before.left, code::CLAIM_ESCROW, || {
        let (asked, left) = (display(amount), display(before.left));
        format!("epoch {number} of node {node} has {left} left and the leaf says {asked}; leave it out")
    })?;
    accounts::release(state, &self::account(node, number), account, amount)?;
    mark(state, node, number, index)?;
    let left = before.left.saturating_sub(amount);
    put(state, node, OpenEpoch { left, ..before });
    if left == 0 {
        forget(state, node, number)?;
        forgetting::claimed_whole(state, block, epoch);
    }
    Ok(true)
}

fn put<S: StateWrite>(state: &mut S, node: &NodeKey, open: OpenEpoch) {
    let key = state_key::open(node, open.epoch);
    if open.left == 0 {
        state.delete(key);
    } else {
        state.put(key, &open);
    }
}

fn mark<S: StateWrite>(state: &mut S, node: &NodeKey, number: u64, index: u64) -> Result<(), StateError> {
    let (piece, byte, mask) = place(index);
    let key = state_key::claimed(node, number, piece);
    let mut piece: Piece = state.get(&key)?.unwrap_or_default();
    piece.bits.resize(piece.bits.len().max(byte.saturating_add(1)), 0);
    if let Some(bits) = piece.bits.get_mut(byte) {
        *bits |= mask;
    }
    state.put(key, &piece);
    Ok(())
}

/// Lets go of what is remembered of the claims: each piece was paid for by a claim.
fn forget<S: StateWrite>(state: &mut S, node: &NodeKey, number: u64) -> Result<(), StateError> {
    for (key, _) in state.scan(&state_key::all_claimed(node, number), None, MOST_PIECES)? {
        state.delete(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    #[test]
    fn every_leaf_has_a_bit_of_its_own() {
        let (mut state, node) = (MemoryState::default(), NodeKey([1; 32]));
        put(&mut state, &node, OpenEpoch { epoch: 3, left: 1 });
        let leaves = [0, 1, 7, 8, 2_047, 2_048, 2_049, MAX_ACCOUNTS - 1];
        for (at, index) in leaves.iter().enumerate() {
            mark(&mut state, &node, 3, *index).unwrap();
            for (other, index) in leaves.iter().enumerate() {
                assert_eq!(is_claimed(&state, &node, 3, *index).unwrap(), other <= at);
            }
        }
        let keys = |state: &MemoryState| state.scan(&state_key::all_claimed(&node, 3), None, 999).unwrap();
        assert_eq!(keys(&state).len(), 3);
        assert!(keys(&state).iter().all(|(_, piece)| piece.len() <= 259));
        forget(&mut state, &node, 3).unwrap();
        assert!(keys(&state).is_empty());
    }
}
