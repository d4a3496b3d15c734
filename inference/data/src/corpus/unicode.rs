//! NFC, tested cheaply: nearly all text is in NFC already, and most of it is ASCII.

use std::borrow::Cow;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// First byte of the UTF-8 encoding of U+0300, the first character that NFC may touch.
const FIRST_SUSPECT: u8 = 0xCC;

/// `text` in NFC; borrowed where it is so already.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    if is_surely_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// True only for text in NFC. Characters below U+0300 neither change nor combine; above, one that is always allowed
/// and starts a new cluster (combining class 0) changes nothing either.
pub(crate) fn is_surely_nfc(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| *byte >= FIRST_SUSPECT) {
        at += step;
        let Some(character) = text[at..].chars().next() else { return true };
        let inert =
            is_nfc_quick(std::iter::once(character)) == IsNormalized::Yes && canonical_combining_class(character) == 0;
        if !inert {
            return false;
        }
        at += character.len_utf8();
    }
    true
}

/// Appends `text` with every run of white space as one blank, none at the ends.
pub(crate) fn collapse_into(out: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_result_is_always_nfc(text in "\\PC*", marks in "[e\u{301}\u{327}\u{2000}\u{fb1d}한\u{1100}\u{1161}]{0,8}") {
            let text = text + &marks;
            prop_assert_eq!(nfc(&text).into_owned(), text.nfc().collect::<String>());
        }
    }
}
