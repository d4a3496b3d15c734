//! Whose records moved an answer: one thread a model, which keeps the network and the influence table.
//!
//! The thread starts with the first answer that is to be attributed and ends with the model's last user.

use std::sync::Arc;

use datanet_training::attribution::answer::{Explainer, Explanation};
use datanet_types::ContributionId;
use tokio::sync::{mpsc, oneshot};

use super::Models;
use super::release::RecordsFile;
use super::served::ServedModel;
use crate::error::{Code, ServiceError, ServiceResult};

/// Explanations that may wait.
const QUEUE: usize = 256;

/// Name of the file that an attributed release has.
pub(crate) const TABLE_FILE: &str = "influence.safetensors";

type Reply<T> = oneshot::Sender<Result<T, String>>;

/// The records of each group that earns together, by the contributions that they are part of.
pub type Owners = [Vec<(ContributionId, u64)>];

enum ExplainCmd {
    /// Values of all columns for a text and the label that was answered.
    Label(String, usize, Reply<Explanation>),
    /// Values of all columns for a prompt and what was written after it.
    Written(String, String, Reply<Explanation>),
    /// Probabilities without each column.
    Without(String, Reply<Vec<Vec<f32>>>),
}

/// Asks a model's explainer.
#[derive(Debug, Clone)]
pub struct ExplainHandle {
    commands: mpsc::Sender<ExplainCmd>,
    owners: Arc<Vec<Vec<(ContributionId, u64)>>>,
}

impl Models {
    /// The explainer of a model in memory, started if it must be; `None` if its release has no table.
    ///
    /// # Errors
    /// When there is no ONNX Runtime ([`Code::NoRuntime`]), what explains is damaged or does not fit the model
    /// ([`Code::Explainer`], [`Code::BadRelease`]), or the system gives no thread ([`Code::NoThread`]).
    pub async fn explainer(&self, served: &Arc<ServedModel>) -> ServiceResult<Option<ExplainHandle>> {
        if !served.is_attributed() {
            return Ok(None);
        }
        let mut slot = served.explainer.lock().await;
        if let Some(handle) = slot.as_ref().filter(|handle| !handle.commands.is_closed()) {
            return Ok(Some(handle.clone()));
        }
        let runtime = self.runtime()?.clone();
        let session = self.session(self.settings.inference.threads as usize);
        let (base, folder) = (served.base.folder.clone(), served.folder.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let opened = Explainer::open(&base, &folder, runtime, session);
            let explainer = opened.map_err(|error| ServiceError::caused(Code::Explainer, error))?;
            let records = RecordsFile::read(&folder)?;
            if records.records.len() != explainer.eligibility().column_of.len() {
                let detail = "what its records earn is not of its records";
                return Err(ServiceError::new(Code::BadRelease, detail));
            }
            let owners = Arc::new(explainer.eligibility().owners(|record| records.contribution(record)));
            Ok((explainer, owners))
        });
        let opened = opened.await.map_err(|error| ServiceError::caused(Code::Explainer, error))?;
        let (explainer, owners) = opened?;
        let (commands, receiver) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("explain".to_owned())
            .spawn(move || work(explainer, receiver))
            .map_err(|error| ServiceError::new(Code::NoThread, format!("the system gives no thread: {error}")))?;
        let handle = ExplainHandle { commands, owners };
        *slot = Some(handle.clone());
        Ok(Some(handle))
    }
}

impl ExplainHandle {
    /// Who owns the records of each group that earns together, in the order of [`Explanation::earned`].
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// What moved the answer `label` to `text`.
    ///
    /// # Errors
    /// When too many answers wait already ([`Code::ModelBusy`]), the explainer has stopped ([`Code::ModelStopped`]), or
    /// it cannot attribute this one ([`Code::Explainer`]).
    pub async fn label(&self, text: &str, label: usize) -> ServiceResult<Explanation> {
        self.ask(|reply| ExplainCmd::Label(text.to_owned(), label, reply)).await
    }

    /// What moved what was `written` after `prompt`.
    ///
    /// # Errors
    /// As [`ExplainHandle::label`].
    pub async fn written(&self, prompt: &str, written: &str) -> ServiceResult<Explanation> {
        self.ask(|reply| ExplainCmd::Written(prompt.to_owned(), written.to_owned(), reply)).await
    }

    /// The probabilities of all labels without each column.
    ///
    /// # Errors
    /// As [`ExplainHandle::label`].
    pub async fn without(&self, text: &str) -> ServiceResult<Vec<Vec<f32>>> {
        self.ask(|reply| ExplainCmd::Without(text.to_owned(), reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> ExplainCmd) -> ServiceResult<T> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply))?;
        wait(answer).await
    }

    fn send(&self, command: ExplainCmd) -> ServiceResult<()> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ServiceError::new(Code::ModelBusy, "too many answers wait to be attributed; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => {
                ServiceError::new(Code::ModelStopped, "attribution has stopped; the node's log says more")
            }
        })
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T, String>>) -> ServiceResult<T> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reason)) => {
            Err(ServiceError::new(Code::Explainer, format!("the answer cannot be attributed: {reason}")))
        }
        Err(_) => Err(ServiceError::new(Code::ModelStopped, "attribution has stopped; the node's log says more")),
    }
}

/// Answers until the last handle is gone. Whoever has left is passed over.
fn work(mut explainer: Explainer, mut commands: mpsc::Receiver<ExplainCmd>) {
    while let Some(command) = commands.blocking_recv() {
        match command {
            ExplainCmd::Label(_, _, reply) if reply.is_closed() => {}
            ExplainCmd::Label(text, label, reply) => {
                // A caller that leaves in this moment misses nothing.
                let _ = reply.send(explainer.explain(&text, label).map_err(|error| error.to_string()));
            }
            ExplainCmd::Written(_, _, reply) if reply.is_closed() => {}
            ExplainCmd::Written(prompt, written, reply) => {
                let _ = reply.send(explainer.explain_written(&prompt, &written).map_err(|error| error.to_string()));
            }
            ExplainCmd::Without(_, reply) if reply.is_closed() => {}
            ExplainCmd::Without(text, reply) => {
                let _ = reply.send(explainer.counterfactual(&text).map_err(|error| error.to_string()));
            }
        }
    }
}
