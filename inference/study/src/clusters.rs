//! Near-duplicates count once, for whoever said it first.
//!
//! Pay goes to clusters of near-duplicates and not to identities, by three rules that together make splitting, copying
//! and near-copying worthless:
//!
//! 1. Only a cluster's first record is trained on ([`Clusters::representatives`]): a copy does not make the original's
//!    influence grow, and training is the same with it or without.
//! 2. It belongs to whoever gave that first record.
//! 3. What pays is added up with its sign, by contribution ([`datanet_training::attribution::pay`]).

use datanet_training::attribution::Rows;

/// Which records say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// The first record of each record's cluster.
    first: Vec<usize>,
}

impl Clusters {
    /// Every record by itself.
    pub fn single(records: usize) -> Self {
        Self { first: (0..records).collect() }
    }

    /// Records with the same key are one cluster. They must be in the order in which they became final.
    pub fn by_key<K: Ord>(keys: impl IntoIterator<Item = K>) -> Self {
        let mut leaders = std::collections::BTreeMap::new();
        let first = keys.into_iter().enumerate().map(|(record, key)| *leaders.entry(key).or_insert(record));
        Self { first: first.collect() }
    }

    /// Each record repeats an earlier one that `repeats` names, or none. A name that is not earlier is ignored.
    pub fn by_repeats(repeats: &[Option<usize>]) -> Self {
        let mut first: Vec<usize> = Vec::with_capacity(repeats.len());
        for (record, repeats) in repeats.iter().enumerate() {
            first.push(repeats.filter(|earlier| *earlier < record).map_or(record, |earlier| first[earlier]));
        }
        Self { first }
    }

    /// Vectors [n, D] within `distance` (Euclidean) of a cluster's first one belong to it. O(n times clusters times D).
    pub fn by_distance(vectors: &Rows, distance: f32) -> Self {
        let mut leaders: Vec<usize> = Vec::new();
        let mut first = Vec::with_capacity(vectors.rows);
        let near = |a: usize, b: usize| {
            let square: f32 = vectors.row(a).iter().zip(vectors.row(b)).map(|(x, y)| (x - y) * (x - y)).sum();
            square <= distance * distance
        };
        for record in 0..vectors.rows {
            match leaders.iter().find(|leader| near(record, **leader)) {
                Some(leader) => first.push(*leader),
                None => {
                    leaders.push(record);
                    first.push(record);
                }
            }
        }
        Self { first }
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.first.len()
    }

    /// The first record of a record's cluster.
    pub fn first(&self, record: usize) -> usize {
        self.first[record]
    }

    /// The first record of each cluster, in order: what to train on.
    pub fn representatives(&self) -> Vec<usize> {
        (0..self.first.len()).filter(|record| self.first[*record] == *record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_say_it_holds_the_column() {
        let clusters = Clusters::by_key(["a", "b", "a", "c", "b"]);
        assert_eq!(clusters.representatives(), [0, 1, 3]);
    }

    #[test]
    fn repeats_of_repeats_are_one_cluster() {
        let clusters = Clusters::by_repeats(&[None, Some(0), Some(1), Some(9), None]);
        assert_eq!((0..5).map(|record| clusters.first(record)).collect::<Vec<_>>(), [0, 0, 0, 3, 4]);
    }

    #[test]
    fn near_vectors_are_one_cluster() {
        let vectors = Rows { rows: 3, columns: 2, data: vec![0.0, 0.0, 3.0, 0.0, 0.1, 0.1] };
        assert_eq!(Clusters::by_distance(&vectors, 0.2).representatives(), [0, 1]);
    }
}
