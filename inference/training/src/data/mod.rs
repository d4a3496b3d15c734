//! Records to learn from, checked, and as tokens.

mod tokens;

use serde::{Deserialize, Serialize};

pub use crate::job::Task;
pub use tokens::{TextTokens, TokenError, Tokenised};

/// Longest text of one record in bytes; the tokenizer reads no more than its first tokens anyway.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Fewest records that anything can be learnt from.
const MIN_TRAIN: usize = 4;

/// Where records come from, for example one contributor; attribution has a column for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, for example a contributor's address.
    pub name: String,
}

/// Training records that were given together, for example by one contribution: pay has a column for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, for example a contribution's id.
    pub name: String,
    /// How many records it has; they follow one another.
    pub records: usize,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The text.
    pub text: String,
    /// Its label, as a place in [`Dataset::labels`].
    pub label: Option<usize>,
    /// A text that means the same, for sentence embeddings.
    pub pair: Option<String>,
    /// Its source, as a place in [`Dataset::sources`].
    pub source: usize,
}

/// Records to learn from and records to be asked afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// What they are for.
    pub task: Task,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Records to learn from.
    pub train: Vec<Example>,
    /// Records never learnt from.
    pub held_out: Vec<Example>,
    /// Where the records come from.
    pub sources: Vec<Source>,
    /// How the training records were given, in their order; empty where each source gave its own at once.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// Why nothing can be learnt from the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Too few records.
    #[error("there are {found} records to learn from; {MIN_TRAIN} are the least, some hundreds are sensible")]
    TooFew {
        /// How many.
        found: usize,
    },
    /// Nothing to ask afterwards.
    #[error("there is no held-out record, so nothing could be said about the model; keep some out of training")]
    NothingHeldOut,
    /// Fewer than two labels.
    #[error("the records have {found} label{}; a classifier needs at least two", if *.found == 1 { "" } else { "s" })]
    OneClass {
        /// How many labels are used.
        found: usize,
    },
    /// A record lacks what the task needs, or points nowhere.
    #[error("record {index} of the {part} records {problem}")]
    Record {
        /// `training` or `held-out`.
        part: &'static str,
        /// Its place.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// What is said of how the records were given is not of these records.
    #[error("the parts that the records were given in {0}")]
    Parts(&'static str),
    /// The text cannot be tokenised.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

impl Dataset {
    /// Checks that something can be learnt.
    ///
    /// # Errors
    /// [`DataError`], which names the record where it is one's fault.
    pub fn check(&self) -> Result<(), DataError> {
        if self.train.len() < MIN_TRAIN {
            return Err(DataError::TooFew { found: self.train.len() });
        }
        if self.held_out.is_empty() {
            return Err(DataError::NothingHeldOut);
        }
        for (part, examples) in [("training", &self.train), ("held-out", &self.held_out)] {
            for (index, example) in examples.iter().enumerate() {
                self.check_example(example).map_err(|problem| DataError::Record { part, index, problem })?;
            }
        }
        self.check_parts()?;
        let mut used: Vec<usize> = self.train.iter().filter_map(|example| example.label).collect();
        used.sort_unstable();
        used.dedup();
        if self.task == Task::Classify && used.len() < 2 {
            return Err(DataError::OneClass { found: used.len() });
        }
        Ok(())
    }

    fn check_parts(&self) -> Result<(), DataError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let named = self.parts.iter().map(|part| part.records).try_fold(0usize, usize::checked_add);
        if named != Some(self.train.len()) {
            return Err(DataError::Parts("do not have as many records as there are"));
        }
        let mut rest = self.train.as_slice();
        for part in &self.parts {
            let (own, others) = rest.split_at(part.records);
            rest = others;
            if own.is_empty() || own.iter().any(|example| example.source != own[0].source) {
                return Err(DataError::Parts("are not each of one source"));
            }
        }
        Ok(())
    }

    fn check_example(&self, example: &Example) -> Result<(), String> {
        if example.text.trim().is_empty() {
            return Err("has no text".to_owned());
        }
        let longest = example.text.len().max(example.pair.as_ref().map_or(0, String::len));
        if longest > MAX_TEXT_BYTES {
            return Err(format!("has a text of {longest} bytes, more than {MAX_TEXT_BYTES}"));
        }
        if example.source >= self.sources.len() {
            return Err(format!("comes from source {}, of {}", example.source, self.sources.len()));
        }
        match (self.task, example.label, &example.pair) {
            (Task::Classify, None, _) => Err("has no label".to_owned()),
            (Task::Classify, Some(label), _) if label >= self.labels.len() => {
                Err(format!("has label {label}, of {}", self.labels.len()))
            }
            (Task::Embed, _, None) => Err("has no text that means the same".to_owned()),
            (Task::Embed, _, Some(pair)) if pair.trim().is_empty() => {
                Err("has an empty text that should mean the same".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The record at a sample's index: training records first, held-out ones after.
    pub fn example(&self, sample: usize) -> Option<&Example> {
        self.train.get(sample).or_else(|| self.held_out.get(sample.wrapping_sub(self.train.len())))
    }

    /// The source of each training record.
    pub fn columns(&self) -> Vec<usize> {
        self.train.iter().map(|example| example.source).collect()
    }

    /// The names of what pays by itself, and which of them each training record is of: a part where there are some,
    /// else a source.
    pub fn given(&self) -> (Vec<String>, Vec<usize>) {
        if self.parts.is_empty() {
            return (self.sources.iter().map(|source| source.name.clone()).collect(), self.columns());
        }
        let of = |(at, part): (usize, &Part)| std::iter::repeat_n(at, part.records);
        (
            self.parts.iter().map(|part| part.name.clone()).collect(),
            self.parts.iter().enumerate().flat_map(of).collect(),
        )
    }

    /// How many records follow one another that were given together, and their source.
    pub fn runs(&self) -> Vec<(usize, usize)> {
        let (_, given) = self.given();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (at, example) in self.train.iter().enumerate() {
            match runs.last_mut() {
                Some((records, _)) if at > 0 && given[at] == given[at - 1] => *records += 1,
                _ => runs.push((1, example.source)),
            }
        }
        runs
    }

    /// BLAKE3 over every record, so that two runs can tell whether they learnt from the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("datanet training 2026 data set");
        let mut text = |part: &str| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        };
        text(&format!("{:?}", self.task));
        let counts = [self.labels.len(), self.train.len(), self.held_out.len(), self.sources.len()];
        text(&format!("{counts:?}"));
        self.labels.iter().for_each(|label| text(label));
        for example in self.train.iter().chain(&self.held_out) {
            text(&example.text);
            text(&format!("{:?} {}", example.label, example.source));
            text(example.pair.as_deref().unwrap_or(""));
        }
        self.sources.iter().for_each(|source| text(&source.name));
        for part in &self.parts {
            text(&format!("{} {}", part.records, part.name));
        }
        *hasher.finalize().as_bytes()
    }

    /// Share of the commonest training label among the held-out records.
    pub fn majority(&self) -> f64 {
        let mut counts = vec![0usize; self.labels.len()];
        for label in self.train.iter().filter_map(|example| example.label) {
            if let Some(count) = counts.get_mut(label) {
                *count += 1;
            }
        }
        let commonest = (0..counts.len()).rev().max_by_key(|&label| counts[label]);
        let hits = self.held_out.iter().filter(|example| example.label.is_some() && example.label == commonest).count();
        hits as f64 / self.held_out.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, label: usize) -> Example {
        Example { text: text.to_owned(), label: Some(label), pair: None, source: 0 }
    }

    fn data(labels: &[usize]) -> Dataset {
        Dataset {
            task: Task::Classify,
            labels: vec!["a".to_owned(), "b".to_owned()],
            train: labels.iter().map(|&label| example("text", label)).collect(),
            held_out: vec![example("asked", 1)],
            sources: vec![Source { name: "s".to_owned() }],
            parts: Vec::new(),
        }
    }

    #[test]
    fn one_class_three_records_or_nothing_held_out_is_an_error() {
        assert!(data(&[0, 1, 0, 1]).check().is_ok());
        assert!(matches!(data(&[0, 0, 0, 0]).check(), Err(DataError::OneClass { found: 1 })));
        assert!(matches!(data(&[0, 1, 0]).check(), Err(DataError::TooFew { found: 3 })));
        let unasked = Dataset { held_out: Vec::new(), ..data(&[0, 1, 0, 1]) };
        assert!(matches!(unasked.check(), Err(DataError::NothingHeldOut)));
        let message = data(&[0, 1, 0, 7]).check().unwrap_err().to_string();
        assert!(message.contains("record 3") && message.contains("label 7"), "{message}");
        assert!(Dataset { task: Task::Embed, ..data(&[0, 1, 0, 1]) }.check().is_err());
    }

    #[test]
    fn what_was_given_together_follows_one_another() {
        let part = |name: &str, records| Part { name: name.to_owned(), records };
        let with = |parts: Vec<Part>| Dataset { parts, ..data(&[0, 1, 0, 1]) };
        let good = with(vec![part("x", 1), part("y", 3)]);
        assert!(good.check().is_ok());
        assert_eq!(good.given(), (vec!["x".to_owned(), "y".to_owned()], vec![0, 1, 1, 1]));
        assert_eq!((good.runs(), data(&[0, 1]).runs()), (vec![(1, 0), (3, 0)], vec![(2, 0)]));
        assert_eq!(data(&[0, 1]).given(), (vec!["s".to_owned()], vec![0, 0]));
        assert_ne!(good.digest(), data(&[0, 1, 0, 1]).digest());
        for bad in [vec![part("x", 3)], vec![part("x", 4), part("y", 0)], vec![part("x", usize::MAX), part("y", 5)]] {
            assert!(matches!(with(bad).check(), Err(DataError::Parts(_))));
        }
        let mut two = with(vec![part("x", 2), part("y", 2)]);
        two.sources.push(Source { name: "t".to_owned() });
        two.train[1].source = 1;
        assert!(two.check().unwrap_err().to_string().contains("of one source"));
    }

    #[test]
    fn the_digest_tells_data_sets_apart() {
        assert_eq!(data(&[0, 1, 0, 1]).digest(), data(&[0, 1, 0, 1]).digest());
        assert_ne!(data(&[0, 1, 0, 1]).digest(), data(&[0, 1, 1, 1]).digest());
    }

    #[test]
    fn the_majority_is_the_commonest_training_label() {
        assert_eq!(data(&[0, 1, 1, 1]).majority(), 1.0);
        assert_eq!(data(&[0, 0, 0, 1]).majority(), 0.0);
    }
}
