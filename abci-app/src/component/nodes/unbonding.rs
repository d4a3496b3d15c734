//! Stake on its way back: what was drawn while it was there can be called to account until it is home.

use datanet_types::{Address, Amount, ModuleAddress};

use super::{fines, stake_account, state_key};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::{BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateRead, StateWrite};

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
    accounts::balance(state, unbonding_account(account))
}

/// Takes `amount` out of the stake of `account`'s node. It arrives after the chain's unbonding time.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    account: &Address,
    amount: Amount,
) -> Result<(), StateError> {
    accounts::release(state, &stake_account(account), unbonding_account(account), amount)?;
    let arrives = block.seconds().saturating_add(params.unbonding_seconds);
    let key = state_key::unbonding(account, arrives);
    let before = state.get::<Unbonding>(&key)?.map_or(0, |entry| entry.amount);
    state.put(key, &Unbonding { account: *account, amount: before.saturating_add(amount) });
    agenda::schedule(state, Kind::ReleaseStake, arrives, account);
    Ok(())
}

/// Pays out what is due to an account.
pub(in crate::component) fn release<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    account: &Address,
    arrives: u64,
) -> Result<Vec<Event>, StateError> {
    let key = state_key::unbonding(account, arrives);
    let entry: Unbonding = state.expect(key.clone(), "stake that is due and not there")?;
    let home = fines::keep_back(state, account, entry.amount)?;
    accounts::release(state, &unbonding_account(account), account, home)?;
    state.delete(key);
    forget(state, turn, account)?;
    Ok(vec![Event::new("stake.released").with("account", account).with("amount", home)])
}

/// A node that judged until long ago is not looked at any more when committees are drawn.
fn forget<S: StateWrite>(state: &mut S, turn: &Turn<'_>, account: &Address) -> Result<(), StateError> {
    let Some(mut node) = super::of_account(state, account)? else { return Ok(()) };
    let before = node.earlier.len();
    let oldest = super::drawn_from(turn.block, turn.params);
    node.earlier.retain(|earlier| earlier.until > oldest);
    if node.earlier.len() < before {
        super::put(state, &node);
    }
    Ok(())
}
