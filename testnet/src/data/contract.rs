//! Which part of an API's contract a sentence states: the heading under which its author wrote it is its label.
//!
//! Rust's own guidelines ask for the headings (`# Errors`, `# Panics`, `# Safety`), so the labels are right by
//! construction, whoever wrote the sentence.

use super::prose::{self, Block, CODE};

/// The labels of the demo's records, in the order used for tables.
pub const PARTS: [&str; 5] = ["arguments", "returns", "errors", "panics", "safety"];

/// Fewest and most words of a sentence that says something by itself.
const WORDS: std::ops::RangeInclusive<usize> = 7..=40;
/// Most characters of one: 128 tokens hold them.
const CHARACTERS: usize = 256;

/// One sentence of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Index into [`PARTS`].
    pub(super) part: usize,
    /// The sentence.
    pub(super) text: String,
    /// Its letters without those of code: sentences that differ in a name alone have the same.
    pub(super) fingerprint: String,
}

/// The part that a heading announces.
fn part_of(heading: &str) -> Option<usize> {
    let heading = heading.trim().trim_end_matches(':').to_lowercase();
    let part = match heading.as_str() {
        "arguments" | "parameters" | "argument" | "args" => "arguments",
        "returns" | "return" | "return value" | "return values" => "returns",
        "errors" | "error" => "errors",
        "panics" | "panic" => "panics",
        "safety" => "safety",
        _ => return None,
    };
    PARTS.iter().position(|known| *known == part)
}

/// The sentences of one doc comment that stand under such a heading, in order.
pub(super) fn statements(markdown: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    for Block { heading, text } in prose::blocks(markdown) {
        let Some(part) = heading.as_deref().and_then(part_of) else { continue };
        found.extend(sentences(&text).filter_map(|sentence| statement(part, sentence)));
    }
    found
}

/// A paragraph cut behind every full stop that a capital or code follows.
fn sentences(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut ends: Vec<usize> = paragraph
        .match_indices(". ")
        .map(|(at, _)| at + 1)
        .filter(|at| paragraph[*at..].trim_start().starts_with(|c: char| c.is_uppercase() || c == CODE[0]))
        .collect();
    ends.push(paragraph.len());
    let mut from = 0;
    ends.into_iter().map(move |end| &paragraph[std::mem::replace(&mut from, end)..end])
}

/// A sentence of letters mostly, that does not merely point elsewhere.
fn statement(part: usize, marked: &str) -> Option<Statement> {
    let text = prose::clean(marked);
    let words = text.split_whitespace().count();
    let letters = text.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').count();
    let short = WORDS.contains(&words) && text.len() <= CHARACTERS;
    let good = short && letters * 100 >= text.chars().count() * 85 && !text.starts_with("See ");
    let mut code = false;
    let mut fingerprint = String::new();
    for c in marked.chars() {
        match c {
            c if CODE.contains(&c) => code = c == CODE[0],
            c if !code && c.is_ascii_alphabetic() => fingerprint.push(c.to_ascii_lowercase()),
            _ => {}
        }
    }
    // A name and hardly a word beside it.
    let says = fingerprint.len() >= 24;
    (good && says).then_some(Statement { part, text, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_the_heading_it_stands_under() {
        let docs = "Opens a file, whatever it is called by anybody.\n\n# Errors\n\nThis function returns an error when the \
                    file is not there. `Other` errors are returned for a folder that is closed.\n\n# Panics\n\n- if called \
                    outside of a runtime that has timers\n\n# Examples\n\nThis is how it is used by most people today.\n";
        let found: Vec<_> = statements(docs).into_iter().map(|one| (PARTS[one.part], one.text)).collect();
        let expected = [
            ("errors", "This function returns an error when the file is not there."),
            ("errors", "Other errors are returned for a folder that is closed."),
            ("panics", "if called outside of a runtime that has timers"),
        ];
        assert_eq!(found, expected.map(|(part, text)| (part, text.to_owned())));
    }

    #[test]
    fn sentences_that_differ_in_a_name_are_one() {
        let of = |name: &str| {
            statements(&format!("# Safety\n\nThe pointer `{name}` must be valid for reads by the caller."))
        };
        assert_eq!(of("left")[0].fingerprint, of("right")[0].fingerprint);
        assert_ne!(of("left")[0].text, of("right")[0].text);
    }

    #[test]
    fn what_says_nothing_by_itself_is_left_out() {
        let docs = "# Returns\n\nNothing.\n\nSee the documentation of the trait for what this returns.\n\n`a_b::c_d(e, f)` is \
                    `x::y::<Z>()` or `u[v..w]`, `p->q` (`0x1f`).\n";
        assert_eq!(statements(docs), []);
    }
}
