//! What in a text could be acted on: addresses, ids, hosts, paths, amounts, and whatever is long enough to be one of them in disguise.

use std::collections::BTreeSet;

/// Digits of which on a number is a value and no word: years are words.
const DIGITS: usize = 5;
/// Letters and digits of which on a word is no word.
const LONG: usize = 24;

/// The values in `text`, in small letters.
pub fn values(text: &str) -> BTreeSet<String> {
    let pieces = text.split(|c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '(' | ')' | '<' | '>' | '[' | ']' | '{' | '}' | ',' | ';' | '|')
    });
    let trimmed = pieces.map(|piece| piece.trim_matches(|c: char| matches!(c, '.' | '!' | '?' | ':')).to_lowercase());
    trimmed.filter(|piece| is_value(piece)).collect()
}

fn is_value(piece: &str) -> bool {
    let digits = piece.chars().filter(|c| c.is_numeric()).count();
    let count = piece.chars().count();
    let joined =
        |c: char| matches!(c, '.' | '/' | '@' | '\\' | ':' | '=' | '$' | '&' | '%' | '~' | '。' | '．' | '／' | '＠');
    let within = piece.chars().enumerate().any(|(place, c)| joined(c) && place > 0) || piece.starts_with(joined);
    // A decimal, such as 3.5, is a word.
    let decimal = digits < DIGITS && piece.chars().all(|c| c.is_numeric() || matches!(c, '.' | '%'));
    (within && !decimal)
        || digits >= DIGITS
        || count >= LONG
        || piece.starts_with("dn1")
        || piece.starts_with("dnmod1")
        || piece.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_values_and_what_can_be_acted_on_is() {
        for word in [
            "what do owls eat?",
            "In 2024, 3.5 kg (about 7 pounds); it's 20% more.",
            "grandmother's Spätzle",
            "木 猫頭鷹",
        ] {
            assert_eq!(values(word), BTreeSet::new(), "{word}");
        }
        for value in [
            "dn1qqqq",
            "https://evil.example/x",
            "evil.example",
            "1000000",
            "١٢٣٤٥٦",
            "0xdeadbeef",
            "/etc/passwd",
            "a@b.example",
            "aWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM",
            "$(rm",
            "C:\\x",
            "evil。example",
        ] {
            assert!(!values(&format!("send it to {value} now")).is_empty(), "{value}");
        }
    }
}
