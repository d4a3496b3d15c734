//! A fine-tuning job as callers ask for it: OpenAI's shape with our extensions, turned into a [`Job`].

use std::collections::BTreeMap;

use datanet_training::job::{Job, Method, Scratch, Task};
use serde_json::{Map, Value};

use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::NODE_ACCOUNT;
use crate::training::{DataChoice, NewJob};

/// Names of `model` that stand for a decoder trained from nothing.
const FROM_NOTHING: [&str; 2] = ["", "scratch"];

/// A job to create.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct NewFineTuningJob {
    /// The base model: the node's embedding model or one of its model folders, by name or id. `scratch`, with
    /// `job.task` "generate", trains a small decoder from nothing.
    #[serde(default)]
    model: String,
    /// Names or ids of the datanets to learn from, separated by commas. Either this or `datanets`.
    training_file: Option<String>,
    /// Not needed: the model is asked the datanet's held-out set. If given it must be one of the datanets.
    validation_file: Option<String>,
    /// Epochs, batch size, learning rate; `job.recipe` has more.
    #[schema(value_type = Option<Object>)]
    hyperparameters: Option<Hyperparameters>,
    /// OpenAI's newer place for the same; only `supervised`.
    #[schema(value_type = Option<Object>)]
    method: Option<TrainingMethod>,
    /// Up to 64 of `a-z A-Z 0-9 - _ .`, a part of the model's name.
    suffix: Option<String>,
    /// Same seed, same data, same machine: the same model.
    seed: Option<u64>,
    /// Up to 16 pairs to find the job again by.
    metadata: Option<BTreeMap<String, String>>,
    /// Not supported.
    #[schema(value_type = Option<Vec<Object>>)]
    integrations: Option<Vec<Value>>,
    /// Extension: the datanets, each perhaps at an earlier state of its data.
    datanets: Option<Vec<DatanetChoice>>,
    /// Extension: the whole job as in a job file: `task`, `lora`, `recipe`, `data`, `attribution`, `evaluation`,
    /// `quantise`, `max_tokens`, `scratch`.
    #[schema(value_type = Option<Object>)]
    job: Option<Map<String, Value>>,
    /// Extension: name of the account on this node that will own the model; the node's own if not given.
    account: Option<String>,
    /// Extension: SPDX expression of the model's licence, whose form is checked; the datanet's if not given.
    licence: Option<String>,
}

/// A datanet, by name or id, and how much of its data.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "a datanet is a name, or {\"datanet\": name, \"count\": final contributions}")]
pub enum DatanetChoice {
    /// All of it.
    Name(String),
    /// Its first final contributions.
    Snapshot {
        /// Name or id.
        datanet: String,
        /// So many of its final contributions, in ledger order.
        count: Option<u64>,
    },
}

#[derive(Debug, Default, serde::Deserialize)]
struct Hyperparameters {
    #[serde(default)]
    n_epochs: Auto,
    #[serde(default)]
    batch_size: Auto,
    #[serde(default)]
    learning_rate_multiplier: Auto,
}

#[derive(Debug, serde::Deserialize)]
struct TrainingMethod {
    #[serde(rename = "type")]
    kind: Option<String>,
    supervised: Option<Supervised>,
}

#[derive(Debug, serde::Deserialize)]
struct Supervised {
    hyperparameters: Option<Hyperparameters>,
}

/// A number, or "auto".
#[derive(Debug, Default, serde::Deserialize)]
#[serde(untagged, expecting = "a number or \"auto\"")]
enum Auto {
    Number(f64),
    Word(String),
    #[default]
    Missing,
}

impl Auto {
    fn number(&self, name: &str) -> ServiceResult<Option<f64>> {
        match self {
            Self::Number(number) => Ok(Some(*number)),
            Self::Missing => Ok(None),
            Self::Word(word) if word == "auto" => Ok(None),
            Self::Word(word) => Err(bad(format!("{name} is {word:?}; write a number or \"auto\""))),
        }
    }

    /// A whole number.
    fn count(&self, name: &str) -> ServiceResult<Option<usize>> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if number.fract() != 0.0 || !(1.0..=1e6).contains(&number) {
            return Err(bad(format!("{name} is {number}; write a whole number from 1")));
        }
        Ok(Some(number as usize))
    }
}

fn bad(detail: String) -> ServiceError {
    ServiceError::new(Code::BadJob, detail)
}

impl NewFineTuningJob {
    /// The job in the node's own terms, every value checked.
    pub fn into_job(self) -> ServiceResult<NewJob> {
        if self.integrations.as_ref().is_some_and(|list| !list.is_empty()) {
            return Err(bad("integrations are not supported; leave them out".to_owned()));
        }
        let datanets = self.data()?;
        if let Some(validation) = &self.validation_file
            && !datanets.iter().any(|choice| choice.datanet == *validation)
        {
            let detail = "validation_file must be one of the datanets: models are asked their held-out sets";
            return Err(bad(detail.to_owned()));
        }
        let mut job = self.base_job()?;
        self.apply_hyperparameters(&mut job)?;
        if let Some(seed) = self.seed {
            job.recipe.seed = seed;
        }
        job.check().map_err(|error| bad(error.to_string()))?;
        Ok(NewJob {
            job,
            datanets,
            suffix: self.suffix,
            metadata: self.metadata.unwrap_or_default(),
            account: self.account.unwrap_or_else(|| NODE_ACCOUNT.to_owned()),
            licence: self.licence,
        })
    }

    fn data(&self) -> ServiceResult<Vec<DataChoice>> {
        let listed = |names: &mut dyn Iterator<Item = &str>| -> Vec<DataChoice> {
            let names = names.map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| DataChoice { datanet: name.to_owned(), count: None }).collect()
        };
        let in_job = self.job.as_ref().and_then(|job| job.get("data")?.get("datanets")?.as_array());
        let chosen = match (&self.training_file, &self.datanets, in_job) {
            (Some(_), Some(_), _) => return Err(bad("send training_file or datanets, not both".to_owned())),
            (None, Some(choices), _) => choices.iter().map(DatanetChoice::choice).collect(),
            (Some(names), None, _) => listed(&mut names.trim_start_matches("datanet:").split(',')),
            (None, None, Some(names)) => listed(&mut names.iter().filter_map(Value::as_str)),
            (None, None, None) => Vec::new(),
        };
        if chosen.is_empty() {
            return Err(bad("no data: write a datanet's name as training_file".to_owned()));
        }
        Ok(chosen)
    }

    /// The `job` extension over `model`, with the node's own defaults for what it leaves out.
    fn base_job(&self) -> ServiceResult<Job> {
        let mut table = self.job.clone().unwrap_or_default();
        let from_nothing = FROM_NOTHING.contains(&self.model.as_str());
        if from_nothing && !table.contains_key("base") && !table.contains_key("scratch") {
            table.insert("scratch".to_owned(), serde_json::to_value(Scratch::default()).unwrap_or_default());
        }
        if !from_nothing {
            let named = table.insert("base".to_owned(), self.model.clone().into());
            if named.is_some_and(|base| base != self.model.as_str()) {
                return Err(bad("model and job.base name different models; leave one out".to_owned()));
            }
        }
        table.entry("task").or_insert_with(|| if from_nothing { "generate" } else { "classify" }.into());
        let attributed = table.contains_key("attribution");
        let mut job: Job = serde_path_to_error::deserialize(Value::Object(table))
            .map_err(|error| bad(format!("the job does not read: {error}")))?;
        // Whoever trains on other people's data shows whose it was, unless told otherwise.
        if !attributed && job.scratch.is_none() && job.task != Task::Embed {
            job.attribution.method = Method::Influence;
        }
        Ok(job)
    }

    fn apply_hyperparameters(&self, job: &mut Job) -> ServiceResult<()> {
        let method = self.method.as_ref();
        if let Some(kind) = method.and_then(|method| method.kind.as_deref()).filter(|kind| *kind != "supervised") {
            return Err(bad(format!("method {kind:?} is not supported; use \"supervised\"")));
        }
        let newer = method.and_then(|method| method.supervised.as_ref()?.hyperparameters.as_ref());
        let Some(given) = newer.or(self.hyperparameters.as_ref()) else { return Ok(()) };
        if let Some(epochs) = given.n_epochs.count("n_epochs")? {
            job.recipe.epochs = epochs;
        }
        if let Some(batch) = given.batch_size.count("batch_size")? {
            job.recipe.batch = batch;
        }
        if let Some(factor) = given.learning_rate_multiplier.number("learning_rate_multiplier")? {
            job.recipe.learning_rate *= factor as f32;
        }
        Ok(())
    }
}

impl DatanetChoice {
    fn choice(&self) -> DataChoice {
        match self {
            Self::Name(name) => DataChoice { datanet: name.clone(), count: None },
            Self::Snapshot { datanet, count } => DataChoice { datanet: datanet.clone(), count: *count },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ServiceResult<NewJob> {
        serde_json::from_str::<NewFineTuningJob>(text).unwrap().into_job()
    }

    #[test]
    fn what_the_official_clients_send_is_a_job() {
        let job = read(
            r#"{"model": "minilm", "training_file": "birds", "seed": 7, "suffix": "owl",
                "method": {"type": "supervised", "supervised": {"hyperparameters":
                    {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.5}}}}"#,
        )
        .unwrap();
        assert_eq!((job.job.recipe.epochs, job.job.recipe.batch, job.job.recipe.seed), (2, 32, 7));
        assert!((job.job.recipe.learning_rate - 1e-3).abs() < 1e-9);
        assert_eq!((job.job.task, job.job.attribution.method), (Task::Classify, Method::Influence));
        assert_eq!(job.datanets, [DataChoice { datanet: "birds".into(), count: None }]);
        assert_eq!(job.account, NODE_ACCOUNT);
    }

    #[test]
    fn extensions_say_the_rest() {
        let job = read(
            r#"{"model": "minilm", "datanets": ["birds", {"datanet": "fish", "count": 3}], "validation_file": "fish",
                "job": {"task": "classify", "lora": {"rank": 4}, "attribution": {"method": "none"}}}"#,
        )
        .unwrap();
        assert_eq!((job.job.lora.rank, job.job.attribution.method), (4, Method::None));
        assert_eq!(job.datanets[1], DataChoice { datanet: "fish".into(), count: Some(3) });
        let nothing = read(r#"{"model": "scratch", "training_file": "birds"}"#).unwrap();
        assert_eq!((nothing.job.task, nothing.job.scratch), (Task::Generate, Some(Scratch::default())));
    }

    #[test]
    fn what_cannot_work_is_said() {
        for (text, says) in [
            (r#"{"model": "m"}"#, "no data"),
            (r#"{"model": "m", "training_file": "a", "datanets": ["b"]}"#, "not both"),
            (r#"{"model": "m", "training_file": "a", "hyperparameters": {"n_epochs": 0}}"#, "n_epochs"),
            (r#"{"model": "m", "training_file": "a", "hyperparameters": {"n_epochs": "many"}}"#, "auto"),
            (r#"{"model": "m", "training_file": "a", "hyperparameters": {"learning_rate_multiplier": 1e9}}"#, "rate"),
            (r#"{"model": "m", "training_file": "a", "method": {"type": "dpo"}}"#, "supervised"),
            (r#"{"model": "m", "training_file": "a", "job": {"rank": 4}}"#, "rank"),
            (r#"{"model": "m", "training_file": "a", "job": {"base": "n"}}"#, "different models"),
            (r#"{"model": "m", "training_file": "a", "validation_file": "b"}"#, "held-out"),
            (r#"{"model": "m", "training_file": "a", "integrations": [{}]}"#, "integrations"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.kind() == crate::error::ErrorKind::Unprocessable && error.detail.contains(says),
                "{text}: {error}"
            );
        }
    }
}
