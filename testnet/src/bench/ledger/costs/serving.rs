//! Epochs, and claims of what was earned in them.

use anyhow::{Context as _, Result};
use datanet_ledger::component::Params;
use datanet_types::action::{Claim, ClaimItem, OpenChannel, SettleEpoch, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, Amount, BlobHash, ChannelId, Digest, SignedTx};

use super::books::{CHAIN, key, node_key};
use super::{Books, Cost};
use crate::bench::nobody;

/// Owns the serving node.
const SERVER: u8 = 1;
/// Asks and pays.
const PAYER: u8 = 2;
/// Sends the claims, for whomever they are.
const CLAIMANT: u8 = 3;
/// What an answer costs, in base units.
const PRICE: Amount = 1_000;
/// Who earn by an answer; nobody earns by two.
const EARNERS: u64 = 2;
/// Blocks that a channel lasts.
const LASTS: u64 = 10_000;

/// A serving node whose epochs are final at once.
pub(super) struct Serving {
    books: Books,
    epoch: u64,
}

impl Serving {
    pub(super) fn start() -> Result<Self> {
        let mut books = Books::start(Params { challenge_seconds: 0, ..Params::default() })?;
        books.register(SERVER, role::SERVING, 10_000 * DNT)?;
        let mut serving = Self { books, epoch: 0 };
        // The first leaves what all share.
        serving.epoch(1)?;
        Ok(serving)
    }

    /// Settling so many answers.
    pub(super) fn epoch(&mut self, answers: u64) -> Result<Cost> {
        let channel = self.channel(answers * PRICE)?;
        let since = self.books.taken();
        self.settle(answers, channel)?;
        Ok(self.books.cost(since, "a settled epoch", format!("{answers} answers")))
    }

    /// Claiming one leaf of so many.
    pub(super) fn claim(&mut self, leaves: u64) -> Result<Cost> {
        let answers = leaves / EARNERS;
        let channel = self.channel(answers * PRICE)?;
        let tree = self.settle(answers, channel)?;
        let index = usize::try_from(leaves / 3)?;
        let proof = prove(&tree, index)?.context("no such leaf")?;
        let (node, epoch, amount) = (node_key(SERVER).node_key(), self.epoch, earned());
        let item = ClaimItem { node, epoch, amount, proof };
        let claim = Claim { account: earner(leaves / 3), items: vec![item] };
        let since = self.books.taken();
        self.books.done(CLAIMANT, Action::Claim(claim))?;
        Ok(self.books.cost(since, "a claim", format!("{leaves} leaves")))
    }

    fn channel(&mut self, deposit: Amount) -> Result<ChannelId> {
        let expires_at = self.books.ledger.reader().block_seconds() + LASTS;
        let node = node_key(SERVER).node_key();
        let open = OpenChannel { node, deposit, expires_at, voucher_key: None };
        let tx = self.books.done(PAYER, Action::OpenChannel(open))?;
        Ok(SignedTx::verify(&tx.to_bytes(), CHAIN)?.channel_id())
    }

    /// Settles the next epoch; its tree.
    fn settle(&mut self, answers: u64, channel: ChannelId) -> Result<Vec<SumNode>> {
        self.epoch += 1;
        let (node, fees) = (node_key(SERVER).node_key(), answers * PRICE);
        let leaf = |n| EpochLeaf { account: earner(n).into(), amount: earned() }.node(CHAIN, &node, self.epoch);
        let tree: Vec<SumNode> = (0..answers * EARNERS).map(leaf).collect();
        let settle = SettleEpoch {
            node,
            epoch: self.epoch,
            root: root(&tree)?.digest,
            totals: EpochTotals { answers, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 },
            vouchers: vec![SignedVoucher::sign(CHAIN, channel, fees, &key(PAYER))],
            statement: BlobHash([9; 32]),
            accounts: tree.len() as u64,
            receipts: Digest([8; 32]),
            params: 0,
            carries: None,
            taken: Vec::new(),
        };
        self.books.done(SERVER, Action::SettleEpoch(settle))?;
        Ok(tree)
    }
}

/// What one of those earns whom an answer pays.
fn earned() -> Amount {
    FeeShares::STANDARD.split(PRICE).claimable() / EARNERS
}

fn earner(n: u64) -> Address {
    nobody(n)
}
