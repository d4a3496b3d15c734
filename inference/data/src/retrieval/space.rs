//! Which rows of the vector file are free.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Consecutive rows of the vector file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// The first row.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u64,
}

impl Extent {
    /// One row behind the last.
    pub(super) fn end(self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// Free rows: holes that removals left, and everything behind the last row in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreeSpace {
    /// Holes by first row; never adjacent, never touching `end`.
    holes: BTreeMap<u64, u64>,
    /// One row behind the last in use.
    end: u64,
}

impl FreeSpace {
    /// What `used` leaves; `None` if two of them overlap, which no sound index has.
    pub(super) fn around(used: impl IntoIterator<Item = Extent>) -> Option<Self> {
        let mut used: Vec<Extent> = used.into_iter().filter(|extent| extent.count > 0).collect();
        used.sort_by_key(|extent| extent.first);
        let mut free = Self::default();
        for extent in used {
            if extent.first < free.end {
                return None;
            }
            if extent.first > free.end {
                free.holes.insert(free.end, extent.first - free.end);
            }
            free.end = extent.end();
        }
        Some(free)
    }

    /// One row behind the last in use.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The free rows before the end.
    pub(super) fn holes(&self) -> impl Iterator<Item = Extent> {
        self.holes.iter().map(|(first, count)| Extent { first: *first, count: *count })
    }

    /// Takes `count` consecutive rows: the first hole that has them, else behind the end.
    pub(super) fn take(&mut self, count: u64) -> Extent {
        let hole = self.holes.iter().find(|(_, size)| **size >= count).map(|(first, size)| (*first, *size));
        let Some((first, size)) = hole else {
            let first = self.end;
            self.end = first.saturating_add(count);
            return Extent { first, count };
        };
        self.holes.remove(&first);
        if size > count {
            self.holes.insert(first + count, size - count);
        }
        Extent { first, count }
    }

    /// Gives rows back, joining them with their free neighbours.
    pub(super) fn give(&mut self, extent: Extent) {
        if extent.count == 0 {
            return;
        }
        let (mut first, mut end) = (extent.first, extent.end());
        if let Some((&before, &size)) = self.holes.range(..first).next_back()
            && before + size == first
        {
            self.holes.remove(&before);
            first = before;
        }
        if let Some(size) = self.holes.remove(&end) {
            end += size;
        }
        if end == self.end {
            self.end = first;
        } else {
            self.holes.insert(first, end - first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlapping_extents_are_not_a_sound_index() {
        let extent = |first, count| Extent { first, count };
        assert_eq!(FreeSpace::around([extent(0, 3), extent(2, 2)]), None);
        assert_eq!(FreeSpace::around([extent(4, 2), extent(1, 2)]).unwrap().take(1), extent(0, 1));
    }

    proptest! {
        #[test]
        fn no_row_is_given_twice_and_the_holes_are_what_the_used_rows_leave(
            steps in prop::collection::vec((any::<bool>(), 1u64..9, any::<prop::sample::Index>()), 1..80),
        ) {
            let mut free = FreeSpace::default();
            let mut used: Vec<Extent> = Vec::new();
            for (take, count, pick) in steps {
                if take || used.is_empty() {
                    let taken = free.take(count);
                    prop_assert!(used.iter().all(|other| taken.end() <= other.first || other.end() <= taken.first));
                    used.push(taken);
                } else {
                    free.give(used.swap_remove(pick.index(used.len())));
                }
                prop_assert_eq!(FreeSpace::around(used.clone()), Some(free.clone()));
            }
        }
    }
}
