//! Locks by key, of which there are any number: what has the same key waits for one another, what has not never does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Locks that are dropped once nobody has them are swept when there are so many, and at twice as many as were left then.
const SWEPT_AT: usize = 256;

/// See the module; clones share the locks.
#[derive(Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    locks: BTreeMap<Vec<u8>, Weak<tokio::sync::Mutex<()>>>,
    sweep_at: usize,
}

impl Lanes {
    /// Holds the lane of a key until the guard is dropped.
    pub(crate) async fn hold(&self, key: &[u8]) -> OwnedMutexGuard<()> {
        self.lane(key).lock_owned().await
    }

    fn lane(&self, key: &[u8]) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.locks.len() > known.sweep_at.max(SWEPT_AT) {
            known.locks.retain(|_, lock| lock.strong_count() > 0);
            known.sweep_at = known.locks.len().saturating_mul(2);
        }
        if let Some(lock) = known.locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        known.locks.insert(key.to_vec(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_key_waits_and_what_nobody_holds_is_forgotten() {
        let lanes = Lanes::default();
        let held = lanes.hold(&[1, 1]).await;
        // The first byte is the same: whoever chooses his keys stands in nobody else's way.
        drop(lanes.hold(&[1, 2]).await);
        assert!(lanes.lane(&[1, 1]).try_lock().is_err());
        for n in 0..10_000_u32 {
            drop(lanes.hold(&n.to_le_bytes()).await);
        }
        assert!(lanes.0.lock().unwrap().locks.len() <= SWEPT_AT + 2);
        assert!(lanes.lane(&[1, 1]).try_lock().is_err(), "what is held is not");
        drop(held);
        assert!(lanes.lane(&[1, 1]).try_lock().is_ok());
    }
}
