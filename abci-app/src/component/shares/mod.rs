//! Shares in what a datanet, a model or an agent earns.
//!
//! ```text
//!   settled epoch ── leaf of the asset's income account ── claim_income (anybody) ─┬─► its owner, as long as there are no shares
//!   anybody ─── pay_income ──────────────────────────────────────────────────────┐ │
//!                                                                                 ▼ ▼
//!                  income account ── over income_seconds ([`stream`]) ──► by share ([`accumulated`]) ── withdraw_income ──► holders
//! ```
//!
//! A receipt and an epoch's leaf name the asset, not who owns it ([`Asset::income_account`]): so they stay what they are when shares are issued
//! between the answer and the claim, and nobody can make an honest epoch look false by issuing some. To whom the money goes is seen when it
//! is claimed. Shares are issued once, all to the owner. They own income and nothing else: what the owner decides about a datanet or a model
//! stays the owner's to decide.
//!
//! Shares that lie in a pool earn like all others, for those who gave them to the pool ([`super::pools`]).

pub mod accumulated;
pub mod action;
pub mod state_key;
mod stream;

use datanet_types::{Account, Address, Amount, Asset, ModuleAddress};

use super::error::{ensure, refuse};
use super::{ActionError, Params, accounts, agents, datanets, deposit, models};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

pub use accumulated::{Accumulator, Holding};
pub use stream::Stream;

/// Fewest shares that are issued: fewer are hard to divide.
pub const MIN_SUPPLY: u64 = 100;
/// Most shares that are issued: as many as there are base units in a billion DNT.
pub const MAX_SUPPLY: u64 = 1_000_000_000_000_000;

/// An asset's shares.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Shares {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// How many there are, for ever.
    #[prost(uint64, tag = "10")]
    pub supply: u64,
    /// Who issued them and had all of them first.
    #[prost(message, required, tag = "11")]
    pub issuer: Address,
    /// When.
    #[prost(uint64, tag = "12")]
    pub issued_height: u64,
    /// What has been divided among them.
    #[prost(message, required, tag = "13")]
    pub accumulator: Accumulator,
    /// What is still to be.
    #[prost(message, required, tag = "14")]
    pub stream: Stream,
    /// Base units that came in since the beginning.
    #[prost(uint64, tag = "15")]
    pub income: Amount,
}

impl Shares {
    /// What somebody holds with what it has earned as far as that was divided.
    #[must_use]
    pub fn counted(&self, mut held: Holding) -> Holding {
        held.count(&self.accumulator);
        held
    }

    /// Base units that are still to be divided at `now`, a block's time.
    pub fn undivided(&self, now: u64) -> Amount {
        let mut then = self.stream;
        then.flow(now);
        then.left
    }

    /// Divides what is due at `now`, a block's time.
    pub(super) fn advance(&mut self, now: u64) {
        let due = self.stream.flow(now);
        self.accumulator.add(due, 0, self.supply);
    }
}

/// The account that holds the deposits for the records of who holds shares of an asset, or a part of their pool.
pub fn deposit_account(asset: &Asset) -> ModuleAddress {
    asset.account("holdings")
}

/// An asset's shares, if it has issued some.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, asset: &Asset) -> Result<Option<Shares>, StateError> {
    state.get(&state_key::shares(asset))
}

/// Up to `limit` assets with shares, by text, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&Asset>, limit: usize) -> Result<Vec<Shares>, StateError> {
    let after = after.map(state_key::shares);
    let entries = state.list(&state_key::all(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, shares)| shares).collect())
}

/// What an account holds of an asset, as it was counted last; nothing where there is none.
///
/// # Errors
/// When the store cannot be read.
pub fn holding<S: StateRead>(state: &S, asset: &Asset, holder: impl Into<Account>) -> Result<Holding, StateError> {
    Ok(state.get(&state_key::holding(asset, &holder.into()))?.unwrap_or_default())
}

/// The same, counted at `now`, a block's time: what it could withdraw is [`Holding::owed`].
///
/// # Errors
/// When the store cannot be read.
pub fn holding_at<S: StateRead>(
    state: &S,
    asset: &Asset,
    holder: impl Into<Account>,
    now: u64,
) -> Result<Holding, StateError> {
    let mut held = holding(state, asset, holder)?;
    if let Some(mut shares) = get(state, asset)? {
        shares.advance(now);
        held.count(&shares.accumulator);
    }
    Ok(held)
}

/// Up to `limit` holders of an asset's shares, by the text of their accounts, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn holdings<S: StateRead>(
    state: &S,
    asset: &Asset,
    after: Option<&Account>,
    limit: usize,
) -> Result<Vec<(Account, Holding)>, StateError> {
    let (prefix, after) = (state_key::holdings(asset), after.map(|holder| state_key::holding(asset, holder)));
    let entries = state.list::<Holding>(&prefix, after.as_deref(), limit)?;
    entries.into_iter().map(|(key, held)| Ok((part_of_key(&key, &prefix)?, held))).collect()
}

/// Up to `limit` assets of which an account holds shares, by text, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn of_holder<S: StateRead>(
    state: &S,
    holder: &Account,
    after: Option<&Asset>,
    limit: usize,
) -> Result<Vec<Asset>, StateError> {
    let (prefix, after) = (state_key::all_of(holder), after.map(|asset| state_key::of(holder, asset)));
    let entries = state.scan(&prefix, after.as_deref(), limit)?;
    entries.into_iter().map(|(key, _)| part_of_key(&key, &prefix)).collect()
}

/// Who owns an asset: who opened the datanet, or registered the model; an agent is its own account's, for which its owner speaks. None where there is no such.
///
/// # Errors
/// When the store cannot be read.
pub fn owner<S: StateRead>(state: &S, asset: &Asset) -> Result<Option<Address>, StateError> {
    Ok(match asset {
        Asset::Datanet(id) => datanets::get(state, id)?.map(|datanet| datanet.creator),
        Asset::Model(id) => models::get(state, id)?.map(|model| model.owner),
        Asset::Agent(id) => agents::get(state, id)?.map(|agent| agent.account),
    })
}

/// Gives `amount` that lies in `from` to an asset: into the income of its shares, or to its owner. `false`, and nothing is moved, where it has neither.
pub(super) fn credit<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    from: &ModuleAddress,
    amount: Amount,
    (now, params): (u64, &Params),
) -> Result<bool, StateError> {
    if amount == 0 {
        return Ok(true);
    }
    if get(state, asset)?.is_some() {
        accounts::release(state, from, asset.income_account(), amount)?;
        receive(state, asset, amount, now, params)?;
        return Ok(true);
    }
    let Some(owner) = owner(state, asset)? else { return Ok(false) };
    accounts::release(state, from, owner, amount)?;
    Ok(true)
}

/// The asset that an action names, which must be one.
pub(super) fn named(asset: Option<Asset>) -> Result<Asset, ActionError> {
    match asset {
        Some(asset) => Ok(asset),
        None => refuse(code::SHARES_INVALID, "the action names no asset; say which datanet, model or agent"),
    }
}

/// The shares of an asset, which must be there.
pub(super) fn require<S: StateRead>(state: &S, asset: &Asset) -> Result<Shares, ActionError> {
    match get(state, asset)? {
        Some(shares) => Ok(shares),
        None => refuse(
            code::SHARES_UNKNOWN,
            format!("{asset} has issued no shares; its owner issues them, or look the id up again"),
        ),
    }
}

/// The shares of an asset, which a record of the ledger's own says are there.
pub(super) fn expect<S: StateRead>(state: &S, asset: &Asset) -> Result<Shares, StateError> {
    state.expect(state_key::shares(asset), "a record names shares of it, but there are none")
}

fn put<S: StateWrite>(state: &mut S, asset: &Asset, shares: &Shares) {
    state.put(state_key::shares(asset), shares);
}

/// Stores shares that are new, all of them their issuer's, who locks the deposit for them; how much that is.
fn issue<S: StateWrite>(state: &mut S, asset: &Asset, shares: &Shares, params: &Params) -> Result<Amount, ActionError> {
    let deposit = lock_deposit(state, asset, &shares.issuer, params)?;
    let (holder, all) = (Account::from(shares.issuer), Holding::new(shares.supply, deposit));
    put(state, asset, shares);
    state.put(state_key::holding(asset, &holder), &all);
    note(state, asset, &holder);
    Ok(deposit)
}

/// Takes `amount` into an asset's income, which is in its account already.
pub(super) fn receive<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    amount: Amount,
    now: u64,
    params: &Params,
) -> Result<(), StateError> {
    let mut shares = expect(state, asset)?;
    shares.advance(now);
    shares.stream.add(amount, now, params.income_seconds);
    shares.income = shares.income.saturating_add(amount);
    put(state, asset, &shares);
    Ok(())
}

/// Moves shares from one account to another, once what they have earned is counted for whom they were. `payer` locks the deposit for a new
/// holder's record.
pub(super) fn transfer<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    (from, to): (Account, Account),
    units: u64,
    (payer, now, params): (&Address, u64, &Params),
) -> Result<(), ActionError> {
    let mut shares = require(state, asset)?;
    shares.advance(now);
    let mut giver = holding(state, asset, from)?;
    giver.count(&shares.accumulator);
    ensure(units <= giver.units, code::SHARES_BALANCE, || {
        format!("account {from} has {} shares of {asset}, and this takes {units}", giver.units)
    })?;
    let mut taker = holding(state, asset, to)?;
    taker.count(&shares.accumulator);
    giver.units = giver.units.saturating_sub(units);
    taker.units = taker.units.saturating_add(units);
    store(state, &mut shares, asset, from, giver)?;
    if taker.deposit == 0 {
        taker.deposit = lock_deposit(state, asset, payer, params)?;
        note(state, asset, &to);
    }
    state.put(state_key::holding(asset, &to), &taker);
    put(state, asset, &shares);
    Ok(())
}

/// Notes that an account holds shares of an asset: only that it is there says something.
fn note<S: StateWrite>(state: &mut S, asset: &Asset, holder: &Account) {
    state.set_raw(state_key::of(holder, asset), Some(Vec::new()));
}

/// Locks what a new record costs; how much that is.
pub(super) fn lock_deposit<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    payer: &Address,
    params: &Params,
) -> Result<Amount, ActionError> {
    let amount = deposit_of(params);
    accounts::transfer(state, payer, deposit_account(asset), amount)?;
    Ok(amount)
}

/// What the record of a holder locks, of shares or of a pool: the same however long its numbers get.
pub fn deposit_of(params: &Params) -> Amount {
    deposit::of_record(params, &Holding::longest()).max(1)
}

/// Stores a holding, or lets it go when it is empty: its deposit is the holder's then, and what is less than a base unit all holders'.
fn store<S: StateWrite>(
    state: &mut S,
    shares: &mut Shares,
    asset: &Asset,
    holder: Account,
    held: Holding,
) -> Result<(), StateError> {
    if !held.is_empty() {
        state.put(state_key::holding(asset, &holder), &held);
        return Ok(());
    }
    shares.accumulator.add(0, held.rest(), shares.supply);
    state.delete(state_key::holding(asset, &holder));
    state.delete(state_key::of(&holder, asset));
    accounts::release(state, &deposit_account(asset), holder, held.deposit)
}

/// Takes out what a holder's shares have earned, into `to`; how much that is.
pub(super) fn withdraw<S: StateWrite>(
    state: &mut S,
    asset: &Asset,
    holder: Account,
    to: Account,
    now: u64,
) -> Result<Amount, StateError> {
    let mut shares = expect(state, asset)?;
    let mut held = holding(state, asset, holder)?;
    if held == Holding::default() {
        return Ok(0);
    }
    shares.advance(now);
    held.count(&shares.accumulator);
    let amount = std::mem::take(&mut held.owed);
    accounts::release(state, &asset.income_account(), to, amount)?;
    store(state, &mut shares, asset, holder, held)?;
    put(state, asset, &shares);
    Ok(amount)
}
