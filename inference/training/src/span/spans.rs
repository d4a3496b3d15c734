//! The spans of an output that stand verbatim in the corpus, and whom they credit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::index::Index;

/// Which spans count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Fewest tokens of a span: shorter ones occur by chance.
    pub least_tokens: usize,
    /// Spans that are kept, as a share of the output's tokens, rounded up: those whose tokens are the rarest.
    pub rarest: f64,
    /// Most documents that a span names, the earliest of each cluster, earliest first.
    pub documents: usize,
    /// A span that occurs more often is boilerplate and dropped.
    pub occurrences: usize,
    /// Tokens of an output that are looked at.
    pub output: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { least_tokens: 4, rarest: 0.05, documents: 10, occurrences: 65_536, output: 32_768 }
    }
}

/// A place in the corpus where a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The document's number: the earliest of its cluster.
    pub document: u32,
    /// Where in the document, in tokens.
    pub at: u32,
    /// The cluster.
    pub cluster: u32,
    /// Who earns.
    pub source: u32,
}

/// A span of the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// First token in the output.
    pub start: usize,
    /// One after its last token.
    pub end: usize,
    /// -sum of ln p over its tokens, p being their shares of the corpus.
    pub surprise: f64,
    /// How many clusters hold it.
    pub clusters: usize,
    /// What each of these earns: surprise / clusters.
    pub credit: f64,
    /// Where it stands, the earliest first.
    pub found: Vec<Found>,
}

/// What each source earns by the spans.
pub fn credits(spans: &[Span]) -> BTreeMap<u32, f64> {
    let mut credits = BTreeMap::new();
    for span in spans {
        span.found.iter().for_each(|found| *credits.entry(found.source).or_default() += span.credit);
    }
    credits
}

impl Index {
    /// The spans of an output that count, in the output's order. A verbatim match is a proof of itself, not of
    /// influence.
    ///
    /// O(L log N) look-ups for L tokens, each as long as what matches.
    pub fn spans(&self, output: &[u32], rules: &Rules) -> Vec<Span> {
        let output = &output[..output.len().min(rules.output)];
        let mut spans: Vec<Span> = Vec::new();
        for (start, end) in self.maximal(output, rules) {
            // What was shortened may lie within the one before.
            let span = self.shortened(output, start, end, rules);
            spans.extend(span.filter(|span| spans.last().is_none_or(|last| span.end > last.end)));
        }
        let keep = (output.len() as f64 * rules.rarest).ceil() as usize;
        spans.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then(a.start.cmp(&b.start)));
        spans.truncate(keep);
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// Whether a span of somebody's list is as it says: it stands there, on word boundaries, is long enough, and is
    /// worth what it claims. One that is longer than a list's own at the same place challenges the list.
    pub fn verify(&self, output: &[u32], span: &Span, rules: &Rules) -> bool {
        let fits = span.start < span.end && span.end <= output.len();
        fits && span.end - span.start >= rules.least_tokens
            && self.trim(output, span.start, span.end) == (span.start, span.end)
            && self.found(output, span.start, span.end, rules).is_some_and(|own| own == *span)
    }

    /// A verified span that a list lacks although it is longer than all that it overlaps there: whoever made the list
    /// left somebody out.
    pub fn challenges(&self, output: &[u32], list: &[Span], claim: &Span, rules: &Rules) -> bool {
        let longer = |other: &Span| claim.end - claim.start > other.end - other.start;
        let overlaps = |other: &&Span| other.start < claim.end && claim.start < other.end;
        let mut overlapping = list.iter().filter(overlaps).peekable();
        overlapping.peek().is_some() && overlapping.all(longer) && self.verify(output, claim, rules)
    }

    /// The spans that cannot be made longer, cut to whole words; none lies within another.
    fn maximal(&self, output: &[u32], rules: &Rules) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let mut reached = 0;
        for start in 0..output.len() {
            let end = start + self.longest(&output[start..]);
            // What ends no later than an earlier span's end lies within it.
            if end <= reached {
                continue;
            }
            reached = end;
            let (start, end) = self.trim(output, start, end);
            let within = spans.last().is_some_and(|last| end <= last.1);
            if end >= start + rules.least_tokens && !within {
                spans.push((start, end));
            }
        }
        spans
    }

    /// The whole words of a span: it begins where a word may begin, and ends where one ends.
    fn trim(&self, output: &[u32], mut start: usize, mut end: usize) -> (usize, usize) {
        let word_at = |at: usize| at == 0 || at >= output.len() || self.starts_word(output[at]);
        while start < end && !word_at(start) {
            start += 1;
        }
        while start < end && !word_at(end) {
            end -= 1;
        }
        (start, end)
    }

    /// The span without as many of its last words as the corpus goes on within: `foo` does not stand in `foobar`.
    fn shortened(&self, output: &[u32], start: usize, mut end: usize, rules: &Rules) -> Option<Span> {
        while end >= start + rules.least_tokens {
            if let Some(span) = self.found(output, start, end, rules) {
                return Some(span);
            }
            end = self.trim(output, start, end - 1).1;
        }
        None
    }

    /// Where a span stands as whole words; `None` if nowhere, or as boilerplate.
    fn found(&self, output: &[u32], start: usize, end: usize, rules: &Rules) -> Option<Span> {
        let tokens = &output[start..end];
        let range = self.range(tokens);
        if range.len() > rules.occurrences {
            return None;
        }
        // The earliest place of each cluster; places within a document in order.
        let mut clusters: BTreeMap<u32, usize> = BTreeMap::new();
        for at in self.array[range].iter().map(|at| *at as usize) {
            if !self.word_begins_at(at) || !self.word_ends_at(at + tokens.len()) {
                continue;
            }
            let (document, _) = self.locate(at);
            let earliest = clusters.entry(self.documents[document].cluster).or_insert(at);
            *earliest = at.min(*earliest);
        }
        if clusters.is_empty() {
            return None;
        }
        let mut places: Vec<usize> = clusters.values().copied().collect();
        places.sort_unstable();
        places.truncate(rules.documents);
        let found = places.into_iter().map(|at| {
            let (document, at) = self.locate(at);
            let of = self.documents[document];
            Found { document: document as u32, at: at as u32, cluster: of.cluster, source: of.source }
        });
        let surprise: f64 = tokens.iter().filter_map(|token| self.surprise.get(*token as usize)).sum();
        let credit = surprise / clusters.len() as f64;
        Some(Span { start, end, surprise, clusters: clusters.len(), credit, found: found.collect() })
    }
}
