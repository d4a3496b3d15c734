//! Whose records moved an answer: one thread a model, which keeps the network and the influence table.
//!
//! The thread starts with the first answer that is to be attributed and ends with the model's last user.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datanet_training::attribution::answer::{Explainer, Explanation};
use datanet_types::ContributionId;
use datanet_types::release::{Release, Source};
use datanet_types::split::split;
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

/// Whom each column of what pays is of: a contribution, or all of a source by their records.
pub type Owners = [Vec<(ContributionId, u64)>];

enum ExplainCmd {
    /// Values of all columns for a text and the label that was answered.
    Label(String, usize, Reply<Explanation>),
    /// Values of all columns for the tokens of a prompt and those that were written after it.
    Written(Vec<u32>, Vec<u32>, Reply<Explanation>),
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
        let (base, folder, release) = (served.base.folder.clone(), served.folder.clone(), served.release.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let opened = Explainer::open(&base, &folder, runtime, session);
            let explainer = opened.map_err(|error| ServiceError::caused(Code::Explainer, error))?;
            let records = RecordsFile::read(&folder)?.records.len();
            if explainer.records().is_some_and(|columns| columns != records) {
                return Err(ServiceError::new(Code::BadRelease, "its table by record is not of its records"));
            }
            let owners = Arc::new(owners(&release, explainer.paid())?);
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
    /// Whom each column of [`Explanation::pay`] is of, in its order.
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

    /// The same, for work that nobody waits at: where others wait it has its turn, and is not sent away.
    ///
    /// # Errors
    /// When the explainer has stopped ([`Code::ModelStopped`]), or it cannot attribute this one ([`Code::Explainer`]).
    pub async fn label_in_turn(&self, text: &str, label: usize) -> ServiceResult<Explanation> {
        self.in_turn(|reply| ExplainCmd::Label(text.to_owned(), label, reply)).await
    }

    /// What moved the tokens `written` after those of `prompt`. In its turn: the text has been read as it was written, and would be nobody's to
    /// pay for if it were sent away now.
    ///
    /// # Errors
    /// As [`ExplainHandle::label_in_turn`].
    pub async fn written(&self, prompt: Vec<u32>, written: Vec<u32>) -> ServiceResult<Explanation> {
        self.in_turn(|reply| ExplainCmd::Written(prompt, written, reply)).await
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

    async fn in_turn<T>(&self, command: impl FnOnce(Reply<T>) -> ExplainCmd) -> ServiceResult<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| stopped())?;
        wait(answer).await
    }

    fn send(&self, command: ExplainCmd) -> ServiceResult<()> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ServiceError::new(Code::ModelBusy, "too many answers wait to be attributed; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T, String>>) -> ServiceResult<T> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reason)) => {
            Err(ServiceError::new(Code::Explainer, format!("the answer cannot be attributed: {reason}")))
        }
        Err(_) => Err(stopped()),
    }
}

fn stopped() -> ServiceError {
    ServiceError::new(Code::ModelStopped, "attribution has stopped; the node's log says more")
}

/// Whom columns with these names are of: contributions by their ids, or sources by their contributors, everybody in exactly
/// one.
fn owners(release: &Release, columns: &[String]) -> ServiceResult<Vec<Vec<(ContributionId, u64)>>> {
    let contributions = |source: &Source| -> Vec<_> {
        source.contributions.iter().map(|part| (part.contribution, part.records)).collect()
    };
    let by_source = release.sources.iter().map(|source| (source.contributor.to_string(), contributions(source)));
    let alone = release.sources.iter().flat_map(contributions).map(|one| (one.0.to_string(), vec![one]));
    // Ids have another length than addresses, so that no name is both.
    let mut known: BTreeMap<String, Vec<(ContributionId, u64)>> = by_source.chain(alone).collect();
    let owners = columns.iter().map(|name| known.remove(name));
    let owners: Option<Vec<_>> = owners.collect();
    let everybody = |owners: &Vec<Vec<(ContributionId, u64)>>| {
        let mut seen = BTreeSet::new();
        owners.iter().flatten().all(|(id, _)| seen.insert(*id)) && release.contributions().all(|id| seen.contains(id))
    };
    owners.filter(everybody).ok_or_else(|| {
        let detail = "its table of what pays names somebody twice, leaves somebody out, or names who gave nothing";
        ServiceError::new(Code::BadRelease, detail)
    })
}

/// In parts per billion.
pub(crate) fn billionths(value: f32) -> i64 {
    (f64::from(value) * 1e9).round() as i64
}

/// What each contribution is worth for the answer, with its sign: its column's value; those who share one have it by
/// their records.
pub(crate) fn by_contribution(columns: &Owners, values: &[f32]) -> BTreeMap<ContributionId, i64> {
    let mut shares: BTreeMap<ContributionId, i64> = BTreeMap::new();
    for (owners, value) in columns.iter().zip(values) {
        let worth = billionths(*value);
        let records: Vec<u64> = owners.iter().map(|(_, records)| *records).collect();
        for ((owner, _), share) in owners.iter().zip(split(worth.unsigned_abs(), &records)) {
            let share = i64::try_from(share).unwrap_or(i64::MAX).saturating_mul(worth.signum());
            let sum = shares.entry(*owner).or_default();
            *sum = sum.saturating_add(share);
        }
    }
    shares
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
    use datanet_types::Address;
    use datanet_types::release::SourcePart;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_asked_again_has_its_turn_where_others_are_sent_away() {
        let (commands, mut receiver) = mpsc::channel(1);
        let handle = ExplainHandle { commands, owners: Arc::default() };
        let (reply, _answer) = oneshot::channel();
        handle.send(ExplainCmd::Without(String::new(), reply)).unwrap();
        assert_eq!(handle.label("an owl", 0).await.unwrap_err().code, Code::ModelBusy);
        let waits = tokio::spawn({
            let handle = handle.clone();
            async move { handle.label_in_turn("an owl", 1).await }
        });
        assert!(matches!(receiver.recv().await, Some(ExplainCmd::Without(..))));
        let Some(ExplainCmd::Label(text, 1, reply)) = receiver.recv().await else { panic!("it had no turn") };
        assert!(reply.send(Err(text)).is_ok());
        let said = waits.await.unwrap().unwrap_err();
        assert!(said.code == Code::Explainer && said.detail.contains("an owl"), "{said:?}");

        let (reply, _answer) = oneshot::channel();
        handle.send(ExplainCmd::Without(String::new(), reply)).unwrap();
        let waits = tokio::spawn(async move { handle.written(vec![1], vec![2, 3]).await });
        assert!(matches!(receiver.recv().await, Some(ExplainCmd::Without(..))));
        let Some(ExplainCmd::Written(_, written, _)) = receiver.recv().await else { panic!("it had no turn") };
        assert_eq!(written, [2, 3]);
        waits.abort();
    }

    #[test]
    fn a_columns_value_is_shared_by_records_with_its_sign() {
        let id = |n: u8| ContributionId([n; 32]);
        let groups = [vec![(id(1), 3), (id(2), 1)], vec![(id(2), 2)], vec![(id(3), 1)]];
        let shared = by_contribution(&groups, &[4e-9, 5e-9, -3e-9]);
        assert_eq!(shared, BTreeMap::from([(id(1), 3), (id(2), 6), (id(3), -3)]));
    }

    #[test]
    fn a_column_is_a_contributions_or_a_sources_and_nobody_is_in_two() {
        let (id, giver) = (|n: u8| ContributionId([n; 32]), |n: u8| Address([n; 20]));
        let part = |n: u8, records| SourcePart { contribution: id(n), records };
        let release = Release {
            sources: vec![
                Source { contributor: giver(1), contributions: vec![part(1, 3), part(2, 1)] },
                Source { contributor: giver(2), contributions: vec![part(3, 5)] },
            ],
            ..Release::default()
        };
        let of = |names: &[String]| owners(&release, names);
        let alone = of(&[id(3).to_string(), id(1).to_string(), id(2).to_string()]).unwrap();
        assert_eq!(alone, [vec![(id(3), 5)], vec![(id(1), 3)], vec![(id(2), 1)]]);
        let shared = of(&[giver(1).to_string(), giver(2).to_string()]).unwrap();
        assert_eq!(shared, [vec![(id(1), 3), (id(2), 1)], vec![(id(3), 5)]]);
        for bad in [
            vec![id(1).to_string(), id(2).to_string()],
            vec![giver(1).to_string(), id(3).to_string(), id(9).to_string()],
            vec![id(1).to_string(), id(1).to_string()],
            vec![giver(1).to_string(), giver(2).to_string(), id(2).to_string()],
            vec![String::new()],
        ] {
            assert_eq!(of(&bad).unwrap_err().code, Code::BadRelease, "{bad:?}");
        }
    }
}
