//! A chain in a temporary folder, and transactions for it.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, FinalizedBlock, InitChain, Verdict};
use datanet_types::action::Transfer;
use datanet_types::{Action, Address, SigningKey, TxBody};
use tempfile::TempDir;

pub const CHAIN: &str = "test";
pub const FEE: u64 = 1_000;
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

/// The same with these parameters.
pub fn genesis_with(params: &serde_json::Value) -> Vec<u8> {
    let accounts: Vec<_> =
        (1..10).map(|seed| serde_json::json!({ "address": address(seed), "balance": BALANCE })).collect();
    serde_json::to_vec(&serde_json::json!({ "accounts": accounts, "params": params })).unwrap()
}

pub fn body(action: Action, expiry: u64, nonce: u64) -> TxBody {
    TxBody { chain_id: CHAIN.into(), expiry, fee: FEE, nonce, action: Some(action) }
}

pub fn signed(seed: u8, body: &TxBody) -> Bytes {
    body.sign(&key(seed)).to_bytes().into()
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

    pub fn block<'a>(&self, txs: &'a [Bytes]) -> Block<'a> {
        let height = self.next();
        Block::alone(height, self.idle + 1_000 + height as i64, [height as u8; 32], txs)
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

    pub fn codes(block: &FinalizedBlock) -> Vec<u32> {
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
        datanet_ledger::component::accounts::balance(&self.ledger.reader(), &address(seed)).unwrap()
    }
}
