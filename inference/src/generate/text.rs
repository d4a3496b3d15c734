//! From token ids to text, piece by piece.

use std::ops::Range;

use tokenizers::Tokenizer;

use super::GenerateError;

/// Most tokens of one character: none has more bytes.
const MAX_CHARACTER_TOKENS: usize = 4;

/// Turns tokens into text as they come, and never splits a character.
///
/// What a token reads like can depend on those before it (a leading space, the bytes of one character), so a window of
/// them is decoded with and without the new ones, and the difference is new.
#[derive(Debug, Default)]
pub(super) struct Detokeniser {
    window: Vec<u32>,
    /// Tokens at the window's start whose text has been given out.
    told: usize,
}

impl Detokeniser {
    /// The text that has become certain with this token; often, but not always, the token's own.
    pub(super) fn push(&mut self, id: u32, tokenizer: &Tokenizer) -> Result<String, GenerateError> {
        self.window.push(id);
        let held = self.window.len() - self.told;
        let text = self.untold(self.window.len(), tokenizer)?;
        let unfinished = text.is_empty() || text.ends_with('\u{FFFD}');
        if unfinished && held < MAX_CHARACTER_TOKENS {
            return Ok(String::new());
        }
        // Bytes that are no character, of which the last may yet become one.
        let keep = if text.ends_with('\u{FFFD}') { self.unfinished(tokenizer)? } else { 0 };
        let certain = self.window.len() - keep;
        let text = self.untold(certain, tokenizer)?;
        self.window.drain(..self.told);
        self.told = self.window.len() - keep;
        Ok(text)
    }

    /// Tokens at the end that can be the beginning of one character.
    fn unfinished(&self, tokenizer: &Tokenizer) -> Result<usize, GenerateError> {
        for keep in (1..MAX_CHARACTER_TOKENS).rev() {
            let end = &self.window[self.window.len().saturating_sub(keep)..];
            if decode(end, tokenizer)? == "\u{FFFD}" {
                return Ok(keep);
            }
        }
        Ok(0)
    }

    /// What has been held back, at the end; an unfinished character becomes U+FFFD.
    pub(super) fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, GenerateError> {
        let text = self.untold(self.window.len(), tokenizer)?;
        self.told = self.window.len();
        Ok(text)
    }

    /// The text of the first `until` tokens, less what has been given out.
    fn untold(&self, until: usize, tokenizer: &Tokenizer) -> Result<String, GenerateError> {
        let told = decode(&self.window[..self.told], tokenizer)?;
        let all = decode(&self.window[..until], tokenizer)?;
        // Tokenizers that rewrite the past are told apart from it by length only.
        let new = all.get(told.len()..).unwrap_or_default();
        Ok(all.strip_prefix(told.as_str()).unwrap_or(new).to_owned())
    }
}

fn decode(ids: &[u32], tokenizer: &Tokenizer) -> Result<String, GenerateError> {
    tokenizer.decode(ids, true).map_err(|error| GenerateError::Text(error.to_string()))
}

/// Holds text back while it may be the beginning of a stop string. Special tokens are no part of the text that is given
/// out, and are found by stop strings all the same.
#[derive(Debug)]
pub(super) struct Stops {
    strings: Vec<String>,
    held: String,
    /// The bytes of `held` that are not given out, in order.
    hidden: Vec<Range<usize>>,
}

impl Stops {
    pub(super) fn new(strings: Vec<String>) -> Self {
        Self { strings, held: String::new(), hidden: Vec::new() }
    }

    /// The text that can be given out, and whether a stop string has come, before which it then ends.
    pub(super) fn push(&mut self, text: &str) -> (String, bool) {
        if self.strings.is_empty() {
            return (text.to_owned(), false);
        }
        self.held.push_str(text);
        if let Some(at) = self.strings.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            let before = self.release(at);
            self.held.clear();
            self.hidden.clear();
            return (before, true);
        }
        (self.release(self.held.len() - self.suspicious()), false)
    }

    /// As [`Stops::push`], of a special token.
    pub(super) fn push_hidden(&mut self, token: &str) -> (String, bool) {
        if self.strings.is_empty() {
            return (String::new(), false);
        }
        let start = self.held.len();
        self.hidden.push(start..start + token.len());
        self.push(token)
    }

    /// What has been held back, at the end.
    pub(super) fn finish(&mut self) -> String {
        self.release(self.held.len())
    }

    /// Takes so many bytes out; gives what of them may be seen.
    fn release(&mut self, bytes: usize) -> String {
        let rest = self.held.split_off(bytes);
        let taken = std::mem::replace(&mut self.held, rest);
        let (mut shown, mut at) = (String::with_capacity(bytes), 0);
        for hidden in &self.hidden {
            shown.push_str(&taken[at.min(bytes)..hidden.start.min(bytes)]);
            at = hidden.end;
        }
        shown.push_str(&taken[at.min(bytes)..]);
        self.hidden.retain(|hidden| hidden.end > bytes);
        for hidden in &mut self.hidden {
            *hidden = hidden.start.saturating_sub(bytes)..hidden.end - bytes;
        }
        shown
    }

    /// Bytes at the end that a stop string begins with, as many as possible.
    fn suspicious(&self) -> usize {
        let begins = |start: usize| self.strings.iter().any(|stop| stop.starts_with(&self.held[start..]));
        let longest = self.strings.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        let starts = (from..self.held.len()).filter(|&start| self.held.is_char_boundary(start));
        starts.into_iter().find(|&start| begins(start)).map_or(0, |start| self.held.len() - start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::tokenizer;
    use super::*;

    fn stream(text: &str) -> Vec<String> {
        let tokenizer = tokenizer();
        let mut detokeniser = Detokeniser::default();
        let ids = tokenizer.encode(text, false).unwrap();
        let mut pieces: Vec<String> =
            ids.get_ids().iter().map(|&id| detokeniser.push(id, &tokenizer).unwrap()).collect();
        pieces.push(detokeniser.finish(&tokenizer).unwrap());
        pieces
    }

    #[test]
    fn a_character_of_several_tokens_comes_in_one_piece() {
        let pieces = stream("a 🦀 é");
        assert_eq!(pieces.concat(), "a 🦀 é");
        assert!(pieces.iter().all(|piece| !piece.contains('\u{FFFD}')), "{pieces:?}");
        assert!(pieces.iter().any(|piece| piece.ends_with('🦀')), "{pieces:?}");
    }

    #[test]
    fn an_unfinished_character_is_marked_at_the_end() {
        let tokenizer = tokenizer();
        let crab = tokenizer.encode("🦀", false).unwrap();
        let mut detokeniser = Detokeniser::default();
        assert_eq!(detokeniser.push(crab.get_ids()[0], &tokenizer).unwrap(), "");
        assert!(detokeniser.finish(&tokenizer).unwrap().contains('\u{FFFD}'));
        assert_eq!(detokeniser.finish(&tokenizer).unwrap(), "");
    }

    #[test]
    fn a_stop_string_is_found_across_pieces_and_left_out() {
        let mut stops = Stops::new(vec!["END".to_owned(), "\n\n".to_owned()]);
        assert_eq!(stops.push("one E"), ("one ".to_owned(), false));
        assert_eq!(stops.push("N"), (String::new(), false));
        assert_eq!(stops.push("x\n"), ("ENx".to_owned(), false));
        assert_eq!(stops.push("y E"), ("\ny ".to_owned(), false));
        assert_eq!(stops.push("ND and more"), (String::new(), true));
        assert_eq!(stops.finish(), "");
    }

    #[test]
    fn a_stop_string_finds_special_tokens_that_nobody_sees() {
        let mut stops = Stops::new(vec!["<|end|>".to_owned(), "b<|x|>\n".to_owned()]);
        assert_eq!(stops.push("one"), ("one".to_owned(), false));
        assert_eq!(stops.push_hidden("<|pad|>"), (String::new(), false));
        assert_eq!(stops.push("two <|"), ("two ".to_owned(), false));
        assert_eq!(stops.push("pad|> b"), ("<|pad|> ".to_owned(), false));
        assert_eq!(stops.push_hidden("<|x|>"), (String::new(), false));
        assert_eq!(stops.push("c"), ("bc".to_owned(), false));
        assert_eq!(stops.push_hidden("<|end|>"), (String::new(), true));
        let mut stops = Stops::new(vec!["b<|x|>\n".to_owned()]);
        assert_eq!((stops.push("ab"), stops.push_hidden("<|x|>")), (("a".to_owned(), false), (String::new(), false)));
        assert_eq!(stops.push("\nmore"), (String::new(), true));
        let mut stops = Stops::new(vec!["<|x|>y".to_owned()]);
        assert_eq!((stops.push_hidden("<|x|>"), stops.finish()), ((String::new(), false), String::new()));
    }

    proptest! {
        #[test]
        fn hidden_or_not_what_is_seen_is_the_text(pieces in proptest::collection::vec(("[ab<]{0,3}", any::<bool>()), 0..12)) {
            let mut stops = Stops::new(vec!["<bb".to_owned(), "never".to_owned()]);
            let (mut all, mut seen, mut given) = (String::new(), String::new(), String::new());
            for (piece, hidden) in &pieces {
                all.push_str(piece);
                let (text, now) = if *hidden { stops.push_hidden(piece) } else { stops.push(piece) };
                given.push_str(&text);
                prop_assert_eq!(now, all.contains("<bb"));
                if now {
                    prop_assert!(seen.starts_with(&given) || given.starts_with(&seen));
                    return Ok(());
                }
                if !hidden {
                    seen.push_str(piece);
                }
            }
            given.push_str(&stops.finish());
            prop_assert_eq!(given, seen);
        }

        #[test]
        fn the_pieces_are_the_text(text in "\\PC{0,40}") {
            let tokenizer = tokenizer();
            let ids = tokenizer.encode(text.as_str(), false).unwrap();
            let whole = tokenizer.decode(ids.get_ids(), true).unwrap();
            prop_assert_eq!(stream(&text).concat(), whole);
        }

        #[test]
        fn what_is_given_out_is_the_text_before_the_first_stop(
            pieces in proptest::collection::vec("[ab]{0,4}", 0..12), stop in "[ab]{1,4}"
        ) {
            let mut stops = Stops::new(vec![stop.clone()]);
            let mut given = String::new();
            let mut stopped = false;
            for piece in &pieces {
                let (text, now) = stops.push(piece);
                given.push_str(&text);
                if now {
                    stopped = true;
                    break;
                }
            }
            given.push_str(&stops.finish());
            let whole = pieces.concat();
            prop_assert_eq!(stopped, whole.contains(&stop));
            prop_assert_eq!(given.as_str(), whole.split(stop.as_str()).next().unwrap_or_default());
        }
    }
}
