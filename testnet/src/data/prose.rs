//! Markdown as plain paragraphs, with code, tables, headings and images left out; doc comments as Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Phrases of housekeeping paragraphs: true of every crate, so they say nothing of the crate.
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

/// What a code span is between in a [`Block`], so that it is told from words. In no text of people's.
pub(super) const CODE: [char; 2] = ['\u{e000}', '\u{e001}'];

/// A paragraph or list item.
#[derive(Debug)]
pub(super) struct Block {
    /// The heading that it stands under, if there is one.
    pub(super) heading: Option<String>,
    /// Its text, with code between [`CODE`].
    pub(super) text: String,
}

/// Every paragraph and list item, in order.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let (mut heading, mut text) = (None, String::new());
    // What is inside any of these is not prose.
    let mut skipped = 0_usize;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
        match event {
            Event::Start(Tag::Heading { .. }) => flush(&mut text, heading.as_ref(), &mut found),
            // What was written since it began is the heading.
            Event::End(TagEnd::Heading(_)) => heading = Some(std::mem::take(&mut text).replace(CODE, "")),
            Event::Start(tag) if is_skipped(&tag) => skipped += 1,
            Event::End(tag) if is_skipped_end(tag) => skipped = skipped.saturating_sub(1),
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_) | Tag::BlockQuote(_))
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::List(_) | TagEnd::BlockQuote(_)) => {
                flush(&mut text, heading.as_ref(), &mut found);
            }
            Event::Text(words) if skipped == 0 => text.push_str(&words),
            Event::Code(code) if skipped == 0 => text.extend([&CODE[0].to_string(), &*code, &CODE[1].to_string()]),
            Event::SoftBreak | Event::HardBreak if skipped == 0 => text.push(' '),
            _ => {}
        }
    }
    flush(&mut text, heading.as_ref(), &mut found);
    found
}

fn is_skipped(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::CodeBlock(_) | Tag::Table(_) | Tag::Image { .. } | Tag::HtmlBlock | Tag::FootnoteDefinition(_))
}

fn is_skipped_end(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::CodeBlock | TagEnd::Table | TagEnd::Image | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition)
}

fn flush(text: &mut String, heading: Option<&String>, found: &mut Vec<Block>) {
    let text = std::mem::take(text);
    if !text.trim().is_empty() {
        found.push(Block { heading: heading.cloned(), text });
    }
}

/// The plain text of every paragraph and list item, in order, whatever its length.
pub(super) fn paragraphs(markdown: &str) -> Vec<String> {
    let texts = blocks(markdown).into_iter().map(|block| clean(&block.text));
    texts.filter(|text| !text.is_empty()).collect()
}

/// One line of words: no addresses, no marks, single spaces.
pub(super) fn clean(text: &str) -> String {
    text.replace(CODE, "")
        .replace(['`', '*', '#', '|', '[', ']', '<', '>', '\u{200b}'], " ")
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

/// The doc comments of a source file as Markdown, one for each item.
pub(super) fn doc_comments(source: &str) -> Vec<String> {
    let (mut comments, mut open) = (Vec::new(), false);
    for line in source.lines() {
        let line = line.trim_start();
        match line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            // Four slashes are a rule, not documentation.
            Some(rest) if !rest.starts_with('/') => {
                if !open {
                    comments.push(String::new());
                }
                open = true;
                let text = rest.strip_prefix(' ').unwrap_or(rest);
                comments.last_mut().into_iter().for_each(|comment| {
                    comment.push_str(text);
                    comment.push('\n');
                });
            }
            _ => open = false,
        }
    }
    comments
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
    }

    #[test]
    fn doc_comments_are_told_apart_by_what_stands_between() {
        let source = "//! One\n//!\n//! Two\nuse x;\n  /// Three\nfn f() {}\n//// a rule\n/// Four\n";
        assert_eq!(doc_comments(source), ["One\n\nTwo\n", "Three\n", "Four\n"]);
    }
}
