//! A datanet with shares, of which a fifth and some money are in a pool; people who hold some, and one who wants what is theirs.

use bytes::Bytes;
use datanet_ledger::app::TxOutcome;
use datanet_ledger::code;
use datanet_ledger::component::pools::{self, Pool};
use datanet_ledger::component::shares;
use datanet_types::action::{
    AddLiquidity, BuyShares, CreateDatanet, CreatePool, IssueShares, PayIncome, RemoveLiquidity, SellShares,
    TransferShares, WithdrawIncome,
};
use datanet_types::amount::DNT;
use datanet_types::schema::Schema;
use datanet_types::{Action, Amount, Asset, BlobHash, DatanetId};

use crate::support::{CHAIN, Chain, address, body, genesis_with, signed};

/// Opened the datanet, issued its shares and provides the pool.
pub const OWNER: u8 = 1;
/// Holds three tenths of the shares.
pub const HOLDER: u8 = 2;
pub const ATTACKER: u8 = 3;
/// Trades.
pub const VICTIM: u8 = 4;
/// Pays income.
pub const PAYER: u8 = 5;
pub const SUPPLY: u64 = 1_000_000;
/// Shares in the pool, and money: a DNT is a thousand shares.
pub const POOLED: u64 = 200_000;
pub const MONEY: Amount = 200 * DNT;

pub struct Market {
    pub chain: Chain,
    nonce: u64,
    pub asset: Asset,
}

/// A datanet of this name like any other.
pub fn datanet(name: &str) -> CreateDatanet {
    CreateDatanet {
        name: name.to_owned(),
        description: String::new(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".to_owned(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 1,
        storage_quorum: 1,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: 0,
        token_price: 0,
        step_price: 0,
    }
}

impl Market {
    /// Without shares.
    pub fn bare(params: &serde_json::Value) -> Self {
        let chain = Chain::empty();
        let mut params = params.clone();
        params["challenge_seconds"] = 0.into();
        chain.init_with(&genesis_with(&params));
        let asset = Asset::Datanet(DatanetId::derive(CHAIN, &address(OWNER), "shared"));
        let mut market = Self { chain, nonce: 0, asset };
        market.done(OWNER, Action::CreateDatanet(datanet("shared")));
        market
    }

    /// With shares, all of them the owner's.
    pub fn issued(params: &serde_json::Value) -> Self {
        let mut market = Self::bare(params);
        market.done(OWNER, market.issue(SUPPLY));
        market
    }

    /// With a pool and a holder.
    pub fn new() -> Self {
        Self::with(&serde_json::json!({}))
    }

    pub fn with(params: &serde_json::Value) -> Self {
        let mut market = Self::issued(params);
        market.done(OWNER, market.give(HOLDER, 300_000));
        let create = CreatePool { asset: market.some(), shares: POOLED, amount: MONEY };
        market.done(OWNER, Action::CreatePool(create));
        market
    }

    pub fn some(&self) -> Option<Asset> {
        Some(self.asset)
    }

    pub fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed(who, &body(action, self.chain.next() + 99, self.nonce))
    }

    /// A block with these, in order.
    pub fn block(&mut self, actions: Vec<(u8, Action)>) -> Vec<TxOutcome> {
        let txs: Vec<Bytes> = actions.into_iter().map(|(who, action)| self.sign(who, action)).collect();
        self.chain.run(&txs).outcomes
    }

    pub fn send(&mut self, who: u8, action: Action) -> TxOutcome {
        self.block(vec![(who, action)]).remove(0)
    }

    pub fn done(&mut self, who: u8, action: Action) {
        let outcome = self.send(who, action);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
    }

    pub fn refused(&mut self, who: u8, action: Action, code: code::Code) {
        let outcome = self.send(who, action);
        println!("refused: {}", outcome.log);
        assert_eq!(outcome.code, code, "{}", outcome.log);
    }

    pub fn issue(&self, supply: u64) -> Action {
        Action::IssueShares(IssueShares { asset: self.some(), supply })
    }

    pub fn give(&self, to: u8, shares: u64) -> Action {
        Action::TransferShares(TransferShares { asset: self.some(), to: address(to), shares })
    }

    pub fn withdraw(&self) -> Action {
        Action::WithdrawIncome(WithdrawIncome { asset: self.some() })
    }

    pub fn pay(&self, amount: Amount) -> Action {
        Action::PayIncome(PayIncome { asset: self.some(), amount })
    }

    pub fn buy(&self, amount: Amount, min_shares: u64) -> Action {
        Action::BuyShares(BuyShares { asset: self.some(), amount, min_shares, deadline: self.chain.now() + 600 })
    }

    pub fn sell(&self, shares: u64, min_amount: Amount) -> Action {
        Action::SellShares(SellShares { asset: self.some(), shares, min_amount, deadline: self.chain.now() + 600 })
    }

    pub fn add(&self, max_shares: u64, max_amount: Amount) -> Action {
        let (min_units, deadline) = (0, self.chain.now() + 600);
        Action::AddLiquidity(AddLiquidity { asset: self.some(), max_shares, max_amount, min_units, deadline })
    }

    pub fn remove(&self, units: u64) -> Action {
        let (min_shares, min_amount, deadline) = (0, 0, self.chain.now() + 600);
        Action::RemoveLiquidity(RemoveLiquidity { asset: self.some(), units, min_shares, min_amount, deadline })
    }

    pub fn pool(&self) -> Pool {
        pools::get(&self.chain.ledger.reader(), &self.asset).unwrap().unwrap()
    }

    pub fn held(&self, who: u8) -> u64 {
        shares::holding(&self.chain.ledger.reader(), &self.asset, address(who)).unwrap().units
    }

    pub fn units(&self, who: u8) -> u64 {
        pools::position(&self.chain.ledger.reader(), &self.asset, &address(who)).unwrap().units
    }

    /// What it could withdraw now.
    pub fn owed(&self, who: u8) -> Amount {
        let (reader, now) = (self.chain.ledger.reader(), self.chain.ledger.reader().block_seconds());
        let held = shares::holding_at(&reader, &self.asset, address(who), now).unwrap().owed;
        held + pools::position_at(&reader, &self.asset, &address(who), now).unwrap().owed
    }

    /// Money, deposits for records included: they come back.
    pub fn money(&self, who: u8) -> i128 {
        let reader = self.chain.ledger.reader();
        let held = shares::holding(&reader, &self.asset, address(who)).unwrap().deposit;
        let provided = pools::position(&reader, &self.asset, &address(who)).unwrap().deposit;
        i128::from(self.chain.balance(who)) + i128::from(held) + i128::from(provided)
    }

    /// Money, what is owed, and shares at a thousand base units.
    pub fn wealth(&self, who: u8) -> i128 {
        self.money(who) + i128::from(self.owed(who)) + i128::from(self.held(who)) * 1_000
    }

    /// So many seconds later.
    pub fn pass(&mut self, seconds: u64) {
        self.chain.pass(seconds);
    }
}
