//! What is done about datanets, what is given to them, and the models made of it.

use crate::record::Format;
use crate::release::{DataSnapshot, Metric};
use crate::schema::Schema;
use crate::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, ModelId, NodeKey, Scores};

/// Opens a pool of records. Its id is [`DatanetId::derive`] of the signer and the name.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CreateDatanet {
    /// 1 to 64 of `a-z 0-9 -`; unique per chain.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For people, up to 1,024 bytes.
    #[prost(string, tag = "2")]
    pub description: String,
    /// What records look like.
    #[prost(message, required, tag = "3")]
    pub schema: Schema,
    /// SPDX expression, 1 to 64 bytes.
    #[prost(string, tag = "4")]
    pub licence: String,
    /// Base units an answer costs.
    #[prost(uint64, tag = "5")]
    pub price: Amount,
    /// Lowest combined score accepted, in basis points.
    #[prost(uint32, tag = "6")]
    pub accept_threshold: u32,
    /// Validators drawn for each contribution, 1 to 64.
    #[prost(uint32, tag = "7")]
    pub committee_size: u32,
    /// Storage attestations that have a contribution judged, 1 to 64.
    #[prost(uint32, tag = "8")]
    pub storage_quorum: u32,
    /// Blob of the held-out set (JSONL in this schema) that usefulness is measured on.
    #[prost(message, required, tag = "9")]
    pub holdout: BlobHash,
    /// Size of that blob in bytes.
    #[prost(uint64, tag = "10")]
    pub holdout_size: u64,
    /// Smallest bond of a contribution, in base units.
    #[prost(uint64, tag = "11")]
    pub min_bond: Amount,
    /// Base units that a model that was trained on it takes at least for a thousand tokens of text, beside `price` for the answer.
    #[prost(uint64, tag = "12")]
    #[serde(default)]
    pub token_price: Amount,
    /// Base units that a node takes at least for each step of a training on it that is bought, beside `price` for the whole.
    #[prost(uint64, tag = "13")]
    #[serde(default)]
    pub step_price: Amount,
}

/// Ends a datanet to which nothing was given that stayed: its record goes, its name is free for others, and its deposit comes back to who
/// opened it, less what its id costs for good, which is not given again.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CloseDatanet {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub datanet: DatanetId,
}

/// Announces a datanet's next held-out set: contributions that are given after the chain's delay are judged with it. Said again before, the new
/// announcement takes the place of the old one, and the delay begins anew.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RotateHoldout {
    /// Which datanet.
    #[prost(message, required, tag = "1")]
    pub datanet: DatanetId,
    /// Blob of the next held-out set (JSONL in the datanet's schema).
    #[prost(message, required, tag = "2")]
    pub holdout: BlobHash,
    /// Size of that blob in bytes.
    #[prost(uint64, tag = "3")]
    pub holdout_size: u64,
}

/// Gives a batch of records to a datanet. Its id is [`ContributionId::derive`].
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Contribute {
    /// To which datanet.
    #[prost(message, required, tag = "1")]
    pub datanet: DatanetId,
    /// BLAKE3 of the bytes.
    #[prost(message, required, tag = "2")]
    pub blob: BlobHash,
    /// Bytes.
    #[prost(uint64, tag = "3")]
    pub size: u64,
    /// How the bytes are written.
    #[prost(enumeration = "Format", tag = "4")]
    pub format: i32,
    /// Records in the batch.
    #[prost(uint64, tag = "5")]
    pub records: u64,
    /// The Merkle root over the records' canonical forms, keyed by the signer's account ([`crate::record::record_root`]).
    #[prost(message, required, tag = "6")]
    pub record_root: Digest,
    /// Base units locked until the verdict; a refused batch loses part of it.
    #[prost(uint64, tag = "7")]
    pub bond: Amount,
    /// The node that holds the bytes first.
    #[prost(message, required, tag = "8")]
    pub origin: NodeKey,
    /// How often this account has given these bytes to this datanet before: 0 the first time. One more is taken once the
    /// one before was refused or revoked.
    #[prost(uint32, tag = "9")]
    pub attempt: u32,
}

impl Contribute {
    /// The id of what `contributor` gives with it, or gave with an earlier `attempt` at the same bytes.
    pub fn id(&self, chain_id: &str, contributor: &Address, attempt: u32) -> ContributionId {
        ContributionId::derive(chain_id, &self.datanet, contributor, &self.blob, attempt)
    }
}

/// A storage node's word that it holds and has verified a contribution's bytes. Signed by the node's account.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AttestStorage {
    /// What it holds.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// Which node.
    #[prost(message, required, tag = "2")]
    pub node: NodeKey,
}

/// A committee member's hidden judgement.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CommitScores {
    /// What is judged.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// [`crate::scores::Commitment::digest`].
    #[prost(message, required, tag = "2")]
    pub commitment: Digest,
}

/// The judgement behind a commitment.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RevealScores {
    /// What is judged.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// The scores; none says that the bytes were not to be had.
    #[prost(message, optional, tag = "2")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// Blob of the report: the reasons, record by record.
    #[prost(message, required, tag = "3")]
    pub report: BlobHash,
    /// The salt of the commitment.
    #[prost(message, required, tag = "4")]
    pub salt: Digest,
}

/// Doubts a contribution's verdict: for a deposit, a second committee judges it anew, larger and of others.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ChallengeVerdict {
    /// What was judged.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
}

/// Puts a model on the ledger, so that its owner is paid when it answers.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RegisterModel {
    /// Hash of the release's manifest ([`crate::release::Release::manifest`]); of a base model, the hash over its files. With
    /// the owner it makes the model's id.
    #[prost(message, required, tag = "1")]
    pub manifest: Digest,
    /// A name for people, 1 to 64 bytes.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The registered models it was made from, up to 16.
    #[prost(message, repeated, tag = "3")]
    pub parents: Vec<ModelId>,
    /// The datanets it was trained on, up to 16.
    #[prost(message, repeated, tag = "4")]
    pub datanets: Vec<DatanetId>,
    /// SPDX expression, 1 to 64 bytes.
    #[prost(string, tag = "5")]
    pub licence: String,
    /// What of those datanets it was trained on, one for each at most: places in the datanets' histories.
    #[prost(message, repeated, tag = "6")]
    pub snapshots: Vec<DataSnapshot>,
    /// How it was measured, up to 64 numbers.
    #[prost(message, repeated, tag = "7")]
    pub evaluation: Vec<Metric>,
    /// Whether `manifest` is the hash of a release manifest, a blob that names all of the model's files, so that any node can
    /// fetch and serve it. Base models have none.
    #[prost(bool, tag = "8")]
    pub release: bool,
}

impl RegisterModel {
    /// The id of the model that `owner` registers with this.
    pub fn id(&self, owner: &Address) -> ModelId {
        ModelId::derive(owner, &self.manifest)
    }
}

/// The contributor takes a contribution back: it is never served, trained on or paid again, nodes drop its bytes, and the
/// models trained on it are flagged. What it has earned stays.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Revoke {
    /// Which; accepted or final.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// The Merkle root over its records, which is not on the ledger before ([`crate::record::record_root`]). Where the
    /// contribution was final it stays there, so that judges know the records if somebody else gives them. Who has lost
    /// the bytes leaves it out: then nobody else is kept from giving them.
    #[prost(message, optional, tag = "2")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Digest>,
}
