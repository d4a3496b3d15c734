//! One chain on several machines: whatever becomes of each on the way, they agree on every app hash.

use std::io::Cursor;

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::component::params::versions;
use datanet_ledger::component::validation::{self, Phase};
use datanet_ledger::component::{accounts, channels, contributions, settlement};
use datanet_ledger::export::{export, import};
use datanet_types::action::*;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::record::record_root;
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::staking::{Delegate, Redelegate, Undelegate, WithdrawRewards};
use datanet_types::sum_tree::root;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, BlobHash, ContributionId, DatanetId, Digest, NodeKey, Scores, SignedTx};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use crate::support::{CHAIN, address, body, genesis_of_validators, key, signed, validator};

const BLOCKS: u64 = 60;
/// After this block one instance is left and another one made from its export.
const MIDDLE: u64 = 33;
const PEOPLE: u8 = 9;
/// Runs the serving node, and is the chain's authority.
const SERVER: u8 = 1;

/// One machine.
struct Instance {
    ledger: LedgerHandle,
    dir: TempDir,
}

impl Instance {
    fn new(genesis: &[u8]) -> Self {
        let instance = Self::open(tempfile::tempdir().unwrap());
        let init = InitChain { chain_id: CHAIN, initial_height: 1, app_state: genesis };
        instance.ledger.init_chain(&init).unwrap();
        instance
    }

    fn open(dir: TempDir) -> Self {
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        Self { ledger, dir }
    }

    /// The process dies here and starts again.
    fn restarted(self) -> Self {
        let Self { ledger, dir } = self;
        drop(ledger);
        Self::open(dir)
    }

    /// Another machine, made from this one's export.
    fn moved(self) -> Self {
        let file = self.exported();
        let dir = tempfile::tempdir().unwrap();
        let header = import(&dir.path().join("ledger.redb"), Cursor::new(&file)).unwrap();
        let moved = Self::open(dir);
        assert_eq!((header.height, header.app_hash), (self.ledger.info().height, self.ledger.info().app_hash));
        assert_eq!(moved.ledger.info(), self.ledger.info());
        assert!(moved.exported() == file, "the same bytes again");
        moved
    }

    fn exported(&self) -> Vec<u8> {
        let mut file = Vec::new();
        export(&self.ledger.reader(), &mut file).unwrap();
        file
    }

    fn run(&self, height: u64, txs: &[Bytes]) -> [u8; 32] {
        let block = Block::alone(height, 1_700_000_000 + 40 * height as i64, [height as u8; 32], txs);
        let finalized = self.ledger.finalize_block(&block).unwrap();
        self.ledger.commit().unwrap();
        finalized.app_hash
    }
}

/// What people do, at random, on what `ledger` holds.
struct Crowd {
    rng: TestRng,
    nonce: u64,
    batches: u8,
    given: Vec<(u8, ContributionId)>,
    /// How many of a kind worked.
    done: std::collections::BTreeMap<&'static str, u32>,
}

impl Crowd {
    fn any(&mut self, below: u64) -> u64 {
        self.rng.random::<u64>() % below
    }

    fn person(&mut self) -> u8 {
        1 + self.any(PEOPLE.into()) as u8
    }

    fn block(&mut self, ledger: &LedgerHandle) -> Vec<Bytes> {
        let height = ledger.info().height + 1;
        let mut actions = if height <= 2 { beginnings(height) } else { self.judgements(ledger) };
        for _ in 0..self.any(6) {
            let who = self.person();
            let action = self.action(who, ledger);
            // Whoever else announces or spends something is refused.
            let authority = matches!(action, Action::SetParams(_) | Action::SpendTreasury(_));
            actions.push((if height.is_multiple_of(2) && authority { SERVER } else { who }, action));
        }
        let sign = |(who, action)| {
            self.nonce += 1;
            signed(who, &body(action, height + 20, self.nonce))
        };
        actions.into_iter().map(sign).collect()
    }

    fn action(&mut self, who: u8, ledger: &LedgerHandle) -> Action {
        let (other, amount) = (self.person(), 1_000_000 + self.any(3_000_000));
        let (one, two) = (validator(1).address(), validator(2).address());
        match self.any(15) {
            0 => Action::Transfer(Transfer { to: address(other), amount }),
            1 | 2 => self.contribute(who),
            3 => {
                let expires_at = ledger.reader().block_seconds() + 700;
                Action::OpenChannel(OpenChannel { node: node(SERVER), deposit: amount, expires_at, voucher_key: None })
            }
            4 | 5 => self.settle(ledger).unwrap_or(Action::CancelParams(CancelParams {})),
            6 => Action::Delegate(Delegate { validator: one, amount }),
            7 => Action::Undelegate(Undelegate { validator: one, amount }),
            8 => Action::Redelegate(Redelegate { from: one, to: two, amount }),
            9 => Action::WithdrawRewards(WithdrawRewards { validators: vec![one] }),
            10 => Action::AttestStorage(AttestStorage { contribution: self.some_contribution(), node: node(who) }),
            11 => Action::Revoke(Revoke { contribution: self.some_contribution(), records: None }),
            12 => Action::SpendTreasury(SpendTreasury { to: address(other), amount: 1_000, reason: Digest([1; 32]) }),
            13 => Action::SetParams(SetParams { changes: format!(r#"{{"review_fee": {amount}}}"#) }),
            _ => {
                let grant = GrantKey {
                    key: key(who + 30).public_key(),
                    actions: ActionSet::from_iter([ActionKind::Transfer]).0,
                    counterparties: Vec::new(),
                    budget: amount,
                    period_seconds: 60,
                    expires: 2_000_000_000,
                };
                Action::GrantKey(grant)
            }
        }
    }

    fn some_contribution(&mut self) -> ContributionId {
        let at = self.any(self.given.len().max(1) as u64) as usize;
        self.given.get(at).map_or(ContributionId([7; 32]), |(_, id)| *id)
    }

    fn contribute(&mut self, who: u8) -> Action {
        self.batches += 1;
        let blob = BlobHash([self.batches; 32]);
        self.given.push((who, ContributionId::derive(CHAIN, &datanet(), &address(who), &blob, 0)));
        Action::Contribute(Contribute {
            datanet: datanet(),
            blob,
            size: 4_096,
            format: 0,
            records: 40,
            record_root: record_root(&address(who), &Digest([self.batches; 32])),
            bond: 2_000_000,
            origin: node(2),
            attempt: 0,
        })
    }

    /// Everybody who was drawn judges, most of the time, and who can keep something does, some of the time.
    fn judgements(&mut self, ledger: &LedgerHandle) -> Vec<(u8, Action)> {
        let (reader, mut actions) = (ledger.reader(), Vec::new());
        for epoch in settlement::open(&reader, 9).unwrap().into_iter().filter(|epoch| !epoch.is_kept()) {
            let keeper = 1 + self.any(3) as u8;
            if self.any(3) == 0 {
                let action = AttestStatement { node: node(keeper), serving: epoch.node, epoch: epoch.epoch };
                actions.push((keeper, Action::AttestStatement(action)));
            }
        }
        for (_, id) in self.given.clone() {
            let Some(contribution) = contributions::get(&reader, &id).unwrap() else { continue };
            for keeper in (1..=PEOPLE).filter(|_| contribution.status() == contributions::Status::Storing) {
                if self.any(3) == 0 {
                    actions
                        .push((keeper, Action::AttestStorage(AttestStorage { contribution: id, node: node(keeper) })));
                }
            }
            let Some(round) = validation::current_round(&reader, &contribution).unwrap() else { continue };
            for judge in 1..=PEOPLE {
                if round.member(&address(judge)).is_none() || self.any(4) == 0 {
                    continue;
                }
                let scores = Scores::from_array([5_000 + u32::from(judge) * 100 + u32::from(id.0[0]) * 8; 4]);
                match round.phase() {
                    Phase::Commit => actions.push((judge, commit(&contribution, judge, &scores))),
                    Phase::Reveal => {
                        let (report, salt) = (BlobHash([judge; 32]), Digest([judge; 32]));
                        let scores = Some(scores);
                        actions.push((
                            judge,
                            Action::RevealScores(RevealScores { contribution: id, scores, report, salt }),
                        ));
                    }
                    _ => {}
                }
            }
        }
        actions
    }

    /// The server settles some of a channel.
    fn settle(&mut self, ledger: &LedgerHandle) -> Option<Action> {
        let reader = ledger.reader();
        let channel = channels::of_node(&reader, &node(SERVER), None, 9).unwrap().pop()?;
        let before = settlement::get(&reader, &node(SERVER)).unwrap();
        let epoch = before.as_ref().map_or(1, |settled| settled.latest.epoch + 1);
        let payer = (1..=PEOPLE).find(|n| address(*n) == channel.payer)?;
        let fees = 10_000 + self.any(90_000);
        let split = FeeShares::STANDARD.split(fees);
        let leaf =
            EpochLeaf { account: address(5).into(), amount: split.claimable() }.node(CHAIN, &node(SERVER), epoch);
        Some(Action::SettleEpoch(SettleEpoch {
            node: node(SERVER),
            epoch,
            root: root(&[leaf]).unwrap().digest,
            totals: EpochTotals { answers: 1, fees, split, unearned: 0 },
            vouchers: vec![SignedVoucher::sign(CHAIN, channel.id, channel.charged + fees, &key(payer))],
            statement: BlobHash([9; 32]),
            accounts: 1,
            receipts: Digest([8; 32]),
            params: versions::number(&reader).unwrap(),
            carries: before.and_then(|settled| settled.carried()).map(|carried| carried.epoch),
            taken: Vec::new(),
        }))
    }
}

fn node(of: u8) -> NodeKey {
    key(of + 100).node_key()
}

fn datanet() -> DatanetId {
    DatanetId::derive(CHAIN, &address(3), "docs")
}

fn commit(contribution: &contributions::Contribution, judge: u8, scores: &Scores) -> Action {
    let commitment = Commitment {
        chain_id: CHAIN,
        datanet: &contribution.datanet,
        contribution: &contribution.id,
        blob: &contribution.blob,
        validator: &address(judge),
        scores: Some(scores),
        report: &BlobHash([judge; 32]),
        salt: &Digest([judge; 32]),
    };
    Action::CommitScores(CommitScores { contribution: contribution.id, commitment: commitment.digest() })
}

/// Nodes and a datanet.
fn beginnings(height: u64) -> Vec<(u8, Action)> {
    let register = |who: u8| {
        let key = key(who + 100);
        let proof = key.sign(&RegisterNode::sign_bytes(CHAIN, &address(who), &key.node_key()));
        let (stake, name) = (100_000_000, format!("node {who}"));
        (who, Action::RegisterNode(RegisterNode { node: key.node_key(), proof, roles: role::ALL, stake, name }))
    };
    if height == 1 {
        return (1..=5).map(register).collect();
    }
    let datanet = CreateDatanet {
        name: "docs".into(),
        description: "what crates say about themselves".into(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".into(),
        price: 1_000,
        accept_threshold: 5_000,
        committee_size: 3,
        storage_quorum: 2,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: 1_000_000,
        token_price: 0,
        step_price: 0,
    };
    vec![(3, Action::CreateDatanet(datanet))]
}

fn genesis() -> Vec<u8> {
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2])).unwrap();
    genesis["authority"] = serde_json::json!(address(SERVER));
    let more = serde_json::json!({
        "challenge_seconds": 300, "forget_seconds": 400, "unbonding_seconds": 600, "evidence_seconds": 400,
        "evidence_blocks": 80, "authority_delay_seconds": 200, "audit_seconds": 60, "commit_seconds": 60, "reveal_seconds": 60,
        "liveness_window": 7, "statement_quorum": 1, "statement_seconds": 200,
    });
    for (name, value) in more.as_object().unwrap() {
        genesis["params"][name] = value.clone();
    }
    serde_json::to_vec(&genesis).unwrap()
}

/// Runs `seed`'s blocks on four machines; returns what worked, and the last export.
fn agree(seed: [u8; 32]) -> (std::collections::BTreeMap<&'static str, u32>, Vec<u8>) {
    let genesis = genesis();
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let many_threads = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
    let [first, mut restarted, threaded, mut moved] = [(); 4].map(|()| Instance::new(&genesis));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut crowd = Crowd { rng, nonce: 0, batches: 0, given: Vec::new(), done: Default::default() };
    for height in 1..=BLOCKS {
        let txs = crowd.block(&first.ledger);
        let hash = one_thread.install(|| first.run(height, &txs));
        assert_eq!(many_threads.install(|| threaded.run(height, &txs)), hash, "height {height}: threads");
        assert_eq!(restarted.run(height, &txs), hash, "height {height}: restarted");
        assert_eq!(moved.run(height, &txs), hash, "height {height}: made from an export");
        for tx in &txs {
            let tx = SignedTx::verify(tx, CHAIN).unwrap();
            let worked = first.ledger.tx_result(&tx.hash).unwrap().is_some_and(|result| result.code.is_ok());
            *crowd.done.entry(tx.action.name()).or_default() += u32::from(worked);
        }
        if height.is_multiple_of(3) {
            restarted = restarted.restarted();
        }
        if height == MIDDLE {
            moved = moved.moved();
        }
        let reader = first.ledger.reader();
        assert_eq!(accounts::count_supply(&reader).unwrap(), u128::from(accounts::supply(&reader).unwrap()));
    }
    let file = first.exported();
    for other in [restarted, threaded, moved] {
        assert!(other.exported() == file, "derived state and all");
    }
    (crowd.done, file)
}

#[test]
fn instances_that_are_restarted_imported_and_run_by_other_threads_agree_on_every_app_hash() {
    let mut done = std::collections::BTreeMap::new();
    for (name, count) in [[1; 32], [2; 32]].into_iter().flat_map(|seed| agree(seed).0) {
        *done.entry(name).or_insert(0) += count;
    }
    println!("{done:?}");
    // Whatever chance does, all of it is the same; what must have happened is asked of blocks that are always the same.
    let drawn: [u8; 32] = TestRunner::new(Config::with_cases(1)).rng().random();
    println!("seed {}", hex::encode(drawn));
    agree(drawn);
    for name in [
        "contribute",
        "attest_storage",
        "reveal_scores",
        "settle_epoch",
        "attest_statement",
        "delegate",
        "redelegate",
        "spend_treasury",
        "set_params",
    ] {
        assert!(done.get(name).is_some_and(|count| *count > 0), "no {name} worked: {done:?}");
    }
}
