//! Loaded records as rows of tokens, and the batches cut from them.

use std::collections::HashMap;

use super::NetworkError;
use crate::data::{Example, Task, TextTokens, Tokenised};

/// Lengths are rounded up to this: fewer shapes for the runtime to remember, and whole vector registers.
const ROUND: usize = 8;

/// Records as tokens. Row s is sample s; for sentence embeddings the rows of the pairs follow.
#[derive(Clone, Debug)]
pub(super) struct Examples {
    task: Task,
    rows: Vec<Tokenised>,
    labels: Vec<Option<usize>>,
    /// For sentence embeddings, what each sample means: the same number where pairs link them.
    meanings: Vec<usize>,
}

/// Added to a score that is out of the running.
const OUT: f32 = -1e4;

/// A batch's tokens.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Rows of the loaded examples.
    pub rows: Vec<usize>,
    /// Length of the longest, rounded up.
    pub length: usize,
    /// `[rows, length]`, 0 where there is no token.
    pub ids: Vec<i64>,
    /// `[rows, length]`, 1 at tokens.
    pub mask: Vec<i64>,
}

impl Examples {
    /// Tokenises records; texts for a language model end with `end` where they are short enough.
    pub(super) fn load(
        task: Task,
        examples: &[&Example],
        tokens: &TextTokens,
        max_tokens: usize,
        end: Option<u32>,
    ) -> Result<Self, NetworkError> {
        let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
        let mut rows = tokens.encode_all(&texts)?;
        if task == Task::Embed {
            let pairs: Vec<&str> = examples.iter().map(|example| example.pair.as_deref().unwrap_or("")).collect();
            // A text to be embedded alone has no pair: it stands for itself.
            let pairs: Vec<&str> =
                pairs.iter().zip(&texts).map(|(pair, text)| if pair.is_empty() { *text } else { *pair }).collect();
            rows.extend(tokens.encode_all(&pairs)?);
        }
        let meanings = if task == Task::Embed { meanings(&rows) } else { Vec::new() };
        if task == Task::Generate {
            for row in &mut rows {
                if let (Some(end), true) = (end, row.len() < max_tokens) {
                    row.push(end);
                }
                // One token predicts nothing.
                if row.len() < 2 {
                    row.push(row[0]);
                }
            }
        }
        Ok(Self { task, rows, labels: examples.iter().map(|example| example.label).collect(), meanings })
    }

    /// One text for a language model, by its tokens.
    pub(super) fn written(tokens: Tokenised) -> Self {
        Self { task: Task::Generate, rows: vec![tokens], labels: vec![None], meanings: Vec::new() }
    }

    /// What a sample means, for sentence embeddings: samples of the same number are no contrast to each other.
    pub(super) fn meaning(&self, sample: usize) -> usize {
        self.meanings.get(sample).copied().unwrap_or(sample)
    }

    /// `[samples, samples]`, what is added to the score of sample i with the pair of sample j: nothing, but where the two
    /// mean the same and the pair is not its own. A text must not be taught to flee what means the same, least of all
    /// itself as the pair of another.
    pub(super) fn apart(&self, samples: &[usize]) -> Vec<f32> {
        let score = |i: usize, j: usize| {
            let same = self.meaning(samples[i]) == self.meaning(samples[j]);
            if i != j && same { OUT } else { 0.0 }
        };
        (0..samples.len()).flat_map(|i| (0..samples.len()).map(move |j| (i, j))).map(|(i, j)| score(i, j)).collect()
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Number of rows: twice the samples for sentence embeddings.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The label of a sample.
    pub(super) fn label(&self, sample: usize) -> Option<usize> {
        self.labels.get(sample).copied().flatten()
    }

    /// The rows of samples: their own, then those of their pairs.
    pub(super) fn rows_of(&self, samples: &[usize]) -> Result<Vec<usize>, NetworkError> {
        if let Some(&bad) = samples.iter().find(|sample| **sample >= self.len()) {
            return Err(NetworkError::Sample { sample: bad, samples: self.len() });
        }
        let mut rows = samples.to_vec();
        if self.task == Task::Embed {
            rows.extend(samples.iter().map(|sample| sample + self.len()));
        }
        Ok(rows)
    }

    /// Tokens that go into the network: a language model is not fed the last one.
    pub(super) fn input(&self, row: usize) -> &[u32] {
        let tokens = &self.rows[row];
        if self.task == Task::Generate { &tokens[..tokens.len() - 1] } else { tokens }
    }

    /// Tokens that a language model should predict at each place of [`Examples::input`].
    pub(super) fn targets(&self, row: usize) -> &[u32] {
        &self.rows[row][1..]
    }

    /// The length of a row with the padding that it has in any block.
    pub(super) fn padded(&self, row: usize) -> usize {
        self.input(row).len().max(1).next_multiple_of(ROUND)
    }

    /// A batch, padded to its longest row.
    pub(super) fn block(&self, rows: Vec<usize>) -> Block {
        let length = rows.iter().map(|&row| self.padded(row)).max().unwrap_or(ROUND);
        let (mut ids, mut mask) = (vec![0; rows.len() * length], vec![0; rows.len() * length]);
        for (at, &row) in rows.iter().enumerate() {
            for (place, &token) in self.input(row).iter().enumerate() {
                ids[at * length + place] = i64::from(token);
                mask[at * length + place] = 1;
            }
        }
        Block { rows, length, ids, mask }
    }
}

/// What samples mean, from their rows and those of their pairs: the same where equal texts or pairs link them.
fn meanings(rows: &[Tokenised]) -> Vec<usize> {
    let count = rows.len() / 2;
    let mut parent: Vec<usize> = (0..count).collect();
    let mut first: HashMap<&Tokenised, usize> = HashMap::new();
    for (row, tokens) in rows.iter().enumerate() {
        let sample = row % count;
        let other = *first.entry(tokens).or_insert(sample);
        let (a, b) = (root(&mut parent, sample), root(&mut parent, other));
        parent[a.max(b)] = a.min(b);
    }
    (0..count).map(|sample| root(&mut parent, sample)).collect()
}

fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_pairs_link_are_no_contrast() {
        // Texts 1 2 3 4 with pairs 2 3 1 5: the first three go round, the fourth is another matter.
        let rows: Vec<Tokenised> = [1u32, 2, 3, 4, 2, 3, 1, 5].iter().map(|token| vec![*token]).collect();
        let meanings = meanings(&rows);
        assert_eq!(meanings, [0, 0, 0, 3]);
        let examples = Examples { task: Task::Embed, rows, labels: vec![None; 4], meanings };
        assert_eq!(examples.apart(&[0, 1, 3]), [0.0, OUT, 0.0, OUT, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
