//! Loaded records as rows of tokens, and the batches cut from them.

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
}

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
    pub fn load(
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
        Ok(Self { task, rows, labels: examples.iter().map(|example| example.label).collect() })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Number of rows: twice the samples for sentence embeddings.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The label of a sample.
    pub fn label(&self, sample: usize) -> Option<usize> {
        self.labels.get(sample).copied().flatten()
    }

    /// The rows of samples: their own, then those of their pairs.
    pub fn rows_of(&self, samples: &[usize]) -> Result<Vec<usize>, NetworkError> {
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
    pub fn input(&self, row: usize) -> &[u32] {
        let tokens = &self.rows[row];
        if self.task == Task::Generate { &tokens[..tokens.len() - 1] } else { tokens }
    }

    /// Tokens that a language model should predict at each place of [`Examples::input`].
    pub fn targets(&self, row: usize) -> &[u32] {
        &self.rows[row][1..]
    }

    /// A batch, padded to its longest row.
    pub fn block(&self, rows: Vec<usize>) -> Block {
        let longest = rows.iter().map(|&row| self.input(row).len()).max().unwrap_or(1);
        let length = longest.next_multiple_of(ROUND);
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
