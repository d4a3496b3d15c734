//! Shares in what stands behind a validator: bought and sold at what they are worth.

use datanet_types::amount::{DNT, display, mul_div};
use datanet_types::{Address, Amount};

use super::{Delegation, Validator, bonded_account, delegation, put, put_delegation, rewards};
use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, accounts};
use crate::state::StateWrite;

/// Least stake on a validator, in base units: each is a record that everybody keeps.
pub const MIN_DELEGATION: Amount = DNT;

/// Shares may be worth this many times less than when they were first bought before nobody can buy more: so that their number fits.
const MOST_SHARES_A_TOKEN: u64 = 1_000;

/// Base units that `shares` of a validator are worth.
pub fn worth(validator: &Validator, shares: u64) -> Amount {
    mul_div(shares, validator.tokens, validator.shares).unwrap_or(0)
}

/// Shares that are worth at least `amount`, or all of `most`.
fn shares_worth(validator: &Validator, amount: Amount, most: u64) -> u64 {
    if amount >= worth(validator, most) {
        return most;
    }
    let shares = mul_div(amount, validator.shares, validator.tokens).unwrap_or(most);
    let rounded_up = if worth(validator, shares) < amount { shares.saturating_add(1) } else { shares };
    rounded_up.min(most)
}

/// Buys shares of `validator` for `amount` that is in its account already. Rewards of the shares that were there are paid first.
pub(super) fn buy<S: StateWrite>(
    state: &mut S,
    validator: &mut Validator,
    delegator: &Address,
    amount: Amount,
) -> Result<u64, ActionError> {
    let address = validator.address();
    let bought = if validator.shares == 0 { Some(amount) } else { mul_div(amount, validator.shares, validator.tokens) };
    let most = validator.tokens.saturating_add(amount).saturating_mul(MOST_SHARES_A_TOKEN);
    let sum = bought.and_then(|bought| validator.shares.checked_add(bought)).filter(|sum| *sum <= most);
    let (Some(bought @ 1..), Some(shares)) = (bought, sum) else {
        return refuse(
            code::DELEGATION,
            format!("validator {address} has lost nearly all that stood behind it; choose another"),
        );
    };
    let mut held = delegation(state, &address, delegator)?;
    rewards::pay(state, validator, delegator, &mut held)?;
    held.shares = held.shares.saturating_add(bought);
    validator.shares = shares;
    validator.tokens = validator.tokens.saturating_add(amount);
    put_delegation(state, &address, delegator, &held)?;
    put(state, validator);
    Ok(bought)
}

/// Stakes `amount` of the delegator's own.
pub(super) fn stake<S: StateWrite>(
    state: &mut S,
    validator: &mut Validator,
    delegator: &Address,
    amount: Amount,
) -> Result<(), ActionError> {
    accounts::transfer(state, delegator, bonded_account(&validator.address()), amount)?;
    buy(state, validator, delegator, amount).map(drop)
}

/// Sells shares of `validator` that are worth `amount`, or all that are free; returns the tokens, which are still in its account.
pub(super) fn sell<S: StateWrite>(
    state: &mut S,
    validator: &mut Validator,
    delegator: &Address,
    amount: Amount,
) -> Result<Amount, ActionError> {
    let address = validator.address();
    let mut held = delegation(state, &address, delegator)?;
    let free = held.shares.saturating_sub(held.moved);
    ensure(held.shares > 0, code::DELEGATION, || format!("account {delegator} has no stake on validator {address}"))?;
    ensure(amount > 0 && free > 0, code::DELEGATION, || refused(validator, &held, amount))?;
    let sold = shares_worth(validator, amount, free);
    // Each part that leaves is a record until it is home.
    ensure(amount >= MIN_DELEGATION || sold == free, code::DELEGATION, || {
        format!("at least {} is taken back or moved at a time, or all", display(MIN_DELEGATION))
    })?;
    let kept = held.shares.saturating_sub(sold);
    // What would be left is too little to be kept as a record, and is sold with the rest.
    let sold = if held.moved == 0 && worth(validator, kept) < MIN_DELEGATION { held.shares } else { sold };
    rewards::pay(state, validator, delegator, &mut held)?;
    let tokens = remove(validator, &mut held, sold);
    put_delegation(state, &address, delegator, &held)?;
    put(state, validator);
    Ok(tokens)
}

/// Takes shares away; returns what they were worth, which has left the validator's count.
pub(super) fn remove(validator: &mut Validator, held: &mut Delegation, shares: u64) -> Amount {
    let tokens = worth(validator, shares);
    held.shares = held.shares.saturating_sub(shares);
    validator.shares = validator.shares.saturating_sub(shares);
    validator.tokens = validator.tokens.saturating_sub(tokens);
    tokens
}

fn refused(validator: &Validator, held: &Delegation, amount: Amount) -> String {
    if amount == 0 {
        return "the amount is 0; say how much".to_owned();
    }
    format!(
        "all {} of this stake were moved here from another validator and answer for that until the unbonding time is over; \
         take them back then",
        display(worth(validator, held.moved))
    )
}
