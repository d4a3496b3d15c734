//! Random halves of the records: what pay is the mean over.
//!
//! At full data the derivative by a record's weight is its *marginal* use: near zero, and of either sign, wherever
//! others bring the same. Its mean over random halves of the data estimates the semivalue at one half (data Banzhaf):
//! good data is clearly positive there.
//!
//! Halves come in pairs, one that a seeded coin draws for each record and what it leaves out, so that every record is
//! in exactly one of each pair, and the sum over a contribution's records is the sum of its columns, whatever names
//! they are under. Each half follows all records: those that it learns from at their full weight, and those that are
//! out at the weight of nothing. What a record would add where it is missing is most of its worth, because what was
//! learnt from already hardly moves the model any more: on digits the derivatives of records that are in alone pay no
//! better than those at full data.

use super::model::Rows;
use super::replay::Replay;
use super::table::{Table, TableError};
use crate::random::Stream;

/// The halves, as many as `count` (an even number): true at the records that are left out.
pub fn draw(seed: u64, records: usize, count: usize) -> Vec<Vec<bool>> {
    let mut halves = Vec::with_capacity(count);
    for pair in 0..count / 2 {
        let coins = Stream::new("halves", seed, pair as u64).signs(records);
        let first: Vec<bool> = coins.iter().map(|coin| *coin > 0.0).collect();
        let second = first.iter().map(|out| !out).collect();
        halves.extend([first, second]);
    }
    halves
}

/// The mean of columns over halves, each added in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mean {
    sum: Rows,
    halves: usize,
}

impl Mean {
    /// Of `columns` and `parameters`, with nothing added.
    pub fn new(parameters: usize, columns: usize) -> Self {
        Self { sum: Rows::zeros(columns, parameters), halves: 0 }
    }

    /// Adds what a half's records did to the parameters, column by column.
    pub fn add(&mut self, column: impl Fn(usize) -> Vec<f32>) {
        for at in 0..self.sum.rows {
            self.sum.row_mut(at).iter_mut().zip(column(at)).for_each(|(sum, x)| *sum += x);
        }
        self.halves += 1;
    }

    /// Adds what was followed in a half.
    pub fn add_replay(&mut self, replay: &Replay) {
        self.add(|column| replay.column(column));
    }

    /// The mean.
    pub fn rows(&self) -> Rows {
        let each = 1.0 / self.halves.max(1) as f32;
        let data = self.sum.data.iter().map(|x| x * each).collect();
        Rows { data, ..self.sum }
    }

    /// The mean as a table of columns with these names.
    ///
    /// # Errors
    /// [`TableError`] where a number is not finite, or a name is too long.
    pub fn table(&self, names: &[String]) -> Result<Table, TableError> {
        let mut table = Table::new(self.sum.columns);
        let mean = self.rows();
        for (name, row) in names.iter().zip(mean.iter()) {
            table.push(name.clone(), row)?;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_record_is_in_one_half_of_each_pair(seed: u64, records in 0usize..300, pairs in 1usize..5) {
            let halves = draw(seed, records, 2 * pairs);
            prop_assert_eq!(halves.len(), 2 * pairs);
            prop_assert_eq!(&halves, &draw(seed, records, 2 * pairs));
            for record in 0..records {
                prop_assert_eq!(halves.iter().filter(|out| !out[record]).count(), pairs);
            }
        }
    }

    #[test]
    fn pairs_differ_and_a_mean_is_over_all_of_their_halves() {
        let halves = draw(7, 64, 4);
        assert!(halves[0] != halves[2] && halves[0] != draw(8, 64, 4)[0]);
        let mut mean = Mean::new(2, 1);
        for x in [1.0, 2.0, 3.0, 0.0] {
            mean.add(|_| vec![x, -x]);
        }
        assert_eq!(mean.rows().data, [1.5, -1.5]);
        assert_eq!(mean.table(&["a".to_owned()]).unwrap().column(0).unwrap(), [1.5, -1.5]);
    }
}
