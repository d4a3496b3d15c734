//! Markdown into passages: paragraphs and list items as plain sentences, with code, tables, headings and images left out.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Fewest words of a passage.
pub(super) const MIN_WORDS: usize = 15;
/// Most words of a passage; a longer paragraph ends at its last full sentence before that.
pub(super) const MAX_WORDS: usize = 48;

/// Phrases of housekeeping paragraphs: true of every crate, so they say nothing of a topic.
const HOUSEKEEPING: [&str; 23] = [
    "licensed ",
    "licenced ",
    "apache",
    "copyright",
    "pull request",
    "contribution",
    "changelog",
    "crates.io",
    "msrv",
    "minimum supported rust",
    "minimum rust",
    "semver",
    "cargo.toml",
    "badge",
    "dual-licen",
    "dual licen",
    "warranty",
    "code of conduct",
    "this crate requires rust",
    "discord",
    "rustc 1",
    "mit license",
    "security policy",
];

/// The plain text of every paragraph and list item, in order, whatever its length.
pub(super) fn paragraphs(markdown: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut text = String::new();
    // What is inside any of these is not prose.
    let mut skipped = 0_usize;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
        match event {
            Event::Start(tag) if is_skipped(&tag) => skipped += 1,
            Event::End(tag) if is_skipped_end(tag) => skipped = skipped.saturating_sub(1),
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_) | Tag::BlockQuote(_))
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::List(_) | TagEnd::BlockQuote(_)) => {
                flush(&mut text, &mut out);
            }
            Event::Text(part) | Event::Code(part) if skipped == 0 => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak if skipped == 0 => text.push(' '),
            _ => {}
        }
    }
    flush(&mut text, &mut out);
    out
}

fn is_skipped(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::CodeBlock(_)
            | Tag::Heading { .. }
            | Tag::Table(_)
            | Tag::Image { .. }
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
    )
}

fn is_skipped_end(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::CodeBlock
            | TagEnd::Heading(_)
            | TagEnd::Table
            | TagEnd::Image
            | TagEnd::HtmlBlock
            | TagEnd::FootnoteDefinition
    )
}

fn flush(text: &mut String, out: &mut Vec<String>) {
    let clean = clean(text);
    text.clear();
    if !clean.is_empty() {
        out.push(clean);
    }
}

/// One line of words: no addresses, no left-over marks, single spaces.
fn clean(text: &str) -> String {
    text.replace(['`', '*', '#', '|', '[', ']', '<', '>', '\u{200b}'], " ")
        .split_whitespace()
        .filter(|word| !word.contains("://"))
        .collect::<Vec<_>>()
        .join(" ")
        .trim_matches([' ', '-'])
        .to_owned()
}

/// Whether a paragraph is about housekeeping (licence, contributing, badges) rather than about what the crate does.
pub(super) fn is_housekeeping(paragraph: &str) -> bool {
    let lower = paragraph.to_lowercase();
    HOUSEKEEPING.iter().any(|phrase| lower.contains(phrase))
}

/// The passage that a paragraph gives: 15 to 48 words of mostly letters. Nothing when it is too short, about
/// housekeeping, or more signs than words.
pub(super) fn passage(paragraph: &str) -> Option<String> {
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    if words.len() < MIN_WORDS || is_housekeeping(paragraph) {
        return None;
    }
    let passage = words[..end_of_passage(&words)].join(" ");
    let letters = passage.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').count();
    (letters * 100 >= passage.chars().count() * 85).then_some(passage)
}

/// How many words to keep: all, or up to the last sentence end within the limit, or just the limit.
fn end_of_passage(words: &[&str]) -> usize {
    if words.len() <= MAX_WORDS {
        return words.len();
    }
    (MIN_WORDS..=MAX_WORDS).rev().find(|n| words[n - 1].ends_with(['.', '!', '?'])).unwrap_or(MAX_WORDS)
}

/// The `//!` documentation of a source file as Markdown.
pub(super) fn module_docs(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.trim_start().strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_headings_tables_and_images_are_left_out() {
        let text = "# Title\n\nFirst *part* of [a link](https://x.y) with `code`\nand more.\n\n```rust\nfn main() {}\n```\n\n\
                    | a | b |\n|---|---|\n| 1 | 2 |\n\n![picture](p.png)\n\n- one item\n- another [`Item`]\n";
        assert_eq!(paragraphs(text), ["First part of a link with code and more.", "one item", "another Item"]);
    }

    #[test]
    fn housekeeping_is_not_a_passage() {
        let text = "This project is licensed under either of two well known licences at your option, and that is that \
                    for all of the users of it.";
        assert!(is_housekeeping(text));
        assert_eq!(passage(text), None);
    }

    #[test]
    fn a_long_paragraph_ends_at_a_sentence() {
        let sentence = "this sentence has exactly ten words in it right now. ";
        let passage = passage(&sentence.repeat(9)).unwrap();
        assert_eq!(passage.split_whitespace().count(), 40);
        assert!(passage.ends_with('.'));
    }

    #[test]
    fn signs_are_not_prose() {
        assert_eq!(passage(&"a+b=c; {x} => [y]; 0x1f ".repeat(10)), None);
    }

    #[test]
    fn module_docs_are_the_lines_with_a_bang() {
        assert_eq!(module_docs("//! One\n//!\n//! Two\n/// not this\nuse x;\n"), "One\n\nTwo");
    }
}
