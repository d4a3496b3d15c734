//! Datanets: list, show, create, history, debts.

use datanet_types::release::DataSnapshot;
use datanet_types::schema::Schema;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, ModelId, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A datanet as it is on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatanetRecord {
    /// Its id.
    pub id: DatanetId,
    /// Its name, unique on the chain.
    pub name: String,
    /// For people.
    pub description: String,
    /// What records look like.
    pub schema: Schema,
    /// SPDX expression of the records' licence.
    pub licence: String,
    /// Base units an answer costs.
    pub price: Amount,
    /// Base units that a model made of it takes at least for a thousand tokens of text, beside `price` for the answer.
    #[serde(default)]
    pub token_price: Amount,
    /// Base units that a node takes at least for each step of a training on it that is bought, beside `price` for the whole.
    #[serde(default)]
    pub step_price: Amount,
    /// Lowest combined score accepted, in basis points.
    pub accept_threshold: u32,
    /// Validators drawn for each contribution.
    pub committee_size: u32,
    /// Storage attestations that have a contribution judged.
    pub storage_quorum: u32,
    /// Blob of the held-out set that contributions are judged with which are given now.
    pub holdout: BlobHash,
    /// Its size in bytes.
    pub holdout_size: u64,
    /// Its number among the datanet's held-out sets, from 0.
    #[serde(default)]
    pub holdout_number: u32,
    /// The one that is announced and does not hold yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_holdout: Option<NextHoldout>,
    /// Smallest bond of a contribution, in base units.
    pub min_bond: Amount,
    /// Who opened it.
    pub creator: Address,
    /// When.
    pub created_height: u64,
    /// Base units locked for it, until it is closed.
    #[serde(default)]
    pub deposit: Amount,
}

/// A held-out set that is announced and does not hold yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHoldout {
    /// Its blob.
    pub holdout: BlobHash,
    /// Its size in bytes.
    pub holdout_size: u64,
    /// Block time from which contributions that are given are judged with it, in seconds since 1970.
    pub from: u64,
}

/// What a datanet holds, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatanetCounts {
    /// Contributions ever given: the next one's number in the datanet's order.
    pub contributions: u64,
    /// Contributions that are final.
    pub final_contributions: u64,
    /// Contributions refused.
    pub refused: u64,
    /// Records of final contributions.
    pub records: u64,
    /// Bytes of final contributions.
    pub bytes: u64,
    /// Contributions revoked.
    pub revoked: u64,
    /// Entries in the datanet's history.
    pub history: u64,
}

/// A datanet and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatanetView {
    /// Its record on the ledger.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub record: DatanetRecord,
    /// What it holds, counted.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub counts: DatanetCounts,
}

/// All datanets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Datanets {
    /// By id.
    pub datanets: Vec<DatanetView>,
}

/// A datanet to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDatanet {
    /// 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `{"fields": [{"name", "kind", "role", "required", "max_bytes", "allowed"}]}`; exactly one field has role `text`.
    #[schema(value_type = Object)]
    pub schema: Schema,
    /// SPDX expression, such as `CC-BY-4.0` or `LicenseRef-ours`; its form is checked.
    pub licence: String,
    /// Base units an answer costs; 1,000 if not given.
    #[serde(default = "defaults::price")]
    pub price: Amount,
    /// Base units that a model made of it takes at least for a thousand tokens of text, beside `price` for the answer; none if not given.
    #[serde(default)]
    pub token_price: Amount,
    /// Base units that a node takes at least for each step of a training on it that is bought, beside `price` for the whole; none if not given.
    #[serde(default)]
    pub step_price: Amount,
    /// Lowest combined score accepted, in basis points.
    #[serde(default = "defaults::accept_threshold")]
    pub accept_threshold: u32,
    /// Validators drawn for each contribution.
    #[serde(default = "defaults::committee_size")]
    pub committee_size: u32,
    /// Storage attestations that have a contribution judged.
    #[serde(default = "defaults::storage_quorum")]
    pub storage_quorum: u32,
    /// Smallest bond of a contribution, in base units.
    #[serde(default)]
    pub min_bond: Amount,
    /// The held-out set: JSONL in this schema, on which usefulness is measured.
    pub holdout: String,
    /// The account that opens and owns it; the node's own if not given.
    pub account: Option<String>,
}

mod defaults {
    pub(super) fn price() -> u64 {
        1_000
    }
    pub(super) fn accept_threshold() -> u32 {
        5_000
    }
    pub(super) fn committee_size() -> u32 {
        3
    }
    pub(super) fn storage_quorum() -> u32 {
        2
    }
}

/// A datanet opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedDatanet {
    /// Its id.
    #[schema(value_type = String)]
    pub id: DatanetId,
    /// Its name.
    pub name: String,
    /// Base units that it locks, until it is closed.
    pub deposit: Amount,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// A datanet closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedDatanet {
    /// Its id, which is not given again.
    #[schema(value_type = String)]
    pub id: DatanetId,
    /// Its name, which is free for others.
    pub name: String,
    /// Base units that were locked for it: they are its creator's again, less what its id costs for good.
    pub deposit: Amount,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// The next held-out set of a datanet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHoldout {
    /// JSONL in the datanet's schema.
    pub holdout: String,
}

/// A held-out set announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedHoldout {
    /// The datanet.
    #[schema(value_type = String)]
    pub id: DatanetId,
    /// The set's number among the datanet's, from 0.
    pub number: u32,
    /// Its blob.
    #[schema(value_type = String)]
    pub holdout: BlobHash,
    /// Block time from which contributions that are given are judged with it, in seconds since 1970.
    pub from: u64,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// The header of an export that says how many records it has.
pub const EXPORT_RECORDS: &str = "datanet-records";
/// The header of an export that says at which height they were final.
pub const EXPORT_HEIGHT: &str = "datanet-height";

/// How records are exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// Whether each record has where it is from, in keys that begin with `_datanet_`: `contribution`, `contributor`,
    /// `licence`, `index` in the contribution, and `hash`. Uploads leave such keys out.
    #[serde(default, deserialize_with = "crate::flag::flag")]
    #[param(required = false)]
    pub provenance: bool,
}

/// Which part of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// From behind this place; from the beginning if not given.
    pub after: Option<u64>,
    /// At most this many entries, up to 1,000.
    pub limit: Option<usize>,
}

/// What became final in a datanet and what was revoked, in order: what models' data snapshots are places in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The history as it is now: what a model trained on everything names.
    #[schema(value_type = Object)]
    pub latest: DataSnapshot,
    /// `{contribution, change: "final" or "revoked", digest, height}`, from place `after` + 1 on.
    #[schema(value_type = Vec<Object>)]
    pub entries: Vec<HistoryEntry>,
    /// Send as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One entry of a datanet's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Which contribution.
    pub contribution: ContributionId,
    /// `final` or `revoked`.
    pub change: String,
    /// The history's digest with this entry.
    pub digest: Digest,
    /// When.
    pub height: u64,
}

/// By how many releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DebtsParams {
    /// Releases in a row by which a contribution must owe before it is left out, 2 to 20; 3 if not given, as in a job.
    pub releases: Option<usize>,
}

/// Contributions of a datanet that owe, by the statements of the node that is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Debts {
    /// Releases in a row by which one must owe before it is left out.
    pub releases: u64,
    /// By id.
    pub contributions: Vec<OwingContribution>,
}

/// A contribution that harmed more than it helped, by one of the last releases that learnt from it and were asked at the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwingContribution {
    /// Which.
    #[schema(value_type = String)]
    pub contribution: ContributionId,
    /// Whose.
    #[schema(value_type = String)]
    pub contributor: Address,
    /// By release, newest first.
    pub releases: Vec<OwedRelease>,
    /// All of it, in millionths of log-odds times base units of fees, as `net` of earnings is.
    pub owed: u64,
    /// Whether it owes by each of as many releases as are asked for.
    pub lasting: bool,
    /// Held-out records that the newest of those releases was asked about it; absent where it is not lasting, or they could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_records: Option<u64>,
    /// Sum of its worth for the right answers to them, in billionths of log-odds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_worth: Option<i64>,
    /// Other nodes by whose final statements it owes, as far as those are here. They decide nothing.
    pub elsewhere: u64,
    /// Whether the next training at the node leaves it out.
    pub left_out: bool,
    /// All of it in one sentence.
    pub why: String,
}

/// What a contribution owes by a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwedRelease {
    /// The release.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Its name.
    pub name: String,
    /// Its paid answers at the node.
    pub answers: u64,
    /// In millionths of log-odds times base units of fees; 0 where it does not owe.
    pub owed: u64,
}
