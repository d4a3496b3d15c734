//! What is trained, on what, and how: one file that a person writes, in TOML or JSON.
//!
//! ```toml
//! base = "minilm-l6"
//! task = "classify"
//! max_tokens = 64
//!
//! [lora]
//! rank = 8
//! targets = ["query", "value"]
//!
//! [data]
//! datanets = ["crates"]
//!
//! [attribution]
//! method = "influence"
//! ```
//!
//! Every key has a default but `task`, and `base` or `[scratch]`; an unknown key or an absurd value is an error that
//! names it.

mod parts;

use std::path::Path;

use datanet_inference::graph::quantise::Precision;
use serde::{Deserialize, Serialize};

pub use parts::{
    Attribution, CurvatureRows, DEBT_RELEASES, Data, Evaluation, HALVES, LeaveOut, Lora, Method, Quantise, Scratch,
    Task,
};

use crate::recipe::{Recipe, RecipeError};

/// Bytes of a job file; real ones have a few hundred.
const MAX_BYTES: usize = 1 << 20;

/// A training job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name or id of the base model; the caller knows its folder. Empty where `[scratch]` describes a new decoder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// What the model shall do.
    pub task: Task,
    /// Tokens of a text that are read, special tokens included.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: usize,
    /// How the frozen base is held.
    #[serde(default)]
    pub quantise: Quantise,
    /// The numbers that the model is served in, on every node: `int8` is faster and smaller and says nearly the same; what
    /// it costs is measured at the end of the run and released.
    #[serde(default, skip_serializing_if = "Precision::is_float")]
    pub serve: Precision,
    /// The adapters.
    #[serde(default)]
    pub lora: Lora,
    /// Rates, batches, epochs.
    #[serde(default)]
    pub recipe: Recipe,
    /// Which records.
    #[serde(default)]
    pub data: Data,
    /// Whose records helped.
    #[serde(default)]
    pub attribution: Attribution,
    /// When the held-out records are asked.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// Softness of the contrast between sentence embeddings; they are compared by cosine / temperature.
    #[serde(default = "default_temperature")]
    pub temperature: f32,
    /// A decoder trained from nothing, all its parameters; leave it out to adapt `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Scratch>,
}

fn default_max_tokens() -> usize {
    128
}

fn default_temperature() -> f32 {
    0.05
}

/// Why a job cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The file does not read.
    #[error("the job file does not read: {0}")]
    Syntax(String),
    /// A value that cannot work.
    #[error("{key} = {value} is not possible; it must be {range}")]
    Value {
        /// The key.
        key: String,
        /// What it is.
        value: String,
        /// What it may be.
        range: String,
    },
    /// Two keys that do not go together.
    #[error("{0}")]
    Conflict(String),
}

impl From<RecipeError> for JobError {
    fn from(error: RecipeError) -> Self {
        Self::Value { key: error.key.to_owned(), value: error.value, range: error.range.to_owned() }
    }
}

impl Job {
    /// A job of this task over this base, everything else as by default.
    pub fn new(base: &str, task: Task) -> Self {
        Self {
            base: base.to_owned(),
            task,
            max_tokens: default_max_tokens(),
            quantise: Quantise::default(),
            serve: Precision::default(),
            lora: Lora::default(),
            recipe: Recipe::default(),
            data: Data::default(),
            attribution: Attribution::default(),
            evaluation: Evaluation::default(),
            temperature: default_temperature(),
            scratch: None,
        }
    }

    /// Reads a file, as JSON where its name ends so and as TOML otherwise, and checks it.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn read(path: &Path) -> Result<Self, JobError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| JobError::Syntax(format!("{}: {error}", path.display())))?;
        if path.extension().is_some_and(|extension| extension == "json") {
            Self::from_json(&text)
        } else {
            Self::from_toml(&text)
        }
    }

    /// Parses and checks TOML.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn from_toml(text: &str) -> Result<Self, JobError> {
        bounded(text)?;
        let job: Self = toml::from_str(text).map_err(|error| JobError::Syntax(error.to_string()))?;
        job.check()?;
        Ok(job)
    }

    /// Parses and checks JSON.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn from_json(text: &str) -> Result<Self, JobError> {
        bounded(text)?;
        let job: Self = serde_json::from_str(text).map_err(|error| JobError::Syntax(error.to_string()))?;
        job.check()?;
        Ok(job)
    }

    /// The job as JSON, the same bytes for the same job; the form that is released.
    pub fn to_json(&self) -> String {
        // Nothing in a job has a form that JSON cannot take.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`JobError::Value`] or [`JobError::Conflict`].
    pub fn check(&self) -> Result<(), JobError> {
        self.recipe.check()?;
        parts::within("max_tokens", self.max_tokens, 4, 32_768)?;
        parts::real("temperature", self.temperature, 1e-3, 10.0)?;
        self.lora.check()?;
        self.data.check()?;
        self.attribution.check()?;
        self.evaluation.check()?;
        match &self.scratch {
            Some(scratch) => self.check_scratch(scratch),
            None if self.base.trim().is_empty() => {
                Err(JobError::Conflict("base is missing; name the model to adapt, or add [scratch]".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn check_scratch(&self, scratch: &Scratch) -> Result<(), JobError> {
        let conflict = |reason: &str| Err(JobError::Conflict(reason.to_owned()));
        if self.task != Task::Generate {
            return conflict("[scratch] trains a decoder; set task = \"generate\" or leave it out");
        }
        if self.quantise != Quantise::None {
            return conflict("quantise holds a frozen base; [scratch] has none, so leave one of them out");
        }
        if !self.serve.is_float() {
            return conflict(
                "serve = \"int8\" is for adapters over a base; a decoder trained from nothing serves in floats",
            );
        }
        if self.attribution.method == Method::Influence {
            return conflict(
                "attribution by influence is for adapters; train the decoder first, with attribution.method = \"none\"",
            );
        }
        scratch.check()
    }
}

fn bounded(text: &str) -> Result<(), JobError> {
    if text.len() > MAX_BYTES {
        return Err(JobError::Syntax(format!("it has {} bytes, more than {MAX_BYTES}", text.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "base = \"minilm-l6\"\ntask = \"classify\"\n";

    #[test]
    fn a_job_survives_both_forms() {
        let text = format!(
            "{SMALL}quantise = \"nf4\"\nserve = \"int8\"\n[lora]\nrank = 4\nlayers = [4, 5]\n[attribution]\nmethod = \"influence\"\ncurvature = \"signs-8\"\n"
        );
        let job = Job::from_toml(&text).unwrap();
        assert_eq!((job.lora.rank, job.quantise, job.serve), (4, Quantise::Nf4, Precision::Int8));
        assert_eq!(job.attribution.curvature, CurvatureRows::Signs(8));
        assert_eq!(Job::from_json(&job.to_json()).unwrap(), job);
        assert_eq!(Job::from_toml(&toml::to_string(&job).unwrap()).unwrap(), job);
    }

    #[test]
    fn gradients_are_clipped_with_influence_unless_a_job_says_no() {
        let bound = |more: &str| Job::from_toml(&format!("{SMALL}[attribution]\n{more}")).unwrap().attribution.bound();
        assert_eq!(bound("method = \"influence\""), Some(crate::attribution::clip::ORDINARY));
        assert_eq!(bound("method = \"influence\"\nclip = 5.0"), Some(5.0));
        assert_eq!(bound("method = \"influence\"\nclip = 0.0"), None);
        // Without influence no gradient of a single record is looked at, so none is shortened.
        assert_eq!((bound("clip = 5.0"), bound("method = \"gauss-newton\"")), (None, None));
        // A job is kept with the number that it was made with, so that what it means does not change with the default.
        let job = Job::from_toml(&format!("{SMALL}[attribution]\nmethod = \"influence\"\n")).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&job.to_json()).unwrap();
        assert!(kept["attribution"]["clip"].is_number(), "{kept:#}");
    }

    #[test]
    fn what_is_left_out_is_in_the_job_and_a_job_that_says_nothing_of_it_is_written_as_before() {
        let kept = |job: &Job| serde_json::from_str::<serde_json::Value>(&job.to_json()).unwrap()["data"].clone();
        let plain = Job::from_toml(SMALL).unwrap();
        assert_eq!((plain.data.leave_out, plain.data.debt_releases), (LeaveOut::InDebt, DEBT_RELEASES));
        for key in ["leave_out", "debt_releases", "without"] {
            assert!(kept(&plain).get(key).is_none(), "{key}: {:#}", kept(&plain));
        }
        let id = "ab".repeat(32);
        let text = format!("{SMALL}[data]\nleave_out = \"none\"\ndebt_releases = 5\nwithout = [\"{id}\"]\n");
        let job = Job::from_toml(&text).unwrap();
        assert_eq!((job.data.leave_out, job.data.debt_releases), (LeaveOut::None, 5));
        assert_eq!(kept(&job)["without"], serde_json::json!([id]));
        assert_eq!(Job::from_json(&job.to_json()).unwrap(), job);
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let error = |more: &str| Job::from_toml(&format!("{SMALL}{more}")).unwrap_err().to_string();
        assert!(error("ranks = 3").contains("ranks"));
        assert!(error("[lora]\nrank = 0").contains("lora.rank"));
        assert!(error("[lora]\ntargets = [\"\"]").contains("lora.targets"));
        assert!(error("[recipe]\nlearning_rate = 50.0").contains("recipe.learning_rate"));
        assert!(error("max_tokens = 9999999").contains("max_tokens"));
        assert!(error("[attribution]\ncurvature = \"signs-0\"").contains("signs"));
        assert!(error("[attribution]\nhalves = 3").contains("even"));
        assert!(error("[attribution]\nhalves = 0").contains("from 2 to 64"));
        assert!(error("[data]\nheld_out = 1.5").contains("data.held_out"));
        assert!(error("[data]\ndebt_releases = 1").contains("from 2 to 20"));
        assert!(error("[data]\nleave_out = \"all\"").contains("in-debt"));
        assert!(error("[data]\nwithout = [\"ab\"]").contains("contribution's id"));
        assert!(error("[scratch]").contains("generate"));
        assert!(error("serve = \"int4\"").contains("int8"));
        assert!(Job::from_toml("task = \"classify\"").unwrap_err().to_string().contains("base is missing"));
    }
}
