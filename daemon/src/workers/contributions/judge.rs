//! Judging as a committee member: score, keep the reasons, commit, and later reveal.
//!
//! Judgement and salt are durable before the commitment is sent: a crash in between must not turn into a missed reveal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datanet_data::Scripts;
use datanet_data::corpus::CorpusError;
use datanet_data::judge::{DuplicateIndex, JudgeInput, Judgement, Report, judge, judge_unreadable, report_unavailable};
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::Datanet;
use datanet_ledger::component::validation;
use datanet_p2p::TagKind;
use datanet_types::action::{CommitScores, RevealScores};
use datanet_types::scores::Commitment;
use datanet_types::{Action, ContributionId, DatanetId, Digest, Scores};
use tokio::sync::Mutex;

use super::steps::{Steps, compare};
use crate::db::judgements::StoredJudgement;
use crate::db::salt;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::{Batch, ReadError, ReadOptions};

/// Records of a contribution that are judged; of a larger one as many, chosen evenly by its id. More would tell little
/// more and take minutes of the model.
const MAX_JUDGED_RECORDS: u64 = 2_000;

/// Contributions read from the ledger at a time.
const PAGE: usize = 256;

/// What a judge compares with: the records of everything that came earlier and was not refused, datanet by datanet.
#[derive(Clone, Default)]
pub struct SeenRecords(Arc<Mutex<BTreeMap<DatanetId, Seen>>>);

/// One datanet's part of what was seen.
struct Seen {
    index: DuplicateIndex,
    holds: BTreeSet<ContributionId>,
}

impl Seen {
    /// Nothing yet, for embeddings of a model that knows these scripts.
    fn reading(scripts: Scripts) -> Self {
        Self { index: DuplicateIndex::reading(scripts), holds: BTreeSet::new() }
    }
}

impl Steps {
    /// Judges a contribution and commits to the scores.
    pub(super) async fn judge_and_commit(&self, contribution: &Contribution, datanet: &Datanet) -> ServiceResult<()> {
        let stored = match self.db.judgement(&contribution.id)? {
            // Judged before a crash. What was judged in a round that came to nothing, or is challenged, is judged again: another sample is asked.
            Some(stored) if stored.round == contribution.judging_round() => stored,
            _ => {
                let judgement = self.judge_contribution(contribution, datanet).await?;
                tracing::info!(contribution = %contribution.id, combined = judgement.scores.combined(), reason = %judgement.report.summary, "judged");
                self.judgement(contribution, Some(judgement.scores), &judgement.report).await?
            }
        };
        self.commit_to(contribution, &stored).await
    }

    /// Commits to there being nothing to judge: the bytes were asked for in vain.
    pub(super) async fn give_up(&self, contribution: &Contribution) -> ServiceResult<()> {
        let stored = match self.db.judgement(&contribution.id)? {
            Some(stored) if stored.round == contribution.judging_round() => stored,
            _ => {
                let reason = "nobody who was asked gave the bytes before the deadline for commitments came near";
                tracing::warn!(contribution = %contribution.id, "judged to be unavailable: {reason}");
                self.judgement(contribution, None, &report_unavailable(contribution.id, reason)).await?
            }
        };
        self.commit_to(contribution, &stored).await
    }

    async fn judgement(
        &self,
        contribution: &Contribution,
        scores: Option<Scores>,
        report: &Report,
    ) -> ServiceResult<StoredJudgement> {
        let report = serde_json::to_vec(report).map_err(|error| ServiceError::caused(Code::Report, error))?;
        let report = self.blobs.keep_bytes(&TagKind::Report.tag(contribution.id), report).await?;
        Ok(StoredJudgement { scores, report, salt: salt()?, round: contribution.judging_round() })
    }

    async fn commit_to(&self, contribution: &Contribution, stored: &StoredJudgement) -> ServiceResult<()> {
        self.db.put_judgement(&contribution.id, stored)?;
        let key = self.identity.account_key()?;
        let commitment = Commitment {
            chain_id: self.chain.id(),
            datanet: &contribution.datanet,
            contribution: &contribution.id,
            blob: &contribution.blob,
            validator: &key.address(),
            scores: stored.scores.as_ref(),
            report: &stored.report,
            salt: &stored.salt,
        };
        let action = CommitScores { contribution: contribution.id, commitment: commitment.digest() };
        self.chain.execute(&key, Action::CommitScores(action)).await.map(|_| ())
    }

    /// Reveals what was committed to.
    pub(super) async fn reveal(&self, contribution: &Contribution) -> ServiceResult<()> {
        let stored = self.db.judgement(&contribution.id)?.ok_or_else(|| {
            ServiceError::new(
                Code::JudgementLost,
                "the judgement behind this node's commitment is not in its store any more",
            )
        })?;
        let action = RevealScores {
            contribution: contribution.id,
            scores: stored.scores,
            report: stored.report,
            salt: stored.salt,
        };
        self.chain.execute(&self.identity.account_key()?, Action::RevealScores(action)).await.map(|_| ())
    }

    async fn judge_contribution(&self, contribution: &Contribution, datanet: &Datanet) -> ServiceResult<Judgement> {
        let batch = match self.sample(contribution, datanet).await? {
            Ok(batch) => batch,
            Err(error) => return Ok(judge_unreadable(contribution.id, &error)),
        };
        if let Err(reason) = self.objection(contribution, &batch)? {
            return Ok(judge_unreadable(contribution.id, &reason));
        }
        let embeddings = self.records.embeddings(&contribution.blob, &batch.records).await?;
        let holdout = self.records.held_out_set(datanet, contribution.holdout).await?;
        let asked = self.chain.params_at(contribution.submitted_height)?.holdout_sample;
        let holdout = holdout.asked(&self.seed_of(contribution)?, asked);
        let mut seen = self.seen.0.clone().lock_owned().await;
        self.bring_up_to_date(&mut seen, contribution, datanet).await?;
        let (id, datanet, schema) = (contribution.id, datanet.id, datanet.schema.clone());
        let scripts = self.embedder.scripts().clone();
        let judged = tokio::task::spawn_blocking(move || {
            let seen = seen.entry(datanet).or_insert_with(|| Seen::reading(scripts));
            judge(&JudgeInput {
                contribution: id,
                schema: &schema,
                records: &batch.records,
                embeddings: &embeddings,
                holdout: &holdout.batch.records,
                holdout_embeddings: &holdout.embeddings,
                holdout_index: &holdout.index,
                corpus: &seen.index,
            })
        });
        judged.await.map_err(|error| ServiceError::caused(Code::Judge, error))
    }

    /// What the contribution's present committee was drawn from: nobody knew it when the contribution was given.
    fn seed_of(&self, contribution: &Contribution) -> ServiceResult<Digest> {
        let round = validation::judging_round(&self.chain.reader()?, contribution)?;
        let round = round.ok_or_else(|| {
            let detail = format!("contribution {} has no round of judging any more", contribution.id);
            ServiceError::new(Code::LedgerState, detail)
        })?;
        Ok(round.seed)
    }

    async fn sample(
        &self,
        contribution: &Contribution,
        datanet: &Datanet,
    ) -> ServiceResult<Result<Batch, CorpusError>> {
        let mut seed = [0; 8];
        seed.copy_from_slice(&contribution.id.0[..8]);
        let options = ReadOptions::Sample { size: MAX_JUDGED_RECORDS, seed: u64::from_le_bytes(seed) };
        match self.records.read(contribution, datanet, options).await {
            Ok(batch) => Ok(Ok(batch)),
            Err(ReadError::Content(error)) => Ok(Err(error)),
            Err(ReadError::Node(error)) => Err(error),
        }
    }

    /// Brings what was seen of a datanet up to date: everything earlier than `contribution` that was neither refused nor revoked,
    /// and nothing else. What can't be read here is left out; the tally's median bears it.
    async fn bring_up_to_date(
        &self,
        seen: &mut BTreeMap<DatanetId, Seen>,
        contribution: &Contribution,
        datanet: &Datanet,
    ) -> ServiceResult<()> {
        let seen = seen.entry(datanet.id).or_insert_with(|| Seen::reading(self.embedder.scripts().clone()));
        let mut wanted = BTreeSet::new();
        for earlier in self.earlier_than(contribution)? {
            if matches!(earlier.status(), Status::Refused | Status::Revoked) {
                continue;
            }
            wanted.insert(earlier.id);
            if seen.holds.contains(&earlier.id) {
                continue;
            }
            let Ok(Ok(batch)) = self.sample(&earlier, datanet).await else { continue };
            // Whoever only copied a transaction was first with nothing: else he whom he copied would be taken for the copyist.
            if compare(&earlier, &batch).is_err() {
                continue;
            }
            let embeddings = self.records.embeddings(&earlier.blob, &batch.records).await?;
            seen.index.add(earlier.id, &batch.records, &embeddings);
            seen.holds.insert(earlier.id);
        }
        let stale: Vec<ContributionId> = seen.holds.difference(&wanted).copied().collect();
        for id in stale {
            seen.index.remove(&id);
            seen.holds.remove(&id);
        }
        Ok(())
    }

    fn earlier_than(&self, contribution: &Contribution) -> ServiceResult<Vec<Contribution>> {
        let reader = self.chain.reader()?;
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
}
