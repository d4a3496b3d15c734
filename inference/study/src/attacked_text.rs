//! Texts as a corpus that can be attacked, and their pay.

use datanet_data::corpus::Record;
use datanet_data::judge::{DuplicateIndex, RecordRef};
use datanet_training::attribution::{Curvature, ModelError};
use datanet_training::data::Dataset;
use datanet_training::network::Network;
use datanet_training::random::Stream;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Course, Gradient};
use datanet_types::{ContributionId, schema::Schema};

use crate::StudyError;
use crate::attacked::{Defence, following, paid};
use crate::attacks::Corpus;
use crate::clusters::Clusters;
use crate::similarity::unit;

/// Training records, and held-out ones that are asked about.
#[derive(Clone, Debug)]
pub struct TextCorpus {
    data: Dataset,
    contributors: Vec<usize>,
}

impl TextCorpus {
    /// A data set before any attack.
    pub fn new(data: Dataset) -> Self {
        let contributors = data.train.iter().map(|example| example.source).collect();
        Self { data, contributors }
    }

    /// The records as they are now.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Every contributor's share of pay for the held-out records. `network` is one of the same labels; its loaded
    /// records are replaced.
    ///
    /// # Errors
    /// When the network cannot run, or the replay is no longer finite.
    pub fn pay(
        &self,
        network: &mut Network,
        recipe: &Recipe,
        curvature: Curvature,
        defence: Defence,
    ) -> Result<Vec<f64>, StudyError> {
        network.load_data(&self.data).map_err(ModelError::new)?;
        let initial = network.layout().initial(recipe.seed);
        let clusters = if defence.clusters { self.clusters(network, &initial)? } else { self.single() };
        let chosen = clusters.representatives();
        let owners: Vec<usize> = chosen.iter().map(|record| self.contributors[*record]).collect();
        let mut course = Course::new(recipe.clone(), initial, chosen.len());
        course.gradient = Gradient::ByRecord { bound: defence.clip };
        for batch in &mut course.schedule {
            batch.iter_mut().for_each(|at| *at = chosen[*at]);
        }
        let mut column_of = vec![None; self.contributors.len()];
        chosen.iter().zip(owners).for_each(|(record, owner)| column_of[*record] = Some(owner));
        let queries = network.held_out();
        paid(&course, network, &following(column_of, curvature), &queries)
    }

    fn single(&self) -> Clusters {
        Clusters::single(self.contributors.len())
    }

    /// Near-duplicates as a node finds them before it trains: by words and by the base model's vectors.
    fn clusters(&self, network: &mut Network, initial: &[f32]) -> Result<Clusters, StudyError> {
        let samples: Vec<usize> = (0..self.contributors.len()).collect();
        let pooled = network.forward(initial, &samples).map_err(ModelError::new)?.pooled;
        if pooled.rows == 0 {
            return Ok(self.single());
        }
        let (unit, all) = (unit(&pooled), ContributionId([0; 32]));
        let vectors: Vec<&[f32]> = unit.iter().collect();
        let records = self.data.train.iter().zip(0..).map(|(example, at)| Ok((at, record(&example.text)?)));
        let records: Vec<(u64, Record)> = records.collect::<Result<_, StudyError>>()?;
        let mut index = DuplicateIndex::new();
        index.add(all, &records, &vectors);
        let first =
            |record: u64| index.owner(&RecordRef { contribution: all, record }).map(|owner| owner.record as usize);
        Ok(Clusters::by_repeats(&(0..records.len() as u64).map(first).collect::<Vec<_>>()))
    }
}

/// A text as a record of a datanet.
fn record(text: &str) -> Result<Record, StudyError> {
    let json = serde_json::json!({ "text": text, "label": "any" }).to_string();
    Record::from_json(&json, &Schema::text_and_label(&["any"])).map_err(|error| StudyError::Record(error.to_string()))
}

impl Corpus for TextCorpus {
    fn contributors(&self) -> &[usize] {
        &self.contributors
    }

    /// Sources of the data set stay as they are: who is paid is known here alone.
    fn rename(&mut self, record: usize, contributor: usize) {
        self.contributors[record] = contributor;
    }

    /// A near copy lacks a word, and has two others exchanged.
    fn copy(&mut self, record: usize, contributor: usize, near: bool, dice: &mut Stream) {
        let mut example = self.data.train[record].clone();
        let mut words: Vec<&str> = example.text.split_whitespace().collect();
        if near && words.len() > 3 {
            words.remove(dice.below(words.len()));
            let at = dice.below(words.len() - 1);
            words.swap(at, at + 1);
            example.text = words.join(" ");
        }
        self.data.train.push(example);
        self.contributors.push(contributor);
    }

    /// The record's words among as many of others, drawn at random: like nothing else, and hard to learn.
    fn distort(&mut self, record: usize, dice: &mut Stream) {
        let mut words: Vec<String> = self.data.train[record].text.split_whitespace().map(str::to_uppercase).collect();
        for _ in 0..words.len() {
            let other = &self.data.train[dice.below(self.data.train.len())].text;
            let from: Vec<&str> = other.split_whitespace().collect();
            words.extend(from.get(dice.below(from.len())).map(|word| (*word).to_owned()));
        }
        let order = dice.permutation(words.len());
        self.data.train[record].text = order.into_iter().map(|at| words[at].as_str()).collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use datanet_training::data::Task;
    use datanet_training::job::Job;
    use datanet_training::network::NetworkConfig;

    use super::*;
    use crate::attacks::{Attack, gain};
    use crate::testing::{base, runtime, session, topics};

    fn network(job: &Job, classes: usize, cache: &std::path::Path) -> Network {
        let (base, runtime, session) = (base(), runtime(), session());
        let config = NetworkConfig { job, base: &base, classes, cache, runtime: &runtime, session: &session };
        Network::new(config).unwrap()
    }

    #[test]
    fn copies_of_texts_do_not_pay() {
        let mut job = Job::new("base", Task::Classify);
        (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![5]), 24);
        job.recipe = Recipe { batch: 12, epochs: 2, warmup: 3, ..Recipe::default() };
        let cache = tempfile::tempdir().unwrap();
        let mut network = network(&job, 3, cache.path());
        let corpus = TextCorpus::new(topics(48, 12, false));
        let mut measure =
            |corpus: &TextCorpus| corpus.pay(&mut network, &job.recipe, Curvature::TrueLabel, Defence::default());
        let before = measure(&corpus).unwrap();
        for attack in [Attack::Split { names: 3 }, Attack::Copy { times: 2 }] {
            let gained = gain(&corpus, &before, 1, attack, 0, &mut measure).unwrap();
            assert!(gained.gain <= 1.0 + 1e-6, "{gained:?}");
        }
    }
}
