//! What a transaction can do. The field numbers are the contract with every client.

mod chain;
mod keys;
mod kind;

use crate::closing::ClosingStatement;
use crate::epoch::EpochTotals;
use crate::receipt::ReceiptHead;
use crate::record::Format;
use crate::release::{DataSnapshot, Metric};
use crate::schema::Schema;
use crate::settled_receipt::SettledReceipt;
use crate::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use crate::sum_tree::SumProof;
use crate::voucher::SignedVoucher;
use crate::{
    Address, Amount, BlobHash, ChannelId, ContributionId, DatanetId, Digest, ModelId, NodeKey, PublicKey, Scores,
    Signature,
};

pub use chain::{CancelParams, CancelSpend, MAX_PARAM_CHANGES, ResetComponent, SetParams, SpendTreasury};
pub use keys::{
    CancelRecovery, Counterparty, GrantKey, MAX_COUNTERPARTIES, MAX_OWNERS, Party, RecoverKeys, Recovery, RevokeKey,
    SetKeys,
};
pub use kind::{ActionKind, ActionSet};

/// Bits of [`RegisterNode::roles`].
pub mod role {
    /// Judges contributions.
    pub const VALIDATOR: u32 = 1;
    /// Keeps blobs and attests that it does.
    pub const STORAGE: u32 = 2;
    /// Answers questions for pay.
    pub const SERVING: u32 = 4;
    /// All roles there are.
    pub const ALL: u32 = VALIDATOR | STORAGE | SERVING;
}

/// Moves money between accounts.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Transfer {
    /// Who receives.
    #[prost(message, required, tag = "1")]
    pub to: Address,
    /// Base units, more than zero.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// Ties a node key to the signing account, with roles and a stake. Sent again, it replaces the record; the stake is then
/// raised or lowered to the new amount.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RegisterNode {
    /// The node's key.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// The node key's signature over [`RegisterNode::sign_bytes`]: nobody can register another's node.
    #[prost(message, required, tag = "2")]
    pub proof: Signature,
    /// Sum of [`role`] bits.
    #[prost(uint32, tag = "3")]
    pub roles: u32,
    /// Base units locked as stake: the node's weight as a validator.
    #[prost(uint64, tag = "4")]
    pub stake: Amount,
    /// A name for people, 1 to 64 bytes.
    #[prost(string, tag = "5")]
    pub name: String,
}

impl RegisterNode {
    /// What the node key signs: that `account` may speak for it on `chain_id`.
    pub fn sign_bytes(chain_id: &str, account: &Address, node: &NodeKey) -> [u8; 32] {
        crate::key::sign_bytes("datanet/node-proof/v1", &[chain_id.as_bytes(), &account.0, &node.0])
    }
}

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

/// Locks a deposit from which a serving node is paid by vouchers. Its id is the hash of the transaction body.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct OpenChannel {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Base units, more than zero.
    #[prost(uint64, tag = "2")]
    pub deposit: Amount,
    /// Block time from which the payer may close the channel and take back what was not charged, in seconds since 1970.
    #[prost(uint64, tag = "3")]
    pub expires_at: u64,
    /// The key that signs its vouchers; the transaction's, if that has only one.
    #[prost(message, optional, tag = "4")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_key: Option<PublicKey>,
}

/// The payer adds to a channel's deposit, or makes it last longer, or both. It never gets smaller or shorter.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct TopUpChannel {
    /// Which channel.
    #[prost(message, required, tag = "1")]
    pub channel: ChannelId,
    /// Base units more; may be 0 where only the expiry changes.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
    /// The new expiry in seconds since 1970, not below the present one; 0 leaves that as it is.
    #[prost(uint64, tag = "3")]
    pub expires_at: u64,
}

/// The payer takes back what is left in a channel: at once where it has expired or the serving node says that nothing is owed; else once
/// the node has had time to settle.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CloseChannel {
    /// Which channel.
    #[prost(message, required, tag = "1")]
    pub channel: ChannelId,
    /// The serving node's word, for closing before the expiry and at once.
    #[prost(message, optional, tag = "2")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<ClosingStatement>,
}

/// A serving node settles all its answers since the last time: one transaction, however many answers.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SettleEpoch {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Counts from 1 for each node.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Root of the sum tree over [`crate::epoch::EpochLeaf`]s: what each account earned in this epoch. Its sum is
    /// [`EpochTotals::claimable`]; zeros where that is 0.
    #[prost(message, required, tag = "3")]
    pub root: Digest,
    /// Where the money goes.
    #[prost(message, required, tag = "4")]
    pub totals: EpochTotals,
    /// The latest voucher of each channel that paid, ordered by channel, up to 256.
    #[prost(message, repeated, tag = "5")]
    pub vouchers: Vec<SignedVoucher>,
    /// Blob of the epoch's statement: the leaves under `root` and, for each, why. Whoever wants to claim reads it.
    #[prost(message, required, tag = "6")]
    pub statement: BlobHash,
    /// Leaves under `root`: accounts that earned something.
    #[prost(uint64, tag = "7")]
    pub accounts: u64,
    /// Root of the sum tree over [`SettledReceipt`]s, one for each answer. Its sum is [`EpochTotals::fees`].
    #[prost(message, required, tag = "8")]
    pub receipts: Digest,
    /// The version of the chain's parameters that all its answers were given under: [`crate::receipt::Receipt::params`].
    #[prost(uint64, tag = "9")]
    pub params: u64,
}

/// Doubts an epoch that is not final: a drawn committee repeats what it was made from. Whoever doubts pays for that if the epoch is
/// right, and has part of the node's bond if it is not.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ChallengeEpoch {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Answers that every auditor is to compute again, by their places among the epoch's receipts: in order, up to 8.
    #[prost(uint64, repeated, tag = "3")]
    pub suspects: Vec<u64>,
}

/// What an auditor found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Finding {
    /// The leaves follow from the receipts, and the receipts from the data.
    Correct = 0,
    /// They do not.
    False = 1,
    /// Statement or receipts cannot be had, so nobody can tell.
    Unavailable = 2,
}

impl Finding {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::False => "false",
            Self::Unavailable => "unavailable",
        }
    }
}

crate::enum_text!(finding_text, super::Finding);

/// A member of an epoch's audit committee commits to what it found, so that nobody says what others said before.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CommitFinding {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Hash over the finding and a salt; see [`crate::finding::FindingCommitment`].
    #[prost(message, required, tag = "3")]
    pub commitment: Digest,
}

/// It reveals what it committed to.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RevealFinding {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// A [`Finding`].
    #[prost(enumeration = "Finding", tag = "3")]
    #[serde(with = "finding_text")]
    pub finding: i32,
    /// The salt of the commitment.
    #[prost(message, required, tag = "4")]
    pub salt: Digest,
}

/// Shows that a node settled another receipt than it gave for the same money: both signed by it, so nobody has to judge.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ProveForgery {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Of the receipt that it gave.
    #[prost(message, required, tag = "3")]
    pub given: ReceiptHead,
    /// The node's signature of that.
    #[prost(message, required, tag = "4")]
    pub signature: Signature,
    /// What it settled for the same money.
    #[prost(message, required, tag = "5")]
    pub settled: SettledReceipt,
    /// Proof of `settled` under the epoch's root of receipts.
    #[prost(message, required, tag = "6")]
    pub proof: SumProof,
}

/// Pays an account what it earned in epochs of serving nodes. Anyone may send it. What was claimed before is passed over.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Claim {
    /// Who is paid.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Ordered by node and epoch, one for each, up to 64.
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<ClaimItem>,
}

/// What an account earned in one epoch of one node.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ClaimItem {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Base units earned.
    #[prost(uint64, tag = "3")]
    pub amount: Amount,
    /// Proof of the leaf under the epoch's root.
    #[prost(message, required, tag = "4")]
    pub proof: SumProof,
}

/// Everything a transaction can do.
#[derive(Clone, PartialEq, Eq, prost::Oneof, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// See [`Transfer`].
    #[prost(message, tag = "10")]
    Transfer(Transfer),
    /// See [`RegisterNode`].
    #[prost(message, tag = "11")]
    RegisterNode(RegisterNode),
    /// See [`CreateDatanet`].
    #[prost(message, tag = "12")]
    CreateDatanet(CreateDatanet),
    /// See [`Contribute`].
    #[prost(message, tag = "13")]
    Contribute(Contribute),
    /// See [`AttestStorage`].
    #[prost(message, tag = "14")]
    AttestStorage(AttestStorage),
    /// See [`CommitScores`].
    #[prost(message, tag = "15")]
    CommitScores(CommitScores),
    /// See [`RevealScores`].
    #[prost(message, tag = "16")]
    RevealScores(RevealScores),
    /// See [`RegisterModel`].
    #[prost(message, tag = "17")]
    RegisterModel(RegisterModel),
    /// See [`OpenChannel`].
    #[prost(message, tag = "18")]
    OpenChannel(OpenChannel),
    /// See [`CloseChannel`].
    #[prost(message, tag = "19")]
    CloseChannel(CloseChannel),
    /// See [`SettleEpoch`].
    #[prost(message, tag = "20")]
    SettleEpoch(SettleEpoch),
    /// See [`Claim`].
    #[prost(message, tag = "21")]
    Claim(Claim),
    /// See [`Revoke`].
    #[prost(message, tag = "22")]
    Revoke(Revoke),
    /// See [`ChallengeEpoch`].
    #[prost(message, tag = "23")]
    ChallengeEpoch(ChallengeEpoch),
    /// See [`CommitFinding`].
    #[prost(message, tag = "24")]
    CommitFinding(CommitFinding),
    /// See [`ProveForgery`].
    #[prost(message, tag = "25")]
    ProveForgery(ProveForgery),
    /// See [`RevealFinding`].
    #[prost(message, tag = "28")]
    RevealFinding(RevealFinding),
    /// See [`ChallengeVerdict`].
    #[prost(message, tag = "29")]
    ChallengeVerdict(ChallengeVerdict),
    /// See [`CreateValidator`].
    #[prost(message, tag = "40")]
    CreateValidator(CreateValidator),
    /// See [`Delegate`].
    #[prost(message, tag = "41")]
    Delegate(Delegate),
    /// See [`Undelegate`].
    #[prost(message, tag = "42")]
    Undelegate(Undelegate),
    /// See [`Redelegate`].
    #[prost(message, tag = "43")]
    Redelegate(Redelegate),
    /// See [`WithdrawRewards`].
    #[prost(message, tag = "44")]
    WithdrawRewards(WithdrawRewards),
    /// See [`Unjail`].
    #[prost(message, tag = "45")]
    Unjail(Unjail),
    /// See [`TopUpChannel`].
    #[prost(message, tag = "30")]
    TopUpChannel(TopUpChannel),
    /// See [`CloseDatanet`].
    #[prost(message, tag = "32")]
    CloseDatanet(CloseDatanet),
    /// See [`RotateHoldout`].
    #[prost(message, tag = "33")]
    RotateHoldout(RotateHoldout),
    /// See [`SetKeys`].
    #[prost(message, tag = "50")]
    SetKeys(SetKeys),
    /// See [`RecoverKeys`].
    #[prost(message, tag = "51")]
    RecoverKeys(RecoverKeys),
    /// See [`CancelRecovery`].
    #[prost(message, tag = "52")]
    CancelRecovery(CancelRecovery),
    /// See [`GrantKey`].
    #[prost(message, tag = "53")]
    GrantKey(GrantKey),
    /// See [`RevokeKey`].
    #[prost(message, tag = "54")]
    RevokeKey(RevokeKey),
    /// See [`SpendTreasury`].
    #[prost(message, tag = "60")]
    SpendTreasury(SpendTreasury),
    /// See [`CancelSpend`].
    #[prost(message, tag = "61")]
    CancelSpend(CancelSpend),
    /// See [`SetParams`].
    #[prost(message, tag = "62")]
    SetParams(SetParams),
    /// See [`CancelParams`].
    #[prost(message, tag = "63")]
    CancelParams(CancelParams),
    /// See [`ResetComponent`].
    #[prost(message, tag = "64")]
    ResetComponent(ResetComponent),
}

impl Action {
    /// The action's name, as in JSON and in events.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }
}
