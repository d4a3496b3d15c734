//! The documents that a query may see, numbered in an order that every node shares.
//!
//! A *position* counts the scope's documents by (contribution id, record). It is the tie-breaker of every ranking, and
//! depends on neither insertion order nor rows nor segments.

use std::collections::BTreeSet;

use datanet_types::ContributionId;

use super::RetrievalError;
use super::space::Extent;
use super::view::View;

const OUTSIDE: u32 = u32::MAX;

pub(super) struct Scope {
    /// Rows of the scope in the order of positions.
    runs: Vec<Run>,
    /// Position of each row of the index, [`OUTSIDE`] for rows of others.
    positions: Vec<u32>,
    /// Documents.
    pub(super) documents: u32,
    /// Terms of all their texts.
    pub(super) terms: u64,
}

/// Consecutive rows at consecutive positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) rows: Extent,
    position: u32,
}

impl Scope {
    /// Everything in the index.
    pub(super) fn all(view: &View) -> Self {
        Self::over(view, view.catalogue.keys())
    }

    /// Those of `contributions` that are in the index.
    pub(super) fn present<'a>(view: &View, contributions: impl IntoIterator<Item = &'a ContributionId>) -> Self {
        Self::over(view, contributions)
    }

    /// Exactly `contributions`, less `without`.
    pub(super) fn exactly(
        view: &View,
        contributions: &[ContributionId],
        without: Option<ContributionId>,
    ) -> Result<Self, RetrievalError> {
        let missing: Vec<_> = contributions.iter().filter(|id| !view.catalogue.contains_key(id)).copied().collect();
        if !missing.is_empty() {
            return Err(RetrievalError::Missing(missing));
        }
        Ok(Self::over(view, contributions.iter().filter(|id| Some(**id) != without)))
    }

    fn over<'a>(view: &View, contributions: impl IntoIterator<Item = &'a ContributionId>) -> Self {
        let ordered: BTreeSet<&ContributionId> = contributions.into_iter().collect();
        let mut scope = Self { runs: Vec::new(), positions: Vec::new(), documents: 0, terms: 0 };
        for manifest in ordered.into_iter().filter_map(|id| view.catalogue.get(id)) {
            scope.terms += manifest.terms;
            for rows in &manifest.extents {
                scope.runs.push(Run { rows: *rows, position: scope.documents });
                // The worker keeps the index below `MOST_DOCUMENTS`, so positions fit 32 bits.
                scope.documents += rows.count as u32;
            }
        }
        let end = scope.runs.iter().map(|run| run.rows.end()).max().unwrap_or(0);
        scope.positions = vec![OUTSIDE; end as usize];
        for run in &scope.runs {
            let rows = &mut scope.positions[run.rows.first as usize..run.rows.end() as usize];
            for (position, slot) in (run.position..).zip(rows) {
                *slot = position;
            }
        }
        scope
    }

    /// The position of the document in `row`, if the scope has it.
    pub(super) fn position(&self, row: u64) -> Option<u32> {
        self.positions.get(row as usize).copied().filter(|position| *position != OUTSIDE)
    }

    /// The row of the document at `position`.
    pub(super) fn row(&self, position: u32) -> Option<u64> {
        let run = self.runs[..self.runs.partition_point(|run| run.position <= position)].last()?;
        let offset = u64::from(position - run.position);
        (offset < run.rows.count).then_some(run.rows.first + offset)
    }

    /// Rows in the order of positions.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}
