//! Seeded randomness that is the same on every machine and in every version.
//!
//! The stream is BLAKE3 in its extendable form over (purpose, seed, index): no generator's version can change it, and
//! one purpose's draws never move another's.

/// A reproducible stream of random numbers.
#[derive(Debug)]
pub struct Stream {
    reader: blake3::OutputReader,
    buffer: [u8; 1024],
    used: usize,
}

impl Stream {
    /// The stream of a `purpose` (a constant of the caller), a seed and an index, for example the step's number.
    pub fn new(purpose: &str, seed: u64, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datanet training 2026 random stream");
        hasher.update(&seed.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self { reader: hasher.finalize_xof(), buffer: [0; 1024], used: 1024 }
    }

    /// Fills `bytes` with uniformly random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.buffer.len() {
                self.reader.fill(&mut self.buffer);
                self.used = 0;
            }
            *byte = self.buffer[self.used];
            self.used += 1;
        }
    }

    /// A uniform 64-bit number.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A uniform number below `bound`, without bias; 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = bound as u64;
        if wide < 2 {
            return 0;
        }
        // The top of the range that does not divide evenly is drawn again.
        let limit = u64::MAX - u64::MAX % wide;
        loop {
            let drawn = self.next_u64();
            if drawn < limit {
                return usize::try_from(drawn % wide).unwrap_or(0);
            }
        }
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.uniform()).cos()) as f32
    }

    /// `count` numbers, each 1 or -1 with equal chance.
    pub fn signs(&mut self, count: usize) -> Vec<f32> {
        let mut bits = vec![0; count.div_ceil(8)];
        self.fill(&mut bits);
        (0..count).map(|at| if bits[at / 8] >> (at % 8) & 1 == 1 { 1.0 } else { -1.0 }).collect()
    }

    /// A uniformly random order of `0..count`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stream_is_the_same_for_ever() {
        let mut stream = Stream::new("test", 7, 0);
        let numbers: Vec<usize> = (0..8).map(|_| stream.below(100)).collect();
        let mut again = Stream::new("test", 7, 0);
        assert_eq!(numbers, (0..8).map(|_| again.below(100)).collect::<Vec<_>>());
        assert_ne!(Stream::new("test", 7, 1).next_u64(), Stream::new("test", 7, 0).next_u64());
        assert_ne!(Stream::new("other", 7, 0).next_u64(), Stream::new("test", 7, 0).next_u64());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut stream = Stream::new("normal", 1, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| f64::from(stream.normal())).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    proptest! {
        #[test]
        fn a_permutation_holds_every_number_once(count in 0usize..200, seed: u64) {
            let mut order = Stream::new("test", seed, 0).permutation(count);
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn signs_are_ones(count in 0usize..300, seed: u64) {
            let signs = Stream::new("test", seed, 0).signs(count);
            prop_assert!(signs.len() == count && signs.iter().all(|sign| sign.abs() == 1.0));
        }
    }
}
