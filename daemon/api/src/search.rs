//! Searching records.

use std::ops::Range;

use datanet_types::{ContributionId, DatanetId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words or a sentence.
    pub q: String,
    /// Id or name; all datanets this node follows if not given.
    pub datanet: Option<String>,
    /// `text` (BM25), `semantic` (embeddings) or `hybrid` (both, fused by rank).
    #[serde(default)]
    #[param(inline)]
    pub mode: SearchMode,
    /// At most this many, up to 100.
    pub limit: Option<usize>,
}

/// How to search: by words, by meaning, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// By words: BM25.
    Text,
    /// By meaning: embeddings.
    Semantic,
    /// Both, fused by rank.
    #[default]
    Hybrid,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hits {
    /// Best first.
    pub hits: Vec<SearchHit>,
}

/// A record found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchHit {
    /// Its datanet.
    #[schema(value_type = String)]
    pub datanet: DatanetId,
    /// Contribution, record, score, text, label, snippet.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub hit: Hit,
}

/// A record of a contribution that fits what was looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its contribution.
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0.
    pub record: u64,
    /// How well it fits; comparable within one search only.
    pub score: f64,
    /// Its text.
    pub text: String,
    /// Its label.
    pub label: Option<String>,
    /// Where words of the query occur; absent if none does.
    pub snippet: Option<Snippet>,
}

/// A part of a text around the words that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    /// The part.
    pub text: String,
    /// Byte ranges of `text` that are words of the query, ascending, not overlapping.
    pub highlights: Vec<Range<usize>>,
}
