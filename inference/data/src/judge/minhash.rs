//! MinHash with banding: finds pairs with many common shingles without comparing all pairs.
//!
//! 14 bands of 8 rows: a pair of similarity s becomes a candidate with probability 1 - (1 - s^8)^14, that is .77 at
//! .75, .99 at .85 and .003 at .35 (MECHANISMS 2). Where less has to be in common, 40 bands of 3 rows: .98 at .45, .04
//! at .1.

use super::words::mix;

/// A way to cut a signature into bands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Banding {
    bands: usize,
    rows: usize,
    /// Sets the keys of one banding apart from those of another.
    seed: u64,
}

/// For pairs that have three quarters in common.
pub(crate) const CLOSE: Banding = Banding { bands: 14, rows: 8, seed: 0 };
/// For pairs that have nearly half in common.
pub(crate) const LOOSE: Banding = Banding { bands: 40, rows: 3, seed: 1 << 32 };

/// One key a band; two texts are candidates if they share a key.
pub(crate) fn band_keys(shingles: &[u64], banding: Banding) -> Vec<u64> {
    let Banding { bands, rows, seed } = banding;
    // Multiplying by an odd number permutes the 64-bit numbers; the shingles are well mixed already.
    let factors: Vec<u64> = (0..bands * rows).map(|row| mix(seed + row as u64) | 1).collect();
    let mut minima = vec![u64::MAX; bands * rows];
    for shingle in shingles {
        for (minimum, factor) in minima.iter_mut().zip(&factors) {
            *minimum = (*minimum).min(shingle.wrapping_mul(*factor));
        }
    }
    let key =
        |(band, minima): (usize, &[u64])| minima.iter().fold(seed + band as u64, |hash, least| mix(hash ^ *least));
    minima.chunks(rows).enumerate().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of pairs of the given similarity that share a key.
    fn hit_rate(similarity: f64, banding: Banding) -> f64 {
        let (pairs, size) = (1_000u64, 100u64);
        let common = (2.0 * size as f64 * similarity / (1.0 + similarity)).round() as u64;
        let hit = |pair: u64| {
            let member = |side: u64, i: u64| mix(mix(pair) ^ if i < common { i } else { i + side * 1_000 });
            let set = |side| (0..size).map(|i| member(side, i)).collect::<Vec<_>>();
            band_keys(&set(1), banding).iter().zip(band_keys(&set(2), banding)).any(|(a, b)| *a == b)
        };
        (0..pairs).filter(|pair| hit(*pair)).count() as f64 / pairs as f64
    }

    #[test]
    fn candidates_appear_as_often_as_the_theory_says() {
        let close = [(0.35, 0.003), (0.75, 0.77), (0.85, 0.99)].map(|(s, p)| (s, p, CLOSE));
        let loose = [(0.1, 0.04), (0.45, 0.98), (0.6, 1.0)].map(|(s, p)| (s, p, LOOSE));
        for (similarity, expected, banding) in close.into_iter().chain(loose) {
            let rate = hit_rate(similarity, banding);
            assert!((rate - expected).abs() < 0.05, "{similarity}: {rate}");
        }
    }
}
