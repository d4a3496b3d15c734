//! Death at each step between FinalizeBlock and the return of Commit: the store is opened as it was then, the engine gives the ledger
//! what it lacks, and everything is where it would have been.

use std::path::Path;

use bytes::Bytes;
use datanet_ledger::app::{Block, InitChain, TxOutcome};
use datanet_ledger::store::{KEPT_VERSIONS, Store};
use datanet_ledger::{LedgerHandle, code};
use datanet_types::Action;
use datanet_types::action::{Transfer, role};
use datanet_types::amount::DNT;
use datanet_types::tx::tx_hash;

use crate::attacks::judging::{contribute, create_datanet, keep, register};
use crate::disk::Disk;
use crate::support::{BALANCE, CHAIN, address, body, genesis, signed, transfer};

/// A decided block, as the engine keeps it, and what became of it.
struct Decided {
    txs: Vec<Bytes>,
    app_hash: [u8; 32],
    outcomes: Vec<TxOutcome>,
}

/// The engine: it keeps every decided block before the ledger sees it.
#[derive(Default)]
struct Engine {
    decided: Vec<Decided>,
}

impl Engine {
    /// InitChain, if the ledger is new.
    fn begin(&self, ledger: &LedgerHandle) {
        if ledger.info().height == 0 {
            let init = InitChain { chain_id: CHAIN, initial_height: 1, app_state: &genesis() };
            ledger.init_chain(&init).unwrap();
        }
    }

    fn finalize(&self, ledger: &LedgerHandle, txs: &[Bytes]) -> ([u8; 32], Vec<TxOutcome>) {
        let height = ledger.info().height + 1;
        let block = Block::alone(height, 1_000 + height as i64, [height as u8; 32], txs);
        let finalized = ledger.finalize_block(&block).unwrap();
        (finalized.app_hash, finalized.outcomes)
    }

    /// Decides the next block and has it executed, up to Commit.
    fn decide(&mut self, ledger: &LedgerHandle, txs: Vec<Bytes>) {
        let (app_hash, outcomes) = self.finalize(ledger, &txs);
        self.decided.push(Decided { txs, app_hash, outcomes });
    }

    /// The handshake: the ledger says where it is and is given what it lacks. What each block does must be what it did.
    fn replay(&self, ledger: &LedgerHandle) {
        self.begin(ledger);
        for block in &self.decided[ledger.info().height as usize..] {
            let again = self.finalize(ledger, &block.txs);
            assert_eq!(again, (block.app_hash, block.outcomes.clone()));
            ledger.commit().unwrap();
        }
    }
}

/// Dies after each step of the last block's commit, comes back, and ends up where `ledger` is.
fn die_at_each_step(dir: &Path, disk: &Disk, engine: &Engine, ledger: &LedgerHandle) -> (usize, usize) {
    let (after, path) = (ledger.info(), dir.join("again.redb"));
    let (mut before, mut whole) = (0, 0);
    for step in 0..=disk.steps() {
        for (how, image) in disk.after(step) {
            // Of the block there is all or nothing, and all once Commit returns.
            std::fs::write(&path, image).unwrap();
            let again = LedgerHandle::open(&path).unwrap();
            let found = again.info();
            if found.height == after.height {
                assert_eq!(found, after, "after step {step}: {how}");
                whole += 1;
            } else {
                assert_eq!(found.height + 1, after.height, "after step {step}: {how}");
                let known = engine.decided.iter().rev().nth(1).map_or([0; 32], |block| block.app_hash);
                assert_eq!(found.app_hash, known, "after step {step}: {how}");
                assert!(step < disk.steps(), "a commit that has returned is lost: {how}");
                before += 1;
            }
            engine.replay(&again);
            assert_eq!(again.info(), after, "after step {step}: {how}");
            same_results(&again, ledger, engine);
        }
    }
    (before, whole)
}

/// What is remembered of the last block's transactions is the same, and none of them is executed again.
fn same_results(again: &LedgerHandle, ledger: &LedgerHandle, engine: &Engine) {
    let txs = &engine.decided.last().unwrap().txs;
    for tx in txs {
        let hash = tx_hash(tx);
        assert_eq!(again.tx_result(&hash).unwrap(), ledger.tx_result(&hash).unwrap());
    }
    let (_, outcomes) = engine.finalize(again, txs);
    assert!(outcomes.iter().all(|outcome| outcome.code == code::REPLAYED), "{outcomes:?}");
}

#[test]
fn whenever_it_dies_between_finalize_and_the_return_of_commit_replay_leads_to_the_same_hash() {
    let (dir, disk, mut engine) = (tempfile::tempdir().unwrap(), Disk::default(), Engine::default());
    let ledger = LedgerHandle::over(Store::open_on(disk.clone()).unwrap()).unwrap();
    engine.begin(&ledger);
    let long = |who, action, nonce| signed(who, &body(action, 900, nonce));
    let kept = contribute([1; 32]).id(CHAIN, &address(6), 0);
    let blocks: [(&str, Vec<Bytes>); 6] = [
        ("the first block", vec![transfer(1, 2, 5, 1), transfer(2, 3, 7, 2)]),
        ("an empty block", Vec::new()),
        ("one with a refused transaction", vec![transfer(1, 2, BALANCE * 2, 3), transfer(1, 3, 1, 4)]),
        ("many components", {
            let judges = [1, 2, 3].map(|who| long(who, register(who, role::ALL, 300 * DNT), 5));
            judges.into_iter().chain([long(5, Action::CreateDatanet(create_datanet()), 6)]).collect()
        }),
        ("a contribution, which a node keeps", {
            vec![long(6, Action::Contribute(contribute([1; 32])), 7), long(1, keep(1, &kept), 8)]
        }),
        ("two blocks later its committee is drawn", Vec::new()),
    ];
    for (what, txs) in blocks {
        die_in_commit(what, dir.path(), &disk, &mut engine, &ledger, txs);
    }
    // Until a block also removes what only older versions of the tree need.
    while engine.decided.len() < KEPT_VERSIONS as usize + 8 {
        let n = engine.decided.len() as u64;
        let tx = signed(1, &body(Action::Transfer(to_second()), n + 9, 1_000 + n));
        engine.decide(&ledger, vec![tx]);
        ledger.commit().unwrap();
    }
    let n = engine.decided.len() as u64;
    let last = vec![signed(1, &body(Action::Transfer(to_second()), n + 9, 1_000 + n))];
    die_in_commit("a block that prunes", dir.path(), &disk, &mut engine, &ledger, last);
}

fn to_second() -> Transfer {
    Transfer { to: address(2), amount: 1 }
}

fn die_in_commit(what: &str, dir: &Path, disk: &Disk, engine: &mut Engine, ledger: &LedgerHandle, txs: Vec<Bytes>) {
    disk.record();
    engine.decide(ledger, txs);
    assert_eq!(disk.steps(), 0, "something is written before Commit");
    ledger.commit().unwrap();
    let steps = disk.steps();
    let (before, whole) = die_at_each_step(dir, disk, engine, ledger);
    println!("{what}: {steps} steps; {before} deaths lost the block and had it again, {whole} found it committed");
    assert!(before > 0 && whole > 0);
}
