//! Which of many are looked at: a sample that follows from a seed, the same for whoever draws it.
//!
//! The numbers from 0 are shuffled as far as the sample goes (Fisher and Yates), with 64-bit numbers out of BLAKE3's endless output over tag and seed,
//! each length-prefixed: number `i` of the sample is exchanged with number `i + floor(x * (of - i) / 2^64)`, `x` the next eight bytes, little-endian.

use std::collections::BTreeMap;

use crate::Digest;

/// `take` numbers below `of`, all different, in ascending order; all there are where `take` is not less.
pub fn sample(tag: &str, seed: &Digest, of: u64, take: u64) -> Vec<u64> {
    if take >= of {
        return (0..of).collect();
    }
    let mut hasher = blake3::Hasher::new();
    for part in [tag.as_bytes(), seed.0.as_slice()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut numbers = hasher.finalize_xof();
    // What is not where it began: the rest of the list is never made.
    let mut moved: BTreeMap<u64, u64> = BTreeMap::new();
    let mut drawn: Vec<u64> = (0..take)
        .map(|at| {
            let mut bytes = [0; 8];
            numbers.fill(&mut bytes);
            let other = at.saturating_add(below(u64::from_le_bytes(bytes), of.saturating_sub(at)));
            let here = moved.get(&at).copied().unwrap_or(at);
            moved.insert(other, here).unwrap_or(other)
        })
        .collect();
    drawn.sort_unstable();
    drawn
}

/// A number below `bound`, as evenly as 64 bits allow.
fn below(number: u64, bound: u64) -> u64 {
    let product = u128::from(number).saturating_mul(u128::from(bound));
    u64::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seed: u8, of: u64, take: u64) -> Vec<u64> {
        sample("test", &Digest([seed; 32]), of, take)
    }

    #[test]
    fn a_sample_is_the_same_for_everybody_and_for_ever() {
        assert_eq!(of(1, 1_000, 8), of(1, 1_000, 8));
        assert_ne!(of(1, 1_000, 8), of(2, 1_000, 8));
        assert_ne!(of(1, 1_000, 8), sample("another", &Digest([1; 32]), 1_000, 8));
        insta::assert_debug_snapshot!((of(1, 1_000, 8), of(2, 10, 9)));
    }

    #[test]
    fn all_are_taken_where_there_are_no_more() {
        assert_eq!(of(1, 3, 3), [0, 1, 2]);
        assert_eq!(of(1, 3, 200), [0, 1, 2]);
        assert!(of(1, 0, 5).is_empty());
        assert!(of(1, u64::MAX, 0).is_empty());
    }

    #[test]
    fn none_is_taken_twice_and_each_is_taken_about_as_often() {
        let mut taken = [0u32; 50];
        for seed in 0..200 {
            let drawn = of(seed, 50, 10);
            assert!(drawn.len() == 10 && drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
            drawn.iter().for_each(|number| taken[*number as usize] += 1);
        }
        // 40 on the average.
        assert!(taken.iter().all(|count| (15..=70).contains(count)), "{taken:?}");
    }
}
