//! Who owns how much. Money appears at genesis only; after that it only moves.
//!
//! Escrows are accounts too ([`ModuleAddress`]), which no key controls and nobody pays into but by the rules: so the sum of all
//! balances is the supply, always, and a missing unit can't hide in a side record.

pub mod action;
pub mod state_key;

use std::sync::LazyLock;

use datanet_types::amount::display;
use datanet_types::{Address, Amount, ModuleAddress};

use super::ActionError;
use super::error::refuse;
use crate::code;
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

pub use datanet_types::Account;

/// A number of base units, as stored.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Balance {
    /// Base units.
    #[prost(uint64, tag = "1")]
    pub amount: Amount,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

/// The account that holds the fees of the present block, until its end: each transaction's go there, so that its address is made once.
pub fn fees() -> ModuleAddress {
    static FEES: LazyLock<ModuleAddress> = LazyLock::new(|| ModuleAddress::of("fees", &[]));
    *FEES
}

/// The account that fees and penalties go to.
pub fn treasury() -> ModuleAddress {
    ModuleAddress::of("treasury", &[])
}

/// What an account owns, in base units; zero for one that nobody has heard of.
///
/// # Errors
/// When the store cannot be read.
pub fn balance<S: StateRead>(state: &S, account: impl Into<Account>) -> Result<Amount, StateError> {
    balance_under(state, &state_key::balance(account))
}

fn balance_under<S: StateRead>(state: &S, key: &str) -> Result<Amount, StateError> {
    Ok(state.get::<Balance>(key)?.unwrap_or_default().amount)
}

/// The name an account was given at genesis.
///
/// # Errors
/// When the store cannot be read.
pub fn name<S: StateRead>(state: &S, address: &Address) -> Result<Option<String>, StateError> {
    Ok(state.get::<Name>(&state_key::name(address))?.map(|record| record.name))
}

/// All the money there is, in base units, as minted at genesis.
///
/// # Errors
/// When the store cannot be read.
pub fn supply<S: StateRead>(state: &S) -> Result<Amount, StateError> {
    Ok(state.get::<Balance>(&state_key::supply())?.unwrap_or_default().amount)
}

/// Up to `limit` users that own something, by address text, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(
    state: &S,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<(Address, Amount)>, StateError> {
    let after = after.map(state_key::balance);
    let entries = state.list::<Balance>(&state_key::balances(), after.as_deref(), limit)?;
    entries.into_iter().map(|(key, balance)| Ok((part_of_key(&key, &state_key::balances())?, balance.amount))).collect()
}

/// The sum of all balances, counted one by one: equal to [`supply`], or the ledger is wrong. Reads every account.
///
/// # Errors
/// When the store cannot be read.
pub fn count_supply<S: StateRead>(state: &S) -> Result<u128, StateError> {
    let (users, modules) = (count(state, &state_key::balances())?, count(state, &state_key::modules())?);
    Ok(users.saturating_add(modules))
}

fn count<S: StateRead>(state: &S, prefix: &str) -> Result<u128, StateError> {
    let (mut sum, mut after) = (0u128, None);
    loop {
        let page = state.list::<Balance>(prefix, after.as_deref(), 1_000)?;
        let amounts = page.iter().map(|(_, balance)| u128::from(balance.amount));
        sum = amounts.fold(sum, u128::saturating_add);
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(sum),
        }
    }
}

fn set<S: StateWrite>(state: &mut S, key: String, amount: Amount) {
    if amount == 0 {
        // An empty escrow leaves nothing behind.
        state.delete(key);
    } else {
        state.put(key, &Balance { amount });
    }
}

/// Moves `amount` base units. Refused if `from` owns less; nothing changes then.
pub(super) fn transfer<S: StateWrite>(
    state: &mut S,
    from: impl Into<Account>,
    to: impl Into<Account>,
    amount: Amount,
) -> Result<(), ActionError> {
    let (from, to) = (from.into(), to.into());
    // Each transaction moves its fee at least: a key is built once.
    let from_key = state_key::balance(from);
    let owned = balance_under(state, &from_key)?;
    let Some(left) = owned.checked_sub(amount) else {
        return refuse(
            code::FUNDS,
            format!(
                "account {from} has {} and this takes {}; send it {} more",
                display(owned),
                display(amount),
                display(amount.saturating_sub(owned))
            ),
        );
    };
    if from == to || amount == 0 {
        return Ok(());
    }
    let to_key = state_key::balance(to);
    let Some(sum) = balance_under(state, &to_key)?.checked_add(amount) else {
        return refuse(code::FUNDS, format!("account {to} can't hold {} more", display(amount)));
    };
    set(state, from_key, left);
    set(state, to_key, sum);
    Ok(())
}

/// A transfer out of an escrow that holds enough because the ledger put it there: where it does not, the ledger contradicts itself.
pub(super) fn release<S: StateWrite>(
    state: &mut S,
    from: &ModuleAddress,
    to: impl Into<Account>,
    amount: Amount,
) -> Result<(), StateError> {
    transfer(state, from, to, amount).map_err(|error| match error {
        ActionError::State(error) => error,
        ActionError::Refused { message, .. } => {
            let reason = format!("escrow falls short: {message}");
            StateError::Contradiction { key: state_key::balance(from), reason }
        }
    })
}

/// Creates money. Genesis only; the balances are checked before to fit.
pub(super) fn mint<S: StateWrite>(
    state: &mut S,
    address: &Address,
    amount: Amount,
    name: Option<&str>,
) -> Result<(), ActionError> {
    let (Some(sum), Some(owned)) = (supply(state)?.checked_add(amount), balance(state, address)?.checked_add(amount))
    else {
        return refuse(code::GENESIS, "genesis: the balances sum to more than 64 bits hold");
    };
    state.put(state_key::supply(), &Balance { amount: sum });
    set(state, state_key::balance(address), owned);
    if let Some(name) = name {
        state.put(state_key::name(address), &Name { name: name.to_owned() });
    }
    Ok(())
}
