//! What was used last, up to so many bytes.

use std::collections::VecDeque;

/// Values by key, those used last last.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    all: VecDeque<(K, V, usize)>,
    /// Of all that is there.
    bytes: usize,
    most_bytes: usize,
    most: usize,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// Room for `most` values of `most_bytes` bytes together.
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { all: VecDeque::new(), bytes: 0, most_bytes, most }
    }

    /// What is there, which is used now.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let at = self.all.iter().position(|(other, ..)| other == key)?;
        let found = self.all.remove(at)?;
        let value = found.1.clone();
        self.all.push_back(found);
        Some(value)
    }

    /// Whether it is there.
    pub(super) fn has(&self, key: &K) -> bool {
        self.all.iter().any(|(other, ..)| other == key)
    }

    /// Adds a value of so many bytes; what was not used for longest goes for it.
    pub(super) fn put(&mut self, key: K, value: V, bytes: usize) {
        if let Some((.., before)) =
            self.all.iter().position(|(other, ..)| *other == key).and_then(|at| self.all.remove(at))
        {
            self.bytes = self.bytes.saturating_sub(before);
        }
        self.all.push_back((key, value, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > self.most_bytes || self.all.len() > self.most {
            let Some((.., bytes)) = self.all.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_and_what_is_larger_than_all_the_room_does_not() {
        let mut recent = Recent::new(3, 100);
        (0..3).for_each(|key| recent.put(key, key * 10, 30));
        assert_eq!(recent.get(&0), Some(0));
        recent.put(3, 30, 30);
        assert!(recent.has(&0) && recent.has(&2) && recent.has(&3) && !recent.has(&1));
        recent.put(0, 5, 60);
        assert_eq!((recent.get(&0), recent.has(&2), recent.bytes), (Some(5), false, 90));
        recent.put(9, 90, 101);
        assert!(recent.all.is_empty() && recent.bytes == 0);
    }
}
