//! Letting go of epochs of which everything is paid.
//!
//! An epoch that is over stays for [`Params::forget_seconds`], and as long as anybody has something to claim of it. Its number is never given
//! again, since its node's latest is kept; and of a number that is not there any more everything was claimed, so that a claim of it is
//! passed over.

use datanet_types::NodeKey;

use super::{Epoch, Place, escrow, state_key};
use crate::component::agenda::{self, Kind};
use crate::component::{BlockContext, Event, Params, audits};
use crate::state::{StateError, StateWrite};

/// An epoch is final or void: it will be forgotten.
pub(super) fn schedule<S: StateWrite>(state: &mut S, epoch: &mut Epoch, params: &Params) {
    epoch.lapses_at = epoch.final_at.saturating_add(params.forget_seconds);
    agenda::schedule(state, Kind::ForgetEpoch, epoch.lapses_at, &Place::of(epoch));
}

/// The last of an epoch was claimed: if its time is over, nothing waits for it any more.
pub(super) fn claimed_whole<S: StateWrite>(state: &mut S, block: &BlockContext, epoch: &Epoch) {
    if epoch.lapses_at <= block.seconds() {
        delete(state, &epoch.node, epoch.epoch);
    }
}

/// Forgets an epoch that is due, with its audit; one with something left goes with its last claim.
pub(in crate::component) fn forget<S: StateWrite>(state: &mut S, place: &Place) -> Result<Vec<Event>, StateError> {
    let Place { node, epoch } = place;
    audits::forget(state, node, *epoch);
    if escrow::open(state, node, *epoch)?.is_none() {
        delete(state, node, *epoch);
    }
    Ok(Vec::new())
}

/// An epoch goes with the names of those who keep its statement: nobody needs it any more.
fn delete<S: StateWrite>(state: &mut S, node: &NodeKey, epoch: u64) {
    state.delete(state_key::epoch(node, epoch));
    state.delete(state_key::kept(node, epoch));
}
