//! Rank correlation.

/// Spearman's correlation of two lists of the same length, ties sharing their mean rank; `None` where one of them is
/// constant, has fewer than two entries, or holds something that is not a number.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|x| x.is_nan()) {
        return None;
    }
    pearson(&ranks(a), &ranks(b))
}

/// Pearson's correlation; `None` where one of the lists is constant.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let (mut both, mut own_a, mut own_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        own_a += (a - mean_a).powi(2);
        own_b += (b - mean_b).powi(2);
    }
    (own_a > 0.0 && own_b > 0.0).then(|| both / (own_a * own_b).sqrt())
}

/// The rank of each entry, from 0; equal entries share the mean of theirs.
pub fn ranks(numbers: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_unstable_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && numbers[order[end]] == numbers[order[start]] {
            end += 1;
        }
        order[start..end].iter().for_each(|at| ranks[*at] = (start + end - 1) as f64 / 2.0);
        start = end;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        // As scipy.stats.spearmanr gives it.
        let rho = spearman(&[1.0, 2.0, 2.0, 3.0, 5.0], &[2.0, 1.0, 4.0, 4.0, 6.0]).unwrap();
        assert!((rho - 0.763_157_894_7).abs() < 1e-9, "{rho}");
    }

    #[test]
    fn constants_have_no_correlation() {
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[f32::NAN, 1.0], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn only_the_order_matters(numbers in proptest::collection::vec(-100f32..100.0, 2..40)) {
            let stretched: Vec<f32> = numbers.iter().map(|x| x * x * x).collect();
            if let Some(rho) = spearman(&numbers, &stretched) {
                prop_assert!((rho - 1.0).abs() < 1e-9);
            }
            let turned: Vec<f32> = numbers.iter().map(|x| -x).collect();
            if let Some(rho) = spearman(&numbers, &turned) {
                prop_assert!((rho + 1.0).abs() < 1e-9);
            }
        }
    }
}
