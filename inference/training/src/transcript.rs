//! What a run leaves behind for whoever wants to repeat it.

use serde::{Deserialize, Serialize};

use crate::attribution::Choice;
use crate::job::Job;

/// The version of the form.
pub const VERSION: u32 = 2;

/// Bytes of a transcript's file; long runs have some megabytes of losses.
const MAX_BYTES: usize = 64 << 20;

/// The record of a run. Hashes are BLAKE3 in hex.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// The version of this form.
    pub version: u32,
    /// What ran: this crate's version and the runtime's file name.
    pub engine: String,
    /// The job, with its recipe.
    pub job: Job,
    /// Root of the ledger's snapshot that the records come from, as the caller gave it.
    pub snapshot: String,
    /// Hash of the base model's files; of the first weights for a decoder from nothing.
    pub base: String,
    /// Hash of all records.
    pub data: String,
    /// Training records.
    pub records: usize,
    /// Numbers that were trained.
    pub parameters: usize,
    /// Steps that the schedule has.
    pub steps: usize,
    /// The step whose parameters were released: the last, or the best by early stopping.
    pub released_step: usize,
    /// Loss of each step taken.
    pub losses: Vec<f32>,
    /// Held-out losses on the way.
    pub held_out: Vec<HeldOut>,
    /// The checkpoints, in order.
    pub checkpoints: Vec<CheckpointHash>,
    /// Hash of the released parameters, little-endian floats in theta's order.
    pub theta: String,
    /// What the influence tables were made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Choice>,
    /// Hash of the influence table's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The trainings on random halves of the records, whose draw follows from the job's seed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub halves: Vec<HalfRun>,
    /// Hash of the file with what pays: the mean over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<String>,
}

/// A training on half of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HalfRun {
    /// Records that it learnt from.
    pub records: usize,
    /// Hash of the parameters that it ended with.
    pub theta: String,
}

/// What every version has: looked at first, so that another's fields are no riddle.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A held-out loss on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Steps done.
    pub step: usize,
    /// Mean loss.
    pub loss: f64,
}

/// A checkpoint's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointHash {
    /// Steps done.
    pub step: usize,
    /// Hash of the file.
    pub hash: String,
}

/// A transcript that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transcript does not read: {0}")]
pub struct TranscriptError(String);

impl Transcript {
    /// As JSON.
    ///
    /// # Errors
    /// Where a number has no JSON form.
    pub fn to_json(&self) -> Result<String, TranscriptError> {
        serde_json::to_string_pretty(self).map_err(|error| TranscriptError(error.to_string()))
    }

    /// From JSON of anybody's making.
    ///
    /// # Errors
    /// Where it is not one, or its job is not a possible one.
    pub fn from_json(text: &str) -> Result<Self, TranscriptError> {
        if text.len() > MAX_BYTES {
            return Err(TranscriptError(format!("it has {} bytes, more than {MAX_BYTES}", text.len())));
        }
        let of_version = |version: u32| match version {
            VERSION => Ok(()),
            1 => Err("it has version 1, of a training that paid by another rule; train the model again".to_owned()),
            other => Err(format!("it has version {other}, {VERSION} is known")),
        };
        let written: Versioned = serde_json::from_str(text).map_err(|error| TranscriptError(error.to_string()))?;
        of_version(written.version).map_err(TranscriptError)?;
        let transcript: Self = serde_json::from_str(text).map_err(|error| TranscriptError(error.to_string()))?;
        transcript.job.check().map_err(|error| TranscriptError(error.to_string()))?;
        Ok(transcript)
    }
}

/// What is named as the engine of runs here.
pub(crate) fn engine(runtime: &datanet_inference::runtime::Runtime) -> String {
    let library = runtime.dylib().parent().and_then(std::path::Path::file_name).unwrap_or_default();
    format!("datanet-training {} onnxruntime {}", env!("CARGO_PKG_VERSION"), library.to_string_lossy())
}

/// BLAKE3 of parameters, in hex.
pub(crate) fn theta_hash(theta: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    theta.iter().for_each(|x| {
        hasher.update(&x.to_le_bytes());
    });
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Task;

    #[test]
    fn a_transcript_survives_and_another_version_is_refused() {
        let mut transcript = Transcript {
            version: VERSION,
            engine: "e".to_owned(),
            job: Job::new("base", Task::Classify),
            snapshot: "root".to_owned(),
            base: "b".to_owned(),
            data: "d".to_owned(),
            records: 4,
            parameters: 2,
            steps: 1,
            released_step: 1,
            losses: vec![0.1 + 0.2],
            held_out: vec![HeldOut { step: 1, loss: 0.1 }],
            checkpoints: vec![CheckpointHash { step: 1, hash: "h".to_owned() }],
            theta: theta_hash(&[1.0, 2.0]),
            attribution: None,
            table: None,
            halves: vec![HalfRun { records: 2, theta: "t".to_owned() }],
            pay: None,
        };
        let json = transcript.to_json().unwrap();
        assert_eq!(Transcript::from_json(&json).unwrap(), transcript);
        transcript.version = 9;
        assert!(Transcript::from_json(&transcript.to_json().unwrap()).is_err());
        transcript.version = 1;
        let old = Transcript::from_json(&transcript.to_json().unwrap()).unwrap_err().to_string();
        assert!(old.contains("train the model again"), "{old}");
        assert!(Transcript::from_json("{").is_err());
    }
}
