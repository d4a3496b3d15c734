//! What a transaction can do. The field numbers are the contract with every client.

mod agents;
mod chain;
mod data;
mod governance;
mod keys;
mod kind;
mod market;
mod serving;

use crate::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use crate::{Address, Amount, NodeKey, Signature};

pub use agents::{MAX_SUPPLIERS, RateSeller, RegisterAgent, RetireAgent, Supplier, UpdateAgent};
pub use chain::{CancelParams, CancelSpend, MAX_PARAM_CHANGES, ResetComponent, SetParams, SpendTreasury};
pub use data::{
    AttestStorage, ChallengeVerdict, CloseDatanet, CommitScores, Contribute, CreateDatanet, RegisterModel,
    RevealScores, Revoke, RotateHoldout,
};
pub use governance::{
    Binary, Choice, MAX_BINARIES, MAX_NUMBERS, MAX_PLATFORM, MAX_REASON, MAX_TITLE, NewNumber, NewNumbers, Payment,
    Proposed, Resolution, Restart, RetireAuthority, Retirement, SubmitProposal, Upgrade, VoteProposal,
};
pub use keys::{
    CancelRecovery, Counterparty, GrantKey, MAX_COUNTERPARTIES, MAX_OWNERS, Party, RecoverKeys, Recovery, RevokeKey,
    SetKeys,
};
pub use kind::{ActionKind, ActionSet};
pub use market::{
    AddLiquidity, BuyShares, ClaimIncome, CreatePool, IssueShares, PayIncome, RemoveLiquidity, SellShares,
    TransferShares, WithdrawIncome,
};
pub use serving::{
    AttestStatement, ChallengeEpoch, Claim, ClaimItem, CloseChannel, CommitFinding, Finding, OpenChannel, ProveForgery,
    RevealFinding, SettleEpoch, TopUpChannel,
};

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
    /// See [`AttestStatement`].
    #[prost(message, tag = "31")]
    AttestStatement(AttestStatement),
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
    /// See [`RegisterAgent`].
    #[prost(message, tag = "55")]
    RegisterAgent(RegisterAgent),
    /// See [`UpdateAgent`].
    #[prost(message, tag = "56")]
    UpdateAgent(UpdateAgent),
    /// See [`RetireAgent`].
    #[prost(message, tag = "57")]
    RetireAgent(RetireAgent),
    /// See [`RateSeller`].
    #[prost(message, tag = "58")]
    RateSeller(RateSeller),
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
    /// See [`SubmitProposal`].
    #[prost(message, tag = "70")]
    SubmitProposal(SubmitProposal),
    /// See [`VoteProposal`].
    #[prost(message, tag = "71")]
    VoteProposal(VoteProposal),
    /// See [`RetireAuthority`].
    #[prost(message, tag = "72")]
    RetireAuthority(RetireAuthority),
    /// See [`IssueShares`].
    #[prost(message, tag = "80")]
    IssueShares(IssueShares),
    /// See [`TransferShares`].
    #[prost(message, tag = "81")]
    TransferShares(TransferShares),
    /// See [`WithdrawIncome`].
    #[prost(message, tag = "82")]
    WithdrawIncome(WithdrawIncome),
    /// See [`ClaimIncome`].
    #[prost(message, tag = "83")]
    ClaimIncome(ClaimIncome),
    /// See [`PayIncome`].
    #[prost(message, tag = "84")]
    PayIncome(PayIncome),
    /// See [`CreatePool`].
    #[prost(message, tag = "85")]
    CreatePool(CreatePool),
    /// See [`AddLiquidity`].
    #[prost(message, tag = "86")]
    AddLiquidity(AddLiquidity),
    /// See [`RemoveLiquidity`].
    #[prost(message, tag = "87")]
    RemoveLiquidity(RemoveLiquidity),
    /// See [`BuyShares`].
    #[prost(message, tag = "88")]
    BuyShares(BuyShares),
    /// See [`SellShares`].
    #[prost(message, tag = "89")]
    SellShares(SellShares),
}

impl Action {
    /// The action's name, as in JSON and in events.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }
}
