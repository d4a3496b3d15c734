//! Strings that know which of their characters people wrote.

use std::ops::Range;

/// A text and the parts of it that come from a message, whatever has been done to them since.
///
/// Every string of a running template is one: it is cut, joined and changed by the functions here alone, and each of them
/// carries the origin of every character along. So what of the output is whose is known, not guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    text: String,
    /// Bytes that people wrote: in order, not empty, apart from each other.
    people: Vec<Range<usize>>,
}

impl Text {
    /// What the template or the program wrote.
    pub fn own(text: impl Into<String>) -> Self {
        Self { text: text.into(), people: Vec::new() }
    }

    /// What people wrote.
    pub fn of_people(text: impl Into<String>) -> Self {
        let text = text.into();
        let people = if text.is_empty() { Vec::new() } else { std::iter::once(0..text.len()).collect() };
        Self { text, people }
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes that people wrote, in order: not empty, and none beside another.
    pub fn people(&self) -> &[Range<usize>] {
        &self.people
    }

    /// Both.
    pub fn into_parts(self) -> (String, Vec<Range<usize>>) {
        (self.text, self.people)
    }

    /// The parts in order, and whether people wrote them.
    pub fn parts(&self) -> Vec<(&str, bool)> {
        let (mut parts, mut at) = (Vec::with_capacity(2 * self.people.len() + 1), 0);
        for part in &self.people {
            parts.push((&self.text[at..part.start], false));
            parts.push((&self.text[part.clone()], true));
            at = part.end;
        }
        parts.push((&self.text[at..], false));
        parts.retain(|(part, _)| !part.is_empty());
        parts
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + size_of::<Range<usize>>() * self.people.len()
    }

    pub(crate) fn push(&mut self, other: &Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        for part in &other.people {
            self.mark(part.start + shift..part.end + shift);
        }
    }

    pub(crate) fn push_part(&mut self, part: &str, people: bool) {
        let start = self.text.len();
        self.text.push_str(part);
        if people && !part.is_empty() {
            self.mark(start..self.text.len());
        }
    }

    fn mark(&mut self, part: Range<usize>) {
        match self.people.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => self.people.push(part),
        }
    }

    /// The part of these bytes, which begin and end characters.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        if range.is_empty() {
            return Self::default();
        }
        let first = self.people.partition_point(|part| part.end <= range.start);
        let within = self.people[first..].iter().take_while(|part| part.start < range.end);
        let people =
            within.map(|part| part.start.max(range.start) - range.start..part.end.min(range.end) - range.start);
        Self { people: people.collect(), text: self.text[range].to_owned() }
    }

    /// Its characters, each with whether people wrote it.
    pub(crate) fn chars(&self) -> impl Iterator<Item = (char, bool)> {
        self.parts().into_iter().flat_map(|(part, people)| part.chars().map(move |character| (character, people)))
    }

    /// What becomes of each part by itself, by a function that changes letters and no places.
    pub(crate) fn map_parts(&self, change: impl Fn(&str) -> String) -> Self {
        let mut changed = Self::default();
        for (part, people) in self.parts() {
            changed.push_part(&change(part), people);
        }
        changed
    }

    pub(crate) fn collect(characters: impl IntoIterator<Item = (char, bool)>) -> Self {
        let mut text = Self::default();
        for (character, people) in characters {
            text.push_part(character.encode_utf8(&mut [0; 4]), people);
        }
        text
    }

    /// Without what `cut` counts in at its start and at its end.
    pub(crate) fn trimmed(&self, start: bool, end: bool, cut: impl Fn(char) -> bool) -> Self {
        let from = if start { self.text.trim_start_matches(&cut) } else { &self.text };
        let begin = self.text.len() - from.len();
        let kept = if end { from.trim_end_matches(&cut) } else { from };
        self.slice(begin..begin + kept.len())
    }

    /// The parts between `separator`s, at most `most` cuts, from the left.
    pub(crate) fn split(&self, separator: &str, most: usize) -> Vec<Self> {
        let (mut parts, mut at) = (Vec::new(), 0);
        for (found, _) in self.text.match_indices(separator).take(most) {
            parts.push(self.slice(at..found));
            at = found + separator.len();
        }
        parts.push(self.slice(at..self.text.len()));
        parts
    }

    /// As [`Text::split`], from the right.
    pub(crate) fn rsplit(&self, separator: &str, most: usize) -> Vec<Self> {
        let (mut parts, mut end) = (Vec::new(), self.text.len());
        for (found, _) in self.text.rmatch_indices(separator).take(most) {
            parts.push(self.slice(found + separator.len()..end));
            end = found;
        }
        parts.push(self.slice(0..end));
        parts.reverse();
        parts
    }

    /// The words between white space.
    pub(crate) fn words(&self) -> Vec<Self> {
        let (mut words, mut start) = (Vec::new(), None);
        for (at, character) in self.text.char_indices() {
            match (is_space(character), start) {
                (true, Some(begin)) => {
                    words.push(self.slice(begin..at));
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
        }
        words.extend(start.map(|begin| self.slice(begin..self.text.len())));
        words
    }

    /// The lines, without their ends.
    pub(crate) fn lines(&self) -> Vec<Self> {
        let (mut lines, mut start, bytes) = (Vec::new(), 0, self.text.as_bytes());
        while start < self.text.len() {
            let end = self.text[start..].find(['\n', '\r']).map_or(self.text.len(), |at| start + at);
            lines.push(self.slice(start..end));
            start = end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
        }
        lines
    }
}

/// What Python's `strip` takes away.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}
