//! Edits of good inputs, as bugs of parsers want them: flipped bits, extreme numbers, pieces lost, doubled or borrowed.

/// Draws from SplitMix64, so that a seed says everything.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

/// Most edits of one input.
const EDITS: usize = 8;
/// Most bytes that one edit inserts, doubles or removes.
const PIECE: usize = 64;
/// Numbers at whose edges arithmetic goes wrong.
const EXTREMES: [u64; 9] = [0, 1, 0x7f, 0x80, 0xff, 0xffff, i64::MAX as u64, i64::MIN as u64, u64::MAX];

impl Mutator {
    /// A mutator that always draws the same from this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where there is none.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % (n.max(1) as u64)) as usize
    }

    /// Any of `corpus` after some edits, at most `limit` bytes long.
    pub fn mutate(&mut self, corpus: &[Vec<u8>], limit: usize) -> Vec<u8> {
        let mut input = corpus.get(self.below(corpus.len())).cloned().unwrap_or_default();
        for _ in 0..=self.below(EDITS) {
            self.edit(&mut input, corpus);
        }
        input.truncate(limit);
        input
    }

    fn edit(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(PIECE)).min(input.len());
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.next() as u8,
            2 if at < end => drop(input.drain(at..end)),
            3 if at < end => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let number = EXTREMES[self.below(EXTREMES.len())];
                let mut varint = Vec::new();
                prost::encoding::encode_varint(number, &mut varint);
                input.splice(at..at, varint);
            }
            6 => {
                let number = EXTREMES[self.below(EXTREMES.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.below(4)];
                for (byte, new) in input.iter_mut().skip(at).zip(&number[..width]) {
                    *byte = *new;
                }
            }
            _ => self.borrow_piece(input, at, corpus),
        }
    }

    /// Inserts a piece of another input.
    fn borrow_piece(&mut self, input: &mut Vec<u8>, at: usize, corpus: &[Vec<u8>]) {
        let Some(other) = corpus.get(self.below(corpus.len())) else { return };
        let from = self.below(other.len());
        let to = (from + 1 + self.below(PIECE)).min(other.len());
        input.splice(at..at, other[from.min(to)..to].iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything_and_no_input_is_too_long() {
        let corpus = [b"some input".to_vec(), vec![0; 50], Vec::new()];
        let draw = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..500).map(|_| mutator.mutate(&corpus, 40)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(3).iter().all(|input| input.len() <= 40));
    }
}
