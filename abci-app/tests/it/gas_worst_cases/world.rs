//! A chain with much on it, of which each measurement begins with a copy.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, FinalizedBlock, InitChain, TxOutcome};
use datanet_ledger::component::{ConsensusInfo, Genesis, GenesisAccount, Params, Vote, intrinsic_gas};
use datanet_ledger::component::{staking::GenesisValidator, validation};
use datanet_types::action::Transfer;
use datanet_types::amount::DNT;
use datanet_types::consensus::ConsensusAddress;
use datanet_types::{Action, Address, ContributionId, SignedTx, SigningKey, TxBody};
use tempfile::TempDir;

use crate::support::{CHAIN, beacon_secret, beacon_tx, key, proposed_by, validator};

/// Accounts with money.
pub const PEOPLE: u32 = 3_000;
/// Validators of the engine's, whose operators are the accounts of [`crate::support`].
pub const ENGINE: u8 = 64;
/// Seconds in which an epoch can be challenged.
pub const CHALLENGE_SECONDS: u64 = 1_000;
/// Blocks after which it is judged who was away.
const WINDOW: u64 = 120;
/// Seconds of what must not come to its end while the world is made.
const LONG: u64 = 1_000_000;

/// The key of person `n`.
pub fn person(n: u32) -> SigningKey {
    SigningKey::from_bytes(blake3::hash(&n.to_le_bytes()).as_bytes())
}

pub fn address_of(n: u32) -> Address {
    person(n).address()
}

/// The key of person `n`'s node.
pub fn node_of(n: u32) -> SigningKey {
    person(n + 1_000_000)
}

pub fn engine_validator(n: u8) -> ConsensusAddress {
    validator(n).address()
}

pub struct World {
    dir: TempDir,
    ledger: Option<LedgerHandle>,
    nonce: Cell<u64>,
    now: i64,
    height: u64,
}

fn params() -> Params {
    Params {
        block_gas: 10_000_000_000,
        max_block_bytes: 100 * 1024 * 1024,
        storing_seconds: LONG,
        commit_seconds: LONG,
        reveal_seconds: LONG,
        challenge_seconds: CHALLENGE_SECONDS,
        verdict_challenge_seconds: LONG,
        audit_seconds: LONG,
        statement_quorum: 1,
        statement_seconds: LONG,
        audit_seats: 63,
        draw_delay: 2,
        min_stake: DNT,
        min_validator_stake: DNT,
        channel_min_seconds: 1,
        liveness_window: WINDOW,
        jail_seconds: 1,
        treasury_period_bps: 10_000,
        ..Params::default()
    }
}

fn genesis() -> Genesis {
    let rich = |address| GenesisAccount { address, balance: 1_000_000 * DNT, name: None };
    let people = (0..PEOPLE).map(|n| rich(address_of(n)));
    let operators = (1..=ENGINE).map(|n| rich(key(n).address()));
    let validator = |n: u8| GenesisValidator {
        key: validator(n),
        beacon_key: beacon_secret(n).key(),
        operator: key(n).address(),
        stake: 1_000 * DNT,
        commission_bps: 1_000,
        name: "v".repeat(64),
    };
    Genesis {
        params: params(),
        accounts: people.chain(operators).collect(),
        validators: (1..=ENGINE).map(validator).collect(),
        authority: Some(address_of(0)),
    }
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        let app_state = serde_json::to_vec(&genesis()).unwrap();
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
        Self { dir, ledger: Some(ledger), nonce: Cell::new(0), now: 1_700_000_000, height: 0 }
    }

    pub fn ledger(&self) -> &LedgerHandle {
        self.ledger.as_ref().expect("open until it is measured")
    }

    /// Time of the next block.
    pub fn now(&self) -> u64 {
        u64::try_from(self.now + 1).unwrap()
    }

    /// A transaction of person `n`'s account, signed by the key that its address was made of.
    pub fn sign(&self, n: u32, action: Action) -> Bytes {
        self.signed(&person(n), action)
    }

    /// The same of the account of `key`.
    pub fn signed(&self, key: &SigningKey, action: Action) -> Bytes {
        self.signed_by(key.address(), &[key], action)
    }

    pub fn signed_by(&self, account: Address, keys: &[&SigningKey], action: Action) -> Bytes {
        self.limited(account, keys, action, 1_000_000_000)
    }

    /// A transaction of person `n`'s with so much gas beside what it takes before it is executed.
    pub fn with_gas(&self, n: u32, action: Action, gas: u64) -> Bytes {
        let (key, account) = (person(n), address_of(n));
        let tx = self.limited(account, &[&key], action.clone(), 1_000_000_000);
        let before = intrinsic_gas(&SignedTx::verify(&tx, CHAIN).unwrap());
        self.limited(account, &[&key], action, before + gas)
    }

    fn limited(&self, account: Address, keys: &[&SigningKey], action: Action, gas_limit: u64) -> Bytes {
        self.nonce.set(self.nonce.get() + 1);
        let (expiry, fee) = (self.height + 500, 100 * DNT);
        let (chain_id, nonce, action) = (CHAIN.to_owned(), self.nonce.get(), Some(action));
        let body = TxBody { chain_id, expiry, fee, nonce, account, gas_limit, tip: 0, action };
        body.sign_with(keys).to_bytes().into()
    }

    /// A block with these, all of which must work. One validator after the other proposes; half of them do not vote.
    pub fn block(&mut self, txs: &[Bytes]) -> FinalizedBlock {
        self.height += 1;
        self.now += 1;
        let proposer = 1 + (self.height % u64::from(ENGINE)) as u8;
        let vote = |n: u8| Vote { validator: engine_validator(n), power: 1, signed: n <= ENGINE / 2 };
        let consensus = ConsensusInfo { last_commit: (1..=ENGINE).map(vote).collect(), ..proposed_by(proposer) };
        let txs: Vec<Bytes> = [beacon_tx(self.ledger(), proposer)].into_iter().chain(txs.iter().cloned()).collect();
        let finalized = {
            let ledger = self.ledger();
            let hash = [self.height as u8; 32];
            let block = Block { height: self.height, time_seconds: self.now, hash, txs: &txs, consensus: &consensus };
            let finalized = ledger.finalize_block(&block).unwrap();
            ledger.commit().unwrap();
            finalized
        };
        for outcome in &finalized.outcomes {
            assert!(outcome.is_ok(), "height {}: {}", self.height, outcome.log);
        }
        finalized
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += i64::try_from(seconds).unwrap();
        self.block(&[]);
        self.block(&[]);
    }

    /// Blocks in each of which somebody proposes and fees are paid, until a window's end is over at which who was away is judged.
    pub fn pass_window(&mut self) {
        while self.height <= WINDOW {
            let tx = self.sign(4, Action::Transfer(Transfer { to: address_of(5), amount: 1 }));
            self.block(&[tx]);
        }
    }

    /// Who judges a contribution.
    pub fn committee(&self, id: &ContributionId) -> Vec<Address> {
        let reader = self.ledger().reader();
        let contribution = datanet_ledger::component::contributions::get(&reader, id).unwrap().unwrap();
        let round = validation::current_round(&reader, &contribution).unwrap().unwrap();
        round.committee.iter().map(|member| member.account).collect()
    }

    /// Makes it one to measure on: nothing comes to it any more.
    pub fn close(&mut self) {
        self.ledger = None;
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ledger.redb")
    }

    /// What a block with `txs` does to a copy, and how long one core works on executing and committing it where nothing of it was seen before.
    pub fn measure(&self, txs: &[Bytes]) -> (Vec<TxOutcome>, Duration) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.redb");
        std::fs::copy(self.file(), &path).unwrap();
        let ledger = LedgerHandle::open(&path).unwrap();
        let block = Block::alone(self.height + 1, self.now + 1, [1; 32], txs);
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        one_thread.install(|| {
            let begin = Work::begin();
            let finalized = ledger.finalize_block(&block).unwrap();
            ledger.commit().unwrap();
            (finalized.outcomes, begin.done())
        })
    }
}

/// What this thread has done since some time: on a core where the system tells it, so that what else runs there does not count; else by
/// the clock.
struct Work(Instant, Option<Duration>);

impl Work {
    #[expect(clippy::disallowed_methods, reason = "it measures; no rule of the ledger does")]
    fn begin() -> Self {
        Self(Instant::now(), Self::on_core())
    }

    fn done(self) -> Duration {
        match (self.1, Self::on_core()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => self.0.elapsed(),
        }
    }

    fn on_core() -> Option<Duration> {
        // Linux counts the present turn in only when it ends.
        std::thread::yield_now();
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
    }
}
