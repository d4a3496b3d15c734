//! MinHash with banding: finds pairs with many common shingles without comparing all pairs.
//!
//! 14 bands of 8 rows: a pair of similarity s becomes a candidate with probability 1 - (1 - s^8)^14, that is .77 at
//! .75, .99 at .85 and .003 at .35 (MECHANISMS 2).

use super::words::mix;

/// Bands of a signature.
pub(crate) const BANDS: usize = 14;
const ROWS: usize = 8;

/// One key a band; two texts are candidates if they share a key.
pub(crate) fn band_keys(shingles: &[u64]) -> [u64; BANDS] {
    // Multiplying by an odd number permutes the 64-bit numbers; the shingles are well mixed already.
    let factors: [u64; BANDS * ROWS] = std::array::from_fn(|row| mix(row as u64) | 1);
    let mut minima = [u64::MAX; BANDS * ROWS];
    for shingle in shingles {
        for (minimum, factor) in minima.iter_mut().zip(factors) {
            *minimum = (*minimum).min(shingle.wrapping_mul(factor));
        }
    }
    let mut keys = [0; BANDS];
    for (band, key) in keys.iter_mut().enumerate() {
        *key = minima[band * ROWS..(band + 1) * ROWS].iter().fold(band as u64, |hash, minimum| mix(hash ^ minimum));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of pairs of the given similarity that share a key.
    fn hit_rate(similarity: f64) -> f64 {
        let (pairs, size) = (1_000u64, 100u64);
        let common = (2.0 * size as f64 * similarity / (1.0 + similarity)).round() as u64;
        let hit = |pair: u64| {
            let member = |side: u64, i: u64| mix(mix(pair) ^ if i < common { i } else { i + side * 1_000 });
            let set = |side| (0..size).map(|i| member(side, i)).collect::<Vec<_>>();
            band_keys(&set(1)).iter().zip(band_keys(&set(2))).any(|(a, b)| *a == b)
        };
        (0..pairs).filter(|pair| hit(*pair)).count() as f64 / pairs as f64
    }

    #[test]
    fn candidates_appear_as_often_as_the_theory_says() {
        for (similarity, expected) in [(0.35, 0.003), (0.75, 0.77), (0.85, 0.99)] {
            let rate = hit_rate(similarity);
            assert!((rate - expected).abs() < 0.05, "{similarity}: {rate}");
        }
    }
}
