//! How likely the tokens of an answer were, in OpenAI's two shapes.

use std::fmt::Write;

use datanet_inference::generate::TokenLogprobs;
use serde_json::{Value, json};

use crate::answers::complete::Token;

/// Where the next token of an answer begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Characters that have begun before it.
    characters: usize,
}

impl Place {
    /// The place of the token with these bytes, in characters: a token within a character has that character's. The
    /// next one follows.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let within = bytes.first().is_some_and(|byte| !begins(*byte));
        let place = self.characters.saturating_sub(usize::from(within));
        self.characters = self.characters.saturating_add(bytes.iter().filter(|byte| begins(**byte)).count());
        place
    }
}

/// Whether a byte is the first of a character.
fn begins(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

/// The tokens of a chat.
pub(super) fn of_chat(tokens: &[Token]) -> Value {
    let one = |bytes: &[u8], logprob: f32| json!({ "token": shown(bytes), "logprob": logprob, "bytes": bytes });
    let token = |token: &TokenLogprobs| {
        let mut shown = one(&token.bytes, token.logprob);
        shown["top_logprobs"] = token.top.iter().map(|other| one(&other.bytes, other.logprob)).collect();
        shown
    };
    json!({ "content": known(tokens).map(token).collect::<Vec<_>>(), "refusal": null })
}

/// The tokens of a text, the first of which begins at `place`.
pub(super) fn of_text(tokens: &[Token], place: &mut Place) -> Value {
    let top = |token: &TokenLogprobs| -> Value {
        token.top.iter().map(|other| (shown(&other.bytes), Value::from(other.logprob))).collect()
    };
    json!({
        "tokens": known(tokens).map(|token| shown(&token.bytes)).collect::<Vec<_>>(),
        "token_logprobs": known(tokens).map(|token| token.logprob).collect::<Vec<_>>(),
        "top_logprobs": known(tokens).map(top).collect::<Vec<_>>(),
        "text_offset": known(tokens).map(|token| place.take(&token.bytes)).collect::<Vec<_>>(),
    })
}

fn known(tokens: &[Token]) -> impl Iterator<Item = &TokenLogprobs> {
    tokens.iter().filter_map(|token| token.logprobs.as_ref())
}

/// A token as text; one that is no whole characters as OpenAI writes it, `bytes:\xf0\x9f`.
fn shown(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    bytes.iter().fold("bytes:".to_owned(), |mut shown, byte| {
        // Writing to a string cannot fail.
        let _ = write!(shown, "\\x{byte:02x}");
        shown
    })
}

#[cfg(test)]
mod tests {
    use datanet_inference::generate::Alternative;

    use super::*;

    fn tokens(all: &[&[u8]]) -> Vec<Token> {
        let token = |bytes: &&[u8]| {
            let top = vec![Alternative { id: 1, bytes: bytes.to_vec(), logprob: -0.5 }];
            Token { text: String::new(), logprobs: Some(TokenLogprobs { bytes: bytes.to_vec(), logprob: -0.5, top }) }
        };
        all.iter().map(token).collect()
    }

    #[test]
    fn a_part_of_a_character_keeps_its_bytes_and_is_never_a_replacement() {
        let all = tokens(&[b"a", &[0xc3], &[0xa9], "\u{1F989}".as_bytes()]);
        let chat = of_chat(&all);
        let bytes: Vec<u8> = chat["content"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|token| {
                assert_eq!(token["bytes"], token["top_logprobs"][0]["bytes"]);
                token["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(bytes, "a\u{e9}\u{1F989}".as_bytes());
        assert_eq!(chat["content"][1]["token"], "bytes:\\xc3");
        assert!(!chat.to_string().contains('\u{FFFD}'));
    }

    #[test]
    fn places_are_counted_in_characters_over_all_pieces_of_a_stream() {
        let all = tokens(&["a\u{e9}".as_bytes(), &[0xf0, 0x9f], &[0xa6], &[0x89], b"!", &[0xe9], b"x"]);
        let expected = [0, 2, 2, 2, 3, 4, 5];
        assert_eq!(of_text(&all, &mut Place::default())["text_offset"], json!(expected));
        let mut place = Place::default();
        for (token, expected) in all.iter().zip(expected) {
            let piece = of_text(std::slice::from_ref(token), &mut place);
            assert_eq!(piece["text_offset"], json!([expected]));
        }
    }
}
