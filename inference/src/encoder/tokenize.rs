//! From text to token ids.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::{Encoding, PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::ServeError;

/// Far above any real `tokenizer.json`.
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// Bytes of a text that are read for each token kept. Real text has some five; the bound keeps a text of many megabytes,
/// of which only the first tokens count, from being tokenised as a whole.
const MAX_BYTES_PER_TOKEN: usize = 256;

/// Below this many texts, handing them to other threads costs more than it gains.
const MIN_PARALLEL_TEXTS: usize = 8;

/// What happens to a text that is longer than the model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Long {
    /// Its first tokens stand for it: for records, which are judged and found by how they begin.
    Cut,
    /// It is refused: whoever sent it would not know what was left out.
    Refuse,
}

/// How texts become tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Tokens of a text that the model reads, special tokens included.
    pub(crate) max_tokens: usize,
    /// Tokens that it knows.
    pub(crate) vocabulary: usize,
    /// Whether texts are made lower case first.
    pub(crate) lowercase: bool,
}

/// A tokenizer that never pads.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    inner: Tokenizer,
    max_tokens: usize,
    /// Special tokens that every text gets.
    special: usize,
    lowercase: bool,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`; its own truncation and padding are replaced. The model must know every token.
    pub(crate) fn read(path: &Path, reading: Reading) -> Result<Self, ServeError> {
        let fail = |error: std::io::Error| ServeError::Tokenizer(format!("{}: {error}", path.display()));
        let bytes = std::fs::metadata(path).map_err(fail)?.len();
        if bytes > MAX_TOKENIZER_BYTES {
            return Err(ServeError::Tokenizer(format!("it has {bytes} bytes, more than {MAX_TOKENIZER_BYTES}")));
        }
        Self::parse(&std::fs::read(path).map_err(fail)?, reading)
    }

    fn parse(json: &[u8], reading: Reading) -> Result<Self, ServeError> {
        let Reading { max_tokens, vocabulary, lowercase } = reading;
        let fail = |error: tokenizers::Error| ServeError::Tokenizer(error.to_string());
        let mut inner = Tokenizer::from_bytes(json).map_err(fail)?;
        check_vocabulary(&inner, vocabulary).map_err(ServeError::Tokenizer)?;
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
        Ok(Self { inner, max_tokens, special, lowercase })
    }

    /// The token ids of each text, special tokens included.
    pub(crate) fn encode_all(&self, texts: &[String], long: Long) -> Result<Vec<Vec<u32>>, ServeError> {
        let encode = |(at, text): (usize, &String)| self.encode(text, long).map_err(|error| error.of_text(at));
        if texts.len() < MIN_PARALLEL_TEXTS {
            return texts.iter().enumerate().map(encode).collect();
        }
        texts.par_iter().enumerate().map(encode).collect()
    }

    /// The tokenizer itself, for decoding.
    pub(crate) fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// The token ids of one text, special tokens included.
    pub(crate) fn encode(&self, text: &str, long: Long) -> Result<Vec<u32>, ServeError> {
        let start = self.start(text);
        let lower = self.lowercase.then(|| start.to_lowercase());
        let encoding = self.inner.encode_fast(lower.as_deref().unwrap_or(start), true);
        let encoding = encoding.map_err(|error| ServeError::Output(error.to_string()))?;
        self.ids(&encoding, start.len() < text.len(), long)
    }

    /// As much of a text as can matter.
    pub(crate) fn start<'a>(&self, text: &'a str) -> &'a str {
        &text[..text.floor_char_boundary(self.most_bytes())]
    }

    /// Bytes of a text that can matter.
    pub(crate) fn most_bytes(&self) -> usize {
        self.max_tokens.saturating_mul(MAX_BYTES_PER_TOKEN)
    }

    /// The tokens of a text that has been read, or of its start alone where there is `more`.
    pub(crate) fn ids(&self, encoding: &Encoding, more: bool, long: Long) -> Result<Vec<u32>, ServeError> {
        if encoding.is_empty() {
            return Err(ServeError::NoTokens);
        }
        let beyond = encoding.get_overflowing().iter().map(|part| part.len().saturating_sub(self.special));
        let tokens = encoding.len() + beyond.sum::<usize>();
        if long == Long::Refuse && (more || tokens > self.max_tokens) {
            return Err(ServeError::TooLong { text: 0, tokens, more, limit: self.max_tokens });
        }
        Ok(encoding.get_ids().to_vec())
    }
}

/// Whether a model of so many tokens knows all of a tokenizer's.
///
/// # Errors
/// A sentence that names the first token that it does not know.
pub fn check_vocabulary(tokenizer: &Tokenizer, vocabulary: usize) -> Result<(), String> {
    let unknown = tokenizer.get_vocab(true).into_iter().filter(|(_, id)| *id as usize >= vocabulary);
    let Some((token, id)) = unknown.min_by_key(|(_, id)| *id) else { return Ok(()) };
    let token: String = token.chars().take(64).collect();
    Err(format!(
        "its token {token:?} has the id {id}, and the model knows {vocabulary} tokens, from 0 on; use the tokenizer that \
         belongs to the model"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"data":1,"net":2},"unk_token":"[UNK]"}}"#;

    const READING: Reading = Reading { max_tokens: 3, vocabulary: 3, lowercase: false };

    fn words(json: &str, reading: Reading) -> TextTokenizer {
        TextTokenizer::parse(json.as_bytes(), reading).unwrap()
    }

    #[test]
    fn texts_are_cut_at_the_limit_where_that_is_wanted_and_never_padded() {
        let tokenizer = words(WORDS, READING);
        let texts = ["net".to_owned(), "data net data net".to_owned(), "data ".repeat(100_000)];
        assert_eq!(tokenizer.encode_all(&texts, Long::Cut).unwrap(), [vec![2], vec![1, 2, 1], vec![1, 1, 1]]);
    }

    #[test]
    fn a_text_over_the_limit_is_refused_with_its_place_its_size_and_the_limit() {
        let with_ends = WORDS.replace(
            r#""post_processor":null"#,
            r#""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"net","type_id":0}},
                {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},
                {"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"net":{"id":"net","ids":[2],"tokens":["net"]}}}"#,
        );
        for (json, words_that_fit) in [(WORDS, 3), (with_ends.as_str(), 2)] {
            let tokenizer = words(json, READING);
            let texts = |count: usize| ["net".to_owned(), "data ".repeat(count)];
            assert!(tokenizer.encode_all(&texts(words_that_fit), Long::Refuse).is_ok());
            for over in [1, 2, 3, 7] {
                let error = tokenizer.encode_all(&texts(words_that_fit + over), Long::Refuse).unwrap_err();
                let expected = 3 + over;
                assert!(
                    matches!(error, ServeError::TooLong { text: 1, tokens, more: false, limit: 3 } if tokens == expected),
                    "{error:?}"
                );
            }
        }
        // Bytes beyond what can matter count too, whatever they would become.
        let endless = words(WORDS, READING).encode(&"x".repeat(100_000), Long::Refuse).unwrap_err();
        assert!(matches!(endless, ServeError::TooLong { more: true, .. }), "{endless:?}");
    }

    #[test]
    fn texts_are_made_lower_case_where_the_folder_says_so() {
        let encode =
            |lowercase| words(WORDS, Reading { lowercase, ..READING }).encode("Data NET", Long::Refuse).unwrap();
        assert_eq!((encode(true), encode(false)), (vec![1, 2], vec![0, 0]));
    }

    #[test]
    fn a_text_without_tokens_is_an_error_of_its_own() {
        let tokenizer = words(WORDS, READING);
        assert!(matches!(tokenizer.encode_all(&[String::new()], Long::Cut), Err(ServeError::NoTokens)));
    }

    #[test]
    fn a_token_that_the_model_does_not_know_is_refused_by_name() {
        let error = TextTokenizer::parse(WORDS.as_bytes(), Reading { vocabulary: 2, ..READING }).unwrap_err();
        assert!(error.to_string().contains("\"net\" has the id 2"), "{error}");
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(TextTokenizer::parse(&bytes, READING).is_err());
        }
    }
}
