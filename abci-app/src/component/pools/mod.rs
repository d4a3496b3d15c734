//! Pools in which shares are traded against the chain's money: shares times money stays the same, but for the fee, which stays in the pool
//! ([`curve`]).
//!
//! ```text
//!   create_pool, add_liquidity ──► shares + money ──► units ── remove_liquidity ──► shares + money
//!   buy_shares: money in, shares out             sell_shares: shares in, money out
//! ```
//!
//! A pool holds its shares like any holder. What they earn does not go into its reserves, where it would move the price at a moment that
//! anybody can choose, and be there for whoever trades next: it is divided among the units, like income among shares, and paid to
//! their owners. So shares in a pool earn what they would outside, and what falls to the units that are nobody's; no more is gained by adding
//! just before an income than by holding the shares. Nothing on the ledger is rewarded by a price.

pub mod action;
pub mod curve;
pub mod state_key;

use datanet_types::amount::mul_div;
use datanet_types::{Account, Address, Amount, Asset, ModuleAddress};

use super::error::{ensure, refuse};
use super::shares::{self, Accumulator, Holding};
use super::{ActionError, Params, accounts};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

pub use curve::{LOCKED_UNITS, Parts};

/// A pool of an asset's shares.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Pool {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Shares in it.
    #[prost(uint64, tag = "10")]
    pub shares: u64,
    /// Base units in it.
    #[prost(uint64, tag = "11")]
    pub amount: Amount,
    /// Its units, [`LOCKED_UNITS`] of them nobody's.
    #[prost(uint64, tag = "12")]
    pub units: u64,
    /// What its shares earned, by unit that somebody owns.
    #[prost(message, required, tag = "13")]
    pub accumulator: Accumulator,
    /// Who opened it.
    #[prost(message, required, tag = "14")]
    pub creator: Address,
    /// When.
    #[prost(uint64, tag = "15")]
    pub created_height: u64,
    /// The block of the last trade.
    #[prost(uint64, tag = "16")]
    pub traded_height: u64,
    /// Shares in it before that block's first trade.
    #[prost(uint64, tag = "17")]
    start_shares: u64,
    /// Base units in it before that block's first trade.
    #[prost(uint64, tag = "18")]
    start_amount: Amount,
}

impl Pool {
    /// One that begins with so many shares and so much money.
    pub fn new(asset: Asset, (shares, amount): (u64, Amount), creator: Address, height: u64) -> Self {
        Self {
            asset: Some(asset),
            shares,
            amount,
            units: curve::first_units(shares, amount),
            accumulator: Accumulator::default(),
            creator,
            created_height: height,
            traded_height: height,
            start_shares: shares,
            start_amount: amount,
        }
    }

    /// What is in it.
    pub fn parts(&self) -> Parts {
        Parts { units: self.units, shares: self.shares, amount: self.amount }
    }

    /// A part of it with what its units have earned as far as that was divided.
    #[must_use]
    pub fn counted(&self, mut held: Holding) -> Holding {
        held.count(&self.accumulator);
        held
    }

    /// What a trade in the block at `height` brings: money for shares, or shares for money. No more than it would have brought as the first of its
    /// block, so that nobody who trades before others in it sells to them what he bought a moment ago. `None` where a sum does not fit.
    fn exchange(&mut self, (given, buys): (u64, bool), height: u64, fee_bps: u32) -> Option<u64> {
        if self.traded_height != height {
            (self.traded_height, self.start_shares, self.start_amount) = (height, self.shares, self.amount);
        }
        let at = |shares, amount| match buys {
            true => curve::exchange(given, amount, shares, fee_bps),
            false => curve::exchange(given, shares, amount, fee_bps),
        };
        Some(at(self.shares, self.amount)?.min(at(self.start_shares, self.start_amount)?))
    }

    /// Liquidity came or went, so that its units are `units`: what was there before the block's first trade is counted as if it had then.
    fn set_units(&mut self, units: u64) {
        let scaled = |part| mul_div(part, units, self.units).unwrap_or(part);
        (self.start_shares, self.start_amount) = (scaled(self.start_shares), scaled(self.start_amount));
        self.units = units;
    }

    /// Units that somebody owns.
    pub fn owned(&self) -> u64 {
        self.units.saturating_sub(LOCKED_UNITS)
    }
}

/// The account that holds a pool's shares, and its money.
pub fn account(asset: &Asset) -> ModuleAddress {
    asset.account("pool")
}

/// The account that holds what a pool's shares earned and its providers have not taken.
pub fn income_account(asset: &Asset) -> ModuleAddress {
    asset.account("pool-income")
}

/// The pool of an asset's shares, if there is one.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, asset: &Asset) -> Result<Option<Pool>, StateError> {
    state.get(&state_key::pool(asset))
}

/// Up to `limit` pools by asset, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&Asset>, limit: usize) -> Result<Vec<Pool>, StateError> {
    let after = after.map(state_key::pool);
    let entries = state.list(&state_key::all(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, pool)| pool).collect())
}

/// An account's part of a pool, as it was counted last; nothing where there is none.
///
/// # Errors
/// When the store cannot be read.
pub fn position<S: StateRead>(state: &S, asset: &Asset, provider: &Address) -> Result<Holding, StateError> {
    Ok(state.get(&state_key::position(asset, provider))?.unwrap_or_default())
}

/// The same, counted at `now`, a block's time: what it could withdraw is [`Holding::owed`].
///
/// # Errors
/// When the store cannot be read.
pub fn position_at<S: StateRead>(
    state: &S,
    asset: &Asset,
    provider: &Address,
    now: u64,
) -> Result<Holding, StateError> {
    let mut held = position(state, asset, provider)?;
    if let Some(mut pool) = get(state, asset)? {
        let earned = shares::holding_at(state, asset, account(asset), now)?.owed;
        pool.accumulator.add(earned, 0, pool.owned());
        held.count(&pool.accumulator);
    }
    Ok(held)
}

/// Up to `limit` providers of a pool, by the text of their accounts, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn positions<S: StateRead>(
    state: &S,
    asset: &Asset,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<(Address, Holding)>, StateError> {
    let (prefix, after) = (state_key::positions(asset), after.map(|provider| state_key::position(asset, provider)));
    let entries = state.list::<Holding>(&prefix, after.as_deref(), limit)?;
    entries.into_iter().map(|(key, held)| Ok((part_of_key(&key, &prefix)?, held))).collect()
}

/// The pool of an asset, which must be there, with what its shares have earned divided among its units.
fn require<S: StateWrite>(state: &mut S, asset: &Asset, now: u64) -> Result<Pool, ActionError> {
    match get(state, asset)? {
        Some(mut pool) => {
            take_income(state, asset, &mut pool, now)?;
            Ok(pool)
        }
        None => {
            refuse(code::POOL_UNKNOWN, format!("there is no pool of {asset}; whoever holds shares of it opens one"))
        }
    }
}

/// Divides what the pool's shares have earned among its units. As long as nobody owns one, it stays with the shares.
fn take_income<S: StateWrite>(state: &mut S, asset: &Asset, pool: &mut Pool, now: u64) -> Result<(), StateError> {
    if pool.owned() == 0 {
        return Ok(());
    }
    let earned = shares::withdraw(state, asset, account(asset).into(), income_account(asset).into(), now)?;
    pool.accumulator.add(earned, 0, pool.owned());
    Ok(())
}

fn put<S: StateWrite>(state: &mut S, asset: &Asset, pool: &Pool) {
    state.put(state_key::pool(asset), pool);
}

/// Gives units to a provider, who locks the deposit for a new record; `pool` has its income divided and counts them afterwards.
fn give_units<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    pool: &Pool,
    (provider, units): (&Address, u64),
    params: &Params,
) -> Result<(), ActionError> {
    let mut held = position(state, asset, provider)?;
    held.count(&pool.accumulator);
    held.units = held.units.saturating_add(units);
    if held.deposit == 0 {
        held.deposit = shares::lock_deposit(state, asset, provider, params)?;
    }
    state.put(state_key::position(asset, provider), &held);
    Ok(())
}

/// Stores a position, or lets it go when it is empty: its deposit is the provider's then, and what is less than a base unit the others'.
fn store<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    pool: &mut Pool,
    provider: &Address,
    held: Holding,
) -> Result<(), StateError> {
    if !held.is_empty() {
        state.put(state_key::position(asset, provider), &held);
        return Ok(());
    }
    pool.accumulator.add(0, held.rest(), pool.owned());
    state.delete(state_key::position(asset, provider));
    accounts::release(state, &shares::deposit_account(asset), provider, held.deposit)
}

/// Pays a provider what its part of the pool has earned; how much that is.
pub(super) fn withdraw<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    provider: &Address,
    now: u64,
) -> Result<Amount, StateError> {
    let mut held = position(state, asset, provider)?;
    if held == Holding::default() {
        return Ok(0);
    }
    let mut pool: Pool = state.expect(state_key::pool(asset), "an account has a part of it, but it is not there")?;
    take_income(state, asset, &mut pool, now)?;
    held.count(&pool.accumulator);
    let amount = std::mem::take(&mut held.owed);
    accounts::release(state, &income_account(asset), provider, amount)?;
    store(state, asset, &mut pool, provider, held)?;
    put(state, asset, &pool);
    Ok(amount)
}

/// Moves shares between an account and the pool, whose record says the same.
fn move_shares<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    (user, into_pool): (&Address, bool),
    count: u64,
    (now, params): (u64, &Params),
) -> Result<(), ActionError> {
    let (user_account, pool) = (Account::from(user), Account::from(account(asset)));
    let between = if into_pool { (user_account, pool) } else { (pool, user_account) };
    shares::transfer(state, asset, between, count, (user, now, params))
}

/// Refuses less than was asked for; both in words that `show` finds.
fn check_least(given: u64, least: u64, show: fn(u64) -> String) -> Result<(), ActionError> {
    ensure(given >= least, code::POOL_LIMIT, || {
        let (given, least) = (show(given), show(least));
        format!("it would give {given}, and you want {least} at least; the price has moved, ask for it again")
    })
}

/// Refuses what comes too late.
fn check_deadline(deadline: u64, now: u64) -> Result<(), ActionError> {
    ensure(now <= deadline, code::POOL_DEADLINE, || {
        format!(
            "the deadline was {deadline} and the block's time is {now} (seconds since 1970); ask for the price again"
        )
    })
}

/// What does not fit a number.
fn too_much<T>(asset: &Asset) -> Result<T, ActionError> {
    refuse(code::POOL_LIMIT, format!("the pool of {asset} cannot hold so much; take less"))
}

/// Shares in words.
fn in_shares(count: u64) -> String {
    format!("{count} shares")
}

/// Units of a pool in words.
fn in_units(count: u64) -> String {
    format!("{count} units")
}
