//! Fines: what a node's stake loses, wherever it is by then.

use datanet_types::{Address, Amount, NodeKey};

use super::{slash, stake_account, state_key, unbonding_account};
use crate::component::{BlockContext, accounts};
use crate::state::{StateError, StateRead, StateWrite};

/// What is to be kept back of stake that is on its way home.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Fine {
    #[prost(uint64, tag = "1")]
    amount: Amount,
}

/// Base units of an account's stake on its way home that will not come home.
///
/// # Errors
/// When the store cannot be read.
pub fn fined<S: StateRead>(state: &S, account: &Address) -> Result<Amount, StateError> {
    Ok(state.get::<Fine>(&state_key::fined(account))?.map_or(0, |fine| fine.amount))
}

/// Takes up to `amount` of a node's stake for the treasury: what is there at once, the rest of what has been taken back and is not home
/// yet, once that arrives. Returns how much that is together.
pub(in crate::component) fn fine<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    node: &NodeKey,
    amount: Amount,
) -> Result<Amount, StateError> {
    let (account, taken) = slash(state, block, node, amount)?;
    accounts::release(state, &stake_account(&account), accounts::treasury(), taken)?;
    let (before, leaving) = (fined(state, &account)?, accounts::balance(state, unbonding_account(&account))?);
    let more = amount.saturating_sub(taken).min(leaving.saturating_sub(before));
    if more > 0 {
        set(state, &account, before.saturating_add(more));
    }
    Ok(taken.saturating_add(more))
}

/// Keeps back what of `arriving` is owed; returns what comes home.
pub(super) fn keep_back<S: StateWrite>(
    state: &mut S,
    account: &Address,
    arriving: Amount,
) -> Result<Amount, StateError> {
    let owed = fined(state, account)?;
    if owed == 0 {
        return Ok(arriving);
    }
    let kept = owed.min(arriving);
    accounts::release(state, &unbonding_account(account), accounts::treasury(), kept)?;
    set(state, account, owed.saturating_sub(kept));
    Ok(arriving.saturating_sub(kept))
}

fn set<S: StateWrite>(state: &mut S, account: &Address, amount: Amount) {
    let key = state_key::fined(account);
    if amount == 0 {
        state.delete(key);
    } else {
        state.put(key, &Fine { amount });
    }
}
