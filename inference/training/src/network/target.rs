//! What a record is to say: the objective's inputs for a batch, and the losses that its log-probabilities mean.

use datanet_inference::runtime::Tensor;

use super::examples::Block;
use super::objective::{APART, LABELS, SIGNS, WEIGHTS};
use super::{Network, NetworkError};
use crate::data::Task;

impl Network {
    /// The inputs of the objective that give sum of `factors[i]` * log-probability of sample i's target.
    pub(super) fn weights(
        &self,
        block: &Block,
        samples: &[usize],
        factors: &[f32],
    ) -> Result<Vec<(String, Tensor)>, NetworkError> {
        let examples = self.examples()?;
        let count = samples.len();
        Ok(match self.task {
            Task::Classify => {
                let classes = self.blueprint.classes();
                let mut weights = vec![0.0; count * classes];
                for (at, (&sample, &factor)) in samples.iter().zip(factors).enumerate() {
                    if let Some(label) = examples.label(sample).filter(|label| *label < classes) {
                        weights[at * classes + label] = factor;
                    }
                }
                let signs = Tensor::new(&[count, classes], vec![0.0f32; count * classes])?;
                vec![(WEIGHTS.to_owned(), Tensor::new(&[count, classes], weights)?), (SIGNS.to_owned(), signs)]
            }
            Task::Embed => {
                let mut weights = vec![0.0; count * count];
                factors.iter().enumerate().for_each(|(at, &factor)| weights[at * count + at] = factor);
                let apart = Tensor::new(&[count, count], examples.apart(samples))?;
                vec![(WEIGHTS.to_owned(), Tensor::new(&[count, count], weights)?), (APART.to_owned(), apart)]
            }
            Task::Generate => {
                let shape = [count, block.length];
                let (mut labels, mut weights) = (vec![0i64; count * block.length], vec![0.0f32; count * block.length]);
                for (at, (&row, &factor)) in block.rows.iter().zip(factors).enumerate() {
                    let targets = examples.targets(row);
                    let share = factor / targets.len().max(1) as f32;
                    for (place, &target) in targets.iter().enumerate() {
                        labels[at * block.length + place] = i64::from(target);
                        weights[at * block.length + place] = share;
                    }
                }
                vec![
                    (LABELS.to_owned(), Tensor::new(&shape, labels)?),
                    (WEIGHTS.to_owned(), Tensor::new(&shape, weights)?),
                ]
            }
        })
    }

    /// Each sample's loss, from the log-probabilities of its batch.
    pub(super) fn losses_of(&self, block: &Block, samples: &[usize], logs: &[f32]) -> Vec<f32> {
        let columns = logs.len() / samples.len().max(1);
        let loss = |(at, &sample): (usize, &usize)| {
            let logs = &logs[at * columns..(at + 1) * columns];
            match self.task {
                Task::Classify => self.label(sample).and_then(|label| logs.get(label)).map_or(0.0, |log| -log),
                Task::Embed => -logs[at],
                Task::Generate => {
                    let tokens = self.examples.as_ref().map_or(0, |examples| examples.targets(block.rows[at]).len());
                    let sum: f64 = logs[..tokens].iter().map(|&log| f64::from(log)).sum();
                    (-sum / tokens.max(1) as f64) as f32
                }
            }
        };
        samples.iter().enumerate().map(loss).collect()
    }

    /// Tokens that a language model predicts in each row; nothing for other tasks.
    pub(super) fn predicted(&self, block: &Block) -> Vec<usize> {
        match (&self.examples, self.task) {
            (Some(examples), Task::Generate) => block.rows.iter().map(|&row| examples.targets(row).len()).collect(),
            _ => Vec::new(),
        }
    }
}
