//! What is contributed, held out and asked in these scenarios: sentences about three subjects, each written once.

use crate::data::{Record, to_jsonl};

/// The subjects, which are the labels.
pub const SUBJECTS: [&str; 3] = ["bees", "bread", "stars"];

/// Sentences of each subject that judge the others.
const HELD_OUT: usize = 14;
/// Sentences of each subject that are asked about.
const ASKED: usize = 2;

/// Sentences divided by what they are for; no two parts share one.
pub struct Passages {
    /// Judges contributions.
    pub held_out: Vec<Record>,
    /// Asked once the data is in.
    pub asked: Vec<Record>,
    /// Contributed.
    pub given: Vec<Record>,
}

/// All sentences of `passages.txt`, each part in turns of subject.
pub fn passages() -> Passages {
    let all = |subject: &str| {
        let line = |line: &str| line.split_once('\t').filter(|(s, _)| *s == subject).map(|(_, text)| text.to_owned());
        let record = |text| Record { text, label: Some(subject.to_owned()) };
        include_str!("passages.txt").lines().filter_map(line).map(record).collect::<Vec<_>>()
    };
    let mut parts = Passages { held_out: Vec::new(), asked: Vec::new(), given: Vec::new() };
    for subject in SUBJECTS {
        for (index, record) in all(subject).into_iter().enumerate() {
            match index {
                0..HELD_OUT => parts.held_out.push(record),
                i if i < HELD_OUT + ASKED => parts.asked.push(record),
                _ => parts.given.push(record),
            }
        }
    }
    parts
}

/// `records` as an upload.
pub fn upload(records: &[Record]) -> String {
    to_jsonl(records)
}
