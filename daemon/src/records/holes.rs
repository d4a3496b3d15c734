//! Final contributions that cannot be had: their bytes are nowhere, or are no records.
//!
//! Nobody can promise that bytes outlive their holders, so one contribution must not hold up all answers of its datanet.
//! What was tried in vain for a while is left out of answers, and every receipt names what was left out; as soon as the
//! bytes are there again, answers rest on them again.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use datanet_types::ContributionId;

/// The contributions that this node has tried in vain to have; clones share what they know. Learnt anew after a start.
#[derive(Debug, Clone, Default)]
pub struct Holes(Arc<RwLock<BTreeSet<ContributionId>>>);

impl Holes {
    /// It was tried in vain for a while.
    pub fn add(&self, id: ContributionId) {
        if self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id) {
            tracing::warn!(contribution = %id, "a contribution cannot be had; answers go on without it, and say so");
        }
    }

    /// It is here after all, or wanted no more.
    pub fn remove(&self, id: &ContributionId) {
        if self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id) {
            tracing::info!(contribution = %id, "a contribution that could not be had is here, or wanted no more");
        }
    }

    /// Whether a contribution is left out.
    pub fn contains(&self, id: &ContributionId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}
