//! Random numbers and vectors, for tests and benches.

use crate::Embedding;

/// A small generator (SplitMix64), so that what is drawn is the same everywhere.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(super) fn unit(&mut self, dimensions: usize) -> Embedding {
        let numbers: Vec<f32> = (0..dimensions).map(|_| (self.next() as u32 as f32 / u32::MAX as f32) - 0.5).collect();
        Embedding::normalised(&numbers).unwrap()
    }
}
