//! A byte-level BPE tokenizer learnt from the texts that a new decoder is trained on.
//!
//! Any bytes can be written with it, so that nothing is ever unknown. Texts begin with [`BEGIN`]; training ends them
//! with [`END`], so that the model learns when to stop.

use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder,
};

use crate::data::TokenError;

/// Id of the token that fills short texts.
pub const PAD: u32 = 0;
/// Id of the token that every text begins with.
pub const BEGIN: u32 = 1;
/// Id of the token that ends a text.
pub const END: u32 = 2;

/// The special tokens, in the order of their ids.
pub const SPECIAL: [&str; 3] = ["<pad>", "<s>", "</s>"];

/// Longest token in characters: the rare long runs of a corpus (rulers, hashes) are worth no token.
const MAX_TOKEN: usize = 32;

/// Learns a tokenizer of at most `vocabulary` tokens; gives its `tokenizer.json`, the same bytes for the same texts.
///
/// # Errors
/// [`TokenError::Tokenizer`] where the texts are too poor, for example empty.
pub fn learn(texts: &[&str], vocabulary: usize) -> Result<String, TokenError> {
    let fail = |error: tokenizers::Error| TokenError::Tokenizer(error.to_string());
    let pieces = || ByteLevel::new(false, false, true);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocabulary)
        .show_progress(false)
        .min_frequency(2)
        .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .max_token_length(Some(MAX_TOKEN))
        .build();
    let begin = TemplateProcessing::builder()
        .try_single("<s> $A")
        .and_then(|template| template.try_pair("<s> $A $B:0"))
        .map_err(TokenError::Tokenizer)?
        .special_tokens(vec![(SPECIAL[1], BEGIN)])
        .build()
        .map_err(|error| TokenError::Tokenizer(error.to_string()))?;
    let mut tokenizer =
        TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new()
            .with_model(BPE::default())
            .with_pre_tokenizer(Some(pieces().into()))
            .with_post_processor(Some(begin.into()))
            .with_decoder(Some(pieces().into()))
            .build()
            .map_err(fail)?;
    tokenizer.train(&mut trainer, texts.iter()).map_err(fail)?;
    tokenizer.to_string(false).map_err(fail)
}

#[cfg(test)]
mod tests {
    use tokenizers::Tokenizer;

    use super::*;

    fn corpus() -> Vec<String> {
        (0..60).map(|n| format!("The crate number {n} parses JSON — quickly, and streams records to disk.")).collect()
    }

    #[test]
    fn any_text_survives_and_the_same_texts_give_the_same_bytes() {
        let corpus = corpus();
        let texts: Vec<&str> = corpus.iter().map(String::as_str).collect();
        let json = learn(&texts, 400).unwrap();
        assert_eq!(json, learn(&texts, 400).unwrap());
        let tokenizer = Tokenizer::from_bytes(&json).unwrap();
        assert!(tokenizer.get_vocab_size(true) <= 400);
        for text in ["The crate parses JSON", "日本語 \u{1F980}\n\ttabs", " leading"] {
            let ids = tokenizer.encode(text, true).unwrap().get_ids().to_vec();
            assert_eq!(ids[0], BEGIN);
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        }
        let plain = tokenizer.encode("streams records to disk", true).unwrap();
        assert!(plain.len() < 12, "{:?}", plain.get_tokens());
        assert_eq!(tokenizer.token_to_id("</s>"), Some(END));
    }
}
