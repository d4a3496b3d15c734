//! Keys and values of the tokens read so far.

use crate::runtime::{RuntimeError, Tensor};

/// What one token of one sequence takes in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheShape {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
}

/// Keys and values of a batch: for each layer two tensors `[rows, heads, width, head_size]`. A row's tokens are at the end
/// of its width; what comes before them is padding, which the attention mask hides.
#[derive(Debug)]
pub(super) struct Cache {
    /// Keys and values in turn, layer by layer.
    pub(super) tensors: Vec<Tensor>,
    pub(super) rows: usize,
    pub(super) width: usize,
    shape: CacheShape,
}

/// The tokens of one sequence in a cache: its last `length` columns of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick<'a> {
    pub(super) cache: &'a Cache,
    pub(super) row: usize,
    pub(super) length: usize,
}

impl Cache {
    /// A cache of no sequences.
    pub(super) fn none(shape: CacheShape) -> Self {
        Self { tensors: Vec::new(), rows: 0, width: 0, shape }
    }

    /// A cache of `rows` sequences without tokens.
    pub(super) fn empty(shape: CacheShape, rows: usize) -> Result<Self, RuntimeError> {
        Self::zeros(shape, rows, 0)
    }

    /// The cache that a step has given out.
    pub(super) fn of(shape: CacheShape, rows: usize, width: usize, tensors: Vec<Tensor>) -> Result<Self, RuntimeError> {
        let expected = [rows, shape.heads, width, shape.head_size];
        if tensors.len() != 2 * shape.layers || tensors.iter().any(|tensor| tensor.shape() != expected) {
            return Err(RuntimeError::Tensor(format!("of the cache is not of shape {expected:?}")));
        }
        Ok(Self { tensors, rows, width, shape })
    }

    /// A cache `width` wide of the picked sequences, in their order; none is longer than that.
    pub(super) fn gather(shape: CacheShape, picks: &[Option<Pick<'_>>], width: usize) -> Result<Self, RuntimeError> {
        let mut cache = Self::zeros(shape, picks.len(), width)?;
        for (row, pick) in picks.iter().enumerate() {
            if let Some(pick) = pick {
                cache.write(row, *pick)?;
            }
        }
        Ok(cache)
    }

    /// Puts the picked sequence into a row that nobody uses.
    pub(super) fn write(&mut self, row: usize, pick: Pick<'_>) -> Result<(), RuntimeError> {
        let CacheShape { heads, head_size, .. } = self.shape;
        let (to_width, from_width) = (self.width, pick.cache.width);
        let count = pick.length * head_size;
        for (to, from) in self.tensors.iter_mut().zip(&pick.cache.tensors) {
            let (to, from) = (to.data_mut::<f32>()?, from.floats()?);
            for head in 0..heads {
                let to_end = (row * heads + head + 1) * to_width * head_size;
                let from_end = (pick.row * heads + head + 1) * from_width * head_size;
                to[to_end - count..to_end].copy_from_slice(&from[from_end - count..from_end]);
            }
        }
        Ok(())
    }

    fn zeros(shape: CacheShape, rows: usize, width: usize) -> Result<Self, RuntimeError> {
        let size = [rows, shape.heads, width, shape.head_size];
        let zeros = || Tensor::new(&size, vec![0.0f32; size.iter().product()]);
        let tensors = (0..2 * shape.layers).map(|_| zeros()).collect::<Result<_, _>>()?;
        Ok(Self { tensors, rows, width, shape })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Locations;
    use crate::runtime::Runtime;

    const SHAPE: CacheShape = CacheShape { layers: 1, heads: 2, head_size: 1 };

    fn cache(rows: usize, width: usize, first: f32) -> Cache {
        Runtime::init(&Locations::from_env().unwrap().dylib).unwrap();
        let numbers = |first: f32| (0..rows * 2 * width).map(|index| first + index as f32).collect();
        let tensor = |first| Tensor::new(&[rows, 2, width, 1], numbers(first)).unwrap();
        Cache::of(SHAPE, rows, width, vec![tensor(first), tensor(-first)]).unwrap()
    }

    #[test]
    fn sequences_of_two_caches_are_gathered_to_the_right() {
        let (long, short) = (cache(2, 3, 100.0), cache(1, 2, 200.0));
        let picks =
            [Some(Pick { cache: &short, row: 0, length: 2 }), None, Some(Pick { cache: &long, row: 1, length: 1 })];
        let joined = Cache::gather(SHAPE, &picks, 3).unwrap();
        let keys = joined.tensors[0].floats().unwrap();
        // Row 0: both heads of the short one after one column of padding; row 2: the last column of the long one.
        assert_eq!(keys[..6], [0.0, 200.0, 201.0, 0.0, 202.0, 203.0]);
        assert_eq!(keys[6..12], [0.0; 6]);
        assert_eq!(keys[12..], [0.0, 0.0, 108.0, 0.0, 0.0, 111.0]);
    }

    #[test]
    fn a_row_is_written_without_touching_its_neighbours() {
        let mut cache_of_two = cache(2, 3, 100.0);
        let other = cache(1, 2, 200.0);
        cache_of_two.write(0, Pick { cache: &other, row: 0, length: 2 }).unwrap();
        let keys = cache_of_two.tensors[0].floats().unwrap();
        assert_eq!(keys[..6], [100.0, 200.0, 201.0, 103.0, 202.0, 203.0]);
        assert_eq!(keys[6..], [106.0, 107.0, 108.0, 109.0, 110.0, 111.0]);
    }

    #[test]
    fn a_step_that_gives_another_shape_is_an_error() {
        let Cache { tensors, .. } = cache(1, 2, 0.0);
        assert!(Cache::of(SHAPE, 1, 3, tensors).is_err());
    }
}
