//! A chain in this process that keeps books of what is written.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use bytes::Bytes;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::component::{Genesis, GenesisAccount, Params};
use datanet_ledger::state::StateRead as _;
use datanet_ledger::{LedgerHandle, LedgerReader};
use datanet_types::action::RegisterNode;
use datanet_types::amount::DNT;
use datanet_types::{Action, Address, Amount, SignedTx, SigningKey, TxBody};
use tempfile::TempDir;

use super::Cost;

/// The chain's name.
pub(super) const CHAIN: &str = "bench-costs";
/// What everybody begins with.
const BALANCE: Amount = 1_000_000 * DNT;
/// Enough for any action here.
const FEE: Amount = 1_000_000;
const GAS: u64 = 50_000_000;
/// Blocks in which a transaction is good.
const TTL: u64 = 100;

/// The key of person `n`.
pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(super) fn address(n: u8) -> Address {
    key(n).address()
}

/// The key of person `n`'s node.
pub(super) fn node_key(n: u8) -> SigningKey {
    key(n + 100)
}

/// A ledger, and what its transactions and its state have taken so far.
pub(super) struct Books {
    pub(super) ledger: LedgerHandle,
    _folder: TempDir,
    state: BTreeMap<String, Vec<u8>>,
    nonce: u64,
    taken: Taken,
}

/// Transactions, their bytes, and bytes written into the state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    txs: usize,
    tx_bytes: usize,
    state_bytes: usize,
    gas: u64,
}

impl Books {
    /// A chain on which the persons 1 to 9 have money.
    pub(super) fn start(params: Params) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger = LedgerHandle::open(&folder.path().join("ledger.redb"))?;
        let account = |n| GenesisAccount { address: address(n), balance: BALANCE, name: None };
        let genesis = Genesis { params, accounts: (1..10).map(account).collect(), ..Genesis::default() };
        let app_state = serde_json::to_vec(&genesis)?;
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state })?;
        let state = BTreeMap::new();
        let mut books = Self { ledger, _folder: folder, state, nonce: 0, taken: Taken::default() };
        books.block(&[])?;
        Ok(books)
    }

    pub(super) fn reader(&self) -> LedgerReader {
        self.ledger.reader()
    }

    /// What has been taken so far.
    pub(super) fn taken(&self) -> Taken {
        self.taken
    }

    /// What has been taken since.
    pub(super) fn cost(&self, since: Taken, cost: &str, with: String) -> Cost {
        let Taken { txs, tx_bytes, state_bytes, gas } = self.taken;
        Cost {
            cost: cost.to_owned(),
            with,
            txs: txs - since.txs,
            tx_bytes: tx_bytes - since.tx_bytes,
            state_bytes: state_bytes - since.state_bytes,
            gas: gas - since.gas,
        }
    }

    /// A block with these transactions, each of which must succeed.
    pub(super) fn block(&mut self, txs: &[Bytes]) -> Result<()> {
        let height = self.ledger.info().height + 1;
        let hash = *blake3::hash(&height.to_le_bytes()).as_bytes();
        let finalized = self.ledger.finalize_block(&Block::alone(height, i64::try_from(height)?, hash, txs))?;
        for outcome in &finalized.outcomes {
            ensure!(outcome.is_ok(), "refused: {} (code {})", outcome.log, outcome.code);
        }
        self.ledger.commit()?;
        self.taken.txs += txs.len();
        self.taken.gas += finalized.outcomes.iter().map(|outcome| outcome.gas_used).sum::<u64>();
        self.taken.tx_bytes += txs.iter().map(Bytes::len).sum::<usize>();
        let state: BTreeMap<String, Vec<u8>> = self.reader().scan("", None, usize::MAX)?.into_iter().collect();
        let written = state.iter().filter(|(key, value)| self.state.get(*key) != Some(*value));
        self.taken.state_bytes += written.map(|(key, value)| key.len() + value.len()).sum::<usize>();
        self.state = state;
        Ok(())
    }

    /// Person `n` does this in a block of its own; the transaction.
    pub(super) fn done(&mut self, n: u8, action: Action) -> Result<SignedTx> {
        self.nonce += 1;
        let body = TxBody {
            chain_id: CHAIN.to_owned(),
            expiry: self.ledger.info().height + TTL,
            fee: FEE,
            nonce: self.nonce,
            account: address(n),
            gas_limit: GAS,
            tip: 0,
            action: Some(action),
        };
        let tx = body.sign(&key(n));
        self.block(&[tx.to_bytes().into()])?;
        Ok(tx)
    }

    /// Person `n` registers a node.
    pub(super) fn register(&mut self, n: u8, roles: u32, stake: Amount) -> Result<()> {
        let node = node_key(n);
        let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &address(n), &node.node_key()));
        let name = format!("node {n}");
        self.done(n, Action::RegisterNode(RegisterNode { node: node.node_key(), proof, roles, stake, name }))?;
        Ok(())
    }
}
