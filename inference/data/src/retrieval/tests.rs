//! The index as its callers see it.

mod answers;
mod draw;
mod durability;
mod pool;
mod searching;

use std::path::Path;

use datanet_types::{ContributionId, ModelId};

use self::draw::Draw;
use super::*;

const DIMENSIONS: usize = 24;
const WORDS: [&str; 24] = [
    "the",
    "of",
    "a",
    "tree",
    "river",
    "stone",
    "engine",
    "socket",
    "Überfluß",
    "naïve",
    "東京",
    "поиск",
    "hash",
    "cache",
    "parser",
    "token",
    "stream",
    "buffer",
    "key",
    "value",
    "42",
    "async",
    "copper",
    "violin",
];

impl Draw {
    /// Words, the first ones more often, as in language.
    fn text(&mut self, words: usize) -> String {
        let words: Vec<_> = (0..words).map(|_| WORDS[self.below(WORDS.len()).min(self.below(WORDS.len()))]).collect();
        words.join(" ")
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn id(n: u8) -> ContributionId {
    ContributionId([n; 32])
}

fn config(directory: &Path, dimensions: usize) -> IndexConfig {
    IndexConfig { directory: directory.join("index"), model: ModelId([7; 32]), dimensions }
}

fn open(directory: &Path) -> DatanetIndex {
    DatanetIndex::open(&config(directory, DIMENSIONS)).unwrap()
}

/// `count` documents of contribution `n`, always the same ones.
fn documents(n: u8, count: u64) -> Vec<Document> {
    let mut draw = Draw(u64::from(n) + 1000);
    let labels = ["red", "green", "blue"];
    (0..count)
        .map(|record| Document {
            contribution: id(n),
            // With gaps: records that fail the schema are not indexed.
            record: 2 * record,
            text: draw.text(3 + usize::from(n) % 5 + (record % 17) as usize),
            label: Some(labels[draw.below(3)].to_owned()),
            embedding: draw.unit(DIMENSIONS),
        })
        .collect()
}

fn by_text(text: &str) -> SearchRequest {
    SearchRequest { text: text.to_owned(), embedding: None, mode: Mode::Text, limit: 10, snapshot: None }
}
