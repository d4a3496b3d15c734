//! Prompts that are being read.

use super::cache::{Cache, CacheShape};
use super::decoder::Feed;
use super::sequence::Sequence;
use crate::encoder::Loaded;
use crate::runtime::RuntimeError;

/// A sequence that has not been read yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) sequence: Sequence,
    pub(super) prompt: Vec<u32>,
    /// Whether it must be read alone, because the prompts it was read with have failed.
    pub(super) alone: bool,
}

impl Pending {
    /// Tokens at its end.
    pub(super) fn final_length(&self) -> usize {
        self.prompt.len() + self.sequence.remaining()
    }
}

/// Prompts read side by side, padded on the left to the longest, a piece at a time.
#[derive(Debug)]
pub(super) struct Prefill {
    pub(super) cache: Cache,
    pub(super) rows: Vec<Pending>,
    length: usize,
}

impl Prefill {
    pub(super) fn new(shape: CacheShape, rows: Vec<Pending>) -> Result<Self, RuntimeError> {
        let length = rows.iter().map(|row| row.prompt.len()).max().unwrap_or(0);
        Ok(Self { cache: Cache::empty(shape, rows.len())?, rows, length })
    }

    /// Whether all prompts have been read.
    pub(super) fn is_done(&self) -> bool {
        self.cache.width == self.length
    }

    /// Each row's adapter.
    pub(super) fn adapters(&self) -> Vec<Option<&Loaded>> {
        self.rows.iter().map(|row| row.sequence.adapter.as_deref()).collect()
    }

    /// The next piece, of about `budget` tokens.
    pub(super) fn feed(&self, budget: usize) -> Feed {
        let from = self.cache.width;
        let to = (from + (budget / self.rows.len().max(1)).max(1)).min(self.length);
        let mut ids = Vec::with_capacity(self.rows.len() * (to - from));
        let mut lengths = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let padding = self.length - row.prompt.len();
            let id = |column: usize| column.checked_sub(padding).map_or(0, |at| i64::from(row.prompt[at]));
            ids.extend((from..to).map(id));
            lengths.push(to.saturating_sub(padding));
        }
        Feed { ids, lengths, tokens: to - from }
    }
}
