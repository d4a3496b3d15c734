//! A chain's authority in bad hands, and hands that would like to be it.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::accounts;
use datanet_types::action::{CancelParams, CancelSpend, SetParams, SpendTreasury, Transfer};
use datanet_types::{Action, Digest, TxBody};
use tempfile::TempDir;

use super::serving::verdict;
use crate::support::{BALANCE, CHAIN, FEE, address, body, genesis_with, key, signed};

/// Has the authority's key.
const THIEF: u8 = 1;
const STRANGER: u8 = 2;
const GIVER: u8 = 3;
const TREASURY: u64 = 100_000_000;
const PERIOD: i64 = 10_000;
const DELAY: i64 = 100;

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
        let params = serde_json::json!({
            "authority_delay_seconds": DELAY, "treasury_period_seconds": PERIOD, "treasury_period_bps": 1_000,
        });
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_with(&params)).unwrap();
        genesis["authority"] = serde_json::json!(address(THIEF));
        let app_state = serde_json::to_vec(&genesis).unwrap();
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
        let mut network = Self { ledger, _dir: dir, nonce: 0, time: 1_000 };
        // Nobody can send it anything, but tips end there.
        let give = Action::Transfer(Transfer { to: address(STRANGER), amount: 1 });
        let give = TxBody { tip: TREASURY - FEE, fee: u64::MAX, ..body(give, 50, 0) };
        assert_eq!(network.block(&[signed(GIVER, &give)]), code::OK);
        network
    }

    /// A block with this alone, a second later.
    fn send(&mut self, who: u8, action: Action) -> Code {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.ledger.info().height + 50, self.nonce));
        self.block(&[tx])
    }

    fn block(&mut self, txs: &[Bytes]) -> Code {
        self.time += 1;
        let height = self.ledger.info().height + 1;
        let done = self.ledger.finalize_block(&Block::alone(height, self.time, [height as u8; 32], txs)).unwrap();
        self.ledger.commit().unwrap();
        done.outcomes.first().map_or(code::OK, |outcome| {
            println!("{}", outcome.log);
            outcome.code
        })
    }

    fn pass(&mut self, seconds: i64) {
        self.time += seconds;
        self.block(&[]);
    }

    fn balance(&self, who: u8) -> u64 {
        accounts::balance(&self.ledger.reader(), address(who)).unwrap()
    }

    fn treasury(&self) -> u64 {
        accounts::balance(&self.ledger.reader(), accounts::treasury()).unwrap()
    }
}

fn spend(amount: u64) -> Action {
    Action::SpendTreasury(SpendTreasury { to: address(THIEF), amount, reason: Digest([1; 32]) })
}

fn set(changes: serde_json::Value) -> Action {
    Action::SetParams(SetParams { changes: changes.to_string() })
}

#[test]
fn who_has_the_authoritys_key_takes_no_more_than_the_bound_and_raises_it_by_nothing() {
    let mut network = Network::new();
    let (before, bound) = (i128::from(network.balance(THIEF)), (network.treasury() + FEE) / 10);
    for changes in [
        serde_json::json!({ "treasury_period_bps": 10_000 }),
        serde_json::json!({ "treasury_period_seconds": 1 }),
        serde_json::json!({ "authority_delay_seconds": 1 }),
    ] {
        assert_eq!(network.send(THIEF, set(changes)), code::PARAMS_INVALID);
    }
    assert_eq!(network.send(THIEF, spend(TREASURY)), code::SPEND_BOUND);
    // In many small payments, and in one period only.
    let mut announced = 0;
    while network.send(THIEF, spend(bound / 4)) == code::OK {
        announced += 1;
        assert!(network.balance(THIEF) < BALANCE, "nothing before the delay is over");
    }
    // Cancelling makes no room twice.
    assert_eq!(network.send(THIEF, Action::CancelSpend(CancelSpend { spend: 1 })), code::OK);
    assert_eq!(network.send(THIEF, Action::CancelSpend(CancelSpend { spend: 1 })), code::SPEND_UNKNOWN);
    assert_eq!(network.send(THIEF, spend(bound / 4)), code::OK);
    assert_eq!(network.send(THIEF, spend(bound / 4)), code::SPEND_BOUND);
    network.pass(DELAY);
    network.pass(1);
    let taken = i128::from(network.balance(THIEF)) - before;
    println!("{announced} payments; the bound is {bound}, taken were {taken} less fees, in a period of {PERIOD} s");
    verdict("authority's key", i128::from(bound) + before, i128::from(network.balance(THIEF)), taken);
}

#[test]
fn nobody_else_spends_sets_or_cancels() {
    let mut network = Network::new();
    assert_eq!(network.send(THIEF, spend(1_000)), code::OK);
    assert_eq!(network.send(THIEF, set(serde_json::json!({ "min_fee": 2_000 }))), code::OK);
    let (before, treasury) = (i128::from(network.balance(STRANGER)), network.treasury());
    let to_stranger = SpendTreasury { to: address(STRANGER), amount: 1_000, reason: Digest([1; 32]) };
    for action in [
        Action::SpendTreasury(to_stranger),
        Action::CancelSpend(CancelSpend { spend: 1 }),
        set(serde_json::json!({ "min_fee": 1 })),
        Action::CancelParams(CancelParams {}),
    ] {
        assert_eq!(network.send(STRANGER, action), code::AUTHORITY);
    }
    // Nor does a stranger sign for it.
    network.nonce += 1;
    let forged = body(spend(1_000), network.ledger.info().height + 50, network.nonce);
    let forged = datanet_types::TxBody { account: address(THIEF), ..forged }.sign(&key(STRANGER)).to_bytes();
    assert_eq!(network.ledger.check_tx(&forged, false).unwrap().code, code::UNAUTHORISED);
    assert!(network.treasury() >= treasury, "fees alone");
    verdict("a stranger as authority", before, i128::from(network.balance(STRANGER)), 0);
}
