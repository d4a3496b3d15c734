//! Near-duplicates count once, for whoever said it first.
//!
//! Pay goes to clusters of near-duplicates and not to identities, by three rules that together make splitting, copying
//! and near-copying worthless:
//!
//! 1. Only a cluster's first record is trained on ([`Clusters::representatives`]): a copy does not make the original's
//!    influence grow, and training is the same with it or without.
//! 2. The column belongs to the contributor of that first record ([`Clusters::belonging`]).
//! 3. What earns is a cluster's positive value over the epoch, before anything is added up by identity ([`pay`]). If
//!    positives were taken by contributor, whoever split off their harmful records to another name would gain.

use super::{audit::Belonging, model::Rows};

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

    /// A column for each cluster, in the order of their first records, held by the contributor of that record; every
    /// record maps to its cluster's column.
    pub fn belonging(&self, contributors: &[usize]) -> Belonging {
        let mut column = vec![0; self.first.len()];
        let mut contributor_of = Vec::new();
        for record in self.representatives() {
            column[record] = contributor_of.len();
            contributor_of.push(contributors[record]);
        }
        Belonging { column_of: self.first.iter().map(|first| Some(column[*first])).collect(), contributor_of }
    }
}

/// How an epoch's values become shares of its pay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PayRule {
    /// A cluster earns at most so many times what positive clusters earn on average; what is above is nobody's.
    pub cap: Option<f64>,
}

impl Default for PayRule {
    /// Ten times the mean: out of the way of good records, and a bound on what one that was made to dominate can take.
    fn default() -> Self {
        Self { cap: Some(10.0) }
    }
}

/// The share of an epoch's pay that each contributor earns, from values [columns, Q] of its answers and what each of
/// those paid (all the same if `fees` is empty). At least 0 each; they sum to 1, or to less where the cap took
/// something.
pub fn pay(values: &Rows, fees: &[f32], belonging: &Belonging, rule: PayRule) -> Vec<f64> {
    let fee = |answer: usize| f64::from(fees.get(answer).copied().unwrap_or(1.0));
    let worth =
        |row: &[f32]| row.iter().enumerate().map(|(answer, value)| fee(answer) * f64::from(*value)).sum::<f64>();
    let positive: Vec<f64> = values.iter().map(|row| worth(row).max(0.0)).collect();
    let total: f64 = positive.iter().sum();
    let mut shares = vec![0.0; belonging.contributors()];
    if total <= 0.0 {
        return shares;
    }
    let count = positive.iter().filter(|value| **value > 0.0).count() as f64;
    let most = rule.cap.map_or(f64::INFINITY, |cap| cap * total / count);
    for (value, contributor) in positive.iter().zip(&belonging.contributor_of) {
        shares[*contributor] += value.min(most) / total;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_to_say_it_holds_the_column() {
        let clusters = Clusters::by_key(["a", "b", "a", "c", "b"]);
        assert_eq!(clusters.representatives(), [0, 1, 3]);
        let belonging = clusters.belonging(&[7, 1, 2, 2, 2]);
        assert_eq!(belonging.contributor_of, [7, 1, 2]);
        assert_eq!(belonging.column_of, [Some(0), Some(1), Some(0), Some(2), Some(1)]);
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

    #[test]
    fn harmful_clusters_earn_nothing_and_none_earns_without_limit() {
        let values = Rows { rows: 4, columns: 2, data: vec![1.0, 1.0, 2.0, -3.0, 1.0, 1.0, 96.0, 0.0] };
        let belonging = Belonging::by_record(&[0, 0, 1, 2]);
        let shares = pay(&values, &[], &belonging, PayRule { cap: None });
        assert_eq!(shares, [0.02, 0.02, 0.96]);
        let capped = pay(&values, &[], &belonging, PayRule { cap: Some(2.0) });
        assert!((capped[2] - 2.0 / 3.0).abs() < 1e-12 && capped[0] == 0.02);
        assert_eq!(pay(&values, &[0.0, 1.0], &belonging, PayRule { cap: None }), [0.5, 0.5, 0.0]);
        assert_eq!(pay(&Rows::zeros(4, 2), &[], &belonging, PayRule::default()), [0.0; 3]);
    }

    proptest! {
        #[test]
        fn splitting_an_identity_changes_nothing(
            values in proptest::collection::vec(-1f32..1.0, 12),
            owners in proptest::collection::vec(0usize..3, 12),
            split in proptest::collection::vec(any::<bool>(), 12),
        ) {
            let values = Rows { rows: 12, columns: 1, data: values };
            let whole = pay(&values, &[], &Belonging::by_record(&owners), PayRule::default());
            let rename = |(owner, split): (&usize, &bool)| if *owner == 0 && *split { 3 } else { *owner };
            let parted: Vec<usize> = owners.iter().zip(&split).map(rename).collect();
            let parts = pay(&values, &[], &Belonging::by_record(&parted), PayRule::default());
            let of = |shares: &[f64], one: usize| shares.get(one).copied().unwrap_or_default();
            prop_assert!((of(&whole, 0) - of(&parts, 0) - of(&parts, 3)).abs() < 1e-9);
        }
    }
}
