//! Who owns what datanets and models earn, and the pools of it: everybody's part of an income is written down at once, one by one, in parts of
//! 2^-64 base units.

use std::collections::BTreeMap;

use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::{pools, shares};
use datanet_types::action::{
    AddLiquidity, BuyShares, ClaimIncome, CreatePool, IssueShares, RemoveLiquidity, SellShares, TransferShares,
};
use datanet_types::{Address, Amount, Asset, ModelId};

use super::ledger::{Done, Model, Refusal, ensure, escrow, user};

/// Units of a pool that nobody owns.
const LOCKED: u64 = 1_000;

/// A part in shares or in a pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    pub units: u64,
    /// What it has earned and was not paid, in parts of 2^-64 base units.
    pub earned: u128,
    pub deposit: Amount,
}

impl Part {
    fn owed(&self) -> Amount {
        (self.earned >> 64) as u64
    }

    fn is_over(&self) -> bool {
        self.units == 0 && self.owed() == 0
    }
}

/// What is divided among whom.
#[derive(Debug, Clone)]
pub struct Parts<K> {
    pub of: BTreeMap<K, Part>,
    /// What did not divide.
    pub rest: u128,
}

impl<K> Default for Parts<K> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), rest: 0 }
    }
}

impl<K: Ord + Copy> Parts<K> {
    fn divide(&mut self, parts: u128) {
        let units: u128 = self.of.values().map(|part| u128::from(part.units)).sum();
        let all = self.rest + parts;
        let Some(each) = all.checked_div(units) else {
            self.rest = all;
            return;
        };
        self.of.values_mut().for_each(|part| part.earned += each * u128::from(part.units));
        self.rest = all % units;
    }

    /// Lets go of a part that is over; its deposit, if it was.
    fn forget(&mut self, who: K) -> Option<Amount> {
        let over = self.of.get(&who).copied().filter(Part::is_over)?;
        self.of.remove(&who);
        self.divide(over.earned);
        Some(over.deposit)
    }
}

#[derive(Debug, Clone)]
pub struct Shares {
    pub supply: u64,
    pub issuer: Address,
    pub parts: Parts<Account>,
    /// What is still to be divided, up to when it was, and until when it is.
    pub left: Amount,
    pub since: u64,
    pub until: u64,
    pub income: Amount,
}

impl Shares {
    fn advance(&mut self, now: u64) {
        let due = if now >= self.until {
            self.left
        } else {
            let (passed, span) = (now - self.since, self.until - self.since);
            (u128::from(self.left) * u128::from(passed) / u128::from(span)) as u64
        };
        self.left -= due;
        self.since = now;
        self.parts.divide(u128::from(due) << 64);
    }
}

#[derive(Debug, Clone)]
pub struct Pool {
    pub shares: u64,
    pub amount: Amount,
    pub units: u64,
    pub parts: Parts<Address>,
    /// The block of the last trade, and what was there before its first.
    start: (u64, u64, Amount),
}

#[derive(Debug, Clone, Default)]
pub struct Market {
    /// Who owns which model.
    pub models: BTreeMap<ModelId, Address>,
    pub shares: BTreeMap<Asset, Shares>,
    pub pools: BTreeMap<Asset, Pool>,
}

pub fn income(asset: &Asset) -> Account {
    escrow("income", &[asset.kind().as_bytes(), asset.id()])
}

pub fn pooled(asset: &Asset) -> Account {
    escrow("pool", &[asset.kind().as_bytes(), asset.id()])
}

fn pool_income(asset: &Asset) -> Account {
    escrow("pool-income", &[asset.kind().as_bytes(), asset.id()])
}

fn deposits(asset: &Asset) -> Account {
    escrow("holdings", &[asset.kind().as_bytes(), asset.id()])
}

impl Pool {
    /// What a trade brings: no more than as the first of its block.
    fn brings(&mut self, given: u64, buys: bool, height: u64, fee_bps: u32) -> u64 {
        if self.start.0 != height {
            self.start = (height, self.shares, self.amount);
        }
        let at = |shares, amount| match buys {
            true => brings(given, amount, shares, fee_bps),
            false => brings(given, shares, amount, fee_bps),
        };
        at(self.shares, self.amount).min(at(self.start.1, self.start.2))
    }

    fn set_units(&mut self, units: u64) {
        let scaled = |part: u64| (u128::from(part) * u128::from(units) / u128::from(self.units)) as u64;
        (self.start.1, self.start.2) = (scaled(self.start.1), scaled(self.start.2));
        self.units = units;
    }
}

/// What `given` brings of the other side.
fn brings(given: u64, own: u64, other: u64, fee_bps: u32) -> u64 {
    let counted = u128::from(given) * u128::from(10_000 - fee_bps) / 10_000;
    (u128::from(other) * counted / (u128::from(own) + counted)) as u64
}

impl Model {
    pub fn owner_of(&self, asset: &Asset) -> Result<Address, Refusal> {
        let owner = match asset {
            Asset::Datanet(id) => self.judging.datanets.get(id).map(|datanet| datanet.creator),
            Asset::Model(id) => self.market.models.get(id).copied(),
            Asset::Agent(id) => self.agents.all.get(id).map(|agent| agent.account),
        };
        owner.ok_or("no such asset")
    }

    fn shares(&mut self, asset: &Asset) -> Result<&mut Shares, Refusal> {
        self.market.shares.get_mut(asset).ok_or("no shares of it")
    }

    fn lock(&mut self, who: Address, asset: &Asset) -> Result<Amount, Refusal> {
        let deposit = shares::deposit_of(self.rules.now());
        self.pay(user(&who), deposits(asset), deposit)?;
        Ok(deposit)
    }

    pub fn issue(&mut self, who: Address, action: &IssueShares) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        ensure(self.owner_of(&asset)? == who, "another's asset")?;
        ensure(!self.market.shares.contains_key(&asset), "issued before")?;
        let record = shares::Shares {
            asset: Some(asset),
            supply: action.supply,
            issuer: who,
            issued_height: self.height,
            stream: shares::Stream { left: 0, since: self.now, until: self.now },
            ..shares::Shares::default()
        };
        self.pay(user(&who), Self::treasury(), self.price_of(&record))?;
        let deposit = self.lock(who, &asset)?;
        let mut parts = Parts::default();
        parts.of.insert(user(&who), Part { units: action.supply, earned: 0, deposit });
        let (left, since, until) = (0, self.now, self.now);
        let shares = Shares { supply: action.supply, issuer: who, parts, left, since, until, income: 0 };
        self.market.shares.insert(asset, shares);
        Ok(())
    }

    fn move_shares(&mut self, asset: &Asset, (from, to): (Account, Account), units: u64, payer: Address) -> Done {
        let now = self.now;
        let shares = self.shares(asset)?;
        shares.advance(now);
        let giver = shares.parts.of.get_mut(&from).ok_or("no shares")?;
        giver.units = giver.units.checked_sub(units).ok_or("too few shares")?;
        let is_new = !shares.parts.of.contains_key(&to);
        shares.parts.of.entry(to).or_default().units += units;
        let back = shares.parts.forget(from);
        if let Some(deposit) = back {
            self.release(deposits(asset), from, deposit);
        }
        if is_new {
            let deposit = self.lock(payer, asset)?;
            self.shares(asset)?.parts.of.get_mut(&to).expect("it was put there").deposit = deposit;
        }
        Ok(())
    }

    pub fn transfer_shares(&mut self, who: Address, action: &TransferShares) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        self.move_shares(&asset, (user(&who), user(&action.to)), action.shares, who)
    }

    pub fn receive(&mut self, asset: &Asset, amount: Amount) -> Done {
        let (now, seconds) = (self.now, self.rules.now().income_seconds);
        let shares = self.shares(asset)?;
        shares.advance(now);
        let (before, more) = (u128::from(shares.left), u128::from(amount));
        let weighed = before * u128::from(shares.until.saturating_sub(now)) + more * u128::from(seconds);
        shares.until = now + (weighed / (before + more)) as u64;
        shares.left += amount;
        shares.income += amount;
        Ok(())
    }

    pub fn pay_income(&mut self, who: Address, asset: Option<Asset>, amount: Amount) -> Done {
        let asset = asset.ok_or("no asset")?;
        self.shares(&asset)?;
        self.pay(user(&who), income(&asset), amount)?;
        self.receive(&asset, amount)
    }

    pub fn claim_income(&mut self, action: &ClaimIncome) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        let shared = self.market.shares.contains_key(&asset);
        let owner = user(&self.owner_of(&asset)?);
        let to = if shared || matches!(asset, Asset::Agent(_)) { income(&asset) } else { owner };
        let paid = self.claim_leaves((income(&asset), to), &action.items)?;
        match &asset {
            Asset::Agent(id) => self.pass_on(id, &paid),
            _ if shared => self.receive(&asset, paid.iter().map(|(amount, _)| amount).sum())?,
            _ => {}
        }
        Ok(())
    }

    /// Takes what a holder's shares have earned.
    fn take_earned(&mut self, asset: &Asset, holder: Account, to: Account) -> Result<Amount, Refusal> {
        let now = self.now;
        let shares = self.shares(asset)?;
        if !shares.parts.of.contains_key(&holder) {
            return Ok(0);
        }
        shares.advance(now);
        let part = shares.parts.of.get_mut(&holder).expect("it is there");
        let amount = part.owed();
        part.earned -= u128::from(amount) << 64;
        let back = shares.parts.forget(holder);
        self.release(income(asset), to, amount);
        if let Some(deposit) = back {
            self.release(deposits(asset), holder, deposit);
        }
        Ok(amount)
    }

    /// What a pool's shares have earned is its providers'.
    fn fill(&mut self, asset: &Asset) -> Done {
        let pool = self.market.pools.get(asset).ok_or("no pool")?;
        if pool.units > LOCKED {
            let amount = self.take_earned(asset, pooled(asset), pool_income(asset))?;
            let pool = self.market.pools.get_mut(asset).expect("it is there");
            pool.parts.divide(u128::from(amount) << 64);
        }
        Ok(())
    }

    pub fn withdraw_income(&mut self, who: Address, asset: Option<Asset>) -> Done {
        let asset = asset.ok_or("no asset")?;
        self.shares(&asset)?;
        let mut amount = self.take_earned(&asset, user(&who), user(&who))?;
        if self.market.pools.get(&asset).is_some_and(|pool| pool.parts.of.contains_key(&who)) {
            self.fill(&asset)?;
            let pool = self.market.pools.get_mut(&asset).expect("it is there");
            let part = pool.parts.of.get_mut(&who).expect("it is there");
            let owed = part.owed();
            part.earned -= u128::from(owed) << 64;
            let back = pool.parts.forget(who);
            self.release(pool_income(&asset), user(&who), owed);
            self.give_back(&asset, who, back);
            amount += owed;
        }
        ensure(amount > 0, "nothing earned")
    }

    fn give_back(&mut self, asset: &Asset, who: Address, deposit: Option<Amount>) {
        if let Some(deposit) = deposit {
            self.release(deposits(asset), user(&who), deposit);
        }
    }

    /// Gives units of a pool, of which there are some; the pool counts them afterwards.
    fn give_units(&mut self, asset: &Asset, who: Address, units: u64) -> Done {
        let pool = self.market.pools.get_mut(asset).expect("it is there");
        let is_new = !pool.parts.of.contains_key(&who);
        pool.parts.of.entry(who).or_default().units += units;
        if is_new {
            let deposit = self.lock(who, asset)?;
            let pool = self.market.pools.get_mut(asset).expect("it is there");
            pool.parts.of.get_mut(&who).expect("it was put there").deposit = deposit;
        }
        Ok(())
    }

    pub fn create_pool(&mut self, who: Address, action: &CreatePool) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        self.shares(&asset)?;
        ensure(!self.market.pools.contains_key(&asset), "there is one")?;
        let units = (u128::from(action.shares) * u128::from(action.amount)).isqrt() as u64;
        let record = pools::Pool::new(asset, (action.shares, action.amount), who, self.height);
        self.pay(user(&who), Self::treasury(), self.price_of(&record))?;
        self.move_shares(&asset, (user(&who), pooled(&asset)), action.shares, who)?;
        self.pay(user(&who), pooled(&asset), action.amount)?;
        let (shares, amount, start) = (action.shares, action.amount, (self.height, action.shares, action.amount));
        let pool = Pool { shares, amount, units, parts: Parts::default(), start };
        self.market.pools.insert(asset, pool);
        self.give_units(&asset, who, units - LOCKED)
    }

    pub fn add_liquidity(&mut self, who: Address, action: &AddLiquidity) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        ensure(self.now <= action.deadline, "too late")?;
        self.fill(&asset)?;
        let Pool { shares, amount, units, .. } = self.market.pools[&asset].clone();
        let fits = |most: u64, there: u64| u128::from(most) * u128::from(units) / u128::from(there);
        let more = fits(action.max_shares, shares).min(fits(action.max_amount, amount));
        let more = u64::try_from(more).map_err(|_| "too much")?;
        ensure(more > 0 && more >= action.min_units, "too few units")?;
        let takes = |there: u64| (u128::from(more) * u128::from(there)).div_ceil(u128::from(units)) as u64;
        let (in_shares, in_money) = (takes(shares), takes(amount));
        self.move_shares(&asset, (user(&who), pooled(&asset)), in_shares, who)?;
        self.pay(user(&who), pooled(&asset), in_money)?;
        self.give_units(&asset, who, more)?;
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        (pool.shares, pool.amount) = (shares + in_shares, amount + in_money);
        pool.set_units(units + more);
        Ok(())
    }

    pub fn remove_liquidity(&mut self, who: Address, action: &RemoveLiquidity) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        ensure(self.now <= action.deadline, "too late")?;
        self.fill(&asset)?;
        let Pool { shares, amount, units, parts, .. } = self.market.pools[&asset].clone();
        let held = parts.of.get(&who).map_or(0, |part| part.units);
        ensure(action.units <= held, "too few units")?;
        let brings = |there: u64| (u128::from(action.units) * u128::from(there) / u128::from(units)) as u64;
        let (out_shares, out_money) = (brings(shares), brings(amount));
        ensure(out_shares >= action.min_shares && out_money >= action.min_amount, "too little")?;
        if out_shares > 0 {
            self.move_shares(&asset, (pooled(&asset), user(&who)), out_shares, who)?;
        }
        self.release(pooled(&asset), user(&who), out_money);
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        (pool.shares, pool.amount) = (shares - out_shares, amount - out_money);
        pool.set_units(units - action.units);
        pool.parts.of.get_mut(&who).expect("it has units").units -= action.units;
        let back = pool.parts.forget(who);
        self.give_back(&asset, who, back);
        Ok(())
    }

    pub fn buy_shares(&mut self, who: Address, action: &BuyShares) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        ensure(self.now <= action.deadline, "too late")?;
        self.fill(&asset)?;
        let (shares, amount) = (self.market.pools[&asset].shares, self.market.pools[&asset].amount);
        amount.checked_add(action.amount).ok_or("too much")?;
        let (height, fee) = (self.height, self.rules.now().pool_fee_bps);
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        let bought = pool.brings(action.amount, true, height, fee);
        ensure(bought >= action.min_shares.max(1), "too few")?;
        self.pay(user(&who), pooled(&asset), action.amount)?;
        self.move_shares(&asset, (pooled(&asset), user(&who)), bought, who)?;
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        (pool.shares, pool.amount) = (shares - bought, amount + action.amount);
        Ok(())
    }

    pub fn sell_shares(&mut self, who: Address, action: &SellShares) -> Done {
        let asset = action.asset.ok_or("no asset")?;
        ensure(self.now <= action.deadline, "too late")?;
        self.fill(&asset)?;
        let (shares, amount) = (self.market.pools[&asset].shares, self.market.pools[&asset].amount);
        let (height, fee) = (self.height, self.rules.now().pool_fee_bps);
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        let brought = pool.brings(action.shares, false, height, fee);
        ensure(brought >= action.min_amount.max(1), "too little")?;
        self.move_shares(&asset, (user(&who), pooled(&asset)), action.shares, who)?;
        self.release(pooled(&asset), user(&who), brought);
        let pool = self.market.pools.get_mut(&asset).expect("it is there");
        (pool.shares, pool.amount) = (shares + action.shares, amount - brought);
        Ok(())
    }
}
