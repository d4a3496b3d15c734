//! How well written and informative each record is, by measurements that need no model and no language. Words are those
//! of the text's script, whether it parts them by blanks or not.
//!
//! Each measurement gives a factor of 0 to 1; a record's quality is their product, so that one serious fault is enough.
//! The limits were set on 3,000 README and module-doc paragraphs (mean above .95) against licence, badge and
//! contribution notices of the same crates (mean below .4).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use super::boilerplate::known_share;
use super::words::{pairs_per_word, shingles, word_hashes};
use crate::words::{Kind, each_word, letters_per_word};

/// What lowers a record's quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Fewer than five words.
    TooShort,
    /// Mostly digits, signs or blanks.
    FewLetters,
    /// The same words or lines again and again.
    Repetitive,
    /// Mostly capitals or exclamation marks.
    Shouting,
    /// Strings that are no words.
    Gibberish,
    /// Mostly addresses and markup.
    Markup,
    /// Licence texts, badges and other phrases that say nothing of the subject, or phrases that half the batch repeats.
    Boilerplate,
}

impl Flaw {
    /// In words, for a sentence such as "81 % boilerplate".
    pub fn words(self) -> &'static str {
        match self {
            Self::TooShort => "too short",
            Self::FewLetters => "almost without letters",
            Self::Repetitive => "repetitive",
            Self::Shouting => "shouting",
            Self::Gibberish => "gibberish",
            Self::Markup => "markup and addresses",
            Self::Boilerplate => "boilerplate",
        }
    }
}

/// The quality of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// 0 to 1.
    pub score: f64,
    /// What lowered it noticeably, the worst first.
    pub flaws: Vec<Flaw>,
}

/// A factor below this is worth naming.
const NOTABLE: f64 = 0.8;
/// Words of a phrase that may be repeated across a batch.
const PHRASE: usize = 4;
/// Records of a batch that must share a phrase before it counts as boilerplate.
const SHARED_BY: usize = 3;

/// Whether a text has so few words that judges name it for that.
pub fn is_too_short(text: &str) -> bool {
    length_factor(&Shape::of(text)) < NOTABLE
}

/// The quality of each text of a batch.
pub fn assess(texts: &[&str]) -> Vec<Quality> {
    let words: Vec<Vec<u64>> = texts.iter().map(|text| word_hashes(text)).collect();
    let of = |(text, words): (&&str, &Vec<u64>)| shingles(text, words, PHRASE * pairs_per_word(text));
    let phrases: Vec<Vec<u64>> = texts.iter().zip(&words).map(of).collect();
    let mut spread = HashMap::<u64, usize>::new();
    phrases.iter().flatten().for_each(|phrase| *spread.entry(*phrase).or_default() += 1);
    let shared = |own: &[u64]| {
        let repeated = own.iter().filter(|phrase| spread.get(*phrase).is_some_and(|count| *count >= SHARED_BY));
        repeated.count() as f64 / own.len().max(1) as f64
    };
    let all = texts.iter().zip(&words).zip(&phrases);
    all.map(|((text, words), own)| assess_one(text, words, shared(own))).collect()
}

fn assess_one(text: &str, words: &[u64], shared: f64) -> Quality {
    let shape = Shape::of(text);
    let boilerplate = falling(shared, 0.35, 0.8).min(falling(known_share(text), 0.15, 0.6));
    let mut factors = [
        (Flaw::TooShort, length_factor(&shape)),
        (Flaw::FewLetters, falling(1.0 - shape.letters, 0.35, 0.65)),
        (Flaw::Repetitive, repetition_factor(text, words)),
        (Flaw::Shouting, falling(shape.capitals, 0.35, 0.7).min(falling(shape.exclamations, 0.1, 0.4))),
        (Flaw::Gibberish, falling(shape.odd_words, 0.25, 0.6)),
        (Flaw::Markup, falling(shape.markup, 0.25, 0.6)),
        (Flaw::Boilerplate, 0.1 + 0.9 * boilerplate),
    ];
    let score = factors.iter().map(|(_, factor)| factor).product();
    factors.sort_by(|a, b| a.1.total_cmp(&b.1));
    let flaws = factors.iter().filter(|(_, factor)| *factor < NOTABLE).map(|(flaw, _)| *flaw).collect();
    Quality { score, flaws }
}

/// 1 up to `good`, falling to 0 at `bad`.
fn falling(value: f64, good: f64, bad: f64) -> f64 {
    ((bad - value) / (bad - good)).clamp(0.0, 1.0)
}

/// What the characters and words of a text look like. Shares are 0 to 1.
struct Shape {
    words: usize,
    /// Characters, blanks aside.
    visible: usize,
    /// Letters among what is visible.
    letters: f64,
    /// Capitals among the letters that have a case.
    capitals: f64,
    /// Exclamation marks per word.
    exclamations: f64,
    /// Letters of odd words among all letters of words.
    odd_words: f64,
    /// Characters in addresses, tags and link markup.
    markup: f64,
}

impl Shape {
    fn of(text: &str) -> Self {
        let (mut visible, mut letters, mut upper, mut lower, mut marks) = (0usize, 0usize, 0usize, 0usize, 0usize);
        for c in text.chars().filter(|c| !c.is_whitespace()) {
            visible += 1;
            // Vowel signs and the like are parts of letters.
            letters += usize::from(c.is_alphabetic() || is_combining_mark(c));
            upper += usize::from(c.is_uppercase());
            lower += usize::from(c.is_lowercase());
            marks += usize::from(matches!(c, '!' | '！'));
        }
        let (mut count, mut odd, mut all, mut markup) = (0usize, 0usize, 0usize, 0usize);
        for token in text.split_whitespace() {
            count += words_in(token);
            if is_markup(token) {
                markup += token.chars().count();
                continue;
            }
            each_word(token, |word| {
                if word.kind != Kind::Pair {
                    let word = &token[word.range];
                    let length = word.chars().count();
                    all += length;
                    odd += if is_odd(word) { length } else { 0 };
                }
            });
        }
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        Self {
            words: count,
            visible,
            letters: share(letters, visible),
            capitals: if upper + lower < 20 { 0.0 } else { share(upper, upper + lower) },
            exclamations: share(marks, count),
            odd_words: share(odd, all),
            markup: share(markup, visible),
        }
    }
}

/// Words of what stands between two blanks: one, or as many as its letters make in scripts without blanks.
fn words_in(token: &str) -> usize {
    let mut eighths = 0;
    token
        .chars()
        .filter(|c| c.is_alphabetic())
        .for_each(|c| eighths += letters_per_word(c).map_or(0, |length| 8 / length));
    if token.chars().any(char::is_alphanumeric) { (eighths / 8).max(1) } else { 0 }
}

fn length_factor(shape: &Shape) -> f64 {
    // Long words count for several.
    match shape.words.max(shape.visible / 6) {
        0 => 0.0,
        1 => 0.2,
        2 => 0.4,
        3 => 0.6,
        4 => 0.75,
        _ => 1.0,
    }
}

/// Addresses, HTML tags, badges, table rules.
fn is_markup(token: &str) -> bool {
    let tag = token.starts_with('<')
        && (token.ends_with('>') || token[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'));
    token.contains("://")
        || token.starts_with("www.")
        || token.contains("](")
        || token.starts_with("![")
        || tag
        || token.contains("=\"")
        || token.contains("&nbsp;")
        || token.starts_with("|--")
        || token.starts_with("---")
}

/// Whether a run of letters and digits looks like no word. Only long words of the Latin alphabet are judged.
fn is_odd(word: &str) -> bool {
    let length = word.chars().count();
    if length > 40 {
        return true;
    }
    if length < 5 || !word.is_ascii() {
        return false;
    }
    let is_vowel = |c: char| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let vowels = word.chars().filter(|c| is_vowel(*c)).count();
    let switches =
        word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let consonants = longest_run(word.chars().map(|c| c.is_ascii_alphabetic() && !is_vowel(c)));
    let hex = length >= 16 && word.chars().all(|c| c.is_ascii_hexdigit());
    let acronym = word.chars().all(|c| !c.is_ascii_lowercase());
    hex || switches >= 3
        || (!acronym && (consonants >= 5 && consonants * 2 >= length || consonants >= 7 || vowels == 0))
        || vowels * 8 > length * 7
}

fn longest_run(flags: impl Iterator<Item = bool>) -> usize {
    let run = |(longest, current): (usize, usize), flag: bool| {
        let current = if flag { current + 1 } else { 0 };
        (longest.max(current), current)
    };
    flags.fold((0, 0), run).0
}

/// Texts that repeat their words or their lines.
fn repetition_factor(text: &str, words: &[u64]) -> f64 {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let by_lines = if lines.len() < 4 { 1.0 } else { falling(1.0 - distinct(&lines), 0.2, 0.7) };
    if words.len() < 8 {
        return by_lines;
    }
    let pairs: Vec<(u64, u64)> = words.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let by_pairs = falling(1.0 - distinct(&pairs), 0.25, 0.7);
    let mut counts = HashMap::<u64, usize>::new();
    words.iter().for_each(|word| *counts.entry(*word).or_default() += 1);
    let most = counts.values().max().copied().unwrap_or_default() as f64 / words.len() as f64;
    by_lines.min(by_pairs).min(falling(most, 0.3, 0.6))
}

fn distinct<T: std::hash::Hash + Eq>(items: &[T]) -> f64 {
    items.iter().collect::<std::collections::HashSet<_>>().len() as f64 / items.len().max(1) as f64
}

#[cfg(test)]
mod tests;
