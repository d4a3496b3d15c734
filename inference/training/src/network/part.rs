//! Samples that go through a graph together, and where what is found for them belongs.

use super::buckets::{Limit, buckets};
use super::examples::Block;
use super::{Network, NetworkError};
use crate::attribution::Rows;
use crate::data::Task;

/// Some of the samples that were asked for.
#[derive(Debug)]
pub(super) struct SamplePart {
    /// Their places among those asked for.
    pub places: Vec<usize>,
    /// The samples.
    pub samples: Vec<usize>,
    /// Their tokens.
    pub block: Block,
}

impl SamplePart {
    /// Puts one result a sample where it belongs among all.
    pub(super) fn put<T>(&self, all: &mut [T], found: Vec<T>) {
        self.places.iter().zip(found).for_each(|(place, found)| all[*place] = found);
    }

    /// Puts one row a sample where it belongs among all.
    pub(super) fn put_rows(&self, all: &mut Rows, found: &Rows) {
        self.places.iter().zip(found.iter()).for_each(|(place, row)| all.row_mut(*place).copy_from_slice(row));
    }
}

impl Network {
    /// Cuts samples into parts of like lengths. A contrast is between all records of a batch, in the order given: it is
    /// cut by the limit's rows alone.
    pub(super) fn parts(&self, samples: &[usize], limit: Limit) -> Result<Vec<SamplePart>, NetworkError> {
        let examples = self.examples()?;
        let rows = examples.rows_of(samples)?;
        let cut: Vec<Vec<usize>> = if self.task == Task::Embed {
            let all: Vec<usize> = (0..samples.len()).collect();
            all.chunks(limit.rows).map(<[usize]>::to_vec).collect()
        } else {
            buckets(&rows.iter().map(|row| examples.padded(*row)).collect::<Vec<_>>(), limit)
        };
        cut.into_iter()
            .map(|places| {
                let samples: Vec<usize> = places.iter().map(|place| samples[*place]).collect();
                let block = self.block(&samples)?;
                Ok(SamplePart { places, samples, block })
            })
            .collect()
    }
}
