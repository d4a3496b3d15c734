//! The bytes that a token stands for, which may be a part of a character.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::{Decoder, Tokenizer};

/// The letters by which byte-level tokenizers write bytes: printable ones stand for themselves, the others follow from 256
/// on in their order.
static BYTES: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let itself = (0..=255).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte));
    let others = ('\u{100}'..).zip((0..=255).filter(|&byte| !printable(byte)));
    itself.chain(others).collect()
});

/// How a tokenizer writes bytes that are no character by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    /// A letter a byte.
    Letters,
    /// `<0xE9>`, beside tokens that are text.
    Codes,
}

fn writes(decoder: &DecoderWrapper) -> Option<Writes> {
    match decoder {
        DecoderWrapper::ByteLevel(_) => Some(Writes::Letters),
        DecoderWrapper::ByteFallback(_) => Some(Writes::Codes),
        DecoderWrapper::Sequence(steps) => steps.get_decoders().iter().find_map(writes),
        _ => None,
    }
}

/// The bytes of a token within a text, or at the `start` of one, where some tokenizers leave a space out.
pub(super) fn token_bytes(tokenizer: &Tokenizer, id: u32, start: bool) -> Vec<u8> {
    let Some(token) = tokenizer.id_to_token(id) else { return Vec::new() };
    match tokenizer.get_decoder().and_then(writes) {
        Some(Writes::Letters) => {
            let bytes: Option<Vec<u8>> = token.chars().map(|letter| BYTES.get(&letter).copied()).collect();
            return bytes.unwrap_or_else(|| token.into_bytes());
        }
        Some(Writes::Codes) => {
            let code = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
            if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                return vec![byte];
            }
        }
        None => {}
    }
    text(tokenizer, token, start).into_bytes()
}

/// The text of a token: what it adds to itself, or what it is at the start.
fn text(tokenizer: &Tokenizer, token: String, start: bool) -> String {
    let Some(decoder) = tokenizer.get_decoder() else { return token };
    let decode = |tokens: Vec<String>| decoder.decode(tokens).unwrap_or_default();
    let alone = decode(vec![token.clone()]);
    if start {
        return alone;
    }
    let twice = decode(vec![token.clone(), token]);
    twice.strip_prefix(alone.as_str()).map_or(alone.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing;
    use super::*;

    /// A tokenizer of pieces with codes for what they lack, as sentencepiece's are.
    fn pieces() -> Tokenizer {
        let vocabulary = json!({ "<unk>": 0, "\u{2581}barn": 1, "owl": 2, "<0xC3>": 3, "<0xA9>": 4, "\u{2581}": 5 });
        let json = json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "truncation": null, "padding": null,
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " }, { "type": "ByteFallback" },
                { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 }
            ] },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>", "byte_fallback": true }
        });
        Tokenizer::from_bytes(json.to_string()).unwrap()
    }

    #[test]
    fn every_byte_has_its_letter() {
        let mut bytes: Vec<u8> = BYTES.values().copied().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!((BYTES[&'Ġ'], BYTES[&'Ċ'], BYTES[&'é']), (b' ', b'\n', 0xe9));
    }

    #[test]
    fn the_bytes_of_a_texts_tokens_are_the_text() {
        let tokenizer = testing::tokenizer();
        for text in ["A node keeps blobs.", " é 🦉!\n", "\u{FFFD}", "日本"] {
            let ids = tokenizer.encode(text, false).unwrap();
            let bytes: Vec<u8> = ids.get_ids().iter().flat_map(|&id| token_bytes(&tokenizer, id, false)).collect();
            assert_eq!(bytes, text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn pieces_keep_the_space_before_them_but_at_the_start() {
        let tokenizer = pieces();
        let bytes = |id, start| token_bytes(&tokenizer, id, start);
        assert_eq!(
            (bytes(1, true), bytes(1, false), bytes(2, false)),
            (b"barn".to_vec(), b" barn".to_vec(), b"owl".to_vec())
        );
        assert_eq!((bytes(3, false), bytes(4, false), bytes(5, false)), (vec![0xc3], vec![0xa9], b" ".to_vec()));
        assert_eq!(bytes(99, false), Vec::<u8>::new());
    }
}
