//! Phrases that stand in a thousand documents and say nothing of any of them.

/// In lower case, single blanks. A sentence with one of these is boilerplate as a whole.
const PHRASES: &[&str] = &[
    // Licences
    "licensed under",
    "licenced under",
    "dual licensed",
    "dual-licensed",
    "released under the",
    "distributed under the",
    "under the terms of",
    "at your option",
    "mit license",
    "apache license",
    "apache-2.0",
    "license-apache",
    "license-mit",
    "bsd license",
    "gnu general public license",
    "mozilla public license",
    "gpl-3.0",
    "creative commons",
    "copyright (c)",
    "copyright ©",
    "all rights reserved",
    "see license",
    "license file",
    "full license text",
    "license for more",
    "permission is hereby granted",
    "without warranty of any kind",
    "without restriction, including",
    "as is\", without",
    "shall be included in all copies",
    "in no event shall",
    "you may not use this file except",
    "limitations under the license",
    // Contributing
    "intentionally submitted",
    "unless you explicitly state otherwise",
    "additional terms or conditions",
    "contributions are welcome",
    "contributions welcome",
    "pull requests are welcome",
    "pull request",
    "open an issue",
    "file an issue",
    "feel free to contribute",
    "feel free to open",
    "code of conduct",
    "contributing guide",
    "contributing.md",
    "good first issue",
    "security policy",
    "report a vulnerability",
    "join our discord",
    "on discord",
    "become a sponsor",
    "buy me a coffee",
    "star this repo",
    "follow us on",
    "thanks to all the",
    "thank you for your interest",
    // Releases and installing
    "minimum supported rust version",
    "minimum rust version",
    "msrv",
    "this crate is guaranteed to compile",
    "requires rustc",
    "semantic versioning",
    "semver",
    "changelog",
    "release notes",
    "add the following to your",
    "add this to your",
    "to your cargo.toml",
    "crates.io",
    "build status",
    "code coverage",
    "npm install",
    "pip install",
    "cargo install",
    "documentation is available at",
    "documentation can be found",
    "see the repository",
    // Web pages
    "lorem ipsum",
    "click here",
    "privacy policy",
    "terms of service",
    "terms of use",
    "cookie policy",
    "uses cookies",
    "accept all cookies",
    "subscribe to our newsletter",
    "sign up for our",
    "share on facebook",
    "back to top",
    "skip to content",
    "table of contents",
    "read more",
    "page not found",
    "enable javascript",
    "automatically generated",
    "auto-generated",
    "do not edit",
    "work in progress",
    "coming soon",
    "this page was last edited",
];

/// Share of a text's words that stand in sentences with a known phrase, 0 to 1.
pub(crate) fn known_share(text: &str) -> f64 {
    let lower = text.to_lowercase();
    let plain = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut known, mut all) = (0usize, 0usize);
    for sentence in sentences(&plain) {
        let words = sentence.split(' ').filter(|word| !word.is_empty()).count();
        all += words;
        if PHRASES.iter().any(|phrase| sentence.contains(phrase)) {
            known += words;
        }
    }
    known as f64 / all.max(1) as f64
}

/// Pieces that end at a full stop, an exclamation or a question mark before a blank.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' '])
        .scan(0, |end, word| {
            *end += word.len();
            Some((*end, word.trim_end().ends_with(['.', '!', '?'])))
        })
        .filter(|(_, ends)| *ends)
        .map(|(end, _)| end)
        .chain([text.len()])
        .scan(0, |start, end| {
            let sentence = text.get(*start..end).unwrap_or_default();
            *start = end;
            Some(sentence)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_whole_sentences() {
        assert_eq!(sentences("one two. three! four").collect::<Vec<_>>(), ["one two. ", "three! ", "four"]);
        let half = "It parses dates of every calendar known. Licensed under MIT, see LICENSE file.";
        assert!((known_share(half) - 0.5).abs() < 0.1, "{}", known_share(half));
        assert_eq!(known_share("A ring buffer for readers and writers that never meet."), 0.0);
        assert_eq!(known_share(""), 0.0);
    }
}
