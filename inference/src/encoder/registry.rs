//! The adapters that requests can name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::bank::Loaded;
use super::{Head, ServeError};

/// Name of a loaded adapter: the id of the release that it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterKey(pub [u8; 32]);

impl fmt::Display for AdapterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AdapterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdapterKey({self})")
    }
}

/// A loaded adapter with the head that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) head: Option<Arc<Head>>,
}

impl Entry {
    /// Whether a request that has not been answered holds it.
    fn in_use(&self) -> bool {
        Arc::strong_count(&self.loaded) > 1
    }
}

/// Adapters by key, at most `limit`.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<AdapterKey, (Entry, u64)>,
    clock: u64,
}

impl Registry {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), limit }
    }

    /// Adds an adapter, or replaces the one of that key; the one used longest ago makes room, and none that a request
    /// holds.
    pub(crate) fn insert(&self, key: AdapterKey, entry: Entry) -> Result<(), ServeError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_key.len() >= self.limit && !entries.by_key.contains_key(&key) {
            let idle = entries.by_key.iter().filter(|(_, (entry, _))| !entry.in_use());
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            let oldest = oldest.ok_or(ServeError::AdaptersInUse { limit: self.limit })?;
            tracing::debug!(adapter = %oldest, "the adapter used longest ago is unloaded");
            entries.by_key.remove(&oldest);
        }
        entries.clock += 1;
        let used = entries.clock;
        entries.by_key.insert(key, (entry, used));
        Ok(())
    }

    /// Forgets an adapter; requests that hold it are still answered. Whether it was there.
    pub(crate) fn remove(&self, key: &AdapterKey) -> bool {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).by_key.remove(key).is_some()
    }

    /// The adapter of that key, which is thereby used.
    pub(crate) fn get(&self, key: &AdapterKey) -> Result<Entry, ServeError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let now = entries.clock;
        let (entry, used) = entries.by_key.get_mut(key).ok_or(ServeError::UnknownAdapter(*key))?;
        *used = now;
        Ok(entry.clone())
    }

    /// The keys, in order.
    pub(crate) fn keys(&self) -> Vec<AdapterKey> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<AdapterKey> = entries.by_key.keys().copied().collect();
        keys.sort_unstable();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::adapter;
    use super::*;

    fn key(number: u8) -> AdapterKey {
        AdapterKey([number; 32])
    }

    fn entry() -> Entry {
        Entry { loaded: Arc::new(Loaded::new(Arc::new(adapter(&[], 1, 0))).unwrap()), head: None }
    }

    #[test]
    fn the_adapter_used_longest_ago_is_forgotten_unless_a_request_holds_it() {
        let registry = Registry::new(2);
        registry.insert(key(1), entry()).unwrap();
        registry.insert(key(2), entry()).unwrap();
        let held = registry.get(&key(1)).unwrap();
        drop(registry.get(&key(2)).unwrap());
        registry.insert(key(3), entry()).unwrap();
        assert_eq!(registry.keys(), [key(1), key(3)], "one is older, but in use");
        let _also = registry.get(&key(3)).unwrap();
        assert!(matches!(registry.insert(key(4), entry()), Err(ServeError::AdaptersInUse { limit: 2 })));
        drop(held);
        registry.insert(key(4), entry()).unwrap();
        assert!(matches!(registry.get(&key(1)), Err(ServeError::UnknownAdapter(_))));
    }

    #[test]
    fn a_key_can_be_replaced_and_removed() {
        let registry = Registry::new(1);
        registry.insert(key(1), entry()).unwrap();
        let old = registry.get(&key(1)).unwrap();
        registry.insert(key(1), entry()).unwrap();
        assert!(!Arc::ptr_eq(&old.loaded, &registry.get(&key(1)).unwrap().loaded));
        assert!(registry.remove(&key(1)));
        assert!(!registry.remove(&key(1)));
    }
}
