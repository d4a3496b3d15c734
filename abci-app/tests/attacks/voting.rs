//! A network whose validators vote: what attacks on votes begin with.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::governance::{self, Proposal, Status, Tally};
use datanet_ledger::component::{accounts, params};
use datanet_types::action::{Choice, NewNumber, NewNumbers, Proposed, SubmitProposal, VoteProposal};
use datanet_types::amount::DNT;
use datanet_types::staking::Delegate;
use datanet_types::{Action, ConsensusAddress};
use tempfile::TempDir;

use crate::support::{CHAIN, address, body, genesis_of_validators, signed, validator};

/// Seconds of a vote.
pub const VOTING: i64 = 100;
pub const TIMELOCK: i64 = 50;
pub const DEPOSIT: u64 = 5 * DNT;
/// Have validators, with half of what they own behind them: 500 DNT.
pub const VALIDATORS: [u8; 3] = [1, 2, 3];

pub struct Network {
    pub ledger: LedgerHandle,
    _dir: TempDir,
    nonce: u64,
    pub time: i64,
}

impl Network {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&VALIDATORS)).unwrap();
        for (name, value) in [
            ("voting_seconds", VOTING.unsigned_abs()),
            ("timelock_seconds", TIMELOCK.unsigned_abs()),
            ("proposal_deposit", DEPOSIT),
        ] {
            genesis["params"][name] = value.into();
        }
        let app_state = serde_json::to_vec(&genesis).unwrap();
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
        let mut network = Self { ledger, _dir: dir, nonce: 0, time: 1_000 };
        // What genesis gave is there to be read from the first block on.
        network.block(&[]);
        network
    }

    pub fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed(who, &body(action, self.ledger.info().height + 50, self.nonce))
    }

    /// A block with this alone, a second later.
    pub fn send(&mut self, who: u8, action: Action) -> Code {
        let tx = self.sign(who, action);
        self.block(&[tx])[0]
    }

    /// The same, which must work.
    pub fn done(&mut self, who: u8, action: Action) {
        assert_eq!(self.send(who, action), code::OK);
    }

    /// A block a second later.
    pub fn block(&mut self, txs: &[Bytes]) -> Vec<Code> {
        self.time += 1;
        let height = self.ledger.info().height + 1;
        let done = self.ledger.finalize_block(&Block::alone(height, self.time, [height as u8; 32], txs)).unwrap();
        self.ledger.commit().unwrap();
        done.outcomes
            .iter()
            .map(|outcome| {
                if !outcome.is_ok() {
                    println!("{}", outcome.log);
                }
                outcome.code
            })
            .collect()
    }

    /// The time comes, and the block of it is over.
    pub fn until(&mut self, seconds: u64) {
        self.time = self.time.max(i64::try_from(seconds).unwrap() - 1);
        self.block(&[]);
    }

    pub fn proposal(&self, number: u64) -> Proposal {
        governance::get(&self.ledger.reader(), number).unwrap().unwrap()
    }

    /// Its mark and its end go by; how it stands then.
    pub fn ended(&mut self, number: u64) -> Status {
        while self.proposal(number).status() == Status::Voting {
            let due = self.proposal(number).due;
            self.until(due);
        }
        self.proposal(number).status()
    }

    /// Its time has come, too.
    pub fn carried(&mut self, number: u64) -> Status {
        let due = self.proposal(number).due;
        self.until(due);
        self.block(&[]);
        self.proposal(number).status()
    }

    pub fn tally(&self, number: u64) -> Tally {
        let reader = self.ledger.reader();
        let params = params::get(&reader).unwrap();
        governance::count(&reader, &params, number).unwrap()
    }

    pub fn balance(&self, who: u8) -> u64 {
        accounts::balance(&self.ledger.reader(), address(who)).unwrap()
    }
}

pub fn behind(n: u8) -> ConsensusAddress {
    validator(n).address()
}

pub fn delegate(to: u8, amount: u64) -> Action {
    Action::Delegate(Delegate { validator: behind(to), amount })
}

pub fn propose(proposed: Proposed) -> Action {
    let (title, reason) = ("a title".to_owned(), "a reason".to_owned());
    Action::SubmitProposal(SubmitProposal { title, reason, deposit: u64::MAX, proposed: Some(proposed) })
}

/// The fee becomes ten times as much.
pub fn dearer() -> Proposed {
    Proposed::Params(NewNumbers { numbers: vec![NewNumber { name: "min_fee".into(), value: 10_000 }] })
}

pub fn vote(proposal: u64, choice: Choice) -> Action {
    Action::VoteProposal(VoteProposal { proposal, choice: choice as i32 })
}
