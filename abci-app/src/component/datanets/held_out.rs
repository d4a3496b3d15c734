//! The held-out sets of a datanet, one after the other: which one a contribution is judged with is settled when it is given.
//!
//! ```text
//!   create_datanet: set 0 ──────────────┬────────────────────┬──────────► holds until the next one does
//!                     rotate_holdout: set 1, announced ──────┘
//!                                       └─ holdout_delay_seconds ─┘
//! ```
//!
//! A contribution has the number of the set that holds in the block with it. What was announced and does not hold yet is replaced by another
//! announcement, whose delay begins anew; sets that held stay, since contributions and models name them.

use datanet_types::BlobHash;

use super::{Datanet, state_key};
use crate::state::{StateError, StateRead, StateWrite};

/// A held-out set.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct HeldOut {
    /// Its blob.
    #[prost(message, required, tag = "1")]
    pub blob: BlobHash,
    /// Its size in bytes.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// Block time from which contributions that are given are judged with it, in seconds since 1970; 0 for the first.
    #[prost(uint64, tag = "3")]
    pub from: u64,
}

/// A datanet's set of this number; none where no such set was announced.
///
/// # Errors
/// When the store cannot be read.
pub fn held_out<S: StateRead>(state: &S, datanet: &Datanet, number: u32) -> Result<Option<HeldOut>, StateError> {
    match number {
        0 => Ok(Some(HeldOut { blob: datanet.holdout, size: datanet.holdout_size, from: 0 })),
        _ => state.get(&state_key::holdout(&datanet.id, number)),
    }
}

/// The set of this number, which a record of the ledger's own names.
///
/// # Errors
/// When the store cannot be read, or the set is not there.
pub fn expect_held_out<S: StateRead>(state: &S, datanet: &Datanet, number: u32) -> Result<HeldOut, StateError> {
    let key = state_key::holdout(&datanet.id, number);
    let reason = "a record names this held-out set, but it is not there".to_owned();
    held_out(state, datanet, number)?.ok_or(StateError::Contradiction { key, reason })
}

/// The number of the set that contributions are judged with which are given at block time `now`: the last one, unless it does not hold yet.
///
/// # Errors
/// When the store cannot be read, or the last set is not there.
pub fn held_out_now<S: StateRead>(state: &S, datanet: &Datanet, now: u64) -> Result<u32, StateError> {
    let last = datanet.rotations;
    let holds = expect_held_out(state, datanet, last)?.from <= now;
    Ok(if holds { last } else { last.saturating_sub(1) })
}

/// Announces the next set, in the place of one that does not hold yet; returns its number. The caller stores the datanet.
pub(super) fn announce<S: StateWrite>(
    state: &mut S,
    datanet: &mut Datanet,
    now: u64,
    next: &HeldOut,
) -> Result<u32, StateError> {
    datanet.rotations = held_out_now(state, datanet, now)?.saturating_add(1);
    state.put(state_key::holdout(&datanet.id, datanet.rotations), next);
    Ok(datanet.rotations)
}
