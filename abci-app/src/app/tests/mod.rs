//! A node with its store, whose state can be broken as a fault in the rules would.

mod contradictions;
mod sentences;

use bytes::Bytes;
use datanet_types::action::{OpenChannel, RegisterNode, Transfer, role};
use datanet_types::tx::TxBody;
use datanet_types::{Action, Address, ChannelId, NodeKey, SignedTx, SigningKey};
use tempfile::TempDir;

use super::block::{Block, FinalizedBlock, InitChain, Verdict};
use super::execute::Run;
use super::{Application, lock};
use crate::component::accounts;
use crate::state::ChangeLog;
use crate::store::Store;

const CHAIN: &str = "test";
const BALANCE: u64 = 1_000_000;
/// What a transaction costs where gas is free, and what one may cost and take.
const FEE: u64 = 1_000;
const MOST: u64 = 100_000;
const GAS: u64 = 20_000_000;
const DEPOSIT: u64 = 100_000;
/// Blocks of a second each from the opening of a channel to its expiry, and from there to its end.
const CHANNEL_BLOCKS: u64 = 3;

struct Node {
    dir: TempDir,
    app: Application,
    nonce: u64,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn address(n: u8) -> Address {
    key(n).address()
}

fn node_key() -> NodeKey {
    key(101).node_key()
}

/// Of the channel that `tx` opens.
fn id_of(tx: &[u8]) -> ChannelId {
    ChannelId(SignedTx::verify(tx, CHAIN).unwrap().id)
}

fn open_store(dir: &TempDir) -> Application {
    Application::new(Store::open(&dir.path().join("ledger.redb")).unwrap()).unwrap()
}

impl Node {
    /// One account for each of persons 1 to 4.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let app = open_store(&dir);
        let accounts: Vec<_> =
            (1..5).map(|n| serde_json::json!({ "address": address(n), "balance": BALANCE })).collect();
        let params = serde_json::json!({ "channel_min_seconds": CHANNEL_BLOCKS, "gas_price": 0 });
        let app_state =
            serde_json::to_vec(&serde_json::json!({ "params": params, "accounts": accounts, "authority": address(4) }))
                .unwrap();
        app.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
        Self { dir, app, nonce: 0 }
    }

    fn restart(self) -> Self {
        let Self { dir, app, nonce } = self;
        drop(app);
        Self { app: open_store(&dir), dir, nonce }
    }

    fn height(&self) -> u64 {
        self.app.info().height
    }

    fn balance(&self, account: impl Into<accounts::Account>) -> u64 {
        accounts::balance(&self.app.reader(), account).unwrap()
    }

    fn sign(&mut self, n: u8, action: Action) -> Bytes {
        self.nonce += 1;
        let (nonce, expiry, account) = (self.nonce, self.height() + 50, address(n));
        let (chain_id, gas_limit, action) = (CHAIN.into(), GAS, Some(action));
        let body = TxBody { chain_id, expiry, fee: MOST, nonce, account, gas_limit, tip: 0, action };
        body.sign(&key(n)).to_bytes().into()
    }

    fn transfer(&mut self, from: u8, to: u8) -> Bytes {
        self.sign(from, Action::Transfer(Transfer { to: address(to), amount: 5 }))
    }

    /// Person 1 runs a serving node.
    fn serve(&mut self) {
        let proof = key(101).sign(&RegisterNode::sign_bytes(CHAIN, &address(1), &node_key()));
        let name = "node".to_owned();
        let register = RegisterNode { node: node_key(), proof, roles: role::SERVING, stake: 0, name };
        let tx = self.sign(1, Action::RegisterNode(register));
        assert!(self.block(&[tx]).outcomes[0].is_ok());
    }

    fn opening(&mut self, n: u8) -> Bytes {
        let expires_at = self.height() + 1 + CHANNEL_BLOCKS;
        let open = OpenChannel { node: node_key(), deposit: DEPOSIT, expires_at, voucher_key: None };
        self.sign(n, Action::OpenChannel(open))
    }

    /// Person `n` opens a channel.
    fn open(&mut self, n: u8) -> ChannelId {
        let tx = self.opening(n);
        let block = self.block(std::slice::from_ref(&tx));
        assert!(block.outcomes[0].is_ok(), "{}", block.outcomes[0].log);
        id_of(&tx)
    }

    /// Executes the next block, which everybody votes for; it is not committed.
    fn finalize(&self, txs: &[Bytes]) -> FinalizedBlock {
        let height = self.height() + 1;
        let block = Block::alone(height, height as i64, [height as u8; 32], txs);
        assert_eq!(self.app.process_proposal(&block).unwrap(), Verdict::Accept);
        self.app.finalize_block(&block).unwrap()
    }

    /// The next block, committed; no money comes or goes.
    fn block(&self, txs: &[Bytes]) -> FinalizedBlock {
        let finalized = self.finalize(txs);
        self.commit();
        finalized
    }

    fn commit(&self) {
        self.app.commit().unwrap();
        assert_eq!(accounts::count_supply(&self.app.reader()).unwrap(), 4 * u128::from(BALANCE));
    }

    /// A block in which a fault in the rules, which all nodes have, does `change`.
    fn fault(&self, change: impl FnOnce(&mut ChangeLog<'_>)) {
        let tip = self.app.tip();
        let height = self.height() + 1;
        let context = tip.next_block(&Block::alone(height, height as i64, [0; 32], &[])).unwrap();
        let mut run = Run::begin(&tip, context, None).unwrap();
        change(run.state());
        lock(&self.app.blocks).decided = Some(run.end().unwrap());
        self.app.commit().unwrap();
    }
}
