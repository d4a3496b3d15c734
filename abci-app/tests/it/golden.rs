//! A scripted chain through every action. Its app hashes and keys are frozen: a change of either is a change of the
//! protocol, and must be made on purpose (`INSTA_UPDATE=always` writes the new ones).

use std::fmt::Write;

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::component::{accounts, validation};
use datanet_ledger::state::StateRead;
use datanet_types::action::*;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::merkle::leaf_hash;
use datanet_types::record::record_root;
use datanet_types::release::{DataSnapshot, Metric};
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{
    Action, BlobHash, ChannelId, ContributionId, DatanetId, Digest, ModelId, NodeKey, Scores, SignedPpm, SignedTx,
};

use crate::support::{BALANCE, CHAIN, address, body, key, signed};

const CREATOR: u8 = 1;
const VALIDATORS: [u8; 3] = [2, 3, 4];
const CONTRIBUTOR: u8 = 5;
const COPYIST: u8 = 6;
const PAYER: u8 = 7;
const PRICE: u64 = 10_000;

struct Script {
    ledger: LedgerHandle,
    _dir: tempfile::TempDir,
    nonce: u64,
    log: String,
}

impl Script {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        let accounts: Vec<_> =
            (1..10).map(|seed| serde_json::json!({ "address": address(seed), "balance": BALANCE })).collect();
        let genesis = serde_json::json!({ "params": { "channel_min_seconds": 3, "challenge_seconds": 2, "draw_delay": 2, "statement_quorum": 1 }, "accounts": accounts });
        let app_state = serde_json::to_vec(&genesis).unwrap();
        let hash = ledger
            .init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state })
            .unwrap()
            .app_hash;
        Self { ledger, _dir: dir, nonce: 0, log: format!("genesis {}\n", hex::encode(hash)) }
    }

    fn sign(&mut self, seed: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed(seed, &body(action, 100, self.nonce))
    }

    /// Time of the last block.
    fn now(&self) -> u64 {
        self.ledger.info().time_seconds as u64
    }

    /// One block with these actions; all must succeed.
    fn block(&mut self, actions: Vec<(u8, Action)>) -> u64 {
        let txs: Vec<Bytes> = actions.into_iter().map(|(seed, action)| self.sign(seed, action)).collect();
        self.raw_block(&txs)
    }

    fn raw_block(&mut self, txs: &[Bytes]) -> u64 {
        let height = self.ledger.info().height + 1;
        let block = Block::alone(height, 1_700_000_000 + height as i64, [height as u8; 32], txs);
        let finalized = self.ledger.finalize_block(&block).unwrap();
        for outcome in &finalized.outcomes {
            assert!(outcome.is_ok(), "height {height}: {} {}", outcome.code, outcome.log);
        }
        self.ledger.commit().unwrap();
        let kinds: Vec<&str> = finalized
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.events)
            .chain(&finalized.events)
            .map(|event| event.kind.as_str())
            .collect();
        writeln!(self.log, "{height} {} {}", hex::encode(finalized.app_hash), kinds.join(" ")).unwrap();
        assert_eq!(accounts::count_supply(&self.ledger.reader()).unwrap(), u128::from(BALANCE) * 9);
        height
    }
}

fn node(validator: u8) -> NodeKey {
    key(validator + 100).node_key()
}

fn register(account: u8) -> Action {
    let key = key(account + 100);
    let proof = key.sign(&RegisterNode::sign_bytes(CHAIN, &address(account), &key.node_key()));
    let name = format!("node-{account}");
    Action::RegisterNode(RegisterNode { node: key.node_key(), proof, roles: role::ALL, stake: 200_000_000, name })
}

fn datanet() -> DatanetId {
    DatanetId::derive(CHAIN, &address(CREATOR), "crates")
}

fn create_datanet() -> Action {
    Action::CreateDatanet(CreateDatanet {
        name: "crates".into(),
        description: "Passages of crate documentation".into(),
        schema: Schema::text_and_label(&["network", "parsing"]),
        licence: "CC-BY-4.0".into(),
        price: PRICE,
        accept_threshold: 5_000,
        committee_size: 3,
        storage_quorum: 2,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: 1_000_000,
        token_price: 0,
        step_price: 0,
    })
}

fn blob(of: u8) -> BlobHash {
    BlobHash([of; 32])
}

fn contribution(of: u8) -> ContributionId {
    ContributionId::derive(CHAIN, &datanet(), &address(of), &blob(of), 0)
}

fn contribute(of: u8) -> Action {
    Action::Contribute(Contribute {
        datanet: datanet(),
        blob: blob(of),
        size: 4_096,
        format: 0,
        records: 40,
        record_root: record_root(&address(of), &leaf_hash(&[of])),
        bond: 2_000_000,
        origin: node(2),
        attempt: 0,
    })
}

fn attest(of: u8, validator: u8) -> Action {
    Action::AttestStorage(AttestStorage { contribution: contribution(of), node: node(validator) })
}

/// The copyist's batch is full of duplicates; the validators differ a little.
fn scores(of: u8, validator: u8) -> Scores {
    let uniqueness = if of == COPYIST { 300 } else { 9_000 };
    Scores { validity: 10_000, quality: 7_000 + u32::from(validator) * 10, uniqueness, usefulness: 6_000 }
}

fn commit(of: u8, validator: u8) -> Action {
    let commitment = Commitment {
        chain_id: CHAIN,
        datanet: &datanet(),
        contribution: &contribution(of),
        blob: &blob(of),
        validator: &address(validator),
        scores: Some(&scores(of, validator)),
        report: &BlobHash([validator; 32]),
        salt: &Digest([validator; 32]),
    };
    Action::CommitScores(CommitScores { contribution: contribution(of), commitment: commitment.digest() })
}

fn reveal(of: u8, validator: u8) -> Action {
    Action::RevealScores(RevealScores {
        contribution: contribution(of),
        scores: Some(scores(of, validator)),
        report: BlobHash([validator; 32]),
        salt: Digest([validator; 32]),
    })
}

/// What everybody who was drawn does.
fn for_each_judgement(script: &Script, make: fn(u8, u8) -> Action) -> Vec<(u8, Action)> {
    let reader = script.ledger.reader();
    let round = |of| validation::round(&reader, &contribution(of), 0).unwrap().unwrap();
    let drawn = |of: u8| {
        let committee = round(of).committee;
        VALIDATORS.into_iter().filter(move |n| committee.iter().any(|member| member.account == address(*n)))
    };
    let batches = [CONTRIBUTOR, COPYIST].into_iter();
    batches.flat_map(|of| drawn(of).map(move |validator| (validator, make(of, validator)))).collect()
}

/// Two answers, all of whose contributor share goes to one contributor.
fn epoch() -> (EpochTotals, Vec<EpochLeaf>) {
    let split = FeeShares::STANDARD.split(2 * PRICE);
    let leaf = |seed, amount| EpochLeaf { account: address(seed).into(), amount };
    let mut leaves =
        vec![leaf(CONTRIBUTOR, split.contributors), leaf(CREATOR, split.owner), leaf(VALIDATORS[1], split.validators)];
    leaves.sort_by_key(|leaf| leaf.account);
    (EpochTotals { answers: 2, fees: 2 * PRICE, split, unearned: split.lineage + split.storage }, leaves)
}

fn tree() -> Vec<SumNode> {
    epoch().1.iter().map(|leaf| leaf.node(CHAIN, &node(2), 1)).collect()
}

/// The second of two epochs is like the first.
fn settle(channel: ChannelId, epoch: u64) -> Action {
    let (totals, leaves) = self::epoch();
    Action::SettleEpoch(SettleEpoch {
        node: node(2),
        epoch,
        root: root(&tree()).unwrap().digest,
        statement: BlobHash([77; 32]),
        totals,
        vouchers: vec![SignedVoucher::sign(CHAIN, channel, epoch * totals.fees, &key(PAYER))],
        accounts: leaves.len() as u64,
        receipts: Digest([78; 32]),
        params: 0,
        carries: None,
        taken: Vec::new(),
    })
}

fn claim((index, leaf): (usize, &EpochLeaf)) -> (u8, Action) {
    let proof = prove(&tree(), index).unwrap().unwrap();
    let item = ClaimItem { node: node(2), epoch: 1, amount: leaf.amount, proof };
    (9, Action::Claim(Claim { account: leaf.account.user().unwrap(), items: vec![item] }))
}

/// All but the last, so that keys of an epoch that is open are seen.
fn claims() -> Vec<(u8, Action)> {
    epoch().1.iter().enumerate().take(2).map(claim).collect()
}

/// An adapter of the model that was registered first, trained on what is final.
fn register_release() -> Action {
    Action::RegisterModel(RegisterModel {
        manifest: Digest([9; 32]),
        name: "topics".into(),
        parents: vec![ModelId::derive(&address(CREATOR), &Digest([8; 32]))],
        datanets: vec![datanet()],
        licence: "Apache-2.0".into(),
        snapshots: vec![DataSnapshot::start(datanet()).then(&contribution(CONTRIBUTOR), false)],
        evaluation: vec![Metric { name: "accuracy".into(), value: SignedPpm(611_000) }],
        release: true,
    })
}

fn run() -> Script {
    let mut script = Script::new();
    let mut first = vec![(CREATOR, Action::Transfer(Transfer { to: address(CONTRIBUTOR), amount: 5 }))];
    first.extend(VALIDATORS.map(|account| (account, register(account))));
    script.block(first);
    let model = RegisterModel {
        manifest: Digest([8; 32]),
        name: "minilm".into(),
        parents: vec![],
        datanets: vec![datanet()],
        licence: "Apache-2.0".into(),
        ..RegisterModel::default()
    };
    script.block(vec![(CREATOR, create_datanet()), (CREATOR, Action::RegisterModel(model))]);
    script.block(vec![(CONTRIBUTOR, contribute(CONTRIBUTOR)), (COPYIST, contribute(COPYIST))]);
    script.block([CONTRIBUTOR, COPYIST].into_iter().flat_map(|of| [2, 3].map(|n| (n, attest(of, n)))).collect());
    script.block(vec![]);
    script.block(vec![]);
    script.block(for_each_judgement(&script, commit));
    script.block(for_each_judgement(&script, reveal));
    let expires_at = script.now() + 4;
    let open = script.sign(
        PAYER,
        Action::OpenChannel(OpenChannel { node: node(2), deposit: 50_000, expires_at, voucher_key: None }),
    );
    let channel = SignedTx::verify(&open, CHAIN).unwrap().channel_id();
    script.raw_block(&[open]);
    script.block(vec![(2, settle(channel, 1))]);
    let kept = AttestStatement { node: node(3), serving: node(2), epoch: 1 };
    script.block(vec![(3, Action::AttestStatement(kept))]);
    script.block(vec![]);
    let mut later = claims();
    later.push((2, settle(channel, 2)));
    script.block(later);
    // Its committee is drawn and has not spoken.
    script.block(vec![(9, Action::ChallengeEpoch(ChallengeEpoch { node: node(2), epoch: 2, suspects: vec![1] }))]);
    let expires_at = script.now() + 900;
    script.block(vec![(PAYER, Action::TopUpChannel(TopUpChannel { channel, amount: 1_000, expires_at }))]);
    script.block(vec![(PAYER, Action::CloseChannel(CloseChannel { channel, statement: None }))]);
    script.block(vec![(COPYIST, register_release())]);
    let revoke = Revoke { contribution: contribution(CONTRIBUTOR), records: Some(leaf_hash(&[CONTRIBUTOR])) };
    script.block(vec![(CONTRIBUTOR, Action::Revoke(revoke))]);
    script.block(keys());
    script.block(vec![]);
    script
}

/// An account with a sub-key that pays, and one with two owners and a recovery under way.
fn keys() -> Vec<(u8, Action)> {
    let grant = |seed: u8| GrantKey {
        key: key(seed).public_key(),
        actions: ActionSet::from_iter([ActionKind::Transfer, ActionKind::OpenChannel]).0,
        counterparties: vec![Party::Account(address(1)).into(), Party::Node(node(2)).into()],
        budget: 50_000,
        period_seconds: 60,
        expires: 2_000_000_000,
    };
    let mut owners = vec![key(8).public_key(), key(80).public_key()];
    owners.sort_unstable();
    let recovery = Some(Recovery { guardian: address(PAYER), seconds: 60 });
    let next = RecoverKeys { account: address(8), owners: vec![key(81).public_key()], threshold: 1 };
    vec![
        (CREATOR, Action::GrantKey(grant(82))),
        (CREATOR, Action::GrantKey(grant(83))),
        (CREATOR, Action::RevokeKey(RevokeKey { key: key(83).public_key() })),
        (8, Action::SetKeys(SetKeys { owners, threshold: 1, recovery })),
        (PAYER, Action::RecoverKeys(next.clone())),
        (8, Action::CancelRecovery(CancelRecovery {})),
        (PAYER, Action::RecoverKeys(next)),
    ]
}

#[test]
fn a_scripted_chain_has_the_same_app_hashes_for_ever() {
    insta::assert_snapshot!(run().log);
}

#[test]
fn the_keys_of_a_scripted_chain_do_not_change() {
    let state = run().ledger.reader().scan("", None, usize::MAX).unwrap();
    let keys: Vec<String> = state.into_iter().map(|(key, value)| format!("{key} = {} bytes", value.len())).collect();
    insta::assert_snapshot!(keys.join("\n"));
}
