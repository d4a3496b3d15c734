//! What people try with shares and pools.

use datanet_types::action::{
    AddLiquidity, BuyShares, ClaimIncome, ClaimItem, CreatePool, IssueShares, PayIncome, RemoveLiquidity, SellShares,
    TransferShares, WithdrawIncome,
};
use datanet_types::amount::DNT;
use datanet_types::{Account, Action, Address, Asset};

use super::attempts::Attempt;
use super::market::{Pool, income};
use super::world::{PEOPLE, Step, World};
use crate::support::address;

impl World {
    /// What earns: datanets, models and agents, in order.
    pub fn assets(&self) -> Vec<(Asset, Address)> {
        let datanets = self.model.judging.datanets.iter().map(|(id, one)| (Asset::Datanet(*id), one.creator));
        let models = self.model.market.models.iter().map(|(id, owner)| (Asset::Model(*id), *owner));
        let agents = self.model.agents.all.iter().map(|(id, agent)| (Asset::Agent(*id), agent.account));
        datanets.chain(models).chain(agents).collect()
    }

    /// Mostly its owner, and mostly what has no shares.
    pub fn issue(&self, step: &Step) -> Attempt {
        let mut all = self.assets();
        if step.wrong(4) != Some(0) {
            all.retain(|(asset, _)| !self.model.market.shares.contains_key(asset));
        }
        let (asset, owner) = *step.of(&all)?;
        let who = if step.wrong(4) == Some(1) { step.person() } else { owner };
        let supply = if step.wrong(4) == Some(2) { 99 } else { 100 + step.part(1_000_000) };
        let asset = (step.wrong(4) != Some(3)).then_some(asset);
        Some((who, Action::IssueShares(IssueShares { asset, supply })))
    }

    fn shared(&self, step: &Step) -> Option<Asset> {
        let all: Vec<Asset> = self.model.market.shares.keys().copied().collect();
        step.of(&all).copied()
    }

    /// Somebody with shares, and how many.
    fn holder(&self, asset: &Asset, step: &Step) -> Option<(Address, u64)> {
        let parts = &self.model.market.shares.get(asset)?.parts.of;
        let held: Vec<_> = parts.iter().filter_map(|(account, part)| Some((account.user()?, part.units))).collect();
        held.get(usize::from(step.who) % held.len().max(1)).copied()
    }

    pub fn give_shares(&self, step: &Step) -> Attempt {
        let asset = self.shared(step)?;
        let (who, held) = self.holder(&asset, step)?;
        let shares = match step.wrong(2) {
            Some(0) => 0,
            Some(_) => held + 1,
            None if step.amount.is_multiple_of(4) => held,
            None => step.part(held),
        };
        let to = address(1 + (step.pick.to_le_bytes()[1]) % PEOPLE);
        Some((who, Action::TransferShares(TransferShares { asset: Some(asset), to, shares })))
    }

    pub fn take_income(&self, step: &Step) -> Attempt {
        let asset = self.shared(step)?;
        let mut all: Vec<Address> = self.holder(&asset, step).map(|(who, _)| who).into_iter().collect();
        all.extend(self.pool(&asset).iter().flat_map(|pool| pool.parts.of.keys()));
        let who = if step.wrong(1).is_some() { step.person() } else { *step.of(&all)? };
        Some((who, Action::WithdrawIncome(WithdrawIncome { asset: Some(asset) })))
    }

    pub fn hand_income(&self, step: &Step) -> Attempt {
        let asset = self.shared(step)?;
        let amount = if step.wrong(1).is_some() { 0 } else { step.part(DNT) };
        Some((step.person(), Action::PayIncome(PayIncome { asset: Some(asset), amount })))
    }

    /// A leaf of an asset's, claimed for it, or for another.
    pub fn claim_for(&self, step: &Step) -> Attempt {
        let assets: Vec<Asset> = self.assets().into_iter().map(|(asset, _)| asset).collect();
        let leaves = self.leaves_of(|account| matches!(account, Account::Module(_)));
        let (account, item): (Account, ClaimItem) = step.of(&leaves)?.clone();
        let of = assets.iter().find(|asset| income(asset) == account).copied();
        let asset = if step.wrong(1).is_some() { step.of(&assets).copied() } else { of };
        Some((step.person(), Action::ClaimIncome(ClaimIncome { asset, items: vec![item] })))
    }

    fn pool(&self, asset: &Asset) -> Option<&Pool> {
        self.model.market.pools.get(asset)
    }

    fn pooled(&self, step: &Step) -> Option<(Asset, &Pool)> {
        let all: Vec<_> = self.model.market.pools.iter().map(|(asset, pool)| (*asset, pool)).collect();
        step.of(&all).copied()
    }

    pub fn open_pool(&self, step: &Step) -> Attempt {
        let market = &self.model.market;
        let mut all: Vec<Asset> = market.shares.keys().copied().collect();
        if step.wrong(2) != Some(0) {
            all.retain(|asset| !market.pools.contains_key(asset));
        }
        let asset = *step.of(&all)?;
        let (who, held) = self.holder(&asset, step)?;
        let shares = if step.wrong(2) == Some(1) { held + 1 } else { held / 2 };
        let amount = 5_000_000 + step.part(20 * DNT);
        Some((who, Action::CreatePool(CreatePool { asset: Some(asset), shares, amount })))
    }

    fn deadline(&self, step: &Step) -> u64 {
        if step.wrong(4) == Some(0) { self.now - 1 } else { self.now + u64::from(step.pick % 4) }
    }

    pub fn provide(&self, step: &Step) -> Attempt {
        let (asset, pool) = self.pooled(step)?;
        let (who, held) = self.holder(&asset, step)?;
        let (max_shares, max_amount) = (held, step.part(10 * DNT));
        let least = u128::from(max_shares) * u128::from(pool.units) / u128::from(pool.shares);
        let min_units = if step.wrong(4) == Some(1) { least as u64 + 1 } else { 0 };
        let deadline = self.deadline(step);
        let add = AddLiquidity { asset: Some(asset), max_shares, max_amount, min_units, deadline };
        Some((who, Action::AddLiquidity(add)))
    }

    pub fn withdraw_liquidity(&self, step: &Step) -> Attempt {
        let (asset, pool) = self.pooled(step)?;
        let all: Vec<_> = pool.parts.of.iter().map(|(who, part)| (*who, part.units)).collect();
        let (who, held) = *all.get(usize::from(step.who) % all.len().max(1))?;
        let units = match step.wrong(4) {
            Some(1) => held + 1,
            _ if step.amount.is_multiple_of(3) => held,
            _ => step.part(held),
        };
        let min_amount = if step.wrong(4) == Some(2) { pool.amount } else { 0 };
        let deadline = self.deadline(step);
        let remove = RemoveLiquidity { asset: Some(asset), units, min_shares: 0, min_amount, deadline };
        Some((who, Action::RemoveLiquidity(remove)))
    }

    pub fn buy(&self, step: &Step) -> Attempt {
        let (asset, pool) = self.pooled(step)?;
        let amount = step.part(pool.amount.min(10 * DNT));
        let min_shares = if step.wrong(4) == Some(1) { pool.shares } else { 0 };
        let deadline = self.deadline(step);
        Some((step.person(), Action::BuyShares(BuyShares { asset: Some(asset), amount, min_shares, deadline })))
    }

    pub fn sell(&self, step: &Step) -> Attempt {
        let (asset, pool) = self.pooled(step)?;
        let (who, held) = self.holder(&asset, step)?;
        let shares = if step.wrong(4) == Some(1) { held + 1 } else { step.part(held) };
        let min_amount = if step.wrong(4) == Some(2) { pool.amount } else { 0 };
        let deadline = self.deadline(step);
        Some((who, Action::SellShares(SellShares { asset: Some(asset), shares, min_amount, deadline })))
    }
}
