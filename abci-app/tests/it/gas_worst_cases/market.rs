//! Shares and their pool, with many holders and providers.

use datanet_types::action::{
    AddLiquidity, BuyShares, ClaimIncome, ClaimItem, CreatePool, IssueShares, PayIncome, RegisterModel,
    RemoveLiquidity, SellShares, TransferShares, WithdrawIncome,
};
use datanet_types::amount::DNT;
use datanet_types::{Action, Asset, Digest};

use super::Case;
use super::world::{World, address_of, person};

/// Issued the shares that everybody holds.
const ISSUER: u32 = 2_240;
/// The first of those who hold shares and a part of the pool; of those who hold nothing; of those who have a model and issue; and of those who
/// open a pool.
const HOLDERS: u32 = 2_250;
const STRANGERS: u32 = 2_300;
const ISSUING: u32 = 2_350;
const OPENING: u32 = 2_400;
const MANY: u32 = 40;
const SUPPLY: u64 = 1_000_000_000_000_000;

pub struct Market;

fn model_of() -> RegisterModel {
    let (manifest, name, licence) = (Digest([77; 32]), "m".repeat(64), "MIT".to_owned());
    RegisterModel { manifest, name, licence, ..RegisterModel::default() }
}

fn asset_of(n: u32) -> Asset {
    Asset::Model(model_of().id(&address_of(n)))
}

/// What everybody holds shares of.
pub fn asset() -> Asset {
    asset_of(ISSUER)
}

fn some() -> Option<Asset> {
    Some(asset())
}

fn give(world: &World, from: u32, to: datanet_types::Address, shares: u64) -> bytes::Bytes {
    world.sign(from, Action::TransferShares(TransferShares { asset: some(), to, shares }))
}

fn create(n: u32) -> CreatePool {
    CreatePool { asset: Some(asset_of(n)), shares: SUPPLY / 2, amount: 1_000 * DNT }
}

fn add(world: &World, n: u32) -> bytes::Bytes {
    let (max_shares, max_amount, min_units, deadline) = (SUPPLY / 1_000, 10 * DNT, 1, world.now() + 1_000_000);
    world.sign(n, Action::AddLiquidity(AddLiquidity { asset: some(), max_shares, max_amount, min_units, deadline }))
}

fn pay(world: &World, n: u32) -> bytes::Bytes {
    world.sign(n, Action::PayIncome(PayIncome { asset: some(), amount: 7 * DNT + 1 }))
}

impl Market {
    pub fn set_up(world: &mut World) -> Self {
        let owners = || (ISSUING..ISSUING + MANY).chain(OPENING..OPENING + MANY).chain([ISSUER]);
        let models: Vec<_> = owners().map(|n| world.sign(n, Action::RegisterModel(model_of()))).collect();
        world.block(&models);
        let issue = |n: u32| IssueShares { asset: Some(asset_of(n)), supply: SUPPLY };
        let issuing = (OPENING..OPENING + MANY).chain([ISSUER]);
        let issued: Vec<_> = issuing.map(|n| world.sign(n, Action::IssueShares(issue(n)))).collect();
        world.block(&issued);
        let shared: Vec<_> = (HOLDERS..HOLDERS + MANY)
            .map(|n| give(world, ISSUER, address_of(n), SUPPLY / 100))
            .chain([world.sign(ISSUER, Action::CreatePool(create(ISSUER)))])
            .collect();
        world.block(&shared);
        let provided: Vec<_> = (HOLDERS..HOLDERS + MANY).map(|n| add(world, n)).collect();
        world.block(&provided);
        let paid = [pay(world, ISSUER)];
        world.block(&paid);
        world.pass(1_000);
        Self
    }

    pub fn issue_shares(&self, world: &World) -> Vec<Case> {
        let issue = |n: u32| IssueShares { asset: Some(asset_of(n)), supply: SUPPLY };
        let txs = (ISSUING..ISSUING + MANY).map(|n| world.sign(n, Action::IssueShares(issue(n)))).collect();
        vec![Case::done("", txs)]
    }

    pub fn transfer_shares(&self, world: &World) -> Vec<Case> {
        let new = |n: u32| give(world, n, person(6_000_000 + n).address(), 1);
        vec![Case::done("to new holders, during income", (HOLDERS..HOLDERS + MANY).map(new).collect())]
    }

    pub fn withdraw_income(&self, world: &World) -> Vec<Case> {
        let withdraw = |n| world.sign(n, Action::WithdrawIncome(WithdrawIncome { asset: some() }));
        vec![Case::done("of shares and of a part of the pool", (HOLDERS..HOLDERS + MANY).map(withdraw).collect())]
    }

    pub fn claim_income(&self, world: &World, items: Vec<ClaimItem>) -> Vec<Case> {
        let claim = Action::ClaimIncome(ClaimIncome { asset: some(), items });
        vec![Case::done("64 epochs of 262,144 accounts, for holders", vec![world.sign(ISSUER, claim)])]
    }

    pub fn pay_income(&self, world: &World) -> Vec<Case> {
        vec![Case::done("during income", (HOLDERS..HOLDERS + MANY).map(|n| pay(world, n)).collect())]
    }

    pub fn create_pool(&self, world: &World) -> Vec<Case> {
        let txs = (OPENING..OPENING + MANY).map(|n| world.sign(n, Action::CreatePool(create(n)))).collect();
        vec![Case::done("", txs)]
    }

    pub fn add_liquidity(&self, world: &World) -> Vec<Case> {
        vec![Case::done("more, during income", (HOLDERS..HOLDERS + MANY).map(|n| add(world, n)).collect())]
    }

    pub fn remove_liquidity(&self, world: &World) -> Vec<Case> {
        let (units, min_shares, min_amount, deadline) = (1_000_000, 0, 0, world.now() + 1_000_000);
        let remove = RemoveLiquidity { asset: some(), units, min_shares, min_amount, deadline };
        let txs = (HOLDERS..HOLDERS + MANY).map(|n| world.sign(n, Action::RemoveLiquidity(remove.clone()))).collect();
        vec![Case::done("a part, during income", txs)]
    }

    pub fn buy_shares(&self, world: &World) -> Vec<Case> {
        let (min_shares, deadline) = (1, world.now() + 1_000_000);
        let buy = BuyShares { asset: some(), amount: DNT, min_shares, deadline };
        let txs = (STRANGERS..STRANGERS + MANY).map(|n| world.sign(n, Action::BuyShares(buy.clone()))).collect();
        vec![Case::done("by new holders, during income", txs)]
    }

    pub fn sell_shares(&self, world: &World) -> Vec<Case> {
        let (min_amount, deadline) = (1, world.now() + 1_000_000);
        let sell = SellShares { asset: some(), shares: 1_000_000_000, min_amount, deadline };
        let txs = (HOLDERS..HOLDERS + MANY).map(|n| world.sign(n, Action::SellShares(sell.clone()))).collect();
        vec![Case::done("during income", txs)]
    }
}
