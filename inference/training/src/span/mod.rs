//! Where a generated text stands verbatim in the corpus.
//!
//! [`IndexBuilder`] takes the tokenised documents of a datanet in the order in which they became final, [`Index`] finds
//! every maximal span of an output in a suffix array over them, and [`Rules`] say which spans count: whole words, long
//! enough, the rarest, shared among the clusters of near-duplicates that hold them, so that boilerplate earns about
//! nothing.
//!
//! It proves a verbatim match, not influence: answers credited this way say so, and anybody can challenge a list
//! with a longer span that it left out ([`Index::challenges`]).

mod file;
mod index;
mod spans;
pub mod suffixes;

pub use index::{Document, Index, IndexBuilder, IndexError, MAX_TOKENS, MAX_VOCABULARY};
pub use spans::{Found, Rules, Span, credits};

#[cfg(test)]
mod tests;
