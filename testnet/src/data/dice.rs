//! Seeded choices that never change: a BLAKE3 stream per purpose, so that the same seed deals the same data
//! whatever version of a random number library a build uses.

/// A deterministic stream of choices for one purpose.
pub(super) struct Dice {
    stream: blake3::OutputReader,
}

impl Dice {
    /// The stream of `seed` for `purpose`; two purposes share nothing.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datanet testnet demo data v1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self { stream: hasher.finalize_xof() }
    }

    /// A number below `bound`, which must not be 0. (64 bits against a small bound: the bias is below 2^-40.)
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.stream.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % bound.max(1) as u64) as usize
    }

    /// One of `items`, or nothing when there are none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len())) }
    }

    /// Fisher and Yates.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_order_and_another_seed_another() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            Dice::new(seed, "test").shuffle(&mut items);
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Dice::new(7, "test").shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
