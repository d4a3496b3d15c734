//! What is done about paid answers: channels, epochs, audits and claims.

use crate::closing::ClosingStatement;
use crate::epoch::EpochTotals;
use crate::receipt::ReceiptHead;
use crate::settled_receipt::SettledReceipt;
use crate::sum_tree::SumProof;
use crate::voucher::SignedVoucher;
use crate::{Address, Amount, BlobHash, ChannelId, Digest, NodeKey, PublicKey, Signature};

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
    /// Index of the epoch's statement: a blob that names the pages with the leaves under `root`, why they are so, and the receipts. Whoever wants to
    /// claim reads it, and the page that he is on.
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
    /// The epoch of the node whose debts this one's statement begins with, 0 for none ([`crate::netting`]). Where the ledger finds another it is
    /// refused: one that fell void meanwhile leaves none. Absent, it is not compared, and auditors hold the statement against the ledger all the same.
    #[prost(uint64, optional, tag = "10")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carries: Option<u64>,
    /// Up to which amount each channel is charged, in the vouchers' order, where that is less than some voucher promises: what was paid ahead and
    /// not used stays in the channel. Absent, each is charged all that its voucher promises.
    #[prost(uint64, repeated, tag = "11")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Amount>,
}

impl SettleEpoch {
    /// The vouchers, each with the amount up to which its channel is charged.
    pub fn charges(&self) -> impl Iterator<Item = (&SignedVoucher, Amount)> {
        let taken = self.taken.iter().copied().map(Some).chain(std::iter::repeat(None));
        self.vouchers.iter().zip(taken).map(|(voucher, taken)| (voucher, taken.unwrap_or(voucher.cumulative)))
    }
}

/// A storage node's word that it keeps an epoch's statement, and that it gives the roots on the ledger. Signed by the node's account,
/// which is not the serving node's.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AttestStatement {
    /// The storage node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// The serving node.
    #[prost(message, required, tag = "2")]
    pub serving: NodeKey,
    /// Its epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
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
    /// Its receipts, or what they rest on, cannot be had, so nobody can tell.
    Unavailable = 2,
    /// Its very statement cannot be had: whoever attested it has lied, or lost it.
    Missing = 3,
}

impl Finding {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::False => "false",
            Self::Unavailable => "unavailable",
            Self::Missing => "missing",
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
