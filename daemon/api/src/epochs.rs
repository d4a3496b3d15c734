//! Epochs: settled, audited, final.

use std::fmt;
use std::str::FromStr;

use datanet_types::epoch::EpochTotals;
use datanet_types::{Address, Amount, BlobHash, Digest, NodeKey, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An epoch settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettledEpoch {
    /// Its number on this node.
    pub epoch: u64,
    /// Root of the tree of what accounts earned in this epoch.
    #[schema(value_type = String)]
    pub root: Digest,
    /// Who got how much, summed.
    #[schema(value_type = Object)]
    pub totals: EpochTotals,
    /// The blob that says who earned what and why.
    #[schema(value_type = String)]
    pub statement: BlobHash,
    /// The transaction.
    #[schema(value_type = Option<String>)]
    pub tx: Option<TxHash>,
}

/// An epoch's id: its node's key and its number, with a dash between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochId {
    /// The serving node.
    pub node: NodeKey,
    /// Its number, from 1.
    pub epoch: u64,
}

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.epoch)
    }
}

impl FromStr for EpochId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no epoch; write its node's key, a dash and its number");
        let (node, epoch) = text.rsplit_once('-').ok_or_else(bad)?;
        let id = Self { node: node.parse().map_err(|_| bad())?, epoch: epoch.parse().map_err(|_| bad())? };
        // One epoch has one name.
        if id.to_string() == text { Ok(id) } else { Err(bad()) }
    }
}

/// An epoch on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochView {
    /// Its id: the node's key, a dash, and the number.
    pub id: String,
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its number on that node, from 1.
    pub epoch: u64,
    /// `open` (it can be challenged), `audited` (it is challenged), `final` (it is paid) or `void` (who paid has the money back).
    pub status: String,
    /// Block time from which it is final, in seconds since 1970, if nobody challenges it and enough keep its statement.
    pub final_at: u64,
    /// Words of storage nodes of other accounts that they keep its statement, which it takes before it is paid; 0 where there were none.
    pub quorum: u32,
    /// Such words so far.
    pub attestations: u32,
    /// Whose they are.
    #[schema(value_type = Vec<String>)]
    pub keepers: Vec<NodeKey>,
    /// Block time up to which they are heard, in seconds since 1970; 0 where it takes none. Without them it is void then.
    pub attest_by: u64,
    /// What it waits for, in words; none once it is over.
    pub waits_for: Option<String>,
    /// Whether it is void because too few kept its statement in time.
    pub unkept: bool,
    /// The epoch whose debts its statement begins with; absent if it begins with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carries: Option<u64>,
    /// How often it was challenged.
    pub challenges: u32,
    /// What challenging it now would cost, in base units; none if it can't be.
    pub challenge: Option<Amount>,
    /// Height at which it was settled.
    pub height: u64,
    /// Where its money goes.
    #[schema(value_type = Object)]
    pub totals: EpochTotals,
    /// Accounts that earn.
    pub accounts: u64,
    /// Root over what they earn.
    #[schema(value_type = String)]
    pub root: Digest,
    /// Root over the receipts of its answers.
    #[schema(value_type = String)]
    pub receipts: Digest,
    /// The blob with both trees' leaves.
    #[schema(value_type = String)]
    pub statement: BlobHash,
    /// Its audit, if it was challenged.
    pub audit: Option<AuditView>,
}

/// The audit of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Who doubted it.
    #[schema(value_type = String)]
    pub challenger: Address,
    /// Base units that the challenger put up.
    pub deposit: Amount,
    /// `draw`, `commit`, `reveal`, `upheld`, `false`, `unavailable`, `missing` (its very statement was nowhere) or `undecided`.
    pub phase: String,
    /// Number of the committee, from 0.
    pub round: u32,
    /// Block time up to which the committee commits to what it found, in seconds since 1970; 0 before it is drawn.
    pub commit_deadline: u64,
    /// Block time up to which it shows that; 0 as long as commitments are awaited.
    pub reveal_deadline: u64,
    /// Who audits.
    pub committee: Vec<AuditorView>,
}

/// A member of an audit's committee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditorView {
    /// Who audits.
    #[schema(value_type = String)]
    pub account: Address,
    /// Its node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its seats, each with one vote.
    pub seats: u32,
    /// Whether it has committed to what it found, which nobody sees before all have.
    pub committed: bool,
    /// `nothing` yet, `correct`, `false`, `unavailable` or `missing`.
    pub said: String,
    /// Base units that it was paid.
    pub reward: Amount,
}

/// Epochs, those first that are final first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Epochs {
    /// See [`EpochView`].
    pub epochs: Vec<EpochView>,
}

/// What came of making an epoch again from its receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochCheck {
    /// `correct`, `false`, `unavailable` (its receipts) or `missing` (its statement).
    pub finding: String,
    /// Why, in words.
    pub reason: String,
    /// Receipts that it was made from.
    pub receipts: u64,
    /// Of them, answers that were computed again here.
    pub recomputed: u64,
    /// Places among the receipts, from 0, of what is wrong.
    pub suspects: Vec<u64>,
}

/// A challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// The name of an account whose key is on the node; the node's own if not given.
    pub account: Option<String>,
    /// Places among the epoch's receipts, in order, up to 8: answers that every auditor is to compute again.
    #[serde(default)]
    pub suspects: Vec<u64>,
}

/// Whose name it is done in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InTheNameOf {
    /// The name of an account whose key is on the node; the node's own if not given.
    pub account: Option<String>,
}

/// An epoch challenged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Challenged {
    /// Base units put up: they come back, with a reward, if the epoch is false.
    pub deposit: Amount,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// A receipt that was settled as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvenForgery {
    /// The epoch, which is void now.
    pub epoch: String,
    /// The receipt that was settled for the same money.
    pub settled: String,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_named_by_its_node_and_its_number() {
        let id = EpochId { node: NodeKey([7; 32]), epoch: 12 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "12",
            "-12",
            &id.node.to_string(),
            &format!("{}-", id.node),
            &format!("{}-x", id.node),
            &format!("{}-012", id.node),
            &format!("{}-+12", id.node),
        ] {
            assert!(bad.parse::<EpochId>().unwrap_err().contains("a dash"), "{bad}");
        }
    }
}
