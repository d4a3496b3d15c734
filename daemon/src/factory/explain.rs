//! Whose records moved an answer: one thread a model, which keeps the network and the influence table.
//!
//! The thread starts with the first answer that is to be attributed and ends with the model's last user.

use std::collections::BTreeMap;
use std::sync::Arc;

use datanet_inference::runtime::SessionConfig;
use datanet_training::attribution::answer::{Explainer, Explanation};
use datanet_types::ContributionId;
use datanet_types::receipt::Influence;
use datanet_types::split::split;
use tokio::sync::{mpsc, oneshot};

use super::release::RecordsFile;
use super::served::ServedModel;
use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;

/// Explanations that may wait.
const QUEUE: usize = 256;

/// Name of the file that an attributed release has.
pub(super) const TABLE_FILE: &str = "influence.safetensors";

enum ExplainCmd {
    /// Values of all columns for a text and the label that was answered.
    Label(String, usize, oneshot::Sender<Result<Explanation, String>>),
    /// Values of all columns for a prompt and what was written after it.
    Written(String, String, oneshot::Sender<Result<Explanation, String>>),
    /// Probabilities without each column.
    Without(String, oneshot::Sender<Result<Vec<Vec<f32>>, String>>),
}

/// Asks a model's explainer.
#[derive(Debug, Clone)]
pub(super) struct ExplainHandle {
    commands: mpsc::Sender<ExplainCmd>,
    /// The records of each group, by the contributions that they are part of.
    groups: Arc<Vec<Vec<(ContributionId, u64)>>>,
}

/// What moved an answer.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// What each contribution did, revoked ones left out.
    pub influence: Vec<Influence>,
    /// What each training record did, where the release tells.
    pub records: Option<Vec<f32>>,
}

impl Core {
    /// What moved the answer `label` of a classifier. Nothing, if the release has no table.
    pub(super) async fn explain_label(
        &self,
        served: &Arc<ServedModel>,
        text: &str,
        label: usize,
    ) -> ServiceResult<Moved> {
        let Some(handle) = self.explainer(served).await? else { return Ok(Moved::default()) };
        let (reply, answer) = oneshot::channel();
        handle.send(ExplainCmd::Label(text.to_owned(), label, reply))?;
        self.moved(served, &handle.groups, wait(answer).await?)
    }

    /// What moved a written answer. Nothing, if the release has no table.
    pub(super) async fn explain_written(
        &self,
        served: &Arc<ServedModel>,
        prompt: &str,
        written: &str,
    ) -> ServiceResult<Moved> {
        let Some(handle) = self.explainer(served).await? else { return Ok(Moved::default()) };
        let (reply, answer) = oneshot::channel();
        handle.send(ExplainCmd::Written(prompt.to_owned(), written.to_owned(), reply))?;
        self.moved(served, &handle.groups, wait(answer).await?)
    }

    /// The probabilities that the model would have given without each of its columns; `None` if the release has no table.
    pub(super) async fn without_each(
        &self,
        served: &Arc<ServedModel>,
        text: &str,
    ) -> ServiceResult<Option<Vec<Vec<f32>>>> {
        let Some(handle) = self.explainer(served).await? else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        handle.send(ExplainCmd::Without(text.to_owned(), reply))?;
        wait(answer).await.map(Some)
    }

    fn moved(
        &self,
        served: &ServedModel,
        groups: &[Vec<(ContributionId, u64)>],
        explanation: Explanation,
    ) -> ServiceResult<Moved> {
        let revoked = self.revoked_of(&served.release)?;
        let values: Vec<i64> = explanation.values.iter().map(|value| billionths(*value)).collect();
        let earned = by_contribution(groups, &explanation.earned);
        let influence = served.release.spread(&values, &earned, |id| revoked.contains(id));
        Ok(Moved { influence, records: explanation.records })
    }

    async fn explainer(&self, served: &Arc<ServedModel>) -> ServiceResult<Option<ExplainHandle>> {
        if !served.is_attributed() {
            return Ok(None);
        }
        let mut slot = served.explainer.lock().await;
        if let Some(handle) = slot.as_ref().filter(|handle| !handle.commands.is_closed()) {
            return Ok(Some(handle.clone()));
        }
        let runtime = self.factory.runtime()?.clone();
        let (base, folder, session) = (served.base.folder.clone(), served.folder.clone(), self.training_session());
        let session = SessionConfig { threads: self.config.inference.threads as usize, ..session };
        let opened = tokio::task::spawn_blocking(move || {
            let opened = Explainer::open(&base, &folder, runtime, session);
            let explainer = opened.map_err(|error| ServiceError::internal("explainer", error.to_string()))?;
            let records = RecordsFile::read(&folder)?;
            if records.records.len() != explainer.eligibility().column_of.len() {
                let detail = "what its records earn is not of its records";
                return Err(ServiceError::unprocessable("bad-release", detail));
            }
            let groups = Arc::new(explainer.eligibility().owners(|record| records.contribution(record)));
            Ok((explainer, groups))
        });
        let opened = opened.await.map_err(|error| ServiceError::internal("explainer", error.to_string()))?;
        let (explainer, groups) = opened?;
        let (commands, receiver) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("explain".to_owned())
            .spawn(move || work(explainer, receiver))
            .map_err(|error| ServiceError::internal("no-thread", format!("the system gives no thread: {error}")))?;
        let handle = ExplainHandle { commands, groups };
        *slot = Some(handle.clone());
        Ok(Some(handle))
    }
}

/// In parts per billion.
fn billionths(value: f32) -> i64 {
    (f64::from(value) * 1e9).round() as i64
}

/// What each group has earned, shared by its records.
fn by_contribution(groups: &[Vec<(ContributionId, u64)>], earned: &[f32]) -> BTreeMap<ContributionId, u64> {
    let mut shares: BTreeMap<ContributionId, u64> = BTreeMap::new();
    for (owners, earned) in groups.iter().zip(earned) {
        let records: Vec<u64> = owners.iter().map(|(_, records)| *records).collect();
        for ((owner, _), share) in owners.iter().zip(split(u64::try_from(billionths(*earned)).unwrap_or(0), &records)) {
            let sum = shares.entry(*owner).or_default();
            *sum = sum.saturating_add(share);
        }
    }
    shares
}

impl ExplainHandle {
    fn send(&self, command: ExplainCmd) -> ServiceResult<()> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ServiceError::overloaded("model-busy", "too many answers wait to be attributed; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => {
                ServiceError::unavailable("model-stopped", "attribution has stopped; the node's log says more")
            }
        })
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T, String>>) -> ServiceResult<T> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reason)) => {
            Err(ServiceError::internal("explainer", format!("the answer cannot be attributed: {reason}")))
        }
        Err(_) => Err(ServiceError::unavailable("model-stopped", "attribution has stopped; the node's log says more")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lot_earns_is_shared_by_its_records() {
        let id = |n: u8| ContributionId([n; 32]);
        let groups = [vec![(id(1), 3), (id(2), 1)], vec![(id(2), 2)], vec![(id(3), 1)]];
        let shared = by_contribution(&groups, &[4e-9, 5e-9, 0.0]);
        assert_eq!(shared, BTreeMap::from([(id(1), 3), (id(2), 6), (id(3), 0)]));
    }
}
