//! Texts as sets of word shingles.

use crate::words::{each_compared, letters_per_word};

/// Words of a shingle when texts are compared.
pub(crate) const SHINGLE: usize = 5;

/// A well-mixed function of 64 bits (the finaliser of SplitMix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// FNV-1a: short inputs, the same value on every machine.
fn hash_characters(characters: impl Iterator<Item = char>) -> u64 {
    characters.fold(0xCBF2_9CE4_8422_2325, |hash, c| (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01B3))
}

/// Hashes of the words that `text` is compared by, in order; punctuation separates and is dropped.
pub(crate) fn word_hashes(text: &str) -> Vec<u64> {
    let mut hashes = Vec::new();
    each_compared(text, |word| hashes.push(hash_characters(word.chars())));
    hashes
}

/// Sorted, distinct hashes of the words of a text.
pub(crate) fn word_set(hashes: &[u64]) -> Vec<u64> {
    distinct(hashes.to_vec())
}

/// Sorted, distinct hashes of every `length` words in a row, by the hashes of the words of `text`; of all words together
/// where there are fewer; of the bare characters where there is no word at all.
pub(crate) fn shingles(text: &str, hashes: &[u64], length: usize) -> Vec<u64> {
    if hashes.is_empty() {
        return vec![hash_characters(text.trim().chars())];
    }
    let combine = |window: &[u64]| window.iter().fold(window.len() as u64, |hash, word| mix(hash ^ *word));
    distinct(hashes.windows(length.min(hashes.len())).map(combine).collect())
}

fn distinct(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// How many of the words that a text is compared by make about one word of its language, by the script of most of it: one
/// where blanks part words.
pub(crate) fn pairs_per_word(text: &str) -> usize {
    if text.is_ascii() {
        return 1;
    }
    let (mut letters, mut without_blanks, mut longest) = (0usize, 0usize, 1);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        if let Some(length) = letters_per_word(c) {
            without_blanks += 1;
            longest = longest.max(length);
        }
    }
    if without_blanks * 2 > letters { longest } else { 1 }
}

/// Share of common members of two sorted sets, 0 to 1.
pub(crate) fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    let all = a.len() + b.len() - common;
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn case_and_punctuation_do_not_count() {
        let of = |text| shingles(text, &word_hashes(text), 5);
        assert_eq!(of("Read from the socket, then stop!"), of("read FROM the socket then: stop"));
        assert_ne!(of("!!"), of("??"));
    }

    proptest! {
        #[test]
        fn jaccard_is_that_of_sets(a: HashSet<u8>, b: HashSet<u8>) {
            let sorted = |set: &HashSet<u8>| { let mut v: Vec<u64> = set.iter().map(|x| u64::from(*x)).collect(); v.sort_unstable(); v };
            let union = a.union(&b).count();
            let expected = if union == 0 { 1.0 } else { a.intersection(&b).count() as f64 / union as f64 };
            prop_assert!((jaccard(&sorted(&a), &sorted(&b)) - expected).abs() < 1e-12);
        }
    }
}
