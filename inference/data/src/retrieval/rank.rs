//! The best of many, and the fusion of two rankings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The constant of reciprocal rank fusion, the paper's.
const RRF_K: f64 = 60.0;

/// The `n` best of `count` positions by `score`, best first, ties by the lower position; `None` is not ranked.
pub(super) fn top<S: Ord + Copy>(count: u32, n: usize, score: impl Fn(u32) -> Option<S>) -> Vec<(u32, S)> {
    let mut best: BinaryHeap<Reverse<(S, Reverse<u32>)>> = BinaryHeap::with_capacity(n.saturating_add(1));
    for position in 0..count {
        let Some(score) = score(position) else { continue };
        let entry = Reverse((score, Reverse(position)));
        if best.len() < n {
            best.push(entry);
        } else if best.peek().is_some_and(|worst| entry < *worst) {
            best.pop();
            best.push(entry);
        }
    }
    best.into_sorted_vec().into_iter().map(|Reverse((score, Reverse(position)))| (position, score)).collect()
}

/// Reciprocal rank fusion: each ranking gives its item of rank r (from 1) the score 1 / (60 + r). Cormack, Clarke and
/// Büttcher, *Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods*, SIGIR 2009. Best
/// first, ties by the lower position.
pub(super) fn fuse_ranks(rankings: &[Vec<u32>]) -> Vec<(u32, f64)> {
    let mut scores: BTreeMap<u32, f64> = BTreeMap::new();
    for ranking in rankings {
        for (rank, position) in (1u32..).zip(ranking) {
            *scores.entry(*position).or_default() += 1.0 / (RRF_K + f64::from(rank));
        }
    }
    let mut fused: Vec<(u32, f64)> = scores.into_iter().collect();
    // Stable, and the map's order is that of positions.
    fused.sort_by(|a, b| b.1.total_cmp(&a.1));
    fused
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_both_rankings_hold_beats_the_top_of_one() {
        let fused = fuse_ranks(&[vec![7, 3], vec![9, 3]]);
        assert_eq!(fused.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [3, 7, 9]);
    }

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(scores in prop::collection::vec(-5i64..5, 0..60), n in 0usize..70) {
            let mut all: Vec<(u32, i64)> = (0..).zip(scores.iter().copied()).filter(|(_, score)| *score != 0).collect();
            all.sort_by_key(|(position, score)| (Reverse(*score), *position));
            all.truncate(n);
            let score = |position: u32| Some(scores[position as usize]).filter(|score| *score != 0);
            prop_assert_eq!(top(scores.len() as u32, n, score), all);
        }
    }
}
