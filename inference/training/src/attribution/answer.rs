//! Why a released model answered as it did.
//!
//! A release's tables and backward passes through its adapters give what every contributor did for an answer: one by the
//! table of all data, which explains; and one by each random half of it, whose mean pays. The first gives
//! counterfactual answers too: theta - d_c is, to first order, the adapter trained without contributor c, and one batch
//! asks all of these adapters at once.

use std::path::{Path, PathBuf};

use datanet_inference::{
    graph::adapter::{AdapterError, peft},
    runtime::{Runtime, SessionConfig},
};

use super::{
    halves::PayTable,
    model::{Model, ModelError},
    table::{Table, TableError},
};
use crate::{
    data::{Example, Task},
    job::{Job, JobError},
    network::{Network, NetworkConfig, NetworkError},
};

/// The table by contributor in a release's folder.
pub const TABLE_FILE: &str = "influence.safetensors";
/// The table by record, in releases of few records.
pub const RECORDS_FILE: &str = "records.safetensors";
/// What pays: random halves of the records, what each led to and what was given together did to that.
pub const PAY_FILE: &str = "halves.safetensors";
/// Adapters that are asked at once.
const AT_ONCE: usize = 32;
/// Largest file of a release that is read whole: 4 GiB.
const MAX_FILE: u64 = 1 << 32;

/// Why an answer cannot be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A file of the release.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The release's job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The release's adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The release's table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The network, through its trait.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A release of before halves paid.
    #[error(
        "the release has no {PAY_FILE}: it is of a training that paid by another rule, or not whole; train the model again, and deploy what comes of it"
    )]
    NoPay,
    /// Files of the release contradict each other.
    #[error("the release is damaged: {0}")]
    Release(String),
    /// A label that the model does not have.
    #[error("label {label} does not exist, the model has {labels}")]
    Label {
        /// The label asked for.
        label: usize,
        /// How many there are.
        labels: usize,
    },
    /// The question does not fit the model.
    #[error("the model's task is {0:?}; ask a classifier for labels and a decoder for written text")]
    Task(Task),
}

/// What moved an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// -grad loss(answer) . d_c of each column of the table: positive where the contributor's records made this answer
    /// likelier, in the loss's unit (nats).
    pub values: Vec<f32>,
    /// The same of each training record, in releases of few records.
    pub records: Option<Vec<f32>>,
    /// -grad loss(answer) . d of each column of what pays, as a change of the answer's log-odds, with its sign: the mean over halves, each
    /// where it leads to; see [`PayTable::worth`].
    pub pay: Vec<f32>,
    /// The answer's loss: -ln of its probability, for written text the mean over its tokens.
    pub loss: f32,
}

/// A released model with its tables, ready to be asked.
#[derive(Debug)]
pub struct Explainer {
    network: Network,
    theta: Vec<f32>,
    /// By source.
    table: Table,
    /// By record.
    records: Option<Table>,
    /// What pays.
    pay: PayTable,
    labels: Vec<String>,
}

impl Explainer {
    /// Opens a release's folder, as training wrote it, over its base model's folder.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the release was made for another base.
    pub fn open(base: &Path, release: &Path, runtime: Runtime, session: SessionConfig) -> Result<Self, AnswerError> {
        let job = Job::from_json(&String::from_utf8_lossy(&read(&release.join("job.json"))?))?;
        let labels: Vec<String> = if job.task == Task::Classify {
            serde_json::from_slice(&read(&release.join("labels.json"))?)
                .map_err(|error| AnswerError::Release(format!("labels.json: {error}")))?
        } else {
            Vec::new()
        };
        // One text's hidden states never leave memory, so nothing is written there.
        let (cache, classes) = (std::env::temp_dir(), labels.len());
        let config = NetworkConfig { job: &job, base, classes, cache: &cache, runtime: &runtime, session: &session };
        let mut network = Network::new(config)?;
        network.keep_frozen();
        let theta = network.layout().theta(&peft::read(release)?)?;
        let table = table(&release.join(TABLE_FILE), theta.len())?;
        let by_record = release.join(RECORDS_FILE);
        let records = if by_record.exists() { Some(self::table(&by_record, theta.len())?) } else { None };
        let pay = release.join(PAY_FILE);
        if !pay.exists() {
            return Err(AnswerError::NoPay);
        }
        let pay = PayTable::from_bytes(&read(&pay)?)?;
        must_fit(pay.parameters(), theta.len())?;
        Ok(Self { network, theta, table, records, pay, labels })
    }

    /// What the columns of the table that pays are called: what was given together, or where that was too much to
    /// follow, sources.
    pub fn paid(&self) -> &[String] {
        self.pay.names()
    }

    /// Records that have a column of their own, where they do.
    pub fn records(&self) -> Option<usize> {
        self.records.as_ref().map(Table::columns)
    }

    /// What the columns of the table are called.
    pub fn columns(&self) -> &[String] {
        self.table.names()
    }

    /// The model's labels; none of a decoder.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Why a classifier says `label` of a text.
    ///
    /// # Errors
    /// When there is no such label, the model is no classifier, or it cannot run.
    pub fn explain(&mut self, text: &str, label: usize) -> Result<Explanation, AnswerError> {
        self.must_classify()?;
        if label >= self.labels.len() {
            return Err(AnswerError::Label { label, labels: self.labels.len() });
        }
        self.network.load(&[&example(text, Some(label))])?;
        self.explanation(|network, theta| {
            let (losses, gradients) = network.loss_gradients(theta, &[0])?;
            Ok((losses[0], gradients.row(0).to_vec()))
        })
    }

    /// Why a decoder wrote the tokens `written` after those of `prompt`: by their own mean loss.
    ///
    /// # Errors
    /// When nothing was written or given before it, a token is none of the model's, the model is no decoder, or it cannot run.
    pub fn explain_written(&mut self, prompt: &[u32], written: &[u32]) -> Result<Explanation, AnswerError> {
        if self.network.task() != Task::Generate {
            return Err(AnswerError::Task(self.network.task()));
        }
        self.explanation(|network, theta| Ok(network.continuation(theta, prompt, written)?))
    }

    /// The probability of each label that the model would have given without each column, in the columns' order.
    ///
    /// # Errors
    /// When the model is no classifier, or cannot run.
    pub fn counterfactual(&mut self, text: &str) -> Result<Vec<Vec<f32>>, AnswerError> {
        self.must_classify()?;
        self.network.load(&[&example(text, None)])?;
        let mut answers = Vec::with_capacity(self.table.columns());
        let columns: Vec<usize> = (0..self.table.columns()).collect();
        for columns in columns.chunks(AT_ONCE) {
            let thetas: Vec<Vec<f32>> =
                columns.iter().map(|column| self.table.without(&self.theta, *column)).collect::<Result<_, _>>()?;
            answers.extend(self.probabilities(&thetas)?);
        }
        Ok(answers)
    }

    /// The probability of each label that the model gives.
    ///
    /// # Errors
    /// As [`Explainer::counterfactual`].
    pub fn answer(&mut self, text: &str) -> Result<Vec<f32>, AnswerError> {
        self.must_classify()?;
        self.network.load(&[&example(text, None)])?;
        let theta = self.theta.clone();
        Ok(self.probabilities(&[theta])?.swap_remove(0))
    }

    fn probabilities(&mut self, thetas: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, AnswerError> {
        let thetas: Vec<&[f32]> = thetas.iter().map(Vec::as_slice).collect();
        let (_, logs) = self.network.mixed(&thetas, 0)?;
        Ok(logs.iter().map(|row| row.iter().map(|log| log.exp()).collect()).collect())
    }

    /// `ask` gives the answer's loss at some parameters, and its gradient.
    fn explanation(
        &mut self,
        mut ask: impl FnMut(&mut Network, &[f32]) -> Result<(f32, Vec<f32>), AnswerError>,
    ) -> Result<Explanation, AnswerError> {
        let (loss, gradient) = ask(&mut self.network, &self.theta)?;
        let values = self.table.values(&gradient)?;
        let records = self.records.as_ref().map(|records| records.values(&gradient)).transpose()?;
        let pay = self.pay.worth(|theta| ask(&mut self.network, theta))?;
        Ok(Explanation { values, records, pay, loss })
    }

    fn must_classify(&self) -> Result<(), AnswerError> {
        match self.network.task() {
            Task::Classify => Ok(()),
            other => Err(AnswerError::Task(other)),
        }
    }
}

fn example(text: &str, label: Option<usize>) -> Example {
    Example { text: text.to_owned(), label, pair: None, source: 0 }
}

fn table(path: &Path, parameters: usize) -> Result<Table, AnswerError> {
    let table = Table::from_bytes(&read(path)?)?;
    must_fit(table.parameters(), parameters)?;
    Ok(table)
}

fn must_fit(expected: usize, found: usize) -> Result<(), TableError> {
    if expected == found { Ok(()) } else { Err(TableError::Parameters { expected, found }) }
}

fn read(path: &Path) -> Result<Vec<u8>, AnswerError> {
    let fail = |source| AnswerError::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > MAX_FILE {
        return Err(AnswerError::Release(format!("{} has {length} bytes", path.display())));
    }
    std::fs::read(path).map_err(fail)
}

#[cfg(test)]
mod tests;
