//! The index of one datanet, and answers out of it that another node can recompute.
//!
//! ```text
//!  Document ──► DatanetIndex ──► worker ──► tantivy (terms, texts)      who alone writes, while there is something
//!                    │              └─────► vectors.f32 (embeddings)    flat file, read by position
//!                    ▼
//!        Scope: the documents of a Snapshot, in a fixed order
//!          ├─ lexical:  BM25 in integers, statistics of the scope alone
//!          └─ semantic: cosine with every vector of the scope
//!                    ▼
//!        search (for people)     answer ──► recompute, ablate (for receipts)
//! ```
//!
//! # Why another node gets the same answer
//!
//! Tantivy's own BM25 takes its statistics from whole segments: other contributions, and deleted ones until a merge,
//! change every score. So tantivy keeps the postings and the texts, and the score is computed here: one pass over the
//! postings of the query's terms, limited to the documents of the snapshot, with document count, lengths and term
//! frequencies of exactly those documents, in integer arithmetic (`lexical`). It is a pure function of the snapshot,
//! equal to the bit whatever the segments, the order of insertion, or what else the index holds.
//!
//! Embeddings may differ by about 1e-6 between nodes (another batch, another processor). A rank-based fusion turns
//! such a difference into a jump, so answers fuse *scores* (`answer`): cosine plus a fifth of the normalised BM25, in
//! units of 1e-4, which hides nearly all of it; and the weight of a neighbour is its lead over the first one that was
//! not taken, which is nothing at the edge, so that two neighbours that change places there change nothing else.
//! What remains is [`TOLERANCE`], see `recompute`.
//!
//! # Measured
//!
//! 2 cores, 384 dimensions, texts of 45 words, queries of 45 words: 37,000 documents a second into the index; at 10,000
//! and 50,000 documents a text search takes 1.8 and 3.0 ms, a semantic one 2.1 and 7.7 ms, a hybrid one 2.2 and 10.9 ms,
//! an answer 2.6 and 10.9 ms. `tests/speed.rs` prints these.
//!
//! # What a crash leaves
//!
//! A contribution is in the index when its manifest is, a document of its own that is committed with or after its
//! records. Records without a manifest are invisible, and are purged when the index is opened or they are added again.

mod ablate;
mod answer;
mod document;
mod error;
mod handle;
mod lanes;
mod lexical;
mod pool;
mod rank;
mod recompute;
mod schema;
mod scope;
mod search;
mod semantic;
mod space;
mod store;
#[cfg(test)]
mod tests;
mod vectors;
mod view;
mod worker;

pub use ablate::Ablation;
pub use answer::{
    Answer, DEFAULT_NEIGHBOURS, DEFAULT_PASSAGES, MAX_NEIGHBOURS, MAX_QUOTE_BYTES, NO_LABEL_FOUND, NOTHING_FOUND,
    Question, quotation,
};
pub use document::{Document, Snapshot};
pub use error::RetrievalError;
pub use handle::{DatanetIndex, IndexConfig, IndexStats, Upload};
pub use pool::{IndexPool, PoolLimits};
pub use recompute::{Difference, RecomputeVerdict, TOLERANCE};
pub use search::{Hit, MAX_HITS, Mode, SearchRequest, Snippet};
