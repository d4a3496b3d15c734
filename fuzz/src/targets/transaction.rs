//! A signed transaction, as anybody can broadcast it.

use datanet_ledger::component::check_stateless;
use datanet_types::action::{
    AddLiquidity, AttestStatement, AttestStorage, Binary, BuyShares, CancelParams, CancelRecovery, CancelSpend,
    ChallengeEpoch, ChallengeVerdict, Claim, ClaimIncome, ClaimItem, CloseChannel, CloseDatanet, CommitFinding,
    CommitScores, Contribute, CreateDatanet, CreatePool, GrantKey, IssueShares, NewNumber, NewNumbers, OpenChannel,
    Party, PayIncome, Payment, Proposed, ProveForgery, RateSeller, RecoverKeys, Recovery, RegisterAgent, RegisterModel,
    RegisterNode, RemoveLiquidity, ResetComponent, RetireAgent, RetireAuthority, RevealFinding, RevealScores, Revoke,
    RevokeKey, RotateHoldout, SellShares, SetKeys, SetParams, SettleEpoch, SpendTreasury, SubmitProposal, Supplier,
    TopUpChannel, Transfer, TransferShares, UpdateAgent, Upgrade, VoteProposal, WithdrawIncome,
};
use datanet_types::schema::Schema;
use datanet_types::{Action, Address, Asset, DatanetId, ModelId, SignedTx, SigningKey, TxBody};
use prost::Message as _;

use super::CHAIN;
use crate::Target;

pub(crate) const TRANSACTION: Target = Target { name: "transaction", seeds, run };

fn body(action: Action) -> TxBody {
    let account = key().address();
    TxBody {
        chain_id: CHAIN.into(),
        expiry: 100,
        fee: 1_000,
        nonce: 7,
        account,
        gas_limit: 250_000,
        tip: 3,
        action: Some(action),
    }
}

/// Signed ones, and bare bodies: what is signed again below.
fn seeds() -> Vec<Vec<u8>> {
    let schema = Schema::text_and_label(&["a", "b"]);
    let datanet = CreateDatanet { name: "birds".into(), licence: "CC0-1.0".into(), schema, ..Default::default() };
    let model = RegisterModel {
        name: "owls".into(),
        parents: vec![ModelId([1; 32])],
        datanets: vec![DatanetId([2; 32])],
        ..Default::default()
    };
    let asset = Some(Asset::Datanet(DatanetId([2; 32])));
    let actions = [
        Action::Transfer(Transfer { to: Address([2; 20]), amount: 5 }),
        Action::RegisterNode(RegisterNode { roles: 7, name: "node".into(), ..Default::default() }),
        Action::CreateDatanet(datanet),
        Action::CloseDatanet(CloseDatanet { datanet: DatanetId([2; 32]) }),
        Action::RotateHoldout(RotateHoldout { holdout_size: 9, ..Default::default() }),
        Action::Contribute(Contribute { size: 9, records: 2, bond: 7, ..Default::default() }),
        Action::AttestStorage(AttestStorage::default()),
        Action::AttestStatement(AttestStatement::default()),
        Action::CommitScores(CommitScores::default()),
        Action::RevealScores(RevealScores::default()),
        Action::RegisterModel(model),
        Action::OpenChannel(OpenChannel { deposit: 10, expires_at: 99, ..Default::default() }),
        Action::CloseChannel(CloseChannel::default()),
        Action::SettleEpoch(SettleEpoch { epoch: 1, vouchers: vec![Default::default()], ..Default::default() }),
        Action::Claim(Claim {
            items: vec![ClaimItem { epoch: 1, amount: 3, ..Default::default() }],
            ..Default::default()
        }),
        Action::Revoke(Revoke::default()),
        Action::ChallengeEpoch(ChallengeEpoch { epoch: 1, ..Default::default() }),
        Action::ChallengeVerdict(ChallengeVerdict::default()),
        Action::CommitFinding(CommitFinding { epoch: 1, ..Default::default() }),
        Action::RevealFinding(RevealFinding { epoch: 1, finding: 1, ..Default::default() }),
        Action::ProveForgery(ProveForgery { epoch: 1, ..Default::default() }),
        Action::TopUpChannel(TopUpChannel { amount: 1, ..Default::default() }),
        Action::CloseChannel(CloseChannel { statement: Some(Default::default()), ..Default::default() }),
        Action::SetKeys(SetKeys {
            owners: vec![key().public_key()],
            threshold: 1,
            recovery: Some(Recovery::default()),
        }),
        Action::RecoverKeys(RecoverKeys { owners: vec![key().public_key()], threshold: 1, ..Default::default() }),
        Action::CancelRecovery(CancelRecovery {}),
        Action::GrantKey(GrantKey {
            actions: 1,
            counterparties: vec![Party::Account(Address([2; 20])).into()],
            ..Default::default()
        }),
        Action::RevokeKey(RevokeKey::default()),
        Action::SpendTreasury(SpendTreasury::default()),
        Action::CancelSpend(CancelSpend { spend: 1 }),
        Action::SetParams(SetParams { changes: "{\"min_fee\": 2000}".to_owned() }),
        Action::CancelParams(CancelParams {}),
        Action::ResetComponent(ResetComponent { component: "channels".into() }),
        Action::SubmitProposal(proposal(Proposed::Params(NewNumbers {
            numbers: vec![NewNumber { name: "fee_shares.node".into(), value: 1_400 }],
        }))),
        Action::SubmitProposal(proposal(Proposed::Spend(Payment { to: Address([2; 20]), amount: 5 }))),
        Action::SubmitProposal(proposal(Proposed::Upgrade(Upgrade {
            version: 2,
            height: 9,
            binaries: vec![Binary { platform: "x86_64-linux".into(), ..Default::default() }],
        }))),
        Action::VoteProposal(VoteProposal { proposal: 1, choice: 1 }),
        Action::RetireAuthority(RetireAuthority {}),
        Action::IssueShares(IssueShares { asset, supply: 1_000 }),
        Action::TransferShares(TransferShares { asset, to: Address([2; 20]), shares: 5 }),
        Action::WithdrawIncome(WithdrawIncome { asset }),
        Action::ClaimIncome(ClaimIncome {
            asset,
            items: vec![ClaimItem { epoch: 1, amount: 3, ..Default::default() }],
        }),
        Action::PayIncome(PayIncome { asset, amount: 5 }),
        Action::CreatePool(CreatePool { asset, shares: 9_000, amount: 9_000 }),
        Action::AddLiquidity(AddLiquidity { asset, max_shares: 9, max_amount: 9, min_units: 1, deadline: 99 }),
        Action::RemoveLiquidity(RemoveLiquidity { asset, units: 9, min_shares: 1, min_amount: 1, deadline: 99 }),
        Action::BuyShares(BuyShares { asset, amount: 9, min_shares: 1, deadline: 99 }),
        Action::SellShares(SellShares { asset, shares: 9, min_amount: 1, deadline: 99 }),
        Action::RegisterAgent(RegisterAgent {
            name: "owl".into(),
            suppliers: vec![Supplier { asset, floor_bps: 500 }],
            budget: 9,
            period_seconds: 60,
            ..Default::default()
        }),
        Action::UpdateAgent(UpdateAgent { budget: 9, period_seconds: 60, end_keys: true, ..Default::default() }),
        Action::RetireAgent(RetireAgent::default()),
        Action::RateSeller(RateSeller { epoch: 1, score_bps: 9_000, ..Default::default() }),
    ];
    actions
        .into_iter()
        .flat_map(|action| [body(action.clone()).sign(&key()).to_bytes(), body(action).encode_to_vec()])
        .collect()
}

fn proposal(proposed: Proposed) -> SubmitProposal {
    SubmitProposal { title: "more".into(), reason: "because".into(), deposit: 7, proposed: Some(proposed) }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn run(input: &[u8]) {
    enter(input);
    // Behind the signature.
    let body = input.to_vec();
    enter(&SignedTx { body, signatures: Vec::new() }.signed_by(&key()).to_bytes());
}

fn enter(bytes: &[u8]) {
    let Ok(tx) = SignedTx::verify(bytes, CHAIN) else { return };
    // One transaction has one form: another one of the same content would have another hash.
    let again = SignedTx::decode(bytes).map(|tx| tx.to_bytes());
    assert_eq!(again.as_deref(), Ok(bytes), "two forms of one transaction");
    assert_eq!(tx.body.chain_id, CHAIN);
    let _ = check_stateless(&tx);
}
