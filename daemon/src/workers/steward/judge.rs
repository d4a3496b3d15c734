//! Judging as a committee member: score, keep the reasons, commit, and later reveal.
//!
//! Judgement and salt are durable before the commitment is sent: a crash in between must not turn into a missed reveal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datanet_data::Embedding;
use datanet_data::corpus::CorpusError;
use datanet_data::judge::{DuplicateIndex, JudgeInput, Judgement, judge, judge_unreadable};
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::Datanet;
use datanet_types::action::{CommitScores, RevealScores};
use datanet_types::scores::Commitment;
use datanet_types::{Action, ContributionId, DatanetId, Digest};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::datanet_of;
use crate::error::{ServiceError, ServiceResult};
use crate::library::{Batch, ReadError, ReadOptions};
use crate::local::judgements::StoredJudgement;
use crate::node::Core;

/// Records of a contribution that are judged; of a larger one as many, chosen evenly by its id. More would tell little
/// more and take minutes of the model.
const MAX_JUDGED_RECORDS: u64 = 2_000;

/// Contributions read from the ledger at a time.
const PAGE: usize = 256;

/// What a judge compares with: the records of everything that came earlier and was not refused, datanet by datanet.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<BTreeMap<DatanetId, Shelf>>>);

/// One datanet's part of the book.
#[derive(Default)]
struct Shelf {
    index: DuplicateIndex,
    holds: BTreeSet<ContributionId>,
}

/// Judges a contribution and commits to the scores.
pub async fn judge_and_commit(core: &Core, book: &Book, contribution: &Contribution) -> ServiceResult<()> {
    let stored = match core.local.judgement(&contribution.id)? {
        // Judged before a crash, or in a round that came to nothing: the reasons still hold, the salt is used up.
        Some(stored) if stored.round == contribution.round => stored,
        Some(stored) => StoredJudgement { salt: salt()?, round: contribution.round, ..stored },
        None => {
            let judgement = judge_contribution(core, book, contribution).await?;
            let report = serde_json::to_vec(&judgement.report)
                .map_err(|error| ServiceError::internal("report", error.to_string()))?;
            let report = core.keep_bytes(&format!("report/{}", contribution.id), report).await?;
            tracing::info!(contribution = %contribution.id, combined = judgement.scores.combined(), reason = %judgement.report.summary, "judged");
            StoredJudgement { scores: judgement.scores, report, salt: salt()?, round: contribution.round }
        }
    };
    core.local.put_judgement(&contribution.id, &stored)?;
    let key = core.account_key()?;
    let commitment = Commitment {
        chain_id: core.chain.id(),
        datanet: &contribution.datanet,
        contribution: &contribution.id,
        blob: &contribution.blob,
        validator: &key.address(),
        scores: &stored.scores,
        report: &stored.report,
        salt: &stored.salt,
    };
    let action = CommitScores { contribution: contribution.id, commitment: commitment.digest() };
    core.chain.execute(&key, Action::CommitScores(action)).await.map(|_| ())
}

/// Reveals what was committed to.
pub async fn reveal(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    let stored = core.local.judgement(&contribution.id)?.ok_or_else(|| {
        ServiceError::internal(
            "judgement-lost",
            "the judgement behind this node's commitment is not in its store any more",
        )
    })?;
    let action =
        RevealScores { contribution: contribution.id, scores: stored.scores, report: stored.report, salt: stored.salt };
    core.chain.execute(&core.account_key()?, Action::RevealScores(action)).await.map(|_| ())
}

fn salt() -> ServiceResult<Digest> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|error| ServiceError::internal("no-randomness", format!("the system gives no randomness: {error}")))?;
    Ok(Digest(salt))
}

async fn judge_contribution(core: &Core, book: &Book, contribution: &Contribution) -> ServiceResult<Judgement> {
    let datanet = datanet_of(&core.chain.reader()?, contribution)?;
    let batch = match read(core, contribution, &datanet).await? {
        Ok(batch) => batch,
        Err(error) => return Ok(judge_unreadable(contribution.id, &error)),
    };
    if let Err(reason) = super::fetch::compare(contribution, &batch) {
        return Ok(judge_unreadable(contribution.id, &reason));
    }
    let embeddings = core.embeddings(&contribution.blob, &batch).await?;
    let holdout = core.holdout(&datanet).await?;
    let mut shelves = book.0.clone().lock_owned().await;
    fill(core, &mut shelves, contribution, &datanet).await?;
    let (id, schema) = (contribution.id, datanet.schema);
    let judged = tokio::task::spawn_blocking(move || {
        let shelf = shelves.entry(datanet.id).or_default();
        judge(&JudgeInput {
            contribution: id,
            schema: &schema,
            records: &batch.records,
            embeddings: &embeddings,
            holdout: &holdout.0.records,
            holdout_embeddings: &holdout.1,
            corpus: &shelf.index,
        })
    });
    judged.await.map_err(|error| ServiceError::internal("judge", error.to_string()))
}

async fn read(
    core: &Core,
    contribution: &Contribution,
    datanet: &Datanet,
) -> ServiceResult<Result<Batch, CorpusError>> {
    let mut seed = [0; 8];
    seed.copy_from_slice(&contribution.id.0[..8]);
    let options = ReadOptions::Sample { size: MAX_JUDGED_RECORDS, seed: u64::from_le_bytes(seed) };
    match core.read_contribution(contribution, datanet, options).await {
        Ok(batch) => Ok(Ok(batch)),
        Err(ReadError::Content(error)) => Ok(Err(error)),
        Err(ReadError::Node(error)) => Err(error),
    }
}

/// Brings the shelf of a datanet up to date: everything earlier than `contribution` that was neither refused nor revoked,
/// and nothing else. What can't be read here is left out; the tally's median bears it.
async fn fill(
    core: &Core,
    shelves: &mut OwnedMutexGuard<BTreeMap<DatanetId, Shelf>>,
    contribution: &Contribution,
    datanet: &Datanet,
) -> ServiceResult<()> {
    let shelf = shelves.entry(datanet.id).or_default();
    let mut wanted = BTreeSet::new();
    for earlier in earlier_than(core, contribution)? {
        if matches!(earlier.status(), Status::Refused | Status::Revoked) {
            continue;
        }
        wanted.insert(earlier.id);
        if shelf.holds.contains(&earlier.id) {
            continue;
        }
        let Ok(Ok(batch)) = read(core, &earlier, datanet).await else { continue };
        let embeddings = core.embeddings(&earlier.blob, &batch).await?;
        shelf.index.add(earlier.id, &batch.records, &embeddings);
        shelf.holds.insert(earlier.id);
    }
    let stale: Vec<ContributionId> = shelf.holds.difference(&wanted).copied().collect();
    for id in stale {
        shelf.index.remove(&id);
        shelf.holds.remove(&id);
    }
    Ok(())
}

fn earlier_than(core: &Core, contribution: &Contribution) -> ServiceResult<Vec<Contribution>> {
    let reader = core.chain.reader()?;
    let mut earlier: Vec<Contribution> = Vec::new();
    loop {
        let after = earlier.last().map(|last| last.seq);
        let page = contributions::in_datanet(&reader, &contribution.datanet, after, PAGE)?;
        let before = earlier.len();
        earlier.extend(page.into_iter().take_while(|other| other.seq < contribution.seq));
        if earlier.len() == before {
            return Ok(earlier);
        }
    }
}

/// A held-out set with its embeddings, shared by all judgements of a datanet.
pub type Holdout = Arc<(Batch, Vec<Embedding>)>;

/// Held-out records used at most.
pub const MAX_HELD_OUT: u64 = 2_000;

impl Core {
    /// The held-out set of a datanet, whose blob is here.
    pub async fn holdout(&self, datanet: &Datanet) -> ServiceResult<Holdout> {
        let mut known = self.library.holdouts.lock().await;
        if let Some(holdout) = known.get(&datanet.holdout) {
            return Ok(holdout.clone());
        }
        let options = ReadOptions::Sample { size: MAX_HELD_OUT, seed: 0 };
        let format = datanet_types::record::Format::Jsonl;
        let batch = self.read_blob(datanet.holdout, format, datanet.schema.clone(), options).await?;
        let embeddings = self.embeddings(&datanet.holdout, &batch).await?;
        let holdout = Arc::new((batch, embeddings));
        known.insert(datanet.holdout, holdout.clone());
        Ok(holdout)
    }
}
