//! What those who paid say of sellers, weighed by what they paid and what of that did not come back to them.
//!
//! ```text
//!   settle_epoch ─► who has paid whom ([`trader`])            final ─► each payer may rate once, for forget_seconds ([`rights`])
//!                        │                                                  │ rate_seller
//!                        └── same owner: nothing; circular: less ───────────┴─► the seller's record
//! ```
//!
//! A rating takes a payment of an epoch that is final: nothing is said of a seller but by settled money, of which the treasury has had its part. So
//! whoever pays himself buys reputation at that price at least, however many accounts and rings he makes; and what is seen to be paid to oneself, or to
//! come back, does not even count ([`Trader::circular`]). All sums are told, counted or not.
//!
//! A seller is the account of a serving node: a new node key does not wash anything off. An agent that sells is one.
//!
//! **What is kept** is one record for each account that has traded, of bounded size. All numbers in it halve every [`HALVING_SECONDS`], at the same
//! moments for all; who has not traded for [`LAPSE_HALVINGS`] of them is forgotten.

pub mod action;
mod rights;
pub mod state_key;
mod trader;

use std::collections::BTreeMap;

use datanet_types::{Address, Amount};

use super::agenda::{self, Kind, Turn};
use super::settlement::Payment;
use super::{Event, authority};
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

pub use rights::{Payer, Rights, open_rights, rights};
pub(super) use rights::{lapse, open};
pub use trader::{HALVING_SECONDS, LAPSE_HALVINGS, MAX_PARTNERS, Partner, Trader};

/// What an account has paid and been paid, and how it was rated, as it counts at block time `now`; nothing where it has not traded.
///
/// # Errors
/// When the store cannot be read.
pub fn trader<S: StateRead>(state: &S, account: &Address, now: u64) -> Result<Trader, StateError> {
    Ok(state.get::<Trader>(&state_key::trader(account))?.unwrap_or_default().at(now))
}

/// Up to `limit` accounts that have traded, by address text, from behind `after`, as they count at block time `now`.
///
/// # Errors
/// When the store cannot be read.
pub fn traders<S: StateRead>(
    state: &S,
    after: Option<&Address>,
    limit: usize,
    now: u64,
) -> Result<Vec<(Address, Trader)>, StateError> {
    let (prefix, after) = (state_key::traders(), after.map(state_key::trader));
    let entries = state.list::<Trader>(&prefix, after.as_deref(), limit)?;
    entries.into_iter().map(|(key, trader)| Ok((part_of_key(&key, &prefix)?, trader.at(now)))).collect()
}

/// Whether somebody speaks for both accounts, as far as the ledger can see: one is the other's agent, both are the same owner's, or a key is an owner of both.
///
/// # Errors
/// When the store cannot be read.
pub fn same_owner<S: StateRead>(state: &S, one: &Address, other: &Address, now: u64) -> Result<bool, StateError> {
    if one == other {
        return Ok(true);
    }
    let (ours, theirs) = (authority::speakers(state, one, now)?, authority::speakers(state, other, now)?);
    let addresses = theirs.addresses();
    Ok(ours.account == theirs.account || ours.addresses().iter().any(|address| addresses.contains(address)))
}

/// An epoch of `seller`'s was settled: who paid it how much is remembered, so that what comes back another way is seen.
pub(super) fn traded<S: StateWrite>(
    state: &mut S,
    seller: &Address,
    paid: &[Payment],
    now: u64,
) -> Result<(), StateError> {
    let (mut by_payer, mut sum) = (BTreeMap::<Address, Amount>::new(), 0);
    for payment in paid {
        let of_payer = by_payer.entry(payment.payer).or_default();
        *of_payer = of_payer.saturating_add(payment.amount);
        sum = Amount::saturating_add(sum, payment.amount);
    }
    for (payer, amount) in by_payer {
        change(state, &payer, now, |trader| trader.has_paid(seller, amount))?;
    }
    change(state, seller, now, |trader| trader.has_earned(sum))
}

/// Changes what is known of an account; who is new will be forgotten some day.
fn change<S: StateWrite>(
    state: &mut S,
    account: &Address,
    now: u64,
    change: impl FnOnce(&mut Trader),
) -> Result<(), StateError> {
    let key = state_key::trader(account);
    let mut trader = match state.get::<Trader>(&key)? {
        Some(trader) => trader.at(now),
        None => {
            let new = Trader::default().at(now);
            agenda::schedule(state, Kind::ForgetTrader, new.lapses_at(), account);
            new
        }
    };
    change(&mut trader);
    state.put(key, &trader);
    Ok(())
}

/// Forgets who has not traded for long.
pub(in crate::component) fn forget<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    account: &Address,
) -> Result<Vec<Event>, StateError> {
    let key = state_key::trader(account);
    let trader: Trader = state.expect(key.clone(), "a trader that is due and not there")?;
    if trader.lapses_at() <= turn.block.seconds() {
        state.delete(key);
    } else {
        agenda::schedule(state, Kind::ForgetTrader, trader.lapses_at(), account);
    }
    Ok(Vec::new())
}
