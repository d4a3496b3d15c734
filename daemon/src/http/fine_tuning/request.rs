//! A fine-tuning job as callers ask for it: OpenAI's shape with our extensions, turned into a [`Job`].

use datanet_api::fine_tuning::{Auto, DatanetChoice, NewFineTuningJob};
use datanet_training::job::{Job, Method, Scratch, Task};
use serde_json::Value;

use crate::error::{Code, ServiceError, ServiceResult};
use crate::http::extract::{cut, read_at};
use crate::keyring::NODE_ACCOUNT;
use crate::training::{DataChoice, NewJob};

/// Names of `model` that stand for a decoder trained from nothing.
const FROM_NOTHING: [&str; 2] = ["", "scratch"];

/// A number; `None` where it is left to the node.
fn number(given: &Auto, name: &'static str) -> ServiceResult<Option<f64>> {
    match given {
        Auto::Number(number) => Ok(Some(*number)),
        Auto::Missing => Ok(None),
        Auto::Word(word) if word == "auto" => Ok(None),
        Auto::Word(word) => Err(bad(format!("{name} is {:?}; write a number or \"auto\"", cut(word))).about(name)),
    }
}

/// A whole number.
fn count(given: &Auto, name: &'static str) -> ServiceResult<Option<usize>> {
    let Some(number) = number(given, name)? else { return Ok(None) };
    if number.fract() != 0.0 || !(1.0..=1e6).contains(&number) {
        return Err(bad(format!("{name} is {number}; write a whole number from 1")).about(name));
    }
    Ok(Some(number as usize))
}

fn bad(detail: String) -> ServiceError {
    ServiceError::new(Code::BadJob, detail)
}

/// A job in the node's own terms, every value checked.
impl TryFrom<NewFineTuningJob> for NewJob {
    type Error = ServiceError;

    fn try_from(new: NewFineTuningJob) -> ServiceResult<Self> {
        let datanets = data(&new)?;
        if let Some(validation) = &new.validation_file
            && !datanets.iter().any(|choice| choice.datanet == *validation)
        {
            let detail = "validation_file must be one of the datanets: models are asked their held-out sets";
            return Err(bad(detail.to_owned()).about("validation_file"));
        }
        let mut job = base_job(&new)?;
        apply_hyperparameters(&new, &mut job)?;
        if let Some(seed) = new.seed {
            job.recipe.seed = seed;
        }
        job.check().map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            job,
            datanets,
            suffix: new.suffix,
            metadata: new.metadata.unwrap_or_default(),
            account: new.account.unwrap_or_else(|| NODE_ACCOUNT.to_owned()),
            licence: new.licence,
        })
    }
}

fn data(new: &NewFineTuningJob) -> ServiceResult<Vec<DataChoice>> {
    let listed = |names: &mut dyn Iterator<Item = &str>| -> Vec<DataChoice> {
        let names = names.map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| DataChoice { datanet: name.to_owned(), count: None }).collect()
    };
    let in_job = new.job.as_ref().and_then(|job| job.get("data")?.get("datanets")?.as_array());
    let chosen = match (&new.training_file, &new.datanets, in_job) {
        (Some(_), Some(_), _) => {
            return Err(bad("send training_file or datanets, not both".to_owned()).about("datanets"));
        }
        (None, Some(choices), _) => choices.iter().map(DataChoice::from).collect(),
        (Some(names), None, _) => listed(&mut names.trim_start_matches("datanet:").split(',')),
        (None, None, Some(names)) => listed(&mut names.iter().filter_map(Value::as_str)),
        (None, None, None) => Vec::new(),
    };
    if chosen.is_empty() {
        return Err(bad("no data: write a datanet's name as training_file".to_owned()).about("training_file"));
    }
    Ok(chosen)
}

/// The `job` extension over `model`, with the node's own defaults for what it leaves out.
fn base_job(new: &NewFineTuningJob) -> ServiceResult<Job> {
    let mut table = new.job.clone().unwrap_or_default();
    let from_nothing = FROM_NOTHING.contains(&new.model.as_str());
    if from_nothing && !table.contains_key("base") && !table.contains_key("scratch") {
        table.insert("scratch".to_owned(), serde_json::to_value(Scratch::default()).unwrap_or_default());
    }
    if !from_nothing {
        let named = table.insert("base".to_owned(), new.model.clone().into());
        if named.is_some_and(|base| base != new.model.as_str()) {
            return Err(bad("model and job.base name different models; leave one out".to_owned()).about("job.base"));
        }
    }
    table.entry("task").or_insert_with(|| if from_nothing { "generate" } else { "classify" }.into());
    let attributed = table.contains_key("attribution");
    let mut job: Job = read_at("job", Value::Object(table), Code::BadJob)?;
    // Whoever trains on other people's data shows whose it was, unless told otherwise.
    if !attributed && job.scratch.is_none() && job.task != Task::Embed {
        job.attribution.method = Method::Influence;
    }
    Ok(job)
}

fn apply_hyperparameters(new: &NewFineTuningJob, job: &mut Job) -> ServiceResult<()> {
    let method = new.method.as_ref();
    if let Some(kind) = method.and_then(|method| method.kind.as_deref()).filter(|kind| *kind != "supervised") {
        return Err(bad(format!("method {:?} is not supported; use \"supervised\"", cut(kind))).about("method.type"));
    }
    let newer = method.and_then(|method| method.supervised.as_ref()?.hyperparameters.as_ref());
    let Some(given) = newer.or(new.hyperparameters.as_ref()) else { return Ok(()) };
    if let Some(epochs) = count(&given.n_epochs, "n_epochs")? {
        job.recipe.epochs = epochs;
    }
    if let Some(batch) = count(&given.batch_size, "batch_size")? {
        job.recipe.batch = batch;
    }
    if let Some(factor) = number(&given.learning_rate_multiplier, "learning_rate_multiplier")? {
        job.recipe.learning_rate *= factor as f32;
    }
    Ok(())
}

impl From<&DatanetChoice> for DataChoice {
    fn from(choice: &DatanetChoice) -> Self {
        match choice {
            DatanetChoice::Name(name) => Self { datanet: name.clone(), count: None },
            DatanetChoice::Snapshot { datanet, count } => Self { datanet: datanet.clone(), count: *count },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ServiceResult<NewJob> {
        serde_json::from_str::<NewFineTuningJob>(text).unwrap().try_into()
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
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.kind() == crate::error::ErrorKind::Unprocessable && error.detail.contains(says),
                "{text}: {error}"
            );
        }
    }
}
