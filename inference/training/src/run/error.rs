//! Why a run ended without a model.

use std::path::{Path, PathBuf};

use datanet_inference::graph::build::BuildError;

use crate::attribution::ModelError;
use crate::attribution::replay::ReplayError;
use crate::data::{DataError, TokenError};
use crate::job::JobError;
use crate::network::NetworkError;

/// Why a run ended without a model. Whatever was learnt until then lies in the newest checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The job cannot be run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Nothing can be learnt from the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The job and the data are of different tasks.
    #[error("the job is to {job:?}, the records are to {data:?}; make one follow the other")]
    Task {
        /// The job's.
        job: crate::job::Task,
        /// The records'.
        data: crate::job::Task,
    },
    /// More memory than it may take.
    #[error(
        "{parameters} parameters and {columns} columns of influence take about {} MiB, and {} may be taken; train fewer, or a smaller model",
        needed >> 20,
        limit >> 20
    )]
    TooLarge {
        /// Numbers that are trained.
        parameters: usize,
        /// Columns that are followed.
        columns: usize,
        /// Bytes that this takes.
        needed: u64,
        /// Bytes that may be taken.
        limit: u64,
    },
    /// The network cannot be made or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The network cannot be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The files of the base model, or of the new decoder.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The tokenizer.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The base model is not made of numbers only.
    #[error(
        "tensor {tensor} of the base model in {} holds numbers that are infinite or none, so no answer of it is one; fetch the model again",
        folder.display()
    )]
    BadBase {
        /// The base's folder.
        folder: PathBuf,
        /// The first such tensor.
        tensor: String,
    },
    /// The base model cannot answer these records.
    #[error(
        "the base model's own answer to batch {records:?} is not finite, before anything is learnt; its weights are, so look at these records, or take another base"
    )]
    BaseAnswer {
        /// The batch's records.
        records: Vec<usize>,
    },
    /// A number is infinite or not a number.
    #[error(
        "the {what} is not finite at step {step}, batch {records:?}; the last good state is kept, lower recipe.learning_rate or look at these records"
    )]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// The step, counted from 0.
        step: usize,
        /// The batch's records.
        records: Vec<usize>,
    },
    /// The influence cannot be followed.
    #[error("step {step}: {source}")]
    Replay {
        /// The step, counted from 0.
        step: usize,
        /// Why.
        source: ReplayError,
    },
    /// The observer wanted an end.
    #[error("training was stopped after {step} steps; start it again to go on from there")]
    Stopped {
        /// Steps done.
        step: usize,
    },
    /// A file cannot be written or read.
    #[error("cannot use {path}: {source}")]
    Files {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder belongs to another run.
    #[error("{path} is of a run with another job, other records or another base; give this run a folder of its own")]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
    },
    /// The release cannot be written.
    #[error("the release cannot be written: {0}")]
    Release(String),
}

impl TrainError {
    pub(crate) fn files(path: &Path, source: std::io::Error) -> Self {
        Self::Files { path: path.to_owned(), source }
    }
}
