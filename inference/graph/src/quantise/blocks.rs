//! Blocks of 4-bit numbers with one scale.

use rayon::prelude::*;

/// The 16 levels of a 4-bit number, ascending, and which half of a byte comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Code {
    pub levels: [f32; 16],
    pub high_first: bool,
}

/// Even steps around 8, as `MatMulNBits` has them without zero points.
pub(super) const EVEN: Code = Code {
    levels: [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    high_first: false,
};

/// Quantiles of a normal distribution scaled to 1 (Dettmers et al. 2023, "QLoRA", appendix E), as `MatMulBnb4` has them.
pub(super) const NORMAL: Code = Code {
    levels: [
        -1.0,
        -0.696_192_8,
        -0.525_073_05,
        -0.394_917_5,
        -0.284_441_38,
        -0.184_773_43,
        -0.091_050_036,
        0.0,
        0.079_580_3,
        0.160_930_2,
        0.246_112_3,
        0.337_915_24,
        0.440_709_83,
        0.562_617,
        0.722_956_84,
        1.0,
    ],
    high_first: true,
};

/// How much smaller than the largest element the end of the range is tried: the best in squared error is taken.
const TRIALS: [f32; 5] = [1.0, 0.95, 0.9, 0.85, 0.8];

/// Packed numbers, scales, and squared norms of the error and of the original.
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    pub scales: Vec<f32>,
    pub error: f64,
    pub norm: f64,
}

impl Packed {
    /// `||W - Q|| / ||W||`.
    pub(super) fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { (self.error / self.norm).sqrt() } else { 0.0 }
    }
}

impl Code {
    /// Packs `values` in blocks of `block`, which divides their number and is even.
    pub(super) fn pack(&self, values: &[f32], block: usize) -> Packed {
        let blocks: Vec<(Vec<u8>, f32, f64, f64)> =
            values.par_chunks(block).with_min_len(64).map(|block| self.pack_block(block)).collect();
        let mut packed = Packed { bytes: Vec::new(), scales: Vec::new(), error: 0.0, norm: 0.0 };
        packed.bytes.reserve_exact(values.len() / 2);
        packed.scales.reserve_exact(blocks.len());
        for (bytes, scale, error, norm) in blocks {
            packed.bytes.extend(bytes);
            packed.scales.push(scale);
            packed.error += error;
            packed.norm += norm;
        }
        packed
    }

    fn pack_block(&self, block: &[f32]) -> (Vec<u8>, f32, f64, f64) {
        // The element of largest magnitude goes to the end of the range that reaches furthest, which may turn the sign.
        let peak = block.iter().copied().fold(0.0f32, |peak, x| if x.abs() > peak.abs() { x } else { peak });
        let end = if -self.levels[0] > self.levels[15] { peak / self.levels[0] } else { peak.abs() };
        let best = TRIALS
            .iter()
            .map(|trial| end * trial)
            .map(|scale| (self.error(block, scale), scale))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let (error, scale) = best.unwrap_or((0.0, 0.0));
        let inverse = inverse(scale);
        let bytes = block.chunks(2).map(|pair| {
            let [first, second] = [0, 1].map(|at| self.nearest(pair.get(at).copied().unwrap_or(0.0) * inverse));
            if self.high_first { (first << 4) | second } else { (second << 4) | first }
        });
        let norm = block.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (bytes.collect(), scale, error, norm)
    }

    fn error(&self, block: &[f32], scale: f32) -> f64 {
        let inverse = inverse(scale);
        let miss = |x: f32| f64::from(x - self.levels[usize::from(self.nearest(x * inverse))] * scale);
        block.iter().map(|&x| miss(x)).map(|miss| miss * miss).sum()
    }

    fn nearest(&self, x: f32) -> u8 {
        // The levels ascend, so the first midpoint above x ends the search.
        let above = self.levels.windows(2).take_while(|pair| x > (pair[0] + pair[1]) * 0.5).count();
        u8::try_from(above).unwrap_or(15)
    }

    /// The two numbers of each of the 256 bytes, `[256, 2]`.
    pub(super) fn table(&self) -> Vec<f32> {
        let level = |nibble: usize| self.levels[nibble & 15];
        let pair = |byte: usize| if self.high_first { [byte >> 4, byte] } else { [byte, byte >> 4] };
        (0..256).flat_map(pair).map(level).collect()
    }
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { scale.recip() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(code: Code, packed: &Packed, block: usize) -> Vec<f32> {
        let table = code.table();
        let numbers = packed.bytes.iter().flat_map(|&byte| table[usize::from(byte) * 2..][..2].to_vec());
        numbers.enumerate().map(|(at, number)| number * packed.scales[at / block]).collect()
    }

    #[test]
    fn what_lies_on_the_levels_is_exact() {
        for code in [EVEN, NORMAL] {
            let values: Vec<f32> = code.levels.iter().map(|level| level * 0.25).collect();
            let packed = code.pack(&values, 16);
            assert_eq!(unpacked(code, &packed, 16), values);
            assert_eq!(packed.relative_error(), 0.0);
        }
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        let packed = EVEN.pack(&[0.0; 32], 32);
        assert_eq!((packed.relative_error(), unpacked(EVEN, &packed, 32)), (0.0, vec![0.0; 32]));
    }

    proptest! {
        #[test]
        fn the_error_told_is_the_error_made(values in proptest::collection::vec(-3.0f32..3.0, 64), normal: bool) {
            let code = if normal { NORMAL } else { EVEN };
            let packed = code.pack(&values, 32);
            let made: f64 = unpacked(code, &packed, 32).iter().zip(&values)
                .map(|(q, w)| f64::from(q - w).powi(2)).sum();
            prop_assert!((made - packed.error).abs() < 1e-6 * packed.norm + 1e-9);
            prop_assert!(packed.relative_error() < 0.2);
        }
    }
}
