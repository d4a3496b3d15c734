//! What records earn: group by group, whoever gave them.
//!
//! A rule that takes the positive part of what a *contributor* did can be gamed: whoever spreads records over two names
//! turns a sum of good and bad into a good and a bad, and is paid for the good one. Measured on the digits, two names
//! earned 1.3 to 1.5 times as much as one, and a name for every record 4 times. So nothing here knows names:
//!
//! 1. Records are in **groups**: each by itself while there are few, else so many neighbours of one source that the groups
//!    can be followed through training; what is left of several sources shares a group.
//! 2. A group whose mean value over the held-out answers is not positive earns nothing ([`Eligibility`]): that is settled with
//!    the release. Without it, noise is paid for every answer that it happens to help.
//! 3. An answer pays each other group the positive part of its value for that answer, its records alike, and none of them
//!    more than [`MOST`] times their median: a record that was made to dominate takes a bounded part of any fee that
//!    others have helped to earn.
//!
//! Near-duplicates never come this far: only the first of them is trained on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::Belonging;
use super::model::Rows;

/// What a group earns by an answer at most, in medians of what the groups that helped it did. Whoever is above has half of
/// them below, so that of n groups no one takes more than 2 x 20 / (n + 40) of a fee.
pub const MOST: f32 = 20.0;

/// Which columns of a table are followed, and which of them earn together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The column of each record, and the source of each column.
    pub belonging: Belonging,
    /// The group of each column.
    group_of: Vec<usize>,
}

impl Groups {
    /// Every record by itself; `sources` says whose each is.
    pub fn by_record(sources: &[usize]) -> Self {
        let belonging = Belonging::by_record(sources);
        Self { group_of: (0..belonging.columns()).collect(), belonging }
    }

    /// Groups of records of one source in their order; what is left of a source is put together with what is left of the
    /// next ones until there are at least as many as in a group. The groups are the smallest that make at most `columns`
    /// columns. Where there are more sources than that, each is a group.
    pub fn within(sources: &[usize], count: usize, columns: usize) -> Self {
        let Some(free) = columns.checked_sub(count).filter(|free| *free > 0) else {
            return Self { belonging: Belonging::by_contributor(sources, count), group_of: (0..count).collect() };
        };
        Self::of_size(sources, count, sources.len().div_ceil(free).max(2))
    }

    /// Groups of `size` records of one of `count` sources, and what is left of them put together, whatever the columns.
    pub fn of_size(sources: &[usize], count: usize, size: usize) -> Self {
        let mut records: Vec<Vec<usize>> = vec![Vec::new(); count];
        sources.iter().enumerate().for_each(|(record, source)| records[*source].push(record));
        let mut column_of = vec![None; sources.len()];
        let (mut contributor_of, mut group_of) = (Vec::new(), Vec::new());
        let mut column = |source: usize, records: &[usize], group: usize| {
            records.iter().for_each(|record| column_of[*record] = Some(contributor_of.len()));
            contributor_of.push(source);
            group_of.push(group);
        };
        let mut groups = 0;
        for (source, records) in records.iter().enumerate() {
            for records in records.chunks_exact(size) {
                column(source, records, groups);
                groups += 1;
            }
        }
        let mut filled = 0;
        for (source, records) in records.iter().enumerate() {
            let rest = records.chunks_exact(size).remainder();
            if rest.is_empty() {
                continue;
            }
            if filled >= size {
                (groups, filled) = (groups + 1, 0);
            }
            column(source, rest, groups);
            filled += rest.len();
        }
        Self { belonging: Belonging { column_of, contributor_of }, group_of }
    }

    /// Whether each record is a column, in their order.
    pub fn is_by_record(&self) -> bool {
        self.belonging.column_of.iter().enumerate().all(|(record, column)| *column == Some(record))
    }

    /// Which groups earn, by the values `[columns, Q]` of the held-out answers.
    pub fn eligibility(&self, values: &Rows) -> Eligibility {
        let mut sums = vec![0.0; self.group_of.iter().max().map_or(0, |last| last + 1)];
        for (row, group) in values.iter().zip(&self.group_of) {
            sums[*group] += row.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
        let column_of = self.belonging.column_of.iter().map(|column| column.unwrap_or(usize::MAX)).collect();
        let over = values.columns.max(1) as f64;
        let mean_value = sums.into_iter().map(|sum| (sum / over) as f32).collect();
        Eligibility { column_of, group_of: self.group_of.clone(), mean_value }
    }
}

/// Which groups of a release earn; part of it, so that what an answer pays is settled by blobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eligibility {
    /// The column of each training record.
    pub column_of: Vec<usize>,
    /// The group of each column.
    pub group_of: Vec<usize>,
    /// The mean value of each group for the held-out answers; one that is not above 0 earns nothing.
    pub mean_value: Vec<f32>,
}

impl Eligibility {
    /// Whether everything that is named exists, for a table of `columns`.
    pub fn fits(&self, columns: usize) -> bool {
        self.group_of.len() == columns
            && self.column_of.iter().all(|column| *column < columns)
            && self.group_of.iter().all(|group| *group < self.mean_value.len())
            && self.mean_value.len() <= columns
            && self.mean_value.iter().all(|value| value.is_finite())
    }

    /// Whether every record is a column, in their order.
    pub fn is_by_record(&self) -> bool {
        self.column_of.len() == self.group_of.len()
            && self.column_of.iter().enumerate().all(|(at, column)| at == *column)
    }

    /// How far the groups' mean values lie apart, over the length of the other's; infinite where the groups are others.
    pub fn apart(&self, other: &Self) -> f64 {
        let same = (&self.column_of, &self.group_of) == (&other.column_of, &other.group_of);
        if !same || self.mean_value.len() != other.mean_value.len() {
            return f64::INFINITY;
        }
        let length = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let apart = length(&mut self.mean_value.iter().zip(&other.mean_value).map(|(a, b)| a - b));
        apart / length(&mut other.mean_value.iter().copied()).max(f64::MIN_POSITIVE)
    }

    /// What each group earns by an answer with these `values` of the columns.
    pub fn earned(&self, values: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.mean_value.len()];
        values.iter().zip(&self.group_of).for_each(|(value, group)| sums[*group] += value);
        sums.iter_mut()
            .zip(&self.mean_value)
            .for_each(|(sum, value)| *sum = if *value > 0.0 { sum.max(0.0) } else { 0.0 });
        let mut helped: Vec<f32> = sums.iter().copied().filter(|sum| *sum > 0.0).collect();
        let middle = helped.len() / 2;
        if helped.len() > 1 {
            let (_, median, _) = helped.select_nth_unstable_by(middle, f32::total_cmp);
            let most = MOST * *median;
            sums.iter_mut().for_each(|sum| *sum = sum.min(most));
        }
        sums
    }

    /// The group of a record.
    pub fn group(&self, record: usize) -> Option<usize> {
        self.group_of.get(*self.column_of.get(record)?).copied()
    }

    /// How many records of each owner are in each group; `owner` says whose a record is, and `None` that nobody is paid for
    /// it.
    pub fn owners<K: Ord + Clone>(&self, owner: impl Fn(usize) -> Option<K>) -> Vec<Vec<(K, u64)>> {
        let mut owners: Vec<BTreeMap<K, u64>> = vec![BTreeMap::new(); self.mean_value.len()];
        for record in 0..self.column_of.len() {
            if let (Some(group), Some(owner)) = (self.group(record), owner(record)) {
                *owners[group].entry(owner).or_default() += 1;
            }
        }
        owners.into_iter().map(|group| group.into_iter().collect()).collect()
    }
}

/// The share of the fees of answers with these `values` `[columns, Q]` that each contributor earns, all answers paying the
/// same; they sum to 1, or to 0 where nothing earns.
pub fn shares(eligibility: &Eligibility, values: &Rows, contributors: &[usize]) -> Vec<f64> {
    let owners = eligibility.owners(|record| contributors.get(record).copied());
    let mut shares = vec![0.0; contributors.iter().max().map_or(0, |last| last + 1)];
    for answer in 0..values.columns {
        let column: Vec<f32> = values.iter().map(|row| row[answer]).collect();
        let earned = eligibility.earned(&column);
        let total: f64 = earned.iter().map(|earned| f64::from(*earned)).sum();
        if total <= 0.0 {
            continue;
        }
        for (earned, owners) in earned.iter().zip(&owners) {
            let records: u64 = owners.iter().map(|(_, records)| records).sum();
            for (owner, own) in owners {
                shares[*owner] += f64::from(*earned) / total * *own as f64 / records as f64;
            }
        }
    }
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(rows: usize, data: Vec<f32>) -> Rows {
        Rows { rows, columns: data.len() / rows, data }
    }

    #[test]
    fn few_records_are_lots_of_their_own() {
        let groups = Groups::by_record(&[0, 1, 0]);
        assert!(groups.is_by_record());
        let eligibility = groups.eligibility(&rows(3, vec![1.0, 1.0, -2.0, 1.0, 3.0, -1.0]));
        assert_eq!(eligibility.mean_value, [1.0, -0.5, 1.0]);
        assert_eq!(eligibility.earned(&[-1.0, 5.0, 2.0]), [0.0, 0.0, 2.0]);
        assert_eq!(shares(&eligibility, &rows(3, vec![1.0, 9.0, 3.0]), &[0, 1, 0]), [1.0, 0.0]);
    }

    #[test]
    fn no_lot_takes_more_than_its_bound() {
        let eligibility = Groups::by_record(&[0; 12]).eligibility(&rows(12, vec![1.0; 12]));
        let mut values = [1.0; 12];
        (values[3], values[5]) = (1e9, 1e8);
        let earned = eligibility.earned(&values);
        assert_eq!((earned[3], earned[5], earned[4]), (20.0, 20.0, 1.0));
        assert_eq!(eligibility.earned(&[0.0, 3.0])[1], 3.0, "who is alone has all");
    }

    #[test]
    fn many_records_share_lots_and_what_is_left_of_sources_shares_theirs() {
        // Five records of source 0, three of source 1, one of source 2.
        let groups = Groups::of_size(&[0, 1, 0, 0, 1, 0, 2, 0, 1], 3, 2);
        let of = |record: usize| groups.group_of[groups.belonging.column_of[record].unwrap()];
        assert_eq!([of(0), of(2), of(3), of(5), of(7)], [0, 0, 1, 1, 3]);
        assert_eq!([of(1), of(4), of(8), of(6)], [2, 2, 3, 4]);
        assert_eq!(groups.belonging.contributor_of, [0, 0, 1, 0, 1, 2]);
        assert!(!groups.is_by_record());
        let eligibility = groups.eligibility(&rows(6, vec![1.0; 6]));
        assert_eq!(eligibility.owners(|record| Some(record % 2)).concat().iter().map(|(_, n)| n).sum::<u64>(), 9);
    }

    #[test]
    fn as_many_lots_are_made_as_can_be_followed() {
        let sources: Vec<usize> = (0..1000).map(|record| record % 7).collect();
        for columns in [8, 20, 100, 300] {
            assert!(Groups::within(&sources, 7, columns).belonging.columns() <= columns, "{columns}");
        }
        assert!(Groups::within(&sources, 7, 300).belonging.columns() > 200);
        assert_eq!(Groups::within(&sources, 7, 7).belonging, Belonging::by_contributor(&sources, 7));
    }

    #[test]
    fn a_standing_of_something_else_is_seen() {
        let eligibility = Groups::by_record(&[0, 0]).eligibility(&rows(2, vec![1.0, 1.0]));
        assert!(eligibility.fits(2) && !eligibility.fits(3));
        assert!(!Eligibility { group_of: vec![0, 9], ..eligibility.clone() }.fits(2));
        assert!(!Eligibility { mean_value: vec![1.0; 3], ..eligibility.clone() }.fits(2));
        assert!(!Eligibility { column_of: vec![0, 2], ..eligibility.clone() }.fits(2));
        assert_eq!(eligibility.apart(&eligibility), 0.0);
        let flipped = eligibility.apart(&Eligibility { mean_value: vec![1.0, -1.0], ..eligibility.clone() });
        assert!((flipped - 2f64.sqrt()).abs() < 1e-9);
        assert!(eligibility.apart(&Eligibility { mean_value: vec![1.0], ..eligibility.clone() }).is_infinite());
    }

    proptest! {
        #[test]
        fn other_names_change_nothing_where_records_are_lots(
            data in prop::collection::vec(-1.0f32..1.0, 24),
            names in prop::collection::vec(0usize..4, 8),
        ) {
            let values = rows(8, data);
            let of = |contributors: &[usize]| shares(&Groups::by_record(contributors).eligibility(&values), &values, contributors);
            let (all, split) = (of(&[0, 0, 0, 0, 1, 1, 1, 1]), of(&[0, 2, 3, 4, 1, 1, 1, 1]));
            let attacker = split.iter().enumerate().filter(|(name, _)| *name != 1).map(|(_, share)| share).sum::<f64>();
            prop_assert!((all[0] - attacker).abs() < 1e-9);
            let sum: f64 = of(&names).iter().sum();
            prop_assert!(sum.abs() < 1e-9 || (sum - 1.0).abs() < 1e-9);
        }

        #[test]
        fn every_record_is_in_one_lot_and_lots_are_full(sources in prop::collection::vec(0usize..5, 1..200), size in 2usize..9) {
            let groups = Groups::of_size(&sources, 5, size);
            let mut held = vec![0; groups.group_of.iter().max().unwrap() + 1];
            for (record, column) in groups.belonging.column_of.iter().enumerate() {
                let column = column.unwrap();
                prop_assert_eq!(groups.belonging.contributor_of[column], sources[record]);
                held[groups.group_of[column]] += 1;
            }
            prop_assert!(held.iter().rev().skip(1).all(|held| (size..2 * size).contains(held)), "{:?}", held);
        }
    }
}
