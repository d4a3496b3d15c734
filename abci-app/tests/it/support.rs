//! A chain in a temporary folder, and transactions for it.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, FinalizedBlock, InitChain, Verdict};
use datanet_ledger::code::Code;
use datanet_ledger::component::{ConsensusInfo, Vote, beacon, staking};
use datanet_types::action::Transfer;
use datanet_types::beacon::BeaconInput;
use datanet_types::{Action, Address, BeaconSecret, ConsensusKey, SigningKey, TxBody};
use tempfile::TempDir;

pub const CHAIN: &str = "test";
/// What a transaction of ordinary size and work costs.
pub const FEE: u64 = 1_000;
/// What a transaction may cost, and how much gas it may take.
pub const MOST: u64 = 1_000_000;
pub const GAS: u64 = 5_000_000;
pub const BALANCE: u64 = 1_000_000_000;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn address(seed: u8) -> Address {
    key(seed).address()
}

/// Genesis with money for the keys 1 to 9, where epochs are final at the end of their block.
pub fn genesis() -> Vec<u8> {
    genesis_with(&serde_json::json!({ "challenge_seconds": 0 }))
}

/// The same with these parameters. Gas is free, verdicts are final and nobody has to keep statements unless they say otherwise: what is asserted of money then follows from sizes alone, and
/// attacks are at their cheapest. Committees are drawn as early as they may be.
pub fn genesis_with(params: &serde_json::Value) -> Vec<u8> {
    let mut params = params.clone();
    for (name, value) in [("gas_price", 0), ("verdict_challenge_seconds", 0), ("statement_quorum", 0)] {
        if params.get(name).is_none() {
            params[name] = value.into();
        }
    }
    if params.get("draw_delay").is_none() {
        params["draw_delay"] = 2.into();
    }
    let accounts: Vec<_> =
        (1..10).map(|seed| serde_json::json!({ "address": address(seed), "balance": BALANCE })).collect();
    serde_json::to_vec(&serde_json::json!({ "accounts": accounts, "params": params })).unwrap()
}

/// The same where `operators` have a validator each, behind which half of their money stands.
pub fn genesis_of_validators(operators: &[u8]) -> Vec<u8> {
    let mut genesis: serde_json::Value =
        serde_json::from_slice(&genesis_with(&serde_json::json!({ "min_validator_stake": 1_000_000 }))).unwrap();
    let validator = |n: &u8| {
        serde_json::json!({ "key": validator(*n), "beacon_key": beacon_secret(*n).key(), "operator": address(*n),
                            "stake": BALANCE / 2, "name": format!("validator {n}") })
    };
    genesis["validators"] = operators.iter().map(validator).collect();
    serde_json::to_vec(&genesis).unwrap()
}

/// The consensus key of person `n`.
pub fn validator(n: u8) -> ConsensusKey {
    key(n + 50).consensus_key()
}

pub fn beacon_secret(n: u8) -> BeaconSecret {
    BeaconSecret::from_bytes(&[n; 32])
}

/// What the engine says of a block that person `n`'s validator proposes.
pub fn proposed_by(n: u8) -> ConsensusInfo {
    ConsensusInfo { proposer: validator(n).address(), ..ConsensusInfo::default() }
}

/// The same, as an engine says it that counts turns as the ledger does: all voted for the block before, in `last_round`.
pub fn voted(ledger: &LedgerHandle, n: u8, last_round: u32) -> ConsensusInfo {
    let turns = staking::turns(&ledger.reader()).unwrap().unwrap_or_default();
    let vote = |place: &staking::rotation::Place| Vote {
        validator: place.validator,
        power: u64::try_from(place.power).unwrap(),
        signed: true,
    };
    let last_commit = turns.now.places().iter().map(vote).collect();
    ConsensusInfo { last_commit, last_round, ..proposed_by(n) }
}

/// The transaction with which person `n`'s validator begins the next block.
pub fn beacon_tx(ledger: &LedgerHandle, n: u8) -> Bytes {
    beacon_tx_in(ledger, n, &proposed_by(n))
}

/// The same, where the engine says `consensus` with that block.
pub fn beacon_tx_in(ledger: &LedgerHandle, n: u8, consensus: &ConsensusInfo) -> Bytes {
    let value = beacon::before(&ledger.reader(), CHAIN, consensus).unwrap();
    let input = BeaconInput::of_block(CHAIN, ledger.info().height + 1, &value);
    beacon_secret(n).prove(&input).to_tx().into()
}

/// Of no account: who signs it acts for its own.
pub fn body(action: Action, expiry: u64, nonce: u64) -> TxBody {
    let (account, fee, gas_limit) = (Address::ZERO, MOST, GAS);
    TxBody { chain_id: CHAIN.into(), expiry, fee, nonce, account, gas_limit, tip: 0, action: Some(action) }
}

pub fn signed(seed: u8, body: &TxBody) -> Bytes {
    signed_for(seed, &[seed], body)
}

/// What several sign for the account of one.
pub fn signed_for(account: u8, seeds: &[u8], body: &TxBody) -> Bytes {
    let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let body = TxBody { account: address(account), ..body.clone() };
    body.sign_with(&keys.iter().collect::<Vec<_>>()).to_bytes().into()
}

pub fn transfer(from: u8, to: u8, amount: u64, nonce: u64) -> Bytes {
    signed(from, &body(Action::Transfer(Transfer { to: address(to), amount }), 100, nonce))
}

pub struct Chain {
    pub dir: TempDir,
    pub ledger: LedgerHandle,
    /// Seconds that have passed beside one a block.
    pub idle: i64,
}

impl Chain {
    /// Not started.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        Self { dir, ledger, idle: 0 }
    }

    /// Not started, with the beacon key of person `n`.
    pub fn empty_of(n: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signer = std::sync::Arc::new(beacon_secret(n));
        let ledger = LedgerHandle::open_with(&dir.path().join("ledger.redb"), signer).unwrap();
        Self { dir, ledger, idle: 0 }
    }

    /// Started, before its first block.
    pub fn new() -> Self {
        let chain = Self::empty();
        chain.init();
        chain
    }

    pub fn init(&self) -> [u8; 32] {
        self.init_with(&genesis())
    }

    pub fn init_with(&self, genesis: &[u8]) -> [u8; 32] {
        let init = InitChain { chain_id: CHAIN, initial_height: 1, app_state: genesis };
        self.ledger.init_chain(&init).unwrap().app_hash
    }

    pub fn next(&self) -> u64 {
        self.ledger.info().height + 1
    }

    pub fn process(&self, txs: &[Bytes]) -> Verdict {
        self.ledger.process_proposal(&self.block(txs)).unwrap()
    }

    pub fn finalize(&self, txs: &[Bytes]) -> FinalizedBlock {
        self.ledger.finalize_block(&self.block(txs)).unwrap()
    }

    /// Time of the next block.
    pub fn now(&self) -> u64 {
        u64::try_from(self.idle + 1_000 + self.next() as i64).unwrap()
    }

    pub fn block<'a>(&self, txs: &'a [Bytes]) -> Block<'a> {
        let height = self.next();
        Block::alone(height, i64::try_from(self.now()).unwrap(), [height as u8; 32], txs)
    }

    /// Finalizes and commits.
    pub fn run(&self, txs: &[Bytes]) -> FinalizedBlock {
        let finalized = self.finalize(txs);
        self.ledger.commit().unwrap();
        finalized
    }

    /// So many seconds pass, and then there are two blocks.
    pub fn pass(&mut self, seconds: u64) {
        self.idle += i64::try_from(seconds).unwrap();
        self.run(&[]);
        self.run(&[]);
    }

    pub fn codes(block: &FinalizedBlock) -> Vec<Code> {
        block.outcomes.iter().map(|outcome| outcome.code).collect()
    }

    /// What is left when the process dies here and starts again.
    pub fn reopen(self) -> Self {
        let Self { dir, ledger, idle } = self;
        drop(ledger);
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        Self { dir, ledger, idle }
    }

    pub fn balance(&self, seed: u8) -> u64 {
        datanet_ledger::component::accounts::balance(&self.ledger.reader(), address(seed)).unwrap()
    }
}
