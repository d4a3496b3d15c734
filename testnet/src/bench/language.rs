//! Sentences to be continued, and a decoder that a job trains on others of their kind: what the benches of language models stand on.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_training::data::{Dataset as TrainingData, Example, Source, Task};
use datanet_training::job::{Job, Scratch};
use datanet_training::recipe::Recipe;
use datanet_training::run::{self, Control, Event, Setup};

use super::tuned::Tuned;
use crate::data::{BadKind, Contributor, Dataset, Kind, Record};
use crate::ui::Step;

/// Tokens of a sentence that are read.
pub(super) const TOKENS: usize = 48;
/// Held-out sentences that are asked about.
const ASKED: usize = 64;
/// Of the sentences that a decoder is made of, one of so many is kept out, as its job must have some to ask.
const KEPT_OUT: usize = 20;
/// Rank of the adapters, and scale times rank.
const LORA: (usize, f32) = (4, 8.0);
/// What is adapted, in every layer.
const TARGETS: [&str; 4] = ["q_proj", "v_proj", "o_proj", "up_proj"];
/// Vocabulary and layers of a decoder that is made here.
const SIZE: (usize, usize) = (768, 2);

/// Sentences by contributors, and others of their kind.
#[derive(Debug, Clone)]
pub(super) struct Sentences {
    /// What adapters learn from, and what they are asked.
    pub(super) given: TrainingData,
    /// What a decoder is made of: nobody gives these.
    pub(super) others: Vec<String>,
}

impl Sentences {
    /// Of the demo's data, or a folder in its form: the first `records` of everybody who is not known to be bad.
    pub(super) fn read(data: Option<&Path>, records: usize) -> Result<Self> {
        Self::of(
            &match data {
                Some(folder) => Dataset::from_folder(folder, 1)?,
                None => Dataset::from_registry(1)?,
            },
            records,
        )
    }

    fn of(data: &Dataset, records: usize) -> Result<Self> {
        let is_good = |one: &&Contributor| !matches!(one.kind, Kind::Bad(_));
        // Wrong labels are no wrong words.
        let is_mislabelled =
            |one: &&Contributor| matches!(one.kind, Kind::Bad(BadKind::ShuffledLabels | BadKind::SwappedLabels));
        let good: Vec<&Contributor> = data.contributors.iter().filter(is_good).collect();
        ensure!(good.len() > 4, "{} contributors are too few to tell whose records helped", good.len());
        let example =
            |record: &Record, source: usize| Example { text: record.text.clone(), label: None, pair: None, source };
        let own = |(source, one): (usize, &&Contributor)| {
            one.records.iter().take(records).map(|record| example(record, source)).collect::<Vec<_>>()
        };
        let beyond = good.iter().flat_map(|one| one.records.iter().skip(records));
        let spare = data.contributors.iter().filter(is_mislabelled).flat_map(|one| &one.records);
        let others = beyond.chain(spare).chain(&data.questions).map(|record| record.text.clone()).collect();
        let given = TrainingData {
            task: Task::Generate,
            labels: Vec::new(),
            train: good.iter().enumerate().flat_map(own).collect(),
            held_out: data.holdout.iter().take(ASKED).map(|record| example(record, 0)).collect(),
            sources: good.iter().map(|one| Source { name: one.name.clone() }).collect(),
            parts: Vec::new(),
        };
        given.check()?;
        Ok(Self { given, others })
    }

    /// What the contributors whose number leaves this `rest` divided by two give, asked the same.
    pub(super) fn every_second(&self, rest: usize) -> TrainingData {
        let mut part = self.given.clone();
        part.train.retain(|example| example.source % 2 == rest);
        part
    }
}

/// Adapters over a decoder.
pub(super) fn job(tuned: Tuned) -> Job {
    let mut job = Job::new("decoder", Task::Generate);
    (job.lora.rank, job.lora.alpha, job.max_tokens) = (LORA.0, LORA.1, TOKENS);
    job.lora.targets = TARGETS.map(str::to_owned).to_vec();
    tuned.apply(&mut job.recipe);
    job
}

/// A decoder of this width from nothing.
pub(super) fn scratch(hidden: usize, seed: u64) -> Job {
    let (vocabulary, layers) = SIZE;
    let mut job = Job::new("", Task::Generate);
    let intermediate = 4 * hidden;
    job.scratch = Some(Scratch { vocabulary, hidden, layers, intermediate, ..Scratch::default() });
    job.max_tokens = TOKENS;
    // A third of the epochs leaves adapters that learn hardly anything, and others' sentences are no likelier.
    let recipe =
        Recipe { learning_rate: 3e-3, epochs: 24, batch: 64, warmup: 20, weight_decay: 0.05, ..Recipe::default() };
    job.recipe = Recipe { seed, ..recipe };
    job
}

/// Texts for [`scratch`].
pub(super) fn prose(texts: &[String]) -> TrainingData {
    let part = |is_kept_out: bool| {
        let texts = texts.iter().enumerate().filter(|(at, _)| at.is_multiple_of(KEPT_OUT) == is_kept_out);
        texts.map(|(_, text)| Example { text: text.clone(), label: None, pair: None, source: 0 }).collect::<Vec<_>>()
    };
    TrainingData {
        task: Task::Generate,
        labels: Vec::new(),
        train: part(false),
        held_out: part(true),
        sources: vec![Source { name: "texts".to_owned() }],
        parts: Vec::new(),
    }
}

/// Runs a job over `base`, where it has one, in `folder`; gives the folder of its release.
pub(super) fn made(
    (job, data): (&Job, &TrainingData),
    base: &Path,
    runtime: &Runtime,
    folder: &Path,
    step: &Step,
) -> Result<PathBuf> {
    let setup = Setup {
        job,
        data,
        snapshot: "bench",
        memory: None,
        base,
        runtime: runtime.clone(),
        session: SessionConfig::default(),
        folder,
    };
    let mut told = |event: Event| {
        if let Event::Step { step: done, steps, loss, .. } = event {
            step.say(format!("step {done} of {steps}, loss {loss:.3}"));
        }
        Control::Continue
    };
    run::train(&setup, &mut told)?;
    Ok(folder.join("release"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: String) -> Record {
        Record { text, label: None }
    }

    fn contributor(name: &str, kind: Kind) -> Contributor {
        let records = (0..5).map(|at| record(format!("{name} says {at}"))).collect();
        Contributor { name: name.to_owned(), records, kind }
    }

    #[test]
    fn a_decoder_is_made_of_what_nobody_gives() {
        let mut contributors: Vec<Contributor> =
            ["a", "b", "c", "d", "e"].map(|name| contributor(name, Kind::Honest)).into();
        contributors.push(contributor("shuffled", Kind::Bad(BadKind::ShuffledLabels)));
        contributors.push(contributor("boiler", Kind::Bad(BadKind::Boilerplate)));
        let data = Dataset {
            contributors,
            holdout: vec![record("held out".to_owned())],
            questions: vec![record("asked".to_owned())],
            labels: Vec::new(),
        };
        let sentences = Sentences::of(&data, 3).unwrap();
        let given: Vec<&str> = sentences.given.train.iter().map(|example| example.text.as_str()).collect();
        assert_eq!((given.len(), sentences.given.sources.len(), sentences.given.train[3].source), (15, 5, 1));
        // Two of each of the five, all of the shuffled, and the question.
        assert_eq!(sentences.others.len(), 10 + 5 + 1);
        assert!(sentences.others.iter().all(|text| !given.contains(&text.as_str()) && !text.contains("boiler")));
        assert_eq!([0, 1].map(|rest| sentences.every_second(rest).train.len()), [9, 6]);
        assert!(Sentences::of(&Dataset { contributors: Vec::new(), ..data }, 3).is_err());
    }

    #[test]
    fn jobs_are_good_and_texts_are_divided() {
        job(Tuned { rate: Some(1e-3), ..Tuned::default() }).check().unwrap();
        scratch(64, 1).check().unwrap();
        let texts: Vec<String> = (0..100).map(|at| format!("text {at}")).collect();
        let data = prose(&texts);
        data.check().unwrap();
        assert_eq!((data.train.len(), data.held_out.len()), (95, 5));
    }
}
