//! Who speaks for an account: owners, a guardian for the day when their keys are lost, and sub-keys with limits.

use super::Action;
use super::kind::names;
use crate::{Address, Amount, ConsensusAddress, DatanetId, NodeKey, PublicKey};

/// Most owners of an account.
pub const MAX_OWNERS: usize = 16;
/// Most counterparties that a sub-key is limited to.
pub const MAX_COUNTERPARTIES: usize = 16;

/// Replaces the keys that own the signing account, at once. All its sub-keys end with it, and a recovery under way.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SetKeys {
    /// The owners, in ascending order, 1 to [`MAX_OWNERS`].
    #[prost(message, repeated, tag = "1")]
    pub owners: Vec<PublicKey>,
    /// How many of them sign a transaction: exactly so many, 1 or more.
    #[prost(uint32, tag = "2")]
    pub threshold: u32,
    /// Who can replace them when they are lost; nobody if there is none.
    #[prost(message, optional, tag = "3")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// Who can replace an account's owners, and how long these have to object.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Recovery {
    /// Another account, with owners of its own.
    #[prost(message, required, tag = "1")]
    pub guardian: Address,
    /// Seconds of block time between its word and the change.
    #[prost(uint64, tag = "2")]
    pub seconds: u64,
}

/// An account's guardian names its next owners. They own it after the delay that the account chose, unless its present
/// owners cancel that before. Said again, it begins anew.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RecoverKeys {
    /// Whose owners are replaced.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// As [`SetKeys::owners`].
    #[prost(message, repeated, tag = "2")]
    pub owners: Vec<PublicKey>,
    /// As [`SetKeys::threshold`].
    #[prost(uint32, tag = "3")]
    pub threshold: u32,
}

/// The owners of the signing account are still there: what its guardian began is off.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CancelRecovery {}

/// Lets a key speak for the signing account within limits: what a program needs that spends somebody's money. Granted again, it
/// has the new limits, and has spent nothing.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct GrantKey {
    /// The sub-key. It signs alone, whatever the account's threshold.
    #[prost(message, required, tag = "1")]
    pub key: PublicKey,
    /// What it may do: the bits of an [`super::ActionSet`]. Nothing about keys.
    #[prost(uint64, tag = "2")]
    #[serde(with = "names")]
    pub actions: u64,
    /// With whom it may do that, in ascending order, up to [`MAX_COUNTERPARTIES`]; with anybody if there is none. What has no
    /// counterparty ([`Action::counterparty`]) is not limited by it.
    #[prost(message, repeated, tag = "3")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterparties: Vec<Counterparty>,
    /// Base units by which it may make the account poorer in one period, fees included; more than zero.
    #[prost(uint64, tag = "4")]
    pub budget: Amount,
    /// Seconds of a period. The first begins with the block of the grant; what is left of one is not carried into the next.
    #[prost(uint64, tag = "5")]
    pub period_seconds: u64,
    /// Block time, in seconds since 1970, from which on it is good for nothing.
    #[prost(uint64, tag = "6")]
    pub expires: u64,
}

/// Ends a sub-key of the signing account, at once: what it has signed and is in no block yet is refused.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RevokeKey {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub key: PublicKey,
}

/// Whom an action is with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Counterparty {
    /// Account, node, datanet or validator; a counterparty without is none.
    #[prost(oneof = "Party", tags = "1, 2, 3, 4")]
    pub party: Option<Party>,
}

/// An account, a node, a datanet or a validator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Oneof, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Who is paid.
    #[prost(message, tag = "1")]
    Account(Address),
    /// Whom a channel pays, or whose epoch it is.
    #[prost(message, tag = "2")]
    Node(NodeKey),
    /// To which something is given, or which is changed or ended.
    #[prost(message, tag = "3")]
    Datanet(DatanetId),
    /// On which is staked.
    #[prost(message, tag = "4")]
    Validator(ConsensusAddress),
}

impl From<Party> for Counterparty {
    fn from(party: Party) -> Self {
        Self { party: Some(party) }
    }
}

impl Action {
    /// Whom it is with: who is paid or given something by it. None where that is the account itself or nobody.
    pub fn counterparty(&self) -> Option<Party> {
        match self {
            Self::Transfer(action) => Some(Party::Account(action.to)),
            Self::Claim(action) => Some(Party::Account(action.account)),
            Self::RecoverKeys(action) => Some(Party::Account(action.account)),
            Self::SpendTreasury(action) => Some(Party::Account(action.to)),
            Self::RegisterNode(action) => Some(Party::Node(action.node)),
            Self::AttestStorage(action) => Some(Party::Node(action.node)),
            Self::AttestStatement(action) => Some(Party::Node(action.serving)),
            Self::OpenChannel(action) => Some(Party::Node(action.node)),
            Self::SettleEpoch(action) => Some(Party::Node(action.node)),
            Self::ChallengeEpoch(action) => Some(Party::Node(action.node)),
            Self::CommitFinding(action) => Some(Party::Node(action.node)),
            Self::RevealFinding(action) => Some(Party::Node(action.node)),
            Self::ProveForgery(action) => Some(Party::Node(action.node)),
            Self::Contribute(action) => Some(Party::Datanet(action.datanet)),
            Self::CloseDatanet(action) => Some(Party::Datanet(action.datanet)),
            Self::RotateHoldout(action) => Some(Party::Datanet(action.datanet)),
            Self::Delegate(action) => Some(Party::Validator(action.validator)),
            Self::Undelegate(action) => Some(Party::Validator(action.validator)),
            Self::Redelegate(action) => Some(Party::Validator(action.to)),
            Self::Unjail(action) => Some(Party::Validator(action.validator)),
            Self::TransferShares(action) => Some(Party::Account(action.to)),
            Self::PayIncome(action) => action.asset.and_then(|asset| asset.party()),
            Self::BuyShares(action) => action.asset.and_then(|asset| asset.party()),
            Self::RateSeller(action) => Some(Party::Node(action.node)),
            Self::CreateDatanet(_)
            | Self::CommitScores(_)
            | Self::RevealScores(_)
            | Self::RegisterModel(_)
            | Self::CloseChannel(_)
            | Self::TopUpChannel(_)
            | Self::Revoke(_)
            | Self::ChallengeVerdict(_)
            | Self::CreateValidator(_)
            | Self::WithdrawRewards(_)
            | Self::SetKeys(_)
            | Self::CancelRecovery(_)
            | Self::GrantKey(_)
            | Self::RevokeKey(_)
            | Self::CancelSpend(_)
            | Self::SetParams(_)
            | Self::CancelParams(_)
            | Self::ResetComponent(_)
            | Self::SubmitProposal(_)
            | Self::VoteProposal(_)
            | Self::RetireAuthority(_)
            | Self::IssueShares(_)
            | Self::WithdrawIncome(_)
            | Self::ClaimIncome(_)
            | Self::CreatePool(_)
            | Self::AddLiquidity(_)
            | Self::RemoveLiquidity(_)
            | Self::SellShares(_)
            | Self::RegisterAgent(_)
            | Self::UpdateAgent(_)
            | Self::RetireAgent(_) => None,
        }
    }
}
