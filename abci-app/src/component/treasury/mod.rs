//! The treasury's way out, and who opens it.
//!
//! Genesis may name an account for the chain, its *authority*: it announces payments out of the treasury ([`datanet_types::action::SpendTreasury`])
//! and other parameters ([`datanet_types::action::SetParams`]), each for everybody to see before it comes about. A chain whose genesis names none has
//! neither. Votes ([`super::governance`]) stand beside it, and retire it once and for all, as it can itself; until then what it can do is bounded by numbers that it cannot set ([`Params::changed_authority_bound`]).
//!
//! ```text
//!   treasury ── spend_treasury ─► spend/number ── authority_delay_seconds ──► whom it is for
//!                                    └── cancel_spend ─► treasury
//! ```
//!
//! A payment's money leaves the treasury when it is announced, so that what is announced is there when it is due, and no two are of
//! the same money. A period begins with the first payment that is announced after the last one's end; within it no more is announced than a share
//! of what the treasury had at its beginning.

pub mod action;
pub mod state_key;

use datanet_types::action::Payment;
use datanet_types::amount::{BPS, display, mul_div};
use datanet_types::{Address, Amount, Digest, ModuleAddress};

use super::agenda::{self, Kind, Number};
use super::error::{ensure, refuse};
use super::params::versions;
use super::{ActionError, BlockContext, Event, Params, accounts};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

/// Most payments that are announced at a time.
pub const MAX_OPEN: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Authority {
    #[prost(message, required, tag = "1")]
    account: Address,
}

/// What a period may spend.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Block time of its beginning, in seconds since 1970.
    #[prost(uint64, tag = "1")]
    pub since: u64,
    /// Base units that may be announced in it.
    #[prost(uint64, tag = "2")]
    pub most: Amount,
    /// Base units that were, less what was cancelled.
    #[prost(uint64, tag = "3")]
    pub spent: Amount,
}

/// A payment that is announced.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Spend {
    /// Its number, from 1.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Who is paid.
    #[prost(message, required, tag = "2")]
    pub to: Address,
    /// Base units.
    #[prost(uint64, tag = "3")]
    pub amount: Amount,
    /// SHA-256 of the text that says what for.
    #[prost(message, required, tag = "4")]
    pub reason: Digest,
    /// Height at which it was announced.
    #[prost(uint64, tag = "5")]
    pub height: u64,
    /// Block time from which on it is paid, in seconds since 1970.
    #[prost(uint64, tag = "6")]
    pub due: u64,
    /// The beginning of the period that it counts in.
    #[prost(uint64, tag = "7")]
    period: u64,
}

/// The chain's authority; none where genesis named none.
///
/// # Errors
/// When the store cannot be read.
pub fn authority<S: StateRead>(state: &S) -> Result<Option<Address>, StateError> {
    Ok(state.get::<Authority>(&state_key::authority())?.map(|record| record.account))
}

/// The payments that are announced, by number.
///
/// # Errors
/// When the store cannot be read.
pub fn spends<S: StateRead>(state: &S) -> Result<Vec<Spend>, StateError> {
    let entries = state.list(&state_key::spends(), None, MAX_OPEN)?;
    Ok(entries.into_iter().map(|(_, spend)| spend).collect())
}

/// What may be announced at block time `now`, and has been in its period.
///
/// # Errors
/// When the store cannot be read.
pub fn budget<S: StateRead>(state: &S, now: u64, params: &Params) -> Result<Budget, StateError> {
    let present = state.get::<Budget>(&state_key::budget())?;
    let present = present.filter(|budget| now < budget.since.saturating_add(params.treasury_period_seconds));
    if let Some(budget) = present {
        return Ok(budget);
    }
    let all = accounts::balance(state, accounts::treasury())?;
    let most = mul_div(all, params.treasury_period_bps.into(), BPS).unwrap_or(0);
    Ok(Budget { since: now, most, spent: 0 })
}

/// The account that holds an announced payment.
pub fn spend_account(number: u64) -> ModuleAddress {
    ModuleAddress::of("treasury-spend", &[&number.to_le_bytes()])
}

/// Names the authority. Genesis only.
pub(super) fn init<S: StateWrite>(state: &mut S, authority: Option<Address>) {
    if let Some(account) = authority {
        state.put(state_key::authority(), &Authority { account });
    }
}

/// Refuses whoever is not the chain's authority.
pub(super) fn require_authority<S: StateRead>(state: &S, signer: &Address) -> Result<(), ActionError> {
    match authority(state)? {
        Some(authority) if authority == *signer => Ok(()),
        Some(authority) => refuse(
            code::AUTHORITY,
            format!("account {signer} is not this chain's authority, {authority} is; only that one does this"),
        ),
        None => refuse(code::AUTHORITY, "this chain has no authority; put it to the vote (`datanet proposal submit`)"),
    }
}

/// Takes an announced payment out of its period and stores it.
fn announce<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    mut spend: Spend,
) -> Result<Spend, ActionError> {
    let mut budget = budget(state, block.seconds(), params)?;
    let left = budget.most.saturating_sub(budget.spent);
    ensure(spend.amount <= left, code::SPEND_BOUND, || {
        let (asked, left, most) = (display(spend.amount), display(left), display(budget.most));
        let end = budget.since.saturating_add(params.treasury_period_seconds);
        format!(
            "{asked} are more than is left of this period, {left} of {most}; the next one begins at block time {end} (seconds since 1970)"
        )
    })?;
    ensure(spends(state)?.len() < MAX_OPEN, code::SPEND_BOUND, || {
        format!("{MAX_OPEN} payments are announced, as many as may be; wait until some are made")
    })?;
    let last = state.get::<Number>(&state_key::last())?.unwrap_or_default().number;
    spend.number = last.saturating_add(1);
    spend.period = budget.since;
    budget.spent = budget.spent.saturating_add(spend.amount);
    accounts::transfer(state, accounts::treasury(), spend_account(spend.number), spend.amount)?;
    state.put(state_key::last(), &Number { number: spend.number });
    state.put(state_key::budget(), &budget);
    agenda::schedule(state, Kind::PaySpend, spend.due, &Number { number: spend.number });
    state.put(state_key::spend(spend.number), &spend);
    Ok(spend)
}

/// Puts an announced payment's money back, where it counts as if it had not been announced.
fn cancel<S: StateWrite>(state: &mut S, spend: &Spend) -> Result<(), StateError> {
    accounts::release(state, &spend_account(spend.number), accounts::treasury(), spend.amount)?;
    if let Some(mut budget) = state.get::<Budget>(&state_key::budget())?
        && budget.since == spend.period
    {
        budget.spent = budget.spent.saturating_sub(spend.amount);
        state.put(state_key::budget(), &budget);
    }
    remove(state, spend);
    Ok(())
}

fn remove<S: StateWrite>(state: &mut S, spend: &Spend) {
    agenda::cancel(state, Kind::PaySpend, spend.due, &Number { number: spend.number });
    state.delete(state_key::spend(spend.number));
}

/// Makes a payment that is due.
pub(super) fn pay<S: StateWrite>(state: &mut S, due: &Number) -> Result<Vec<Event>, StateError> {
    let spend: Spend = state.expect(state_key::spend(due.number), "a payment that is due and not there")?;
    accounts::release(state, &spend_account(spend.number), spend.to, spend.amount)?;
    remove(state, &spend);
    Ok(vec![event("treasury.paid", &spend)])
}

/// Pays what was voted, within what the period may spend: authority and votes share that. None where it may not spend so much any more.
pub(super) fn pay_voted<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    payment: &Payment,
) -> Result<Option<Event>, StateError> {
    let mut budget = budget(state, block.seconds(), params)?;
    let there = accounts::balance(state, accounts::treasury())?;
    if payment.amount > budget.most.saturating_sub(budget.spent).min(there) {
        return Ok(None);
    }
    budget.spent = budget.spent.saturating_add(payment.amount);
    state.put(state_key::budget(), &budget);
    accounts::release(state, &accounts::treasury(), payment.to, payment.amount)?;
    Ok(Some(Event::new("treasury.paid").with("to", payment.to).with("amount", payment.amount)))
}

/// Ends the chain's authority, and what it has announced and not done yet; none where there is none.
pub(super) fn retire<S: StateWrite>(state: &mut S) -> Result<Option<Event>, StateError> {
    let Some(account) = authority(state)? else { return Ok(None) };
    state.delete(state_key::authority());
    for spend in spends(state)? {
        cancel(state, &spend)?;
    }
    versions::schedule(state, None)?;
    Ok(Some(Event::new("treasury.authority_retired").with("account", account)))
}

fn event(kind: &'static str, spend: &Spend) -> Event {
    Event::new(kind).with("spend", spend.number).with("to", spend.to).with("amount", spend.amount)
}
