//! What embeddings may say about a contribution, and what the held-out set then says with them.
//!
//! A model that was not trained on a script gives its texts vectors that lie anywhere: close together for all of Thai,
//! apart by chance for others. Such vectors are no evidence. Texts in scripts that the model does not know are judged by
//! their words, their usefulness is not measured, and the reasons say so: where the held-out set is of such texts too. To a
//! held-out set that the model does know, texts in another script are of no use, or whoever writes in one would pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::report::LabelReport;
use super::usefulness::{Coverage, LabelValue, Labelled, NEIGHBOURS, cover, value_labels};
use super::verdict::{JudgeInput, percent};
use crate::corpus::Record;
use crate::words::main_script;

/// The records whose embeddings say something.
pub(super) struct Evidence<'a, E> {
    /// Place in the input, record and embedding of each that the model can tell from others.
    batch: Vec<(usize, &'a Record, &'a E)>,
    held_out: Vec<(usize, &'a Record, &'a E)>,
    /// Records that it cannot, and the script of most of them.
    unread: usize,
    script: &'static str,
    /// The same of the held-out records.
    unread_held_out: usize,
    held_out_script: &'static str,
}

impl<'a, E> Evidence<'a, E> {
    pub(super) fn of(input: &JudgeInput<'a, E>) -> Self {
        let scripts = input.corpus.scripts();
        let read = |records: &'a [(u64, Record)], embeddings: &'a [E]| {
            let all = records.iter().zip(embeddings).enumerate();
            let read = all.filter(|(_, ((_, record), _))| scripts.read(record.text()));
            read.map(|(place, ((_, record), embedding))| (place, record, embedding)).collect::<Vec<_>>()
        };
        let script_of = |records: &'a [(u64, Record)]| {
            let mut counts = BTreeMap::<&str, usize>::new();
            let unread = records.iter().map(|(_, record)| record.text()).filter(|text| !scripts.read(text));
            unread.filter_map(main_script).for_each(|script| *counts.entry(script).or_default() += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).map_or("unknown", |(script, _)| script)
        };
        let batch = read(input.records, input.embeddings);
        let held_out = read(input.holdout, input.holdout_embeddings);
        Self {
            unread: input.records.len() - batch.len(),
            script: script_of(input.records),
            unread_held_out: input.holdout.len() - held_out.len(),
            held_out_script: script_of(input.holdout),
            batch,
            held_out,
        }
    }

    /// For a reason: that records were compared without embeddings, if some were.
    pub(super) fn words_alone(&self) -> String {
        match self.unread {
            0 => String::new(),
            _ => format!(" (by their words alone: the embedding model does not know the {} script)", self.script),
        }
    }

    /// Whether the held-out set can tell what is of use to it.
    fn held_out_is_read(&self) -> bool {
        self.held_out.len() > self.unread_held_out
    }

    /// Records that a held-out set of other scripts has no use for.
    fn foreign(&self) -> usize {
        if self.held_out_is_read() { self.unread } else { 0 }
    }

    /// Why nothing can be measured, if that is the model's ignorance.
    fn silence(&self) -> Option<String> {
        let (script, whose) = match (self.batch.is_empty(), self.held_out.len() < 2) {
            (true, _) if self.foreign() > 0 => {
                return Some(format!("the records are in the {} script, and the held-out set is not", self.script));
            }
            (true, _) if self.unread > 0 => (self.script, "records"),
            (_, true) if self.unread_held_out > 0 => (self.held_out_script, "held-out records"),
            _ => return None,
        };
        Some(format!("not measured: the embedding model does not know the {script} script of the {whose}"))
    }

    /// For a reason: how many records were left out of a measurement, if some were.
    fn left_out(&self) -> String {
        match self.unread {
            0 => String::new(),
            unread => {
                let share = percent(unread as u64, (unread + self.batch.len()) as u64);
                let counted = if self.foreign() > 0 { "of no use" } else { "not counted" };
                format!(
                    "; {counted} are {share} of the records, whose script ({}) the embedding model does not know",
                    self.script
                )
            }
        }
    }
}

/// What the held-out set says.
pub(super) struct Usefulness {
    labels: Option<LabelValue>,
    /// Value of each labelled record, by its place in the input.
    pub(super) values: HashMap<usize, f64>,
    pub(super) coverage: Option<Coverage>,
    held_out: usize,
    /// Classes among the held-out records.
    classes: usize,
    /// Why there is nothing else.
    silence: Option<String>,
    left_out: String,
    /// How many of the records count, of all.
    counted: (usize, usize),
}

impl Usefulness {
    pub(super) fn measure<E: AsRef<[f32]> + Sync>(evidence: &Evidence<'_, E>, input: &JudgeInput<'_, E>) -> Self {
        let mut measured = Self {
            labels: None,
            values: HashMap::new(),
            coverage: None,
            held_out: evidence.held_out.len(),
            classes: evidence
                .held_out
                .iter()
                .filter_map(|(_, record, _)| record.label())
                .collect::<BTreeSet<_>>()
                .len(),
            silence: evidence.silence(),
            left_out: evidence.left_out(),
            counted: {
                let all = evidence.batch.len() + evidence.unread;
                (all - evidence.foreign(), all)
            },
        };
        if measured.silence.is_some() {
            return measured;
        }
        let (batch, held_out) = (labelled(&evidence.batch), labelled(&evidence.held_out));
        if batch.is_empty() || held_out.is_empty() {
            measured.coverage = cover(&vectors(&evidence.batch), &vectors(&evidence.held_out));
            return measured;
        }
        let corpus: Vec<Labelled<'_>> = input.corpus.labelled().collect();
        let (places, batch): (Vec<usize>, Vec<Labelled<'_>>) = batch.into_iter().unzip();
        let (_, held_out): (Vec<usize>, Vec<Labelled<'_>>) = held_out.into_iter().unzip();
        let value = value_labels(&corpus, &batch, &held_out);
        measured.values = places.into_iter().zip(value.values.iter().copied()).collect();
        measured.labels = Some(value);
        measured
    }

    /// Where nothing can be measured, the score does not stand in the way: the other three decide.
    pub(super) fn dimension(&self) -> (u32, String) {
        let (score, why) = match &self.silence {
            Some(silence) => (10_000, silence.clone()),
            None => {
                let (score, why) = self.measured();
                (score, format!("{why}{}", self.left_out))
            }
        };
        let (counted, all) = self.counted;
        ((u64::from(score) * counted as u64 / all.max(1) as u64) as u32, why)
    }

    fn measured(&self) -> (u32, String) {
        match (&self.labels, self.coverage) {
            (Some(value), _) => match (value.z(), value.score()) {
                (Some(z), Some(score)) => (score, label_sentence(value, z, self.held_out)),
                _ => (10_000, format!("not measured: {}", self.why_labels_tell_nothing())),
            },
            (None, Some(coverage)) => {
                let share = percent((coverage.near * 1e6) as u64, 1_000_000);
                (
                    coverage.score(),
                    format!(
                        "{share} of the records lie as near to the held-out set as most of it to itself (75 % is full marks)"
                    ),
                )
            }
            (None, None) => (10_000, "not measured: the datanet has no held-out set to measure with".to_owned()),
        }
    }

    /// Labels make no difference where there is one class, or where everybody is everybody's neighbour.
    fn why_labels_tell_nothing(&self) -> String {
        match self.classes {
            0 | 1 => "the held-out set has only one class, so that labels tell nothing".to_owned(),
            _ => format!(
                "with so few records each of them is among the {NEIGHBOURS} nearest that vote, so that labels make no difference yet"
            ),
        }
    }

    pub(super) fn label_report(&self) -> Option<LabelReport> {
        self.labels.as_ref().map(|value| LabelReport {
            value: value.total * 1e3,
            random_mean: value.random_mean * 1e3,
            random_sd: value.random_sd * 1e3,
            z: value.z(),
            neighbours: NEIGHBOURS,
        })
    }
}

fn label_sentence(value: &LabelValue, z: f64, held_out: usize) -> String {
    let (total, random) = (value.total * 1e3, value.random_mean * 1e3);
    let figures = format!("(z = {z:.1}, value {total:.1} against {random:.1} at random)");
    if z < 2.0 {
        format!("labels agree with the held-out set no better than chance {figures}")
    } else {
        format!("labels help to classify the {held_out} held-out records {figures}")
    }
}

/// The records that have a label, with their places.
fn labelled<'a, E: AsRef<[f32]>>(read: &[(usize, &'a Record, &'a E)]) -> Vec<(usize, Labelled<'a>)> {
    let labelled = read.iter().copied().filter_map(|(place, record, embedding)| {
        Some((place, Labelled { embedding: embedding.as_ref(), label: record.label()?, leaf: record.leaf() }))
    });
    labelled.collect()
}

fn vectors<'a, E: AsRef<[f32]>>(read: &[(usize, &'a Record, &'a E)]) -> Vec<&'a [f32]> {
    read.iter().copied().map(|(.., embedding)| embedding.as_ref()).collect()
}
