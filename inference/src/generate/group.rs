//! The sequences that are generated together.

use super::cache::{Cache, CacheShape, Pick};
use super::decoder::Feed;
use super::sequence::Sequence;
use crate::encoder::Loaded;
use crate::runtime::RuntimeError;

/// Columns of padding that all rows have in common are cut off when they are this many and a quarter of the width.
const MIN_TRIM: usize = 64;

/// A sequence whose prompt has been read.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) sequence: Sequence,
    /// Its tokens in the cache.
    pub(super) length: usize,
    /// The token chosen last, which is not in the cache yet.
    pub(super) next: u32,
}

impl Row {
    /// Width that it needs at its end.
    fn final_length(&self) -> usize {
        self.length + self.sequence.remaining()
    }
}

/// Sequences side by side in one cache. A row whose sequence has left is free, and the next to come takes it without
/// the others being moved.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) cache: Cache,
    pub(super) rows: Vec<Option<Row>>,
    shape: CacheShape,
}

impl Group {
    pub(super) fn empty(shape: CacheShape) -> Self {
        Self { cache: Cache::none(shape), rows: Vec::new(), shape }
    }

    pub(super) fn new(shape: CacheShape, cache: Cache, rows: Vec<Option<Row>>) -> Self {
        Self { cache, rows, shape }
    }

    /// Sequences under way.
    pub(super) fn live(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live().next().is_none()
    }

    /// Each row's adapter.
    pub(super) fn adapters(&self) -> Vec<Option<&Loaded>> {
        self.rows.iter().map(|row| row.as_ref().and_then(|row| row.sequence.adapter.as_deref())).collect()
    }

    /// The tokens of the next step; a free row gets one that means nothing.
    pub(super) fn feed(&self) -> Feed {
        let id = |row: &Option<Row>| row.as_ref().map_or(0, |row| i64::from(row.next));
        let length = |row: &Option<Row>| row.as_ref().map_or(1, |row| row.length + 1);
        Feed { ids: self.rows.iter().map(id).collect(), lengths: self.rows.iter().map(length).collect(), tokens: 1 }
    }

    /// Width that the cache reaches if no sequence joins: it grows by one a step.
    pub(super) fn final_width(&self) -> usize {
        self.cache.width + self.live().map(|row| row.sequence.remaining()).max().unwrap_or(0)
    }

    /// The same after cutting off the padding that all rows have in common.
    pub(super) fn least_final_width(&self) -> usize {
        let width = self.live().map(|row| row.length).max().unwrap_or(0);
        width + self.live().map(|row| row.sequence.remaining()).max().unwrap_or(0)
    }

    /// Takes the sequences of another group in. Free rows are filled in place where that keeps the cache within
    /// `cache_tokens`; otherwise all is gathered anew, as tight as can be.
    pub(super) fn join(&mut self, mut other: Self, cache_tokens: usize) -> Result<(), RuntimeError> {
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        let free: Vec<usize> = (0..self.rows.len()).filter(|&row| self.rows[row].is_none()).collect();
        let longest = other.live().map(|row| row.length).max().unwrap_or(0);
        let last = other.live().map(Row::final_length).max().unwrap_or(0);
        let width = self.final_width().max(self.cache.width + last);
        let fits = longest <= self.cache.width && self.rows.len().saturating_mul(width) <= cache_tokens;
        if !fits || other.live().count() > free.len() {
            return self.gather(Some(other));
        }
        let mut free = free.into_iter();
        for from in 0..other.rows.len() {
            let Some(row) = other.rows[from].take() else { continue };
            let Some(to) = free.next() else { break };
            self.cache.write(to, Pick { cache: &other.cache, row: from, length: row.length })?;
            self.rows[to] = Some(row);
        }
        Ok(())
    }

    /// Cuts off what no sequence needs: free rows if `compact`, and much padding in any case.
    pub(super) fn tidy(&mut self, compact: bool) -> Result<(), RuntimeError> {
        let longest = self.live().map(|row| row.length).max().unwrap_or(0);
        let padding = self.cache.width - longest;
        let free = self.rows.iter().any(Option::is_none);
        if compact && free || padding >= MIN_TRIM.max(self.cache.width / 4) {
            self.gather(None)?;
        }
        Ok(())
    }

    /// One group for each sequence.
    pub(super) fn split(self) -> Result<Vec<Self>, RuntimeError> {
        let Self { cache, rows, shape } = self;
        let mut parts = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            let pick = Some(Pick { cache: &cache, row: at, length: row.length });
            let cache = Cache::gather(shape, &[pick], row.length)?;
            parts.push(Self { cache, rows: vec![Some(row)], shape });
        }
        Ok(parts)
    }

    /// A new cache of all sequences, those of `other` last, without free rows and needless padding.
    fn gather(&mut self, other: Option<Self>) -> Result<(), RuntimeError> {
        let other = other.unwrap_or_else(|| Self::empty(self.shape));
        let picks: Vec<Option<Pick<'_>>> = self.picks().chain(other.picks()).map(Some).collect();
        let width = self.live().chain(other.live()).map(|row| row.length).max().unwrap_or(0);
        let cache = Cache::gather(self.shape, &picks, width)?;
        let rows = std::mem::take(&mut self.rows);
        self.rows = rows.into_iter().chain(other.rows).flatten().map(Some).collect();
        self.cache = cache;
        Ok(())
    }

    fn picks(&self) -> impl Iterator<Item = Pick<'_>> {
        let pick = |(row, live): (usize, &Option<Row>)| {
            live.as_ref().map(|live| Pick { cache: &self.cache, row, length: live.length })
        };
        self.rows.iter().enumerate().filter_map(pick)
    }
}
