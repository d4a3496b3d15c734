//! What a model knows, asked of records that it never learnt from, beside what its base and the commonest label know.

mod labels;

use serde::{Deserialize, Serialize};

use crate::attribution::Rows;
use crate::data::{Dataset, Task};
use crate::network::{Network, NetworkError};

/// Records that vote for a label where the base model is asked.
const NEIGHBOURS: usize = 10;

/// Training records that the base's vote looks at; more would change little and cost much.
const MAX_VOTERS: usize = 5_000;

/// Named measures over the held-out records.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Held-out records.
    pub records: usize,
    /// The measures in a fixed order: `loss` and
    /// - classification: `accuracy`, `macro_f1`, `base_accuracy` (a vote of the ten nearest records by the base's
    ///   vectors), `majority`;
    /// - sentence embeddings: `recall_at_1`, `recall_at_10`, `base_recall_at_1`, `base_recall_at_10`;
    /// - language models: `perplexity`, `base_loss`, `base_perplexity`;
    ///
    /// and, where nodes serve another form than was trained, the first ones of that form as `served_...`, with
    /// `served_cosine` between the vectors of both.
    pub measures: Vec<Measure>,
}

/// One measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Its number.
    pub value: f64,
}

impl Evaluation {
    /// A measure by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.measures.iter().find(|measure| measure.name == name).map(|measure| measure.value)
    }

    fn add(&mut self, name: &str, value: f64) {
        self.measures.push(Measure { name: name.to_owned(), value });
    }
}

/// Asks the held-out records, which are loaded in `network` after the training ones; `told` hears how many at a time.
///
/// # Errors
/// As [`Network::forward`].
pub fn evaluate(
    network: &mut Network,
    data: &Dataset,
    theta: &[f32],
    told: &mut dyn FnMut(usize),
) -> Result<Evaluation, NetworkError> {
    let asked = network.held_out();
    let mut evaluation = Evaluation { records: asked.len(), measures: Vec::new() };
    let answers = network.forward_telling(theta, &asked, told)?;
    evaluation.add("loss", mean(&answers.losses));
    match data.task {
        Task::Classify => {
            let truth: Vec<usize> = data.held_out.iter().filter_map(|example| example.label).collect();
            let said: Vec<usize> = answers.log_probabilities.iter().map(crate::network::highest).collect();
            evaluation.add("accuracy", labels::accuracy(&said, &truth));
            evaluation.add("macro_f1", labels::macro_f1(&said, &truth, data.labels.len()));
        }
        Task::Embed => {
            let meanings = network.meanings(&asked);
            for (name, rank) in [("recall_at_1", 1), ("recall_at_10", 10)] {
                evaluation.add(name, recall(&answers.pooled, &answers.pairs, &meanings, rank));
            }
        }
        Task::Generate => evaluation.add("perplexity", mean(&answers.losses).exp()),
    }
    Ok(evaluation)
}

/// Records that [`compare`] asks.
pub fn compared(data: &Dataset) -> usize {
    let voters = if data.task == Task::Classify { data.train.len().min(MAX_VOTERS) } else { 0 };
    voters + data.held_out.len()
}

/// Adds what the base, which is the network at `start`, and the commonest label would have answered; `told` hears how
/// many records were asked at a time.
///
/// # Errors
/// As [`Network::forward`].
pub fn compare(
    evaluation: &mut Evaluation,
    network: &mut Network,
    data: &Dataset,
    start: &[f32],
    told: &mut dyn FnMut(usize),
) -> Result<(), NetworkError> {
    let asked = network.held_out();
    match data.task {
        Task::Classify => {
            let voters: Vec<usize> = (0..data.train.len().min(MAX_VOTERS)).collect();
            let known: Vec<usize> = data.train.iter().take(voters.len()).filter_map(|example| example.label).collect();
            let truth: Vec<usize> = data.held_out.iter().filter_map(|example| example.label).collect();
            let voters = units(network.forward_telling(start, &voters, told)?.pooled);
            let asked = units(network.forward_telling(start, &asked, told)?.pooled);
            let said = labels::vote(&voters, &known, &asked, NEIGHBOURS, data.labels.len());
            evaluation.add("base_accuracy", labels::accuracy(&said, &truth));
            evaluation.add("majority", data.majority());
        }
        Task::Embed => {
            let answers = network.forward_telling(start, &asked, told)?;
            let meanings = network.meanings(&asked);
            for (name, rank) in [("base_recall_at_1", 1), ("base_recall_at_10", 10)] {
                evaluation.add(name, recall(&answers.pooled, &answers.pairs, &meanings, rank));
            }
        }
        Task::Generate => {
            let loss = mean(&network.forward_telling(start, &asked, told)?.losses);
            evaluation.add("base_loss", loss);
            evaluation.add("base_perplexity", loss.exp());
        }
    }
    Ok(())
}

/// Share of texts whose own pair is among the `rank` nearest, of those that mean something else.
fn recall(texts: &Rows, pairs: &Rows, meanings: &[usize], rank: usize) -> f64 {
    let (texts, pairs) = (units(texts.clone()), units(pairs.clone()));
    let found = |(at, text): &(usize, &[f32])| {
        let own = dot(text, pairs.row(*at));
        let others = pairs.iter().zip(meanings).filter(|(_, meaning)| **meaning != meanings[*at]);
        others.filter(|(pair, _)| dot(text, pair) > own).count() < rank
    };
    texts.iter().enumerate().filter(found).count() as f64 / texts.rows.max(1) as f64
}

/// Every row scaled to unit length.
fn units(mut rows: Rows) -> Rows {
    for at in 0..rows.rows {
        let row = rows.row_mut(at);
        let norm = dot(row, row).sqrt().max(1e-12);
        row.iter_mut().for_each(|x| *x /= norm);
    }
    rows
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, which the compiler keeps in one register.
    let mut sums = [0.0f32; 8];
    let ((wide, rest), (other, last)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in wide.iter().zip(other) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + rest.iter().zip(last).map(|(a, b)| a * b).sum::<f32>()
}

fn mean(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_pairs_that_are_nearest() {
        let texts = Rows { rows: 2, columns: 2, data: vec![1.0, 0.0, 0.0, 1.0] };
        let swapped = Rows { rows: 2, columns: 2, data: vec![0.0, 2.0, 3.0, 0.0] };
        assert_eq!(
            (
                recall(&texts, &texts, &[0, 1], 1),
                recall(&texts, &swapped, &[0, 1], 1),
                recall(&texts, &swapped, &[0, 1], 2)
            ),
            (1.0, 0.0, 1.0)
        );
        assert_eq!(recall(&texts, &swapped, &[0, 0], 1), 1.0, "what means the same is as good");
    }
}
