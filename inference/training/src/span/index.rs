//! A tokenised corpus in which any span is found in O(log N).

use std::ops::Range;

use super::suffixes::suffix_array;

/// Most tokens of a corpus, its documents' ends included.
pub const MAX_TOKENS: usize = 1 << 31;
/// Largest vocabulary.
pub const MAX_VOCABULARY: usize = 1 << 20;

/// Why there is no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Too much text.
    #[error("the corpus has more than {MAX_TOKENS} tokens; make an index for each part of it")]
    TooLarge,
    /// A token that the vocabulary does not have.
    #[error("token {token} is outside the vocabulary of {vocabulary}; tokenise with the tokenizer of the index")]
    Token {
        /// The token.
        token: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// The vocabulary is too large.
    #[error("a vocabulary of {0} tokens is more than {MAX_VOCABULARY}")]
    Vocabulary(usize),
    /// The bytes are not an index.
    #[error("not a span index: {0}; build it again")]
    Corrupt(&'static str),
}

/// A text of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// The cluster of near-duplicates that it belongs to: they share one credit.
    pub cluster: u32,
    /// The contributor, or whatever earns.
    pub source: u32,
}

/// Tokens, 2 bytes each where the vocabulary allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Tokens {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Narrow(tokens) => tokens.len(),
            Self::Wide(tokens) => tokens.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> u32 {
        match self {
            Self::Narrow(tokens) => u32::from(tokens[at]),
            Self::Wide(tokens) => tokens[at],
        }
    }

    pub(super) fn from_wide(tokens: Vec<u32>, vocabulary: usize) -> Self {
        // One letter more than the vocabulary: a document's end.
        if vocabulary < usize::from(u16::MAX) {
            Self::Narrow(tokens.into_iter().map(|token| token as u16).collect())
        } else {
            Self::Wide(tokens)
        }
    }
}

/// Takes documents in the order in which they became final.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    starts_word: Vec<bool>,
    documents: Vec<Document>,
    ends: Vec<u32>,
    text: Vec<u32>,
}

/// The corpus: 6 bytes a token (8 with a vocabulary of 65,535 and more), and 12 a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Of each token of the vocabulary.
    pub(super) starts_word: Vec<bool>,
    pub(super) documents: Vec<Document>,
    /// One after the last token of each document: where its end stands.
    pub(super) ends: Vec<u32>,
    /// Tokens plus one; 0 ends a document.
    pub(super) text: Tokens,
    pub(super) array: Vec<u32>,
    /// -ln of each token's share of the corpus.
    pub(super) surprise: Vec<f64>,
}

impl IndexBuilder {
    /// Nothing yet. `starts_word` says of each token of the vocabulary whether a word may begin with it: false for
    /// what only continues one (`##ing`, or without the leading space in byte-level vocabularies), true for
    /// punctuation.
    ///
    /// # Errors
    /// When the vocabulary is too large.
    pub fn new(starts_word: Vec<bool>) -> Result<Self, IndexError> {
        if starts_word.len() > MAX_VOCABULARY {
            return Err(IndexError::Vocabulary(starts_word.len()));
        }
        Ok(Self { starts_word, documents: Vec::new(), ends: Vec::new(), text: Vec::new() })
    }

    /// Adds the next document, and gives its number.
    ///
    /// # Errors
    /// When the corpus grows too large, or a token is not of the vocabulary. Nothing is added then.
    pub fn add(&mut self, tokens: &[u32], document: Document) -> Result<u32, IndexError> {
        let vocabulary = self.starts_word.len();
        if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(IndexError::Token { token: *token, vocabulary });
        }
        if self.text.len() + tokens.len() >= MAX_TOKENS {
            return Err(IndexError::TooLarge);
        }
        self.text.extend(tokens.iter().map(|token| token + 1));
        self.ends.push(self.text.len() as u32);
        self.text.push(0);
        self.documents.push(document);
        Ok(self.documents.len() as u32 - 1)
    }

    /// Sorts the suffixes: linear time, about 14 bytes a token while it lasts.
    pub fn build(self) -> Index {
        let array = suffix_array(&self.text, self.starts_word.len() + 1);
        Index::assemble(self.starts_word, self.documents, self.ends, self.text, array)
    }
}

impl Index {
    pub(super) fn assemble(
        starts_word: Vec<bool>,
        documents: Vec<Document>,
        ends: Vec<u32>,
        text: Vec<u32>,
        array: Vec<u32>,
    ) -> Self {
        let mut counts = vec![0u64; starts_word.len()];
        for token in text.iter().filter_map(|letter| letter.checked_sub(1)) {
            counts[token as usize] += 1;
        }
        let total = (text.len() - ends.len()).max(1) as f64;
        let surprise = counts.iter().map(|count| -((*count).max(1) as f64 / total).ln()).collect();
        let text = Tokens::from_wide(text, starts_word.len());
        Self { starts_word, documents, ends, text, array, surprise }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.text.len() - self.ends.len()
    }

    /// The documents, in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The tokens of a document; none of one that does not exist.
    pub fn document(&self, number: u32) -> Vec<u32> {
        let number = number as usize;
        let Some(end) = self.ends.get(number) else { return Vec::new() };
        (self.start(number)..*end as usize).map(|at| self.text.get(at) - 1).collect()
    }

    fn start(&self, document: usize) -> usize {
        document.checked_sub(1).map_or(0, |before| self.ends[before] as usize + 1)
    }

    /// How often a span occurs, by two binary searches.
    pub fn count(&self, span: &[u32]) -> usize {
        self.range(span).len()
    }

    /// The suffixes that begin with `span`, as a range of the array.
    pub(super) fn range(&self, span: &[u32]) -> Range<usize> {
        use std::cmp::Ordering::{Greater, Less};
        let start = self.array.partition_point(|at| self.compare(*at as usize, span).0 == Less);
        let length = self.array[start..].partition_point(|at| self.compare(*at as usize, span).0 != Greater);
        start..start + length
    }

    /// The longest beginning of `output` that occurs, in tokens.
    pub(super) fn longest(&self, output: &[u32]) -> usize {
        // Where the whole output would stand, one of the neighbours has most in common with it.
        let place = self.array.partition_point(|at| self.compare(*at as usize, output).0 == std::cmp::Ordering::Less);
        let common = |rank: usize| self.array.get(rank).map_or(0, |at| self.compare(*at as usize, output).1);
        place.checked_sub(1).map_or(0, common).max(common(place))
    }

    /// How the suffix at `at` compares with `span` as far as that goes, and how many tokens they share.
    fn compare(&self, at: usize, span: &[u32]) -> (std::cmp::Ordering, usize) {
        for (shared, token) in span.iter().enumerate() {
            if at + shared >= self.text.len() {
                return (std::cmp::Ordering::Less, shared);
            }
            // Tokens that no document has compare like any other; the sum is wide because they may be anything.
            let order = u64::from(self.text.get(at + shared)).cmp(&(u64::from(*token) + 1));
            if order.is_ne() {
                return (order, shared);
            }
        }
        (std::cmp::Ordering::Equal, span.len())
    }

    /// The document of a place in the text, and the place in it.
    pub(super) fn locate(&self, at: usize) -> (usize, usize) {
        let document = self.ends.partition_point(|end| (*end as usize) < at);
        (document, at - self.start(document))
    }

    /// Whether a word may begin with this token; one that is unknown begins one.
    pub(super) fn starts_word(&self, token: u32) -> bool {
        self.starts_word.get(token as usize).copied().unwrap_or(true)
    }

    /// Whether a word ends before the place `at` of the text.
    pub(super) fn word_ends_at(&self, at: usize) -> bool {
        at >= self.text.len() || self.text.get(at).checked_sub(1).is_none_or(|token| self.starts_word(token))
    }

    /// Whether a word begins at the place `at` of the text: a document's beginning does, whatever its token.
    pub(super) fn word_begins_at(&self, at: usize) -> bool {
        at == 0 || self.text.get(at - 1) == 0 || self.word_ends_at(at)
    }
}
