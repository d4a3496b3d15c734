//! Contributions: upload, follow, read, revoke.

use datanet_types::record::Format;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, NodeKey, Scores, TxHash};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// How to contribute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ContributeParams {
    /// Name of the account on this node that contributes and is paid; the node's own if not given.
    pub account: Option<String>,
    /// Base units to lock until the verdict; the datanet's minimum if not given.
    pub bond: Option<Amount>,
    /// Which columns are which fields where they are not called the same, `FIELD=COLUMN` with commas between:
    /// `text=sentence,label=class`. What is kept is then JSONL with the fields alone.
    pub map: Option<String>,
    /// Columns that are left out, with commas between; `*` leaves out whatever is no field.
    pub ignore: Option<String>,
}

/// What a contributor gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The contribution.
    #[schema(value_type = String)]
    pub id: ContributionId,
    /// BLAKE3 of the bytes.
    #[schema(value_type = String)]
    pub blob: BlobHash,
    /// Bytes.
    pub size: u64,
    /// Records found.
    pub records: u64,
    /// Merkle root over the records, keyed by the contributor's account.
    #[schema(value_type = String)]
    pub record_root: Digest,
    /// The transaction that put it on the ledger.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Always `storing`.
    pub state: String,
}

/// Which contributions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `storing`, `judging`, `refused`, `final` or `revoked`.
    pub state: Option<String>,
    /// At most this many, up to 1,000.
    pub limit: Option<usize>,
    /// From behind this number in the datanet.
    pub after: Option<u64>,
}

/// A page of contributions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Contributions {
    /// First come first.
    pub contributions: Vec<ContributionView>,
    /// Send as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A contribution with its committee.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
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
    /// Merkle root over the records, keyed by the contributor's account.
    #[schema(value_type = String)]
    pub record_root: Digest,
    /// Base units locked.
    pub bond: Amount,
    /// Its number in the datanet.
    pub seq: u64,
    /// `storing`, `judging`, `final`, `refused` or `revoked`.
    pub state: String,
    /// Height at which it was given.
    pub height: u64,
    /// Height from which it is final.
    pub final_height: Option<u64>,
    /// Height at which its giver took it back, or a second committee overturned its acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_height: Option<u64>,
    /// Storage nodes that say they keep it.
    pub attestations: u32,
    /// While it is `storing`: block time up to which as many nodes as its datanet wants must say so, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_by: Option<u64>,
    /// The committee's scores in basis points, once tallied.
    #[schema(value_type = Option<Object>)]
    pub scores: Option<Scores>,
    /// The lowest of the scores.
    pub combined: Option<u32>,
    /// What it must reach.
    pub threshold: u32,
    /// Why the verdict is what it is.
    pub reason: String,
    /// Block time up to which the verdict can be challenged, in seconds since 1970; none once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_until: Option<u64>,
    /// What challenging it costs, in base units; none where it can't be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_deposit: Option<Amount>,
    /// The challenge of its verdict, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<VerdictChallenge>,
    /// Who judges.
    pub committee: Vec<MemberView>,
    /// The judges' reports, as far as they can be read here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub reports: Vec<Box<RawValue>>,
}

impl ContributionView {
    /// Whether its events end with this one: it is final, refused or revoked.
    pub fn is_settled(&self) -> bool {
        matches!(self.state.as_str(), "final" | "refused" | "revoked")
    }
}

/// The challenge of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictChallenge {
    /// Who doubts it.
    #[schema(value_type = String)]
    pub challenger: Address,
    /// Base units that the challenger put up.
    pub deposit: Amount,
    /// `open`, `stands`, `overturned` or `undecided`.
    pub outcome: String,
}

/// A committee member and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Its account.
    #[schema(value_type = String)]
    pub validator: Address,
    /// Its node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its seats: how often it was drawn. Each has one vote.
    #[serde(default)]
    pub seats: u32,
    /// Its seats, as share of the committee's, in basis points.
    pub weight_bps: u64,
    /// Whether it has committed.
    pub committed: bool,
    /// Whether it has revealed.
    pub revealed: bool,
    /// Its scores.
    #[schema(value_type = Option<Object>)]
    pub scores: Option<Scores>,
    /// Whether it revealed that it could not get the bytes.
    #[serde(default)]
    pub unavailable: bool,
    /// The blob with its reasons.
    #[schema(value_type = Option<String>)]
    pub report: Option<BlobHash>,
}

/// A contribution taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// The contribution.
    #[schema(value_type = String)]
    pub id: ContributionId,
    /// `revoked`.
    pub state: String,
    /// Height from which it is neither served, trained on nor paid.
    pub height: u64,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// First record, from 0.
    pub offset: Option<u64>,
    /// At most this many, up to 1,000.
    pub limit: Option<u64>,
}

/// A page of records.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordsPage {
    /// Records in the contribution.
    pub total: u64,
    /// This page's, in canonical form.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<Box<RawValue>>,
}
