//! Values that look at the records and not at the model: nearest neighbours, and plain likeness. Baselines only.

use datanet_data::judge::{Labelled, value_labels};
use datanet_training::attribution::Rows;
use datanet_training::attribution::gradients::product;
use datanet_types::id::Digest;
use rayon::prelude::*;

/// The exact Shapley value of each record for the vote of an answer's ten nearest neighbours, [n, Q]
/// (the judge's hard KNN-Shapley, one answer at a time).
///
/// `records` [n, D] and `answers` [Q, D] are unit vectors, the labels are classes.
pub fn knn(records: &Rows, labels: &[usize], answers: &Rows, answer_labels: &[usize]) -> Rows {
    let names: Vec<String> = labels.iter().map(ToString::to_string).collect();
    let leaf = |at: usize| Digest(*blake3::hash(&(at as u64).to_le_bytes()).as_bytes());
    let batch: Vec<Labelled<'_>> = records
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(at, (embedding, label))| Labelled { embedding, label, leaf: leaf(at) })
        .collect();
    let columns: Vec<Vec<f64>> = (0..answers.rows.min(answer_labels.len()))
        .into_par_iter()
        .map(|at| {
            let label = answer_labels[at].to_string();
            let answer = Labelled { embedding: answers.row(at), label: &label, leaf: leaf(records.rows + at) };
            value_labels(&[], &batch, &[answer]).values
        })
        .collect();
    let mut values = Rows::zeros(records.rows, columns.len());
    for (answer, column) in columns.iter().enumerate() {
        column.iter().enumerate().for_each(|(record, value)| values.row_mut(record)[answer] = *value as f32);
    }
    values
}

/// The cosine of each record's and each answer's vector, [n, Q].
pub fn cosine(records: &Rows, answers: &Rows) -> Rows {
    product(&unit(records), &unit(answers))
}

/// Rows of length one; a row of zeros stays.
pub fn unit(rows: &Rows) -> Rows {
    let mut rows = rows.clone();
    for at in 0..rows.rows {
        let row = rows.row_mut(at);
        let length = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt() as f32;
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_the_right_label_are_worth_something() {
        let records = Rows { rows: 3, columns: 2, data: vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0] };
        let answers = Rows { rows: 1, columns: 2, data: vec![1.0, 0.0] };
        let values = knn(&records, &[0, 1, 0], &answers, &[0]);
        assert!(values.row(0)[0] > 0.0 && values.row(1)[0] <= 0.0, "{:?}", values.data);
        // What all are worth together is the share of the ten votes that are right.
        assert!((values.data.iter().sum::<f32>() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn cosines_ignore_length() {
        let records = Rows { rows: 2, columns: 2, data: vec![5.0, 0.0, 0.0, 0.0] };
        let answers = Rows { rows: 1, columns: 2, data: vec![3.0, 4.0] };
        let values = cosine(&records, &answers);
        assert!((values.data[0] - 0.6).abs() < 1e-6 && values.data[1] == 0.0);
    }
}
