//! What a text's words are: one reading for the index, the query, the judges' shingles and their measures of quality.
//!
//! ```text
//! text ─► clusters (UAX 29) ─► folded: NFKC, case, accents ─► runs of letters and digits ─► words
//!                                                               │ between blanks: the run itself
//!                                                               └ without blanks: each two neighbouring characters
//! ```
//!
//! Scripts that put no blanks between words (Han, kana, Thai, Khmer and others) would need a dictionary a language to be
//! cut into words, and nodes with different dictionaries would give different answers. Pairs of characters need none:
//! two texts share about as many pairs as they share words, and every word of two characters or more is found by its
//! pairs. Nothing is dropped for its length: a run too long for one word is cut into several.

mod fold;
mod script;

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use fold::fold;
pub use script::Scripts;
use script::{Writing, drops_marks, writing_of};
pub(crate) use script::{letters_per_word, main_script};

/// Longest word between blanks, in characters. What is longer (a hash, encoded data, a chain of compounds) is several.
const LONGEST: usize = 64;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run between blanks or signs, or a part of one over [`LONGEST`].
    Whole,
    /// Two neighbouring characters of a script without blanks.
    Pair,
    /// One character of such a script: alone, or of a longer run. Only who looks for a single character wants the latter.
    Single {
        /// Whether its run has no other.
        alone: bool,
    },
}

/// A word as it is compared, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub text: &'a str,
    pub range: Range<usize>,
    pub kind: Kind,
}

/// Calls `each` with all words of a text, by where they begin.
pub(crate) fn each_word(text: &str, each: impl FnMut(Word<'_>)) {
    let mut reader = Reader { each, run: String::new(), letters: Vec::new(), writing: None };
    for (at, cluster) in clusters(text) {
        reader.cluster(cluster, at..at + cluster.len());
    }
    reader.end_run();
}

/// Calls `each` with the words that a text is compared by: all but the single characters that pairs cover.
pub(crate) fn each_compared(text: &str, mut each: impl FnMut(&str)) {
    each_word(text, |word| {
        if word.kind != (Kind::Single { alone: false }) {
            each(word.text);
        }
    });
}

/// What readers take for one character each, and where it begins.
fn clusters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let mut bytes = rest.bytes();
        // Most of most texts: an ASCII character that nothing can be attached to.
        let is_plain = bytes.next()?.is_ascii() && bytes.next().is_none_or(|next| next.is_ascii());
        let cluster = if is_plain { &rest[..1] } else { rest.graphemes(true).next()? };
        let start = at;
        at += cluster.len();
        Some((start, cluster))
    })
}

struct Reader<F> {
    each: F,
    /// The run of letters and digits under way, folded.
    run: String,
    /// Where each of its characters, with what is attached to it, begins in `run`, and where it stands in the text.
    letters: Vec<(usize, Range<usize>)>,
    writing: Option<Writing>,
}

impl<F: FnMut(Word<'_>)> Reader<F> {
    fn cluster(&mut self, cluster: &str, range: Range<usize>) {
        match cluster.as_bytes() {
            [byte] if byte.is_ascii_alphanumeric() => {
                self.letter(char::from(byte.to_ascii_lowercase()), Writing::Blanks, range);
            }
            [_] => self.end_run(),
            _ if script::is_picture(cluster) => self.end_run(),
            _ => fold(cluster, |c| self.take(c, range.clone())),
        }
    }

    fn take(&mut self, c: char, range: Range<usize>) {
        if script::is_invisible(c) {
        } else if is_combining_mark(c) {
            self.mark(c, &range);
        } else if c.is_alphanumeric() {
            let writing = writing_of(c).or(self.writing).unwrap_or(Writing::Blanks);
            self.letter(c, writing, range);
        } else {
            self.end_run();
        }
    }

    fn mark(&mut self, c: char, range: &Range<usize>) {
        let Some((start, place)) = self.letters.last_mut() else { return };
        if !self.run[*start..].starts_with(drops_marks) {
            self.run.push(c);
            place.end = range.end;
        }
    }

    fn letter(&mut self, c: char, writing: Writing, range: Range<usize>) {
        if self.writing != Some(writing) {
            self.end_run();
            self.writing = Some(writing);
        }
        self.letters.push((self.run.len(), range));
        self.run.push(c);
    }

    fn end_run(&mut self) {
        let count = self.letters.len();
        match self.writing.take() {
            None => return,
            Some(Writing::Blanks) => {
                (0..count).step_by(LONGEST).for_each(|at| self.word(at..count.min(at + LONGEST), Kind::Whole));
            }
            Some(Writing::NoBlanks) => {
                for at in 0..count {
                    self.word(at..at + 1, Kind::Single { alone: count == 1 });
                    if at + 1 < count {
                        self.word(at..at + 2, Kind::Pair);
                    }
                }
            }
        }
        self.run.clear();
        self.letters.clear();
    }

    fn word(&mut self, letters: Range<usize>, kind: Kind) {
        let end = self.letters.get(letters.end).map_or(self.run.len(), |(start, _)| *start);
        let Some([(start, first), ..]) = self.letters.get(letters.clone()) else { return };
        let Some([.., (_, last)]) = self.letters.get(letters) else { return };
        (self.each)(Word { text: &self.run[*start..end], range: first.start..last.end, kind });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compared_texts(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_compared(text, |word| all.push(word.to_owned()));
        all
    }

    fn words(text: &str) -> Vec<(String, Range<usize>)> {
        let mut all = Vec::new();
        each_word(text, |word| all.push((word.text.to_owned(), word.range)));
        all
    }

    #[test]
    fn words_between_blanks_are_runs_of_letters_and_digits_without_case_and_accents() {
        assert_eq!(compared_texts("Don't stop: HTTP/2, utf8mb4!"), ["don", "t", "stop", "http", "2", "utf8mb4"]);
        assert_eq!(compared_texts("Das Überfluß-Prinzip"), ["das", "uberfluss", "prinzip"]);
        assert_eq!(compared_texts("ﬁne Ｆｕｌｌ ΑΘΉΝΑ αθήνα"), ["fine", "full", "αθηνα", "αθηνα"]);
        assert_eq!(compared_texts("Smørrebrød, Łódź, ÆSIR"), ["smorrebrod", "lodz", "aesir"]);
        assert_eq!(compared_texts("быстрый ПОИСК"), ["быстрый", "поиск"]);
    }

    #[test]
    fn marks_stay_with_their_letters_where_they_make_words() {
        assert_eq!(compared_texts("हिन्दी में क़िताब"), ["हिन्दी", "में", "क\u{93c}िताब"]);
        assert_eq!(compared_texts("كِتَابٌ كتاب كـتاب"), ["كتاب", "كتاب", "كتاب"]);
        assert_eq!(compared_texts("שָׁלוֹם שלום"), ["שלום", "שלום"]);
        assert_eq!(compared_texts("한국어 문장"), ["한국어", "문장"]);
    }

    #[test]
    fn scripts_without_blanks_make_pairs() {
        assert_eq!(compared_texts("机器学习"), ["机器", "器学", "学习"]);
        assert_eq!(compared_texts("鱼"), ["鱼"]);
        assert_eq!(compared_texts("ふくろう、タワー"), ["ふく", "くろ", "ろう", "タワ", "ワー"]);
        assert_eq!(compared_texts("ﾀﾜｰ ｶﾞｽ"), ["タワ", "ワー", "ガス"]);
        assert_eq!(compared_texts("2024年のPDFファイル"), ["2024", "年の", "pdf", "ファ", "ァイ", "イル"]);
        assert_eq!(compared_texts("น้ำ"), ["น้\u{e4d}า"]);
        let texts: Vec<String> = words("鱼水").into_iter().map(|(word, _)| word).collect();
        assert_eq!(texts, ["鱼", "鱼水", "水"]);
    }

    #[test]
    fn pictures_are_no_words() {
        for text in ["🦉", "👩‍🚀 🇩🇪 1️⃣ ❤️ 🆎 🈚", "…—!?", ""] {
            assert!(words(text).is_empty(), "{text} {:?}", words(text));
        }
    }

    #[test]
    fn nothing_of_a_long_run_is_lost() {
        let long = "abcdefghij".repeat(50);
        let parts = compared_texts(&long);
        assert!(parts.len() == 8 && parts.concat() == long);
    }

    proptest! {
        #[test]
        fn a_word_stands_where_it_says(text in "[ -~éßΣς\u{301}木鱼かｶﾞไทน้ำहि한ع\u{64e}🦉\u{fe0f}\u{200d}]{0,30}|\\PC{0,30}") {
            for (word, range) in words(&text) {
                let place = text.get(range);
                prop_assert!(place.is_some_and(|place| !place.is_empty()), "{}", word);
                // The place read again holds the word.
                let again = words(place.unwrap());
                prop_assert!(again.iter().any(|(other, _)| *other == word), "{} {:?}", word, again);
            }
        }

        #[test]
        fn case_and_composition_do_not_matter(text in "[a-zéüßłøάσжहिで木ガ ]{0,20}") {
            use unicode_normalization::UnicodeNormalization;
            let all = |text: &str| compared_texts(text);
            prop_assert_eq!(all(&text.to_uppercase()), all(&text));
            prop_assert_eq!(all(&text.nfd().collect::<String>()), all(&text));
        }
    }
}
