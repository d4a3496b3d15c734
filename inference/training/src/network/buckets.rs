//! Which samples go through a graph together: those of like lengths, so that little padding is computed.
//!
//! ```text
//!  ▇▇▇▇▇▇▇▇          ▇▇▇             ▇▇▇
//!  ▇▇▇░░░░░          ▇▇▇             ▇▇▇
//!  ▇▇▇▇▇▇▇░   ──►    ▇▇▇▇▇▇▇░   or, where a second pass costs more than the padding, left as it is
//!  ▇▇▇░░░░░          ▇▇▇▇▇▇▇▇
//! ```
//!
//! A loss and its gradient belong to one sample (but for contrasts, which need their whole batch), so how samples are
//! grouped changes nothing but the last bits of the sums.

/// What one more pass costs beside its tokens, as a number of tokens: its calls, and products that are too small to be
/// quick.
const PASS: usize = 96;

/// How much may go through at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Samples.
    pub rows: usize,
    /// Tokens, padding included.
    pub tokens: usize,
}

impl Limit {
    /// So many samples of any length.
    pub(super) fn rows(rows: usize) -> Self {
        Self { rows, tokens: usize::MAX }
    }
}

/// Positions in `lengths`, cut into blocks: of all ways to cut the sorted lengths the one with the least padding and
/// passes. A sample longer than the limit goes alone.
pub(super) fn buckets(lengths: &[usize], limit: Limit) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|at| (lengths[*at], *at));
    // For each number of sorted samples: what they cost, and where their last block begins.
    let mut best: Vec<(usize, usize)> = vec![(0, 0)];
    for end in 1..=order.len() {
        let length = lengths[order[end - 1]].max(1);
        let most = limit.rows.min(limit.tokens / length).clamp(1, end);
        let cost = |begin: usize| best[begin].0 + (end - begin) * length + PASS;
        let begin = (end - most..end).min_by_key(|begin| cost(*begin)).unwrap_or(end - 1);
        best.push((cost(begin), begin));
    }
    let mut blocks = Vec::new();
    let mut end = order.len();
    while end > 0 {
        let begin = best[end].1;
        blocks.push(order[begin..end].to_vec());
        end = begin;
    }
    blocks.reverse();
    blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_texts_do_not_wait_for_a_long_one() {
        let lengths = [8, 8, 128, 8, 8, 8, 8, 128];
        assert_eq!(buckets(&lengths, Limit::rows(32)), [vec![0, 1, 3, 4, 5, 6], vec![2, 7]]);
    }

    #[test]
    fn a_little_padding_is_cheaper_than_another_pass() {
        assert_eq!(buckets(&[16, 24, 16, 24], Limit::rows(32)), [vec![0, 2, 1, 3]]);
    }

    #[test]
    fn what_is_longer_than_the_limit_goes_alone() {
        let limit = Limit { rows: 32, tokens: 100 };
        assert_eq!(buckets(&[200, 50, 50, 50], limit), [vec![1], vec![2, 3], vec![0]]);
    }

    proptest! {
        #[test]
        fn every_sample_goes_through_once_and_within_the_limit(
            lengths in prop::collection::vec(1usize..300, 0..80), rows in 1usize..40, tokens in 300usize..2_000
        ) {
            let blocks = buckets(&lengths, Limit { rows, tokens });
            let mut seen: Vec<usize> = blocks.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            let cost = |block: &Vec<usize>| {
                let longest = block.iter().map(|at| lengths[*at]).max().unwrap_or(0);
                (block.len(), block.len() * longest)
            };
            for block in &blocks {
                let (count, computed) = cost(block);
                prop_assert!(count <= rows && computed <= tokens);
            }
            // Never dearer than chunks in the order given.
            let total = |blocks: &[Vec<usize>]| blocks.iter().map(|block| cost(block).1 + PASS).sum::<usize>();
            let as_given: Vec<usize> = (0..lengths.len()).collect();
            let chunks: Vec<Vec<usize>> = as_given.chunks(rows).map(<[usize]>::to_vec).collect();
            if chunks.iter().all(|chunk| cost(chunk).1 <= tokens) {
                prop_assert!(total(&blocks) <= total(&chunks));
            }
        }
    }
}
