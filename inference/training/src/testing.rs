//! What tests and a bench share: the runtime, the real base model, and small data sets of real sentences.

use std::path::PathBuf;

use datanet_inference::runtime::{Locations, Runtime, SessionConfig};

use crate::data::{Dataset, Example, Source, Task};
use crate::random::Stream;

pub(crate) fn runtime() -> Runtime {
    Runtime::init(&Locations::from_env().unwrap().dylib).unwrap()
}

pub(crate) fn base() -> PathBuf {
    Locations::from_env().unwrap().model
}

pub(crate) fn session() -> SessionConfig {
    SessionConfig::default()
}

#[expect(clippy::type_complexity, reason = "a table of words, read once")]
const TOPICS: [(&str, [&str; 8], [&str; 6], [&str; 6]); 3] = [
    (
        "storage",
        [
            "The database",
            "This key-value store",
            "An embedded table",
            "The write-ahead log",
            "Our B-tree",
            "A page cache",
            "The index",
            "Every transaction",
        ],
        [
            "persists rows to",
            "compacts segments on",
            "recovers after a crash from",
            "reads pages out of",
            "locks",
            "flushes",
        ],
        ["disk blocks", "the journal", "a snapshot file", "sorted runs", "the replica", "cold storage"],
    ),
    (
        "cooking",
        [
            "The soup",
            "A ripe tomato",
            "Fresh basil",
            "The sourdough",
            "Our pan",
            "Grated cheese",
            "The roast",
            "Every noodle",
        ],
        ["simmers slowly in", "is seasoned with", "tastes best beside", "melts over", "is baked with", "soaks up"],
        ["olive oil", "garlic butter", "a pinch of salt", "lemon juice", "white wine", "black pepper"],
    ),
    (
        "astronomy",
        [
            "The telescope",
            "A distant galaxy",
            "This comet",
            "The red giant",
            "Our probe",
            "A pulsar",
            "The moon",
            "Every planet",
        ],
        ["orbits", "was observed near", "radiates towards", "drifts past", "is eclipsed by", "bends the light of"],
        ["a black hole", "the outer belt", "Jupiter", "a binary star", "the nebula", "the solar wind"],
    ),
];

/// Records of three topics from four sources; the last source's labels are shuffled where `noisy`.
pub(crate) fn topics(train: usize, held_out: usize, noisy: bool) -> Dataset {
    let mut stream = Stream::new("test topics", 1, 0);
    let mut draw = |at: usize, held_out: bool| {
        let topic = at % 3;
        let (_, subjects, verbs, objects) = &TOPICS[topic];
        let text = format!(
            "{} {} {}.",
            subjects[stream.below(subjects.len())],
            verbs[stream.below(verbs.len())],
            objects[stream.below(objects.len())]
        );
        let source = at / 3 % 4;
        let label = if noisy && source == 3 && !held_out { stream.below(3) } else { topic };
        Example { text, label: Some(label), pair: None, source }
    };
    let train = (0..train).map(|at| draw(at, false)).collect();
    let held_out = (0..held_out).map(|at| draw(at, true)).collect();
    let labels = TOPICS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let sources = ["ann", "bob", "cem", "dua"].map(|name| Source { name: name.to_owned() }).to_vec();
    Dataset { task: Task::Classify, labels, train, held_out, sources, parts: Vec::new() }
}

/// The same sentences as texts to be continued.
pub(crate) fn prose(train: usize, held_out: usize) -> Dataset {
    let mut data = topics(train, held_out, false);
    data.task = Task::Generate;
    data.labels.clear();
    data.train.iter_mut().chain(&mut data.held_out).for_each(|example| example.label = None);
    data
}

/// Sentences whose subject alone is the pair.
pub(crate) fn pairs(train: usize, held_out: usize) -> Dataset {
    let mut data = prose(train, held_out);
    data.task = Task::Embed;
    for example in data.train.iter_mut().chain(&mut data.held_out) {
        let words: Vec<&str> = example.text.trim_end_matches('.').split(' ').collect();
        example.pair = Some(words[words.len().saturating_sub(4)..].join(" "));
    }
    data
}
