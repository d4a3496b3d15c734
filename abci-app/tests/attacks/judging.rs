//! A datanet, its judges, and one among them with bad intent.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, FinalizedBlock, InitChain};
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::contributions::{self, Contribution};
use datanet_ledger::component::nodes::{self, Reputation};
use datanet_ledger::component::staking;
use datanet_ledger::component::validation::{self, Round};
use datanet_types::action::{AttestStorage, CommitScores, Contribute, CreateDatanet, RegisterNode, RevealScores, role};
use datanet_types::amount::DNT;
use datanet_types::id::tagged_hash;
use datanet_types::record::record_root;
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::{Action, Amount, BlobHash, ContributionId, DatanetId, Digest, Scores};
use tempfile::TempDir;

use crate::support::{
    CHAIN, address, beacon_tx_in, body, genesis, genesis_of_validators, key, proposed_by, signed, validator, voted,
};

/// Judge with a stake of 300 DNT each.
pub const HONEST: [u8; 3] = [1, 2, 3];
/// Judges with 100 DNT: a tenth of all stake.
pub const ATTACKER: u8 = 4;
/// The attacker's too: it contributes.
pub const ACCOMPLICE: u8 = 6;
pub const CREATOR: u8 = 5;
/// What each contribution locks.
pub const BOND: Amount = 10 * DNT;

pub struct Judging {
    pub ledger: LedgerHandle,
    _dir: TempDir,
    nonce: u64,
    /// Bytes of all transactions so far.
    pub bytes: usize,
    /// Seconds that have passed beside one a block.
    pub idle: i64,
    /// The persons whose validators propose its blocks, in turns; none: nobody known does.
    pub proposers: Vec<u8>,
    /// The round in which the last block was decided, where the engine says it and whose turn it is follows from that; else they take simple
    /// turns.
    pub last_round: Option<u32>,
    /// Tells this chain's block hashes from those of a chain with the same history and another future.
    pub salt: u8,
}

impl Judging {
    /// Judges are registered, and there is a datanet with three seats on each committee.
    pub fn new(salt: u8) -> Self {
        Self::proposed_by(&[], salt)
    }

    /// The same, where the validators of these persons propose in turns.
    pub fn proposed_by(proposers: &[u8], salt: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        let app_state = if proposers.is_empty() { genesis() } else { genesis_of_validators(proposers) };
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
        let mut judging = Self {
            ledger,
            _dir: dir,
            nonce: 0,
            bytes: 0,
            idle: 0,
            proposers: proposers.to_vec(),
            last_round: None,
            salt,
        };
        for honest in HONEST {
            judging.done(honest, register(honest, role::VALIDATOR | role::STORAGE, 300 * DNT));
        }
        judging.done(ATTACKER, register(ATTACKER, role::VALIDATOR | role::STORAGE, 100 * DNT));
        judging.done(CREATOR, Action::CreateDatanet(create_datanet()));
        judging
    }

    /// The same, where the engine says from now on in which round blocks are decided, and whose turn it is follows from that.
    pub fn proposed_in_turn_by(proposers: &[u8], salt: u8) -> Self {
        let mut chain = Self::proposed_by(proposers, salt);
        // An engine begins anew behind a block that names nobody.
        let proposers = std::mem::take(&mut chain.proposers);
        chain.block(&[]);
        (chain.proposers, chain.last_round) = (proposers, Some(0));
        chain
    }

    pub fn block(&self, txs: &[Bytes]) -> FinalizedBlock {
        let height = self.ledger.info().height + 1;
        let hash = *blake3::hash(&[self.salt, height as u8]).as_bytes();
        let block = Block::alone(height, self.idle + 1_000 + height as i64, hash, txs);
        let finalized = match self.proposer() {
            None => self.ledger.finalize_block(&block).unwrap(),
            Some(proposer) => self.decide(proposer, txs),
        };
        self.ledger.commit().unwrap();
        finalized
    }

    /// Whose turn it is to propose the next block.
    pub fn proposer(&self) -> Option<u8> {
        if self.last_round.is_some() {
            return self.in_turn(0);
        }
        let turn = self.ledger.info().height as usize % self.proposers.len().max(1);
        self.proposers.get(turn).copied()
    }

    /// Who proposes so many heights after the next one, as the engine counts if nothing changes.
    pub fn in_turn(&self, later: u64) -> Option<u8> {
        let mut next = staking::turns(&self.ledger.reader()).unwrap().unwrap_or_default().upcoming();
        for _ in 0..later {
            next.advance();
        }
        self.proposers.iter().copied().find(|who| validator(*who).address() == next.first())
    }

    /// What the next block does if it is this one: nothing is committed.
    pub fn decide(&self, proposer: u8, txs: &[Bytes]) -> FinalizedBlock {
        let height = self.ledger.info().height + 1;
        let consensus = &match self.last_round {
            Some(round) => voted(&self.ledger, proposer, round),
            None => proposed_by(proposer),
        };
        let first = beacon_tx_in(&self.ledger, proposer, consensus);
        let txs: Vec<Bytes> = [first].into_iter().chain(txs.iter().cloned()).collect();
        let hash = tagged_hash("a block", &txs.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>());
        let time_seconds = self.idle + 1_000 + height as i64;
        let block = Block { height, time_seconds, hash, txs: &txs, consensus };
        let mut finalized = self.ledger.finalize_block(&block).unwrap();
        assert!(finalized.outcomes.remove(0).is_ok());
        finalized
    }

    pub fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.ledger.info().height + 100, self.nonce));
        self.bytes += tx.len();
        tx
    }

    pub fn send(&mut self, who: u8, action: Action) -> (Code, String) {
        let tx = self.sign(who, action);
        let outcome = self.block(&[tx]).outcomes.remove(0);
        (outcome.code, outcome.log)
    }

    pub fn done(&mut self, who: u8, action: Action) {
        let (code, log) = self.send(who, action);
        assert_eq!(code, code::OK, "{log}");
    }

    /// The accomplice gives bytes, and the attacker's node says in the same block that it keeps them; nobody is drawn yet.
    pub fn give(&mut self, blob: [u8; 32]) -> ContributionId {
        let action = contribute(blob);
        let id = action.id(CHAIN, &address(ACCOMPLICE), 0);
        let txs = [self.sign(ACCOMPLICE, Action::Contribute(action)), self.sign(ATTACKER, keep(ATTACKER, &id))];
        let outcomes = self.block(&txs).outcomes;
        assert!(outcomes.iter().all(|outcome| outcome.is_ok()), "{outcomes:?}");
        id
    }

    pub fn round(&self, id: &ContributionId) -> Round {
        validation::judging_round(&self.ledger.reader(), &self.contribution(id)).unwrap().expect("a round")
    }

    /// What an honest judge says who has the bytes of a contribution, over whose records the plain root is `plain`.
    pub fn honest(&self, id: &ContributionId, plain: &Digest) -> Scores {
        let (state, given) = (self.ledger.reader(), self.contribution(id));
        if record_root(&given.contributor, plain) != given.record_root {
            println!("judged unreadable: the root of contribution {id} is none of {}'s", given.contributor);
            return Scores::default();
        }
        match contributions::taken_back(&state, &given.datanet, plain).unwrap() {
            Some(former) if former.contributor != given.contributor => {
                println!("judged unreadable: these records were taken back by their contributor");
                Scores::default()
            }
            _ => Scores::from_array([9_000; 4]),
        }
    }

    pub fn contribution(&self, id: &ContributionId) -> Contribution {
        contributions::get(&self.ledger.reader(), id).unwrap().unwrap()
    }

    /// Seats of `who` on the present committee.
    pub fn seats(&self, id: &ContributionId, who: u8) -> u32 {
        self.round(id).member(&address(who)).map_or(0, |member| member.seats)
    }

    /// Everybody who was drawn commits and reveals what `verdict` says; those for whom it says nothing are silent.
    pub fn judge(&mut self, id: &ContributionId, verdict: impl Fn(u8) -> Option<Option<Scores>>) {
        self.commit(id, &verdict);
        while self.round(id).phase() == validation::Phase::Commit {
            self.block(&[]);
        }
        self.reveal(id, &verdict);
        while matches!(self.round(id).phase(), validation::Phase::Reveal) {
            self.block(&[]);
        }
    }

    /// What those who were drawn say.
    fn votes(&self, id: &ContributionId, verdict: impl Fn(u8) -> Option<Option<Scores>>) -> Vec<(u8, Option<Scores>)> {
        let round = self.round(id);
        let drawn = HONEST.into_iter().chain([ATTACKER]).filter(|who| round.member(&address(*who)).is_some());
        drawn.filter_map(|who| Some((who, verdict(who)?))).collect()
    }

    /// They commit to it.
    pub fn commit(&mut self, id: &ContributionId, verdict: impl Fn(u8) -> Option<Option<Scores>>) {
        for (who, scores) in &self.votes(id, verdict) {
            let commitment = Commitment {
                chain_id: CHAIN,
                datanet: &datanet(),
                contribution: id,
                blob: &self.contribution(id).blob,
                validator: &address(*who),
                scores: scores.as_ref(),
                report: &BlobHash([1; 32]),
                salt: &Digest([*who; 32]),
            };
            self.done(*who, Action::CommitScores(CommitScores { contribution: *id, commitment: commitment.digest() }));
        }
    }

    /// They reveal it.
    pub fn reveal(&mut self, id: &ContributionId, verdict: impl Fn(u8) -> Option<Option<Scores>>) {
        for (who, scores) in self.votes(id, verdict) {
            let (report, salt) = (BlobHash([1; 32]), Digest([who; 32]));
            self.done(who, Action::RevealScores(RevealScores { contribution: *id, scores, report, salt }));
        }
    }

    /// The accomplice gives batches, from those whose bytes hash to `blob` on, until one has a committee of three.
    pub fn give_to_three(&mut self, blob: u8) -> ContributionId {
        for blob in blob..u8::MAX {
            let id = self.give([blob; 32]);
            self.block(&[]);
            self.block(&[]);
            if self.round(&id).committee.len() == 3 {
                return id;
            }
        }
        panic!("no committee of three")
    }

    pub fn reputation(&self, who: u8) -> Reputation {
        nodes::reputation(&self.ledger.reader(), &address(who)).unwrap().unwrap()
    }

    pub fn unbonding(&self, who: u8) -> Amount {
        nodes::unbonding(&self.ledger.reader(), &address(who)).unwrap()
    }

    /// What of a contribution's bond is still locked.
    pub fn bond(&self, id: &ContributionId) -> Amount {
        self.balance(contributions::bond_account(id))
    }

    pub fn balance(&self, who: impl Into<Account>) -> Amount {
        datanet_ledger::component::accounts::balance(&self.ledger.reader(), who).unwrap()
    }

    /// What the attacker owns, stake included, wherever it is.
    pub fn loot(&self) -> Amount {
        let mine = [ATTACKER, ACCOMPLICE].map(|who| {
            let who = address(who);
            let behind = [nodes::stake_account(&who), nodes::unbonding_account(&who)];
            self.balance(who) + behind.iter().map(|account| self.balance(account)).sum::<Amount>()
        });
        mine.iter().sum()
    }
}

pub fn register(who: u8, roles: u32, stake: Amount) -> Action {
    let node = key(who + 100);
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &address(who), &node.node_key()));
    Action::RegisterNode(RegisterNode { node: node.node_key(), proof, roles, stake, name: format!("node {who}") })
}

/// The word of `who`'s node that it keeps something.
pub fn keep(who: u8, id: &ContributionId) -> Action {
    Action::AttestStorage(AttestStorage { contribution: *id, node: key(who + 100).node_key() })
}

pub fn datanet() -> DatanetId {
    DatanetId::derive(CHAIN, &address(CREATOR), "docs")
}

pub fn create_datanet() -> CreateDatanet {
    CreateDatanet {
        name: "docs".into(),
        description: "what crates say of themselves".into(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".into(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 3,
        storage_quorum: 1,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: BOND,
        token_price: 0,
        step_price: 0,
    }
}

pub fn contribute(blob: [u8; 32]) -> Contribute {
    Contribute {
        datanet: datanet(),
        blob: BlobHash(blob),
        size: 1_000,
        format: 0,
        records: 10,
        record_root: Digest(blob),
        bond: BOND,
        origin: key(100 + ACCOMPLICE).node_key(),
        attempt: 0,
    }
}
