//! Scripts: which put blanks between words, which are found without their marks, and which of them a model knows.

use std::collections::BTreeMap;

use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};

/// How a script parts its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// By blanks or signs.
    Blanks,
    /// Not at all.
    NoBlanks,
}

/// How the script of a letter or digit parts words; `None` for what scripts have in common, such as the mark that
/// lengthens a kana vowel: it goes with what stands before it.
pub(super) fn writing_of(c: char) -> Option<Writing> {
    match c.script() {
        Script::Common | Script::Inherited if c.is_numeric() => Some(Writing::Blanks),
        Script::Common | Script::Inherited => None,
        script if letters_of_a_word(script).is_some() => Some(Writing::NoBlanks),
        _ => Some(Writing::Blanks),
    }
}

/// About how many characters a word has in a script without blanks, vowel signs that stand alone included; `None` for
/// scripts with blanks.
fn letters_of_a_word(script: Script) -> Option<usize> {
    match script {
        Script::Han
        | Script::Hiragana
        | Script::Katakana
        | Script::Bopomofo
        | Script::Yi
        | Script::Tangut
        | Script::Nushu => Some(2),
        Script::Thai
        | Script::Lao
        | Script::Khmer
        | Script::Myanmar
        | Script::Tai_Le
        | Script::New_Tai_Lue
        | Script::Tai_Tham
        | Script::Tai_Viet
        | Script::Javanese
        | Script::Balinese => Some(4),
        _ => None,
    }
}

/// The same by character.
pub(crate) fn letters_per_word(c: char) -> Option<usize> {
    if c.is_ascii() { None } else { letters_of_a_word(c.script()) }
}

/// Whether words of the letter's script are the same words without marks on their letters: accents, and the vowels that
/// are written for learners.
pub(super) fn drops_marks(c: char) -> bool {
    c.is_ascii() || matches!(c.script(), Script::Latin | Script::Greek | Script::Arabic | Script::Hebrew)
}

/// What is written but not seen, or seen but not read: joiners, the soft hyphen, the stretch of Arabic lines.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{640}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Emoji, flags and other pictures, some of which are made of letters and digits.
pub(super) fn is_picture(cluster: &str) -> bool {
    let first = cluster.chars().next();
    !cluster.is_ascii()
        && (first.is_some_and(|c| ('\u{1f000}'..='\u{1faff}').contains(&c)) || cluster.contains('\u{fe0f}'))
}

/// Pieces of two letters or more that a vocabulary holds in a script that its model was trained on, at least. Of a
/// script that it only met it holds single letters: MiniLM-L6 has 26,461 such Latin pieces, 8 Cyrillic and 2 Arabic.
const KNOWN_PIECES: usize = 200;
/// Chinese characters are pieces by themselves: a model that reads Chinese has at least these, MiniLM-L6 has 488.
const KNOWN_HAN: usize = 2_000;

/// The scripts whose texts a model can tell apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    /// Pieces by the script's name; `None`: every script is known.
    pieces: Option<BTreeMap<&'static str, usize>>,
}

impl Scripts {
    /// Every script: for vectors whose model is not asked.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of a tokenizer with these pieces.
    pub fn of_vocabulary<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = BTreeMap::new();
        for piece in pieces {
            let letters = piece.chars().filter(|c| c.is_alphabetic()).count();
            let Some(script) = piece.chars().find_map(lettered) else { continue };
            if letters >= 2 || script == Script::Han {
                *counts.entry(script.full_name()).or_default() += 1;
            }
        }
        Self { pieces: Some(counts) }
    }

    /// Whether the model can tell this text from others: at least half of its letters are of a script that it knows.
    pub fn read(&self, text: &str) -> bool {
        let Some(pieces) = &self.pieces else { return true };
        let (mut known, mut all) = (0usize, 0usize);
        for script in text.chars().filter_map(lettered) {
            let least = if script == Script::Han { KNOWN_HAN } else { KNOWN_PIECES };
            known += usize::from(pieces.get(script.full_name()).is_some_and(|count| *count >= least));
            all += 1;
        }
        known * 2 >= all
    }
}

/// The script that most letters of a text are of, by name.
pub(crate) fn main_script(text: &str) -> Option<&'static str> {
    let mut counts = BTreeMap::<&str, usize>::new();
    text.chars().filter_map(lettered).for_each(|script| *counts.entry(script.full_name()).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
}

/// The script of a letter, if it is one of a script.
fn lettered(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphabetic().then_some(Script::Latin);
    }
    let is_letter = c.is_alphabetic() && !is_combining_mark(c);
    is_letter.then(|| c.script()).filter(|script| !matches!(script, Script::Common | Script::Inherited))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(words: usize, letters: &str) -> Vec<String> {
        let latin = (0..words).map(|i| format!("##ab{i}"));
        latin.chain(letters.chars().map(String::from)).collect()
    }

    #[test]
    fn a_model_knows_the_scripts_that_its_vocabulary_has_words_of() {
        let pieces = vocabulary(500, "абвгдеابتثกขคง鱼水火");
        let scripts = Scripts::of_vocabulary(pieces.iter().map(String::as_str));
        for text in ["An owl glides.", "Größe", "1, 2, 3!", "", "the letter а alone"] {
            assert!(scripts.read(text), "{text}");
        }
        for text in ["Сова летит.", "นกฮูกบิน", "البومة تطير", "鱼在水里", "ふくろうが飛ぶ", "उल्लू उड़ता है"]
        {
            assert!(!scripts.read(text), "{text}");
            assert!(Scripts::all().read(text));
        }
        let han = ('\u{4e00}'..'\u{5800}').map(String::from);
        let scripts = Scripts::of_vocabulary(han.collect::<Vec<_>>().iter().map(String::as_str));
        assert!(scripts.read("鱼在水里") && !scripts.read("An owl glides."));
    }

    #[test]
    fn a_text_has_a_main_script() {
        assert_eq!(main_script("ネコ and 猫 are สวัสดีครับผม"), Some("Thai"));
        assert_eq!(main_script("12 ?"), None);
    }
}
