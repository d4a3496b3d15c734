//! From texts to token ids, with the base model's own tokenizer.

use std::path::Path;

use datanet_inference::encoder::check_vocabulary;
use rayon::prelude::*;
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

/// Far above any real `tokenizer.json`.
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// Bytes of a text that are read for each token kept; real text has some five.
const MAX_BYTES_PER_TOKEN: usize = 256;

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The tokenizer cannot be used.
    #[error("the tokenizer cannot be used: {0}")]
    Tokenizer(String),
    /// A text became no token at all.
    #[error("text {0} has no tokens")]
    Empty(usize),
}

/// Token ids of a text, special tokens included.
pub type Tokenised = Vec<u32>;

/// A tokenizer that cuts texts at a limit and never pads.
#[derive(Clone, Debug)]
pub struct TextTokens {
    inner: Tokenizer,
    max_tokens: usize,
    lowercase: bool,
}

impl TextTokens {
    /// Reads the `tokenizer.json` of a model folder; every id must be below `vocabulary`. Texts are made lower case first
    /// where the folder says so.
    ///
    /// # Errors
    /// [`TokenError::Tokenizer`].
    pub fn read(folder: &Path, max_tokens: usize, vocabulary: usize, lowercase: bool) -> Result<Self, TokenError> {
        let path = folder.join("tokenizer.json");
        let fail = |error: std::io::Error| TokenError::Tokenizer(format!("{}: {error}", path.display()));
        let bytes = std::fs::metadata(&path).map_err(fail)?.len();
        if bytes > MAX_TOKENIZER_BYTES {
            return Err(TokenError::Tokenizer(format!("it has {bytes} bytes, more than {MAX_TOKENIZER_BYTES}")));
        }
        let bytes = std::fs::read(&path).map_err(fail)?;
        let inner = Tokenizer::from_bytes(bytes).map_err(|error| TokenError::Tokenizer(error.to_string()))?;
        Ok(Self { lowercase, ..Self::new(inner, max_tokens, vocabulary)? })
    }

    /// Limits a tokenizer, whose own truncation and padding are replaced.
    ///
    /// # Errors
    /// [`TokenError::Tokenizer`] where it knows ids that the model does not, or `max_tokens` leaves no room.
    pub fn new(mut inner: Tokenizer, max_tokens: usize, vocabulary: usize) -> Result<Self, TokenError> {
        check_vocabulary(&inner, vocabulary).map_err(TokenError::Tokenizer)?;
        // The crate subtracts the special tokens from the limit without a check.
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if max_tokens <= special {
            let reason = format!("max_tokens is {max_tokens}; set it above the {special} special tokens of every text");
            return Err(TokenError::Tokenizer(reason));
        }
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        inner.with_truncation(Some(truncation)).map_err(|error| TokenError::Tokenizer(error.to_string()))?;
        inner.with_padding(None);
        Ok(Self { inner, max_tokens, lowercase: false })
    }

    /// The token ids of each text.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Tokenised>, TokenError> {
        texts.par_iter().enumerate().map(|(index, text)| self.encode(index, text)).collect()
    }

    fn encode(&self, index: usize, text: &str) -> Result<Tokenised, TokenError> {
        let text = &text[..text.floor_char_boundary(self.max_tokens.saturating_mul(MAX_BYTES_PER_TOKEN))];
        let lower = self.lowercase.then(|| text.to_lowercase());
        let text = lower.as_deref().unwrap_or(text);
        let encoding = self.inner.encode_fast(text, true).map_err(|error| TokenError::Tokenizer(error.to_string()))?;
        if encoding.is_empty() {
            return Err(TokenError::Empty(index));
        }
        Ok(encoding.get_ids().to_vec())
    }
}
