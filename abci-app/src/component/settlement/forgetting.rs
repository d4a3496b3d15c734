//! Letting go of epochs of which everything is paid.
//!
//! An epoch that is over stays for [`Params::forget_seconds`], and as long as anybody has something to claim of it. Its number is never given
//! again, since its node's latest is kept; and of a number that is not there any more everything was claimed, so that a claim of it is
//! passed over.

use datanet_types::NodeKey;

use super::closing::Due;
use super::{Epoch, escrow, state_key};
use crate::component::{BlockContext, Params, audits};
use crate::state::{StateError, StateWrite};

/// Epochs looked at in one block at most; what is left is first in the next.
const MAX_A_BLOCK: usize = 256;

/// An epoch is final or void: it will be forgotten.
pub(super) fn schedule<S: StateWrite>(state: &mut S, epoch: &mut Epoch, params: &Params) {
    let due = Due { node: epoch.node, epoch: epoch.epoch };
    epoch.lapses_at = epoch.final_at.saturating_add(params.forget_seconds);
    state.put(state_key::lapsed(epoch.lapses_at, &epoch.node, epoch.epoch), &due);
}

/// The last of an epoch was claimed: if its time is over, nothing waits for it any more.
pub(super) fn claimed_whole<S: StateWrite>(state: &mut S, block: &BlockContext, epoch: &Epoch) {
    if epoch.lapses_at <= block.seconds() {
        state.delete(state_key::epoch(&epoch.node, epoch.epoch));
    }
}

/// Forgets at the end of a block what is due, oldest first: audits, and epochs with nothing left. One with something left goes with its last
/// claim.
pub(in crate::component) fn forget_due<S: StateWrite>(state: &mut S, block: &BlockContext) -> Result<(), StateError> {
    let not_yet = state_key::lapsed_at(block.seconds().saturating_add(1));
    for (key, Due { node, epoch }) in state.due::<Due>(&state_key::all_lapsed(), &not_yet, MAX_A_BLOCK)? {
        state.delete(key);
        forget(state, &node, epoch)?;
    }
    Ok(())
}

fn forget<S: StateWrite>(state: &mut S, node: &NodeKey, number: u64) -> Result<(), StateError> {
    audits::forget(state, node, number);
    if escrow::open(state, node, number)?.is_none() {
        state.delete(state_key::epoch(node, number));
    }
    Ok(())
}
