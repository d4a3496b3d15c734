//! Locks by key, of which there are any number: what has the same key waits for one another, what has not seldom does.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// Enough that different keys seldom meet.
const LANES: usize = 256;

/// See the module; clones share the locks.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<[Mutex<()>]>);

impl Default for Lanes {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(LANES).collect())
    }
}

impl Lanes {
    /// Holds the lane of a key, a hash of which the first byte is as good as any, until the guard is dropped.
    pub(crate) async fn hold(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        let first = key.first().copied().unwrap_or_default();
        self.0[usize::from(first) % LANES].lock().await
    }
}
