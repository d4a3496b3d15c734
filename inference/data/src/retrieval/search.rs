//! Search for people: by words, by meaning, or both.

use std::ops::Range;

use datanet_types::ContributionId;
use tantivy::snippet::{SnippetGenerator, collapse_overlapped_ranges};

use super::lexical::{FRACTION_BITS, bm25};
use super::rank::{fuse_ranks, top};
use super::schema::{query_terms, tokenizer};
use super::scope::Scope;
use super::semantic::cosines;
use super::view::View;
use super::{RetrievalError, Snapshot};
use crate::Embedding;

/// Most hits of one search.
pub const MAX_HITS: usize = 1000;
/// Hits of each leg that a hybrid search fuses, at least.
const FUSED_HITS: usize = 200;
/// Length of a snippet.
const SNIPPET_CHARS: usize = 240;

/// How to search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// By words: BM25. The score is in bits.
    Text,
    /// By meaning: the score is the cosine with the query's vector.
    Semantic,
    /// Both, by reciprocal rank fusion with the constant 60.
    #[default]
    Hybrid,
}

/// A search.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// Any text: there is no syntax. A document matches by any of its words.
    pub text: String,
    /// The text's vector; not needed in text mode.
    pub embedding: Option<Embedding>,
    /// How.
    pub mode: Mode,
    /// Hits wanted; at most [`MAX_HITS`] are given.
    pub limit: usize,
    /// Only these contributions; everything in the index otherwise.
    pub snapshot: Option<Snapshot>,
}

/// A part of a text around the words that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The part.
    pub text: String,
    /// Byte ranges of `text` that are words of the query, ascending, not overlapping.
    pub highlights: Vec<Range<usize>>,
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its contribution.
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0.
    pub record: u64,
    /// How well it fits; comparable within one search only. See [`Mode`].
    pub score: f64,
    /// Its text.
    pub text: String,
    /// Its label.
    pub label: Option<String>,
    /// Where words of the query occur; absent if none does.
    pub snippet: Option<Snippet>,
}

pub(super) fn search(view: &View, request: &SearchRequest) -> Result<Vec<Hit>, RetrievalError> {
    let scope = match &request.snapshot {
        Some(snapshot) => Scope::present(view, &snapshot.contributions),
        None => Scope::all(view),
    };
    let limit = request.limit.min(MAX_HITS);
    let terms = query_terms(&request.text);
    let ranked = match request.mode {
        Mode::Text => by_words(view, &scope, &terms, limit)?,
        Mode::Semantic => by_meaning(view, &scope, request, limit)?,
        Mode::Hybrid => {
            let depth = limit.max(FUSED_HITS);
            let legs = [by_words(view, &scope, &terms, depth)?, by_meaning(view, &scope, request, depth)?];
            let mut fused = fuse_ranks(&legs.map(|leg| leg.into_iter().map(|(position, _)| position).collect()));
            fused.truncate(limit);
            fused
        }
    };
    let snippets = Highlighter::new(view, terms);
    ranked.into_iter().map(|(position, score)| hit(view, &scope, position, score, &snippets)).collect()
}

fn by_words(view: &View, scope: &Scope, terms: &[String], n: usize) -> Result<Vec<(u32, f64)>, RetrievalError> {
    let scores = bm25(view, scope, terms)?;
    let best = top(scope.documents, n, |position| scores.get(position as usize).copied().filter(|score| *score > 0));
    let unit = f64::from(1u32 << FRACTION_BITS);
    Ok(best.into_iter().map(|(position, score)| (position, f64::from(score) / unit)).collect())
}

fn by_meaning(
    view: &View,
    scope: &Scope,
    request: &SearchRequest,
    n: usize,
) -> Result<Vec<(u32, f64)>, RetrievalError> {
    let query = request.embedding.as_ref().ok_or(RetrievalError::NoVector)?;
    let cosines = cosines(&view.vectors, scope, query)?;
    // Ranked as shown, to four digits, so that ties of noise go by (contribution, record) on every node.
    let best = top(scope.documents, n, |position| cosines.get(position as usize).map(|cosine| to_units(*cosine)));
    Ok(best.into_iter().map(|(position, units)| (position, units as f64 / f64::from(UNITS))).collect())
}

/// Units of a score in one: cosines are compared to four digits.
pub(super) const UNITS: u32 = 10_000;

/// A cosine in units.
pub(super) fn to_units(cosine: f32) -> i64 {
    (f64::from(cosine) * f64::from(UNITS)).round() as i64
}

fn hit(view: &View, scope: &Scope, position: u32, score: f64, snippets: &Highlighter) -> Result<Hit, RetrievalError> {
    let stored = view.stored(scope.row(position).unwrap_or(u64::MAX))?;
    let snippet = snippets.snippet(&stored.text);
    Ok(Hit {
        contribution: stored.contribution,
        record: stored.record,
        score,
        text: stored.text,
        label: stored.label,
        snippet,
    })
}

struct Highlighter(SnippetGenerator);

impl Highlighter {
    fn new(view: &View, terms: Vec<String>) -> Self {
        // Longer words are rarer, near enough to choose a fragment by.
        let terms = terms.into_iter().map(|term| (term.chars().count() as f32, term)).map(|(w, term)| (term, w));
        Self(SnippetGenerator::new(terms.collect(), tokenizer(), view.fields.text, SNIPPET_CHARS))
    }

    fn snippet(&self, text: &str) -> Option<Snippet> {
        let found = self.0.snippet(text);
        // Pairs of characters overlap.
        let highlights = collapse_overlapped_ranges(found.highlighted());
        (!found.is_empty()).then(|| Snippet { text: found.fragment().to_owned(), highlights })
    }
}
