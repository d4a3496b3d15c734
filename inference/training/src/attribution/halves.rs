//! Random halves of the records: what pay is the mean over, and the table that a release carries of them.
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

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::pay::of_odds;
use super::table::{self, Table, TableError, columns, corrupt, floats};
use crate::random::Stream;

/// Halves of a file at most: as many as a job may have.
pub const MAX_HALVES: usize = 64;

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

/// What a half of the records led to, and what everything that was given together did to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// The parameters that it ended with.
    pub theta: Vec<f32>,
    /// Their derivatives, a column for what was given together.
    pub table: Table,
}

/// What pays: all halves of a run.
///
/// An answer is asked of every half, since what a record did where half of the data is missing is to be read where that
/// leads: at the parameters of all data an answer's gradient is that of what is left to learn, and hardly anything is.
#[derive(Clone, Debug, PartialEq)]
pub struct PayTable {
    halves: Vec<Half>,
}

impl PayTable {
    /// Of these halves.
    ///
    /// # Errors
    /// When there is none, or they are of different columns or parameters.
    pub fn new(halves: Vec<Half>) -> Result<Self, TableError> {
        let Some(first) = halves.first().map(|half| &half.table) else { return Err(corrupt("it has no halves")) };
        let alike = |half: &Half| {
            half.theta.len() == first.parameters()
                && half.table.parameters() == first.parameters()
                && half.table.names() == first.names()
        };
        if halves.len() > MAX_HALVES || !halves.iter().all(alike) {
            return Err(corrupt("its halves are too many, or of different columns or parameters"));
        }
        if halves.iter().any(|half| half.theta.iter().any(|x| !x.is_finite())) {
            return Err(TableError::NotFinite);
        }
        Ok(Self { halves })
    }

    /// The halves.
    pub fn halves(&self) -> &[Half] {
        &self.halves
    }

    /// What columns are called.
    pub fn names(&self) -> &[String] {
        self.halves.first().map_or(&[], |half| half.table.names())
    }

    /// P.
    pub fn parameters(&self) -> usize {
        self.halves.first().map_or(0, |half| half.table.parameters())
    }

    /// What each column did to an answer's log-odds, in the mean over halves; `ask` gives the answer's loss and its gradient at a half's
    /// parameters.
    ///
    /// # Errors
    /// Those of `ask`, or when a gradient has another length.
    pub fn worth<E: From<TableError>>(
        &self,
        mut ask: impl FnMut(&[f32]) -> Result<(f32, Vec<f32>), E>,
    ) -> Result<Vec<f32>, E> {
        let mut worth = vec![0.0; self.names().len()];
        let each = 1.0 / self.halves.len() as f32;
        for half in &self.halves {
            let (loss, gradient) = ask(&half.theta)?;
            let values = half.table.values(&gradient)?;
            worth.iter_mut().zip(values).for_each(|(sum, value)| *sum += each * of_odds(value, loss));
        }
        Ok(worth)
    }

    /// The safetensors file: `N.theta` F32 `[P]` of each half N from 0 on, and its table's `N.dtheta` and `N.scale`.
    ///
    /// # Errors
    /// When the writer refuses it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TableError> {
        let bytes: Vec<[Vec<u8>; 3]> = self
            .halves
            .iter()
            .map(|half| {
                let [numbers, scales] = half.table.bytes();
                [half.theta.iter().flat_map(|x| x.to_le_bytes()).collect(), numbers, scales]
            })
            .collect();
        let mut tensors = Vec::with_capacity(3 * bytes.len());
        for (at, (half, [theta, numbers, scales])) in self.halves.iter().zip(&bytes).enumerate() {
            let theta = TensorView::new(Dtype::F32, vec![half.theta.len()], theta).map_err(corrupt)?;
            let [dtheta, scale] = half.table.tensors(numbers, scales)?;
            tensors.extend(
                [("theta", theta), ("dtheta", dtheta), ("scale", scale)].map(|(name, view)| (named(at, name), view)),
            );
        }
        safetensors::serialize(tensors, Some(columns(self.names())?)).map_err(corrupt)
    }

    /// Reads a file of anybody's making.
    ///
    /// # Errors
    /// When it is anything but what [`PayTable::to_bytes`] writes, or larger than [`table::MAX_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TableError> {
        let (file, names) = table::open(bytes)?;
        let count = file.len() / 3;
        if file.len() != 3 * count || count > MAX_HALVES {
            return Err(corrupt("a half has three tensors"));
        }
        let half = |at: usize| {
            let tensor = |name: &str| file.tensor(&named(at, name)).map_err(corrupt);
            let theta = tensor("theta")?;
            if theta.dtype() != Dtype::F32 || theta.shape().len() != 1 {
                return Err(corrupt("theta is no vector of 32-bit floats"));
            }
            let table = Table::of_tensors(names.clone(), tensor("dtheta")?, tensor("scale")?)?;
            Ok(Half { theta: floats(&theta), table })
        };
        Self::new((0..count).map(half).collect::<Result<_, _>>()?)
    }
}

fn named(half: usize, tensor: &str) -> String {
    format!("{half}.{tensor}")
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
    fn pairs_differ() {
        let halves = draw(7, 64, 4);
        assert!(halves[0] != halves[2] && halves[0] != draw(8, 64, 4)[0]);
    }

    fn half(theta: [f32; 2], columns: [[f32; 2]; 2]) -> Half {
        let mut table = Table::new(2);
        for (name, column) in ["ann", "bob"].iter().zip(columns) {
            table.push((*name).to_owned(), &column).unwrap();
        }
        Half { theta: theta.to_vec(), table }
    }

    fn halves() -> PayTable {
        PayTable::new(vec![half([1.0, 0.0], [[-1.0, 0.0], [0.0, 2.0]]), half([0.0, 1.0], [[0.0, -4.0], [1.0, 0.0]])])
            .unwrap()
    }

    #[test]
    fn each_half_is_asked_where_it_leads_to() {
        // A gradient that is theta itself, and a loss so large that log-odds move as log-probabilities do.
        let worth = halves().worth(|theta| Ok::<_, TableError>((50.0, theta.to_vec()))).unwrap();
        assert_eq!(worth, [0.5 * (1.0 + 4.0), 0.0]);
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_no_other_is() {
        let table = halves();
        let bytes = table.to_bytes().unwrap();
        assert_eq!(PayTable::from_bytes(&bytes).unwrap(), table);
        assert!(
            PayTable::from_bytes(&table.halves[0].table.to_bytes().unwrap()).is_err(),
            "a table is no file of halves"
        );
        assert!(PayTable::new(Vec::new()).is_err());
        let other = half([f32::NAN, 0.0], [[1.0, 0.0], [0.0, 1.0]]);
        assert!(matches!(PayTable::new(vec![other]), Err(TableError::NotFinite)));
        let mut longer = table.halves[1].clone();
        longer.theta.push(0.0);
        assert!(PayTable::new(vec![table.halves[0].clone(), longer]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_read_beyond_its_end(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = halves().to_bytes().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = PayTable::from_bytes(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(PayTable::from_bytes(&bytes).is_err());
        }
    }
}
