//! Stake on its way back: what was drawn while it was there can be called to account until it is home.

use datanet_types::{Address, Amount, ModuleAddress};

use super::{stake_account, state_key};
use crate::component::{BlockContext, Event, Params, accounts, params};
use crate::state::{StateError, StateRead, StateWrite};

/// Entries released in one block at most; what is left is first in the next.
const MAX_A_BLOCK: usize = 256;

/// Stake that its owner has taken back.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Unbonding {
    /// Whose.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Base units.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// The account that holds what `account` has taken back until it is released.
pub fn unbonding_account(account: &Address) -> ModuleAddress {
    ModuleAddress::of("unbonding", &[&account.0])
}

/// Base units on their way back to `account`.
///
/// # Errors
/// When the store cannot be read.
pub fn unbonding<S: StateRead>(state: &S, account: &Address) -> Result<Amount, StateError> {
    accounts::balance(state, &unbonding_account(account))
}

/// Takes `amount` out of the stake of `account`'s node. It arrives after the chain's unbonding time.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    account: &Address,
    amount: Amount,
) -> Result<(), StateError> {
    accounts::release(state, &stake_account(account), &unbonding_account(account), amount)?;
    let key = state_key::unbonding(block.seconds().saturating_add(params.unbonding_seconds), account);
    let before = state.get::<Unbonding>(&key)?.map_or(0, |entry| entry.amount);
    state.put(key, &Unbonding { account: *account, amount: before.saturating_add(amount) });
    Ok(())
}

/// Pays out what is due at the end of a block, oldest first.
pub(in crate::component) fn release_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let not_yet = state_key::unbonding_at(block.seconds().saturating_add(1));
    let mut events = Vec::new();
    for (key, entry) in state.due::<Unbonding>(&state_key::all_unbonding(), &not_yet, MAX_A_BLOCK)? {
        accounts::release(state, &unbonding_account(&entry.account), &entry.account, entry.amount)?;
        state.delete(key);
        forget(state, block, &entry.account)?;
        events.push(Event::new("stake.released").with("account", entry.account).with("amount", entry.amount));
    }
    Ok(events)
}

/// A node that judged until long ago is not looked at any more when committees are drawn.
fn forget<S: StateWrite>(state: &mut S, block: &BlockContext, account: &Address) -> Result<(), StateError> {
    let Some(mut node) = super::of_account(state, account)? else { return Ok(()) };
    let before = node.earlier.len();
    let oldest = super::drawn_from(block, &params::get(state)?);
    node.earlier.retain(|earlier| earlier.until > oldest);
    if node.earlier.len() < before {
        super::put(state, &node);
    }
    Ok(())
}
