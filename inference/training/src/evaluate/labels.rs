//! Measures of labels.

use super::dot;
use crate::attribution::Rows;

/// Share of labels said right.
pub(super) fn accuracy(said: &[usize], truth: &[usize]) -> f64 {
    let hits = said.iter().zip(truth).filter(|(said, truth)| said == truth).count();
    hits as f64 / truth.len().max(1) as f64
}

/// F1 of each label that occurs, their mean.
pub(super) fn macro_f1(said: &[usize], truth: &[usize], classes: usize) -> f64 {
    let of = |class: usize| {
        let hits = said.iter().zip(truth).filter(|(said, truth)| **said == class && **truth == class).count();
        let named = said.iter().filter(|said| **said == class).count();
        let real = truth.iter().filter(|truth| **truth == class).count();
        (named + real > 0).then(|| 2.0 * hits as f64 / (named + real) as f64)
    };
    let scores: Vec<f64> = (0..classes).filter_map(of).collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

/// The label that most of the `neighbours` nearest voters have; the nearest one's among equals.
pub(super) fn vote(voters: &Rows, labels: &[usize], asked: &Rows, neighbours: usize, classes: usize) -> Vec<usize> {
    let answer = |asked: &[f32]| {
        let mut nearest: Vec<(f32, usize)> =
            voters.iter().zip(labels).map(|(voter, &label)| (dot(asked, voter), label)).collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        nearest.truncate(neighbours);
        let mut votes = vec![0usize; classes];
        nearest.iter().for_each(|(_, label)| votes[*label] += 1);
        let most = votes.iter().copied().max().unwrap_or(0);
        nearest.iter().find(|(_, label)| votes[*label] == most).map_or(0, |(_, label)| *label)
    };
    asked.iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_and_f1_are_as_defined() {
        let (said, truth) = ([0, 0, 1, 1], [0, 1, 1, 1]);
        assert_eq!(accuracy(&said, &truth), 0.75);
        assert!((macro_f1(&said, &truth, 3) - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn neighbours_vote() {
        let voters = Rows { rows: 3, columns: 2, data: vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0] };
        let asked = Rows { rows: 2, columns: 2, data: vec![1.0, 0.0, 0.0, 1.0] };
        assert_eq!(vote(&voters, &[0, 0, 1], &asked, 1, 2), [0, 1]);
        assert_eq!(vote(&voters, &[0, 0, 1], &asked, 3, 2), [0, 0]);
    }
}
