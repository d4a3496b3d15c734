//! Contributions as people and programs see them: the ledger's record, the committee, the reasons.

use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::validation;
use datanet_types::record::Format;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, NodeKey, Scores};
use futures::future::join_all;
use serde_json::value::RawValue;

use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;

/// Longest report read, in bytes.
pub const MAX_REPORT_BYTES: u64 = 4 * 1024 * 1024;

/// A contribution with its committee.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ContributionView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ContributionId,
    /// The datanet it was given to.
    #[schema(value_type = String)]
    pub datanet: DatanetId,
    /// Who gave it.
    #[schema(value_type = String)]
    pub contributor: Address,
    /// BLAKE3 of its bytes.
    #[schema(value_type = String)]
    pub blob: BlobHash,
    /// Bytes.
    pub size: u64,
    /// `jsonl`, `csv`, `parquet`, `markdown` or `text`.
    #[schema(value_type = String)]
    pub format: Format,
    /// Records.
    pub records: u64,
    /// Merkle root over the records.
    #[schema(value_type = String)]
    pub record_root: Digest,
    /// Base units locked.
    pub bond: Amount,
    /// Its number in the datanet.
    pub seq: u64,
    /// `judging`, `accepted`, `final`, `refused` or `revoked`.
    pub state: String,
    /// Height at which it was given.
    pub height: u64,
    /// Height from which it is final.
    pub final_height: Option<u64>,
    /// Height at which its giver took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_height: Option<u64>,
    /// Storage nodes that keep it.
    pub attestations: u32,
    /// The committee's scores in basis points, once tallied.
    #[schema(value_type = Option<Object>)]
    pub scores: Option<Scores>,
    /// The lowest of the scores.
    pub combined: Option<u32>,
    /// What it must reach.
    pub threshold: u32,
    /// Why the verdict is what it is.
    pub reason: String,
    /// Who judges.
    pub committee: Vec<MemberView>,
    /// The judges' reports, as far as they can be read here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub reports: Vec<Box<RawValue>>,
}

/// A committee member and what it did.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct MemberView {
    /// Its account.
    #[schema(value_type = String)]
    pub validator: Address,
    /// Its node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Stake x reputation, as share of the committee's, in basis points.
    pub weight_bps: u64,
    /// Whether it has committed.
    pub committed: bool,
    /// Whether it has revealed.
    pub revealed: bool,
    /// Its scores.
    #[schema(value_type = Option<Object>)]
    pub scores: Option<Scores>,
    /// The blob with its reasons.
    #[schema(value_type = Option<String>)]
    pub report: Option<BlobHash>,
}

impl Core {
    /// The contribution and its datanet, or an error that says that there is none.
    pub fn contribution_and_datanet(&self, id: &ContributionId) -> ServiceResult<(Contribution, Datanet)> {
        let reader = self.chain.reader()?;
        let contribution = contributions::get(&reader, id)?
            .ok_or_else(|| ServiceError::not_found("unknown-contribution", format!("there is no contribution {id}")))?;
        let datanet = datanets::get(&reader, &contribution.datanet)?
            .ok_or_else(|| ServiceError::internal("ledger-state", format!("contribution {id} has no datanet")))?;
        Ok((contribution, datanet))
    }

    /// A contribution without its reports.
    pub fn contribution_view(
        &self,
        reader: &LedgerReader,
        contribution: Contribution,
    ) -> ServiceResult<ContributionView> {
        let round = validation::current_round(reader, &contribution)?;
        let threshold = datanets::get(reader, &contribution.datanet)?.map_or(0, |datanet| datanet.accept_threshold);
        let total = round.drawn_weight().max(1);
        let mut committee = Vec::new();
        for member in &round.committee {
            let (id, number, account) = (&contribution.id, round.number, &member.account);
            let reveal = validation::reveal(reader, id, number, account)?;
            committee.push(MemberView {
                validator: member.account,
                node: member.node,
                weight_bps: u64::try_from(member.weight().saturating_mul(10_000) / total).unwrap_or(0),
                committed: validation::commitment(reader, id, number, account)?.is_some(),
                revealed: reveal.is_some(),
                scores: reveal.map(|reveal| reveal.scores),
                report: reveal.map(|reveal| reveal.report),
            });
        }
        let state = serde_json::to_value(contribution.status()).ok();
        Ok(ContributionView {
            id: contribution.id,
            datanet: contribution.datanet,
            contributor: contribution.contributor,
            blob: contribution.blob,
            size: contribution.size,
            format: contribution.format(),
            records: contribution.records,
            record_root: contribution.record_root,
            bond: contribution.bond,
            seq: contribution.seq,
            state: state.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default(),
            height: contribution.submitted_height,
            final_height: (contribution.final_height > 0).then_some(contribution.final_height),
            revoked_height: (contribution.revoked_height > 0).then_some(contribution.revoked_height),
            attestations: contribution.attestations,
            combined: contribution.scores.map(|scores| scores.combined()),
            scores: contribution.scores,
            threshold,
            reason: reason(&contribution),
            committee,
            reports: Vec::new(),
        })
    }

    /// A contribution with those of its reports that are here or can be fetched soon. Once judged, the reason in
    /// words is that of the report closest to the tally.
    pub async fn contribution_with_reports(&self, id: &ContributionId) -> ServiceResult<ContributionView> {
        self.with_reports(self.contribution_without_reports(id)?).await
    }

    /// A contribution with its committee alone.
    pub fn contribution_without_reports(&self, id: &ContributionId) -> ServiceResult<ContributionView> {
        let (contribution, _) = self.contribution_and_datanet(id)?;
        self.contribution_view(&self.chain.reader()?, contribution)
    }

    /// Adds the reports to a view. All are asked for at once: a judge that is gone costs its patience only once.
    pub async fn with_reports(&self, mut view: ContributionView) -> ServiceResult<ContributionView> {
        let sources: Vec<_> = view.committee.iter().filter_map(|m| Some((m.report?, m.node, m.scores?))).collect();
        let texts = join_all(sources.iter().map(|(report, node, _)| self.report(report, node))).await;
        let mut best: Option<(u32, String)> = None;
        for ((_, _, scores), text) in sources.into_iter().zip(texts) {
            let Some(text) = text else { continue };
            if let (Some(tally), Some(summary)) = (view.scores, summary_of(&text)) {
                let distance = distance(&tally, &scores);
                if best.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
                    best = Some((distance, summary));
                }
            }
            view.reports.push(text);
        }
        if let Some((_, summary)) = best {
            view.reason = if view.reason.is_empty() { summary } else { format!("{}: {summary}", view.reason) };
        }
        Ok(view)
    }

    /// A judge's report, if it can be had within a moment.
    async fn report(&self, report: &BlobHash, node: &NodeKey) -> Option<Box<RawValue>> {
        /// How long a page may wait for a report from elsewhere.
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
        let from = [*node];
        let brought = self.bring_blob(report, None, MAX_REPORT_BYTES, &from);
        tokio::time::timeout(PATIENCE, brought).await.ok()?.ok()?;
        let bytes = self.read_bytes(report, MAX_REPORT_BYTES).await.ok()?;
        RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
    }
}

/// Why the verdict was what it was, and that it is the past where it was taken back.
fn reason(contribution: &Contribution) -> String {
    match contribution.revoked_height {
        0 => contribution.reason.clone(),
        height => format!("taken back by its contributor at height {height}; before that: {}", contribution.reason),
    }
}

fn summary_of(report: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Summary {
        summary: String,
    }
    Some(serde_json::from_str::<Summary>(report.get()).ok()?.summary)
}

fn distance(a: &Scores, b: &Scores) -> u32 {
    a.as_array().iter().zip(b.as_array()).map(|(a, b)| a.abs_diff(b)).fold(0, u32::saturating_add)
}
