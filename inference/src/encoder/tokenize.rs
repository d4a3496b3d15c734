//! From text to token ids.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::ServeError;

/// Far above any real `tokenizer.json`.
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// Bytes of a text that are read for each token kept. Real text has some five; the bound keeps a text of many megabytes,
/// of which only the first tokens count, from being tokenised as a whole.
const MAX_BYTES_PER_TOKEN: usize = 256;

/// Below this many texts, handing them to other threads costs more than it gains.
const MIN_PARALLEL_TEXTS: usize = 8;

/// A tokenizer that truncates and never pads.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    inner: Tokenizer,
    max_tokens: usize,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`; its own truncation and padding are replaced. Every id must be below `vocabulary`.
    pub(crate) fn read(path: &Path, max_tokens: usize, vocabulary: usize) -> Result<Self, ServeError> {
        let fail = |error: std::io::Error| ServeError::Tokenizer(format!("{}: {error}", path.display()));
        let bytes = std::fs::metadata(path).map_err(fail)?.len();
        if bytes > MAX_TOKENIZER_BYTES {
            return Err(ServeError::Tokenizer(format!("it has {bytes} bytes, more than {MAX_TOKENIZER_BYTES}")));
        }
        Self::parse(&std::fs::read(path).map_err(fail)?, max_tokens, vocabulary)
    }

    fn parse(json: &[u8], max_tokens: usize, vocabulary: usize) -> Result<Self, ServeError> {
        let fail = |error: tokenizers::Error| ServeError::Tokenizer(error.to_string());
        let mut inner = Tokenizer::from_bytes(json).map_err(fail)?;
        let highest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        if highest as usize >= vocabulary {
            return Err(ServeError::Tokenizer(format!("it knows token {highest}, the model only {vocabulary} tokens")));
        }
        // The crate subtracts the special tokens from the limit without a check.
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if max_tokens <= special {
            return Err(ServeError::Config(format!(
                "max_text_tokens is {max_tokens}; set it above the {special} special tokens that every text gets"
            )));
        }
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        inner.with_truncation(Some(truncation)).map_err(fail)?;
        inner.with_padding(None);
        Ok(Self { inner, max_tokens })
    }

    /// The token ids of each text, special tokens included.
    pub(crate) fn encode_all(&self, texts: &[String]) -> Result<Vec<Vec<u32>>, ServeError> {
        if texts.len() < MIN_PARALLEL_TEXTS {
            return texts.iter().map(|text| self.encode(text)).collect();
        }
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// The tokenizer itself, for decoding.
    pub(crate) fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// The token ids of one text, special tokens included.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, ServeError> {
        let text = &text[..text.floor_char_boundary(self.max_tokens * MAX_BYTES_PER_TOKEN)];
        let encoding = self.inner.encode_fast(text, true).map_err(|error| ServeError::Output(error.to_string()))?;
        if encoding.is_empty() {
            return Err(ServeError::NoTokens);
        }
        Ok(encoding.get_ids().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"data":1,"net":2},"unk_token":"[UNK]"}}"#;

    #[test]
    fn texts_are_cut_at_the_limit_and_never_padded() {
        let tokenizer = TextTokenizer::parse(WORDS.as_bytes(), 3, 3).unwrap();
        let texts = ["net".to_owned(), "data net data net".to_owned(), "data ".repeat(100_000)];
        assert_eq!(tokenizer.encode_all(&texts).unwrap(), [vec![2], vec![1, 2, 1], vec![1, 1, 1]]);
    }

    #[test]
    fn a_text_without_tokens_is_an_error_of_its_own() {
        let tokenizer = TextTokenizer::parse(WORDS.as_bytes(), 3, 3).unwrap();
        assert!(matches!(tokenizer.encode_all(&[String::new()]), Err(ServeError::NoTokens)));
    }

    #[test]
    fn a_vocabulary_larger_than_the_models_is_refused() {
        let error = TextTokenizer::parse(WORDS.as_bytes(), 3, 2).unwrap_err();
        assert!(matches!(error, ServeError::Tokenizer(_)), "{error}");
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(TextTokenizer::parse(&bytes, 16, 16).is_err());
        }
    }
}
