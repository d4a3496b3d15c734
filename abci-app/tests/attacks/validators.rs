//! Validators with bad intent, and strangers who want what is theirs.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::staking::{self, Validator};
use datanet_ledger::component::{ConsensusInfo, Misbehaviour, accounts};
use datanet_types::amount::DNT;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, WithdrawRewards};
use datanet_types::{Action, Address, Amount, ConsensusAddress, SigningKey};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{CHAIN, address, beacon_secret, beacon_tx, body, signed};

/// What everybody owns, in base units.
const BALANCE: Amount = 10_000 * DNT;
/// What stands behind each of the first validators.
const STAKE: Amount = 1_000 * DNT;
/// Operators of the first validators; the first has bad intent.
const OPERATORS: [u8; 4] = [1, 2, 3, 4];
const ATTACKER: u8 = 1;
const FEE: Amount = 1_000;
const UNBONDING: i64 = 640;

fn consensus(who: u8) -> SigningKey {
    SigningKey::from_bytes(&[who + 100; 32])
}

fn validator(who: u8) -> ConsensusAddress {
    consensus(who).consensus_key().address()
}

struct Network {
    ledger: LedgerHandle,
    _dir: TempDir,
    nonce: u64,
    time: i64,
}

impl Network {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        let accounts: Vec<_> = (1..200).map(|who| json!({ "address": address(who), "balance": BALANCE })).collect();
        let first = |who: &u8| {
            let (key, operator) = (consensus(*who).consensus_key(), address(*who));
            let (beacon_key, name) = (beacon_secret(*who).key(), format!("validator {who}"));
            json!({ "key": key, "beacon_key": beacon_key, "operator": operator, "stake": STAKE, "name": name })
        };
        let validators: Vec<_> = OPERATORS.iter().map(first).collect();
        let params = json!({ "unbonding_seconds": UNBONDING, "evidence_seconds": UNBONDING / 2, "evidence_blocks": UNBONDING / 10 });
        let genesis = json!({ "params": params, "accounts": accounts, "validators": validators });
        let app_state = serde_json::to_vec(&genesis).unwrap();
        let started = ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state });
        assert_eq!(started.unwrap().validators.len(), OPERATORS.len());
        let mut network = Self { ledger, _dir: dir, nonce: 0, time: 1_000 };
        network.block(&[], ConsensusInfo::default());
        network
    }

    /// A block; returns the codes of its transactions.
    fn block(&mut self, txs: &[Bytes], consensus: ConsensusInfo) -> Vec<Code> {
        let height = self.ledger.info().height + 1;
        self.time += 1;
        let alone = Block::alone(height, self.time, [height as u8; 32], txs);
        let finalized = self.ledger.finalize_block(&Block { consensus: &consensus, ..alone }).unwrap();
        self.ledger.commit().unwrap();
        let state = self.ledger.reader();
        assert_eq!(accounts::count_supply(&state).unwrap(), u128::from(accounts::supply(&state).unwrap()));
        finalized.outcomes.iter().map(|outcome| outcome.code).collect()
    }

    fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed(who, &body(action, self.ledger.info().height + 100, self.nonce))
    }

    fn send(&mut self, who: u8, action: Action) -> Code {
        let tx = self.sign(who, action);
        self.block(&[tx], ConsensusInfo::default())[0]
    }

    fn done(&mut self, who: u8, action: Action) {
        assert_eq!(self.send(who, action), code::OK);
    }

    fn caught(&mut self, who: u8, height: u64) {
        let misbehaviour = vec![Misbehaviour { validator: validator(who), height, time_seconds: 1_000 }];
        self.block(&[], ConsensusInfo { misbehaviour, ..ConsensusInfo::default() });
    }

    fn proposed_by(&mut self, who: u8, txs: &[Bytes]) {
        let txs = [&[beacon_tx(&self.ledger, who)], txs].concat();
        let codes = self.block(&txs, ConsensusInfo { proposer: validator(who), ..ConsensusInfo::default() });
        assert!(codes.iter().all(|code| *code == code::OK), "{codes:?}");
    }

    fn record(&self, who: u8) -> Validator {
        staking::get(&self.ledger.reader(), &validator(who)).unwrap().unwrap()
    }

    fn balance(&self, who: &Address) -> Amount {
        accounts::balance(&self.ledger.reader(), who).unwrap()
    }

    /// Everything that is `who`'s: money, stakes, what is on its way, what was earned.
    fn wealth(&self, who: u8) -> Amount {
        let (state, account) = (self.ledger.reader(), address(who));
        let held = staking::delegations(&state, &account, None, 100).unwrap().into_iter().map(|(id, held)| {
            let record = staking::get(&state, &id).unwrap().unwrap();
            staking::worth(&record, held.shares) + staking::earned(&state, &record, &account).unwrap()
        });
        let leaving = staking::unbonding(&state, &account, 100).unwrap().into_iter().map(|part| part.amount);
        self.balance(&account) + held.sum::<Amount>() + leaving.sum::<Amount>()
    }

    fn wait(&mut self, seconds: i64) {
        self.time += seconds;
        self.block(&[], ConsensusInfo::default());
    }
}

fn delegate(to: u8, amount: Amount) -> Action {
    Action::Delegate(Delegate { validator: validator(to), amount })
}

fn undelegate(from: u8, amount: Amount) -> Action {
    Action::Undelegate(Undelegate { validator: validator(from), amount })
}

fn redelegate(from: u8, to: u8, amount: Amount) -> Action {
    Action::Redelegate(Redelegate { from: validator(from), to: validator(to), amount })
}

#[test]
fn two_histories_cost_a_twentieth_and_the_seat() {
    let mut network = Network::new();
    let (before, honest) = (network.wealth(ATTACKER), network.wealth(2));
    let when = network.ledger.info().height;
    network.caught(ATTACKER, when);
    let after = network.wealth(ATTACKER);
    println!(
        "two histories: the attacker had {before} base units and has {after}; others paid {}",
        honest - network.wealth(2)
    );
    assert_eq!((before - after, network.wealth(2)), (STAKE / 20, honest));
    assert!(network.record(ATTACKER).tombstoned);
    let active = staking::active(&network.ledger.reader()).unwrap();
    assert!(active.iter().all(|active| active.key.address() != validator(ATTACKER)));
    // The same key is no validator's any more, and the same evidence slashes nobody twice.
    network.caught(ATTACKER, when);
    assert_eq!(network.wealth(ATTACKER), after);
}

#[test]
fn stake_that_runs_is_slashed_where_it_is() {
    let mut network = Network::new();
    for accomplice in [11, 12, 13] {
        network.done(accomplice, delegate(ATTACKER, STAKE));
    }
    let before: Vec<Amount> = [11, 12, 13].map(|who| network.wealth(who)).into();
    let when = network.ledger.info().height;
    network.wait(10);
    network.done(11, undelegate(ATTACKER, STAKE));
    network.done(12, redelegate(ATTACKER, 2, STAKE));
    assert_eq!(network.send(12, undelegate(2, STAKE)), code::DELEGATION, "it may not run on");
    assert_eq!(network.send(12, redelegate(2, 3, STAKE)), code::DELEGATION);
    // As late as evidence counts.
    network.wait(UNBONDING * 2 / 3 - 20);
    network.caught(ATTACKER, when);
    for (who, before) in [11, 12, 13].into_iter().zip(before) {
        let lost = before - network.wealth(who);
        println!("stake that runs: account {who} has lost {lost} base units");
        assert!((STAKE / 20..STAKE / 20 + 10 * FEE).contains(&lost), "a twentieth and fees, wherever it was: {lost}");
    }
    assert_eq!(network.wealth(2), BALANCE, "who was moved to has lost nothing");
}

#[test]
fn skimming_rewards_gains_less_than_it_costs() {
    let mut network = Network::new();
    let before = network.wealth(20);
    network.done(20, delegate(2, STAKE));
    let fees: Vec<Bytes> = (0..50).map(|n| network.sign(30 + n, delegate(3, DNT))).collect();
    network.proposed_by(2, &fees);
    network.done(20, undelegate(2, STAKE));
    let gain = i128::from(network.wealth(20)) - i128::from(before);
    println!(
        "skimming: half of a block's {} base units by 1,000 DNT that are locked for {UNBONDING} s: {gain}",
        50 * FEE
    );
    assert!(gain <= i128::from(50 * FEE / 2 / 2), "no more than its share of what stood behind the validator");
    assert!(network.balance(&address(20)) < BALANCE - STAKE / 2, "and the stake is locked");
}

#[test]
fn nobody_makes_a_validator_of_anothers_key() {
    let mut network = Network::new();
    let theirs = consensus(50);
    let key = theirs.consensus_key();
    let create = |operator: u8| CreateValidator {
        key,
        proof: theirs.sign(&CreateValidator::sign_bytes(CHAIN, &address(operator), &key)),
        amount: STAKE,
        commission_bps: 0,
        name: "a validator".to_owned(),
        beacon_key: beacon_secret(50).key(),
        beacon_proof: beacon_secret(50).prove(&CreateValidator::beacon_input(CHAIN, &address(operator), &key)),
    };
    let before = network.wealth(60);
    // The proof is copied out of the owner's waiting transaction.
    assert_eq!(network.send(60, Action::CreateValidator(create(50))), code::VALIDATOR_PROOF);
    // Nor of another's beacon key with a consensus key of one's own, whose proof is good.
    let (own, copied) = (consensus(60), create(50));
    let proof = own.sign(&CreateValidator::sign_bytes(CHAIN, &address(60), &own.consensus_key()));
    let half = CreateValidator { key: own.consensus_key(), proof, ..copied.clone() };
    assert_eq!(network.send(60, Action::CreateValidator(half)), code::VALIDATOR_PROOF);
    network.done(50, Action::CreateValidator(copied));
    assert_eq!(network.send(60, Action::CreateValidator(create(60))), code::VALIDATOR_TAKEN);
    println!("another's key: the attacker has gained {}", i128::from(network.wealth(60)) - i128::from(before));
    assert!(network.wealth(60) < before);
    assert_eq!(network.record(50).operator, address(50));
}

#[test]
fn filling_a_validators_moves_keeps_nobody_from_leaving() {
    let mut network = Network::new();
    let start = network.ledger.info().height;
    for who in 11..=(10 + staking::MAX_MOVED as u8) {
        network.done(who, delegate(2, DNT));
        network.done(who, redelegate(2, 3, DNT));
    }
    let locked: Amount = staking::MAX_MOVED as u64 * DNT;
    println!(
        "filled moves: {locked} base units locked for {UNBONDING} s; others take their stake back instead of moving it"
    );
    network.done(150, delegate(2, STAKE));
    assert_eq!(network.send(150, redelegate(2, 4, STAKE)), code::REDELEGATION);
    network.done(150, undelegate(2, STAKE));
    // A slash walks over all of them, and they are free again in time.
    let before = network.wealth(11);
    network.caught(2, start);
    assert!(network.wealth(11) < before);
    network.wait(UNBONDING + 20);
    network.done(11, undelegate(3, DNT));
}

#[test]
fn a_proposer_that_pays_itself_loses_half() {
    let mut network = Network::new();
    let before = network.wealth(ATTACKER);
    let own: Vec<Bytes> = (0..100).map(|_| network.sign(ATTACKER, delegate(ATTACKER, DNT))).collect();
    network.proposed_by(ATTACKER, &own);
    let lost = before - network.wealth(ATTACKER);
    println!("a proposer's own transactions: {} base units of fees cost it {lost}", 100 * FEE);
    assert!(lost >= 100 * FEE / 2);
    network.done(ATTACKER, Action::WithdrawRewards(WithdrawRewards { validators: vec![validator(ATTACKER)] }));
    assert!(network.wealth(ATTACKER) < before - 100 * FEE / 2);
}
