//! Other rules at a height, over the real store: a program that does not know them stops before the block and has lost nothing, and one that does
//! goes on from there. It is one program twice: what a second build would add is its migration.

use std::sync::Arc;

use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{AppError, Application, Block, Outdated, Verdict};
use datanet_ledger::component::governance::{self, Status, upgrade};
use datanet_ledger::component::{migrations, params};
use datanet_ledger::state::{StateError, StateRead};
use datanet_ledger::store::Store;
use datanet_types::action::{Choice, Proposed, SubmitProposal, Upgrade, VoteProposal};
use datanet_types::{Action, TxBody};
use tempfile::TempDir;

use crate::support::{BALANCE, CHAIN, body, genesis_of_validators, signed, transfer};

const VOTING: u64 = 20;
const TIMELOCK: u64 = 5;
/// The first height at which the new rules hold.
const HEIGHT: u64 = 60;

struct Node {
    app: Application,
}

impl Node {
    fn start(dir: &TempDir, knows: u64) -> Result<Self, AppError> {
        let store = Store::open(&dir.path().join("ledger.redb")).unwrap();
        Ok(Self { app: Application::knowing(store, knows)? })
    }

    fn block<'a>(&self, txs: &'a [bytes::Bytes]) -> Block<'a> {
        let height = self.app.info().height + 1;
        Block::alone(height, 1_000 + i64::try_from(height).unwrap(), [height as u8; 32], txs)
    }

    fn run(&self, txs: &[bytes::Bytes]) -> [u8; 32] {
        let done = self.app.finalize_block(&self.block(txs)).unwrap();
        for outcome in &done.outcomes {
            assert!(outcome.is_ok(), "{}", outcome.log);
        }
        self.app.commit().unwrap();
        done.app_hash
    }

    /// An upgrade is voted, and all blocks before its height are made.
    fn voted(dir: &TempDir) -> Self {
        let node = Self::start(dir, 1).unwrap();
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2])).unwrap();
        for (name, value) in
            [("voting_seconds", VOTING), ("timelock_seconds", TIMELOCK), ("proposal_deposit", BALANCE / 100)]
        {
            genesis["params"][name] = value.into();
        }
        let app_state = serde_json::to_vec(&genesis).unwrap();
        let init = datanet_ledger::app::InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state };
        node.app.init_chain(&init).unwrap();
        let act = |who, action, nonce| signed(who, &TxBody { nonce, ..body(action, 50, nonce) });
        let proposed = Some(Proposed::Upgrade(Upgrade { version: 2, height: HEIGHT, binaries: vec![] }));
        let (title, reason) = ("rules 2".to_owned(), "because".to_owned());
        let submit = Action::SubmitProposal(SubmitProposal { title, reason, deposit: BALANCE, proposed });
        node.run(&[act(3, submit, 1)]);
        let yes = Action::VoteProposal(VoteProposal { proposal: 1, choice: Choice::Yes as i32 });
        node.run(&[act(1, yes.clone(), 2), act(2, yes, 3)]);
        while node.app.info().height + 1 < HEIGHT {
            assert_eq!(node.app.outdated().unwrap(), None);
            node.run(&[]);
        }
        let one = governance::get(&node.app.reader(), 1).unwrap().unwrap();
        assert_eq!(one.status(), Status::Done);
        assert_eq!(upgrade::planned(&node.app.reader()).unwrap().unwrap().height, HEIGHT);
        node
    }
}

#[test]
fn an_old_program_stops_before_the_height_and_a_newer_one_goes_on_over_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let old = Node::voted(&dir);
    let before = old.app.info();
    let outdated = Outdated { needs: 2, knows: 1, height: HEIGHT };
    assert_eq!(old.app.outdated().unwrap(), Some(outdated), "known once the block before is committed");
    let txs = [transfer(3, 4, 5, 9)];
    let newer = |error: AppError| {
        let told = error.to_string();
        assert!(told.contains("version 2") && told.contains("up to 1") && told.contains("install a newer"), "{told}");
        assert!(matches!(error, AppError::State(StateError::Newer { theirs: 2, ours: 1 })));
    };
    newer(old.app.prepare_proposal(&old.block(&txs), 1 << 20).unwrap_err());
    newer(old.app.process_proposal(&old.block(&txs)).unwrap_err());
    newer(old.app.finalize_block(&old.block(&txs)).unwrap_err());
    assert!(matches!(old.app.commit(), Err(AppError::NothingDecided)));
    assert_eq!(old.app.info(), before, "nothing of that block is there");
    assert_eq!(old.app.version().unwrap(), 1);
    drop(old);

    // Started again it still knows why.
    let again = Node::start(&dir, 1).unwrap();
    assert_eq!(again.app.outdated().unwrap(), Some(outdated));
    drop(again);

    let new = Node::start(&dir, 2).unwrap();
    assert_eq!((new.app.info(), new.app.outdated().unwrap()), (before, None));
    assert!(matches!(new.app.process_proposal(&new.block(&txs)).unwrap(), Verdict::Accept));
    new.run(&txs);
    assert_eq!((new.app.version().unwrap(), new.app.info().height), (2, HEIGHT));
    let made_over: migrations::Rehearsed = new.app.reader().get(migrations::REHEARSED).unwrap().unwrap();
    assert_eq!(made_over.version, 2);
    assert_eq!(params::versions::present(&new.app.reader()).unwrap().from, HEIGHT);
    new.run(&[]);
    drop(new);

    // And there is no way back: the old one does not open what the new one wrote.
    assert!(matches!(Node::start(&dir, 1), Err(AppError::State(StateError::Newer { theirs: 2, ours: 1 }))));
}

#[test]
fn two_programs_that_know_the_rules_make_the_same_of_them() {
    let hashes = [2, 3].map(|knows| {
        let dir = tempfile::tempdir().unwrap();
        drop(Node::voted(&dir));
        let node = Node::start(&dir, knows).unwrap();
        [node.run(&[transfer(3, 4, 5, 9)]), node.run(&[])]
    });
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn a_node_of_either_is_opened_by_its_handle() {
    let dir = tempfile::tempdir().unwrap();
    let old = Node::voted(&dir);
    drop(old);
    let signer = Arc::new(crate::support::beacon_secret(1));
    let handle = LedgerHandle::open_knowing(&dir.path().join("ledger.redb"), signer, 2).unwrap();
    assert_eq!((handle.app().knows(), handle.app().outdated().unwrap()), (2, None));
}
