//! What was read and written of late, so that the same few values are not looked up in the database again and again: each CheckTx reads the
//! account and the parameters that the one before has read.
//!
//! ```text
//!   snapshot of height h ── its recent values ──(commit: what h + 1 changed)──► snapshot of height h + 1
//!        └── has none from then on, and reads the database
//! ```
//!
//! A value is remembered with the state that it is of, and what is not there too. Nothing else hangs on it: gas is counted above
//! ([`crate::state::ChangeLog`]), whatever is remembered.

use std::sync::{Mutex, PoisonError};

use crate::state::Changes;

/// Bytes of keys and values that are remembered, with what an entry takes beside: a few thousand accounts.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What an entry takes beside its key and value.
const ENTRY_BYTES: usize = 96;

/// The recent values of one state, while it is the latest.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Option<Values>>);

/// Nobody walks over it, so that its order is nobody's.
#[expect(clippy::disallowed_types, reason = "looked up by key and never iterated: nothing can hang on its order")]
type Known = std::collections::HashMap<String, Option<Vec<u8>>>;

/// Two generations: what is found in the old one is young again; when the young one has half of the room it becomes the old one, and what
/// nobody has asked for since is forgotten.
#[derive(Debug, Default)]
struct Values {
    young: Known,
    old: Known,
    young_bytes: usize,
}

impl Values {
    fn get(&mut self, key: &str) -> Option<Option<Vec<u8>>> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: String, value: Option<Vec<u8>>) {
        let bytes = key.len().saturating_add(value.as_ref().map_or(0, Vec::len)).saturating_add(ENTRY_BYTES);
        if bytes > MOST_BYTES / 8 {
            self.young.remove(&key);
            self.old.remove(&key);
            return;
        }
        self.young.insert(key, value);
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        if self.young_bytes >= MOST_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

impl Recent {
    /// Of a state that is the latest; nothing is remembered yet.
    pub(super) fn empty() -> Self {
        Self(Mutex::new(Some(Values::default())))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Values) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(act)
    }

    /// What is remembered of `key`: its value, or that there is none.
    pub(super) fn get(&self, key: &str) -> Option<Option<Vec<u8>>> {
        self.with(|values| values.get(key)).flatten()
    }

    /// Remembers what was read.
    pub(super) fn put(&self, key: &str, value: Option<&[u8]>) {
        self.with(|values| values.put(key.to_owned(), value.map(<[u8]>::to_vec)));
    }

    /// What is remembered, for the state after these changes. This one has nothing more.
    pub(super) fn after(&self, changes: Changes) -> Self {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(values) = &mut values {
            for (key, value) in changes {
                values.old.remove(&key);
                values.put(key, value);
            }
        }
        Self(Mutex::new(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(entries: &[(&str, Option<&str>)]) -> Changes {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.map(|value| value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn what_is_remembered_goes_on_with_the_state_and_the_former_one_forgets_it() {
        let first = Recent::empty();
        first.put("a", Some(b"1"));
        first.put("b", None);
        assert_eq!((first.get("a"), first.get("b"), first.get("c")), (Some(Some(b"1".to_vec())), Some(None), None));
        let second = first.after(changes(&[("a", None), ("b", Some("2"))]));
        assert_eq!((second.get("a"), second.get("b")), (Some(None), Some(Some(b"2".to_vec()))));
        first.put("a", Some(b"1"));
        assert_eq!((first.get("a"), first.get("b")), (None, None), "it is not the latest");
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let recent = Recent::empty();
        recent.put("often", Some(b"1"));
        for n in 0..200_000u32 {
            recent.put(&format!("once/{n}"), None);
            if n % 100 == 0 {
                assert!(recent.get("often").is_some(), "{n}");
            }
        }
        assert_eq!(recent.get("once/0"), None);
        let entries = recent.with(|values| values.young.len() + values.old.len()).unwrap();
        assert!(entries * (ENTRY_BYTES + 6) < MOST_BYTES + 1_000, "{entries}");
        recent.put("large", Some(&vec![0; MOST_BYTES]));
        assert_eq!(recent.get("large"), None);
    }
}
