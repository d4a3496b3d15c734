//! What validators earn: a share of the fees of the blocks that they propose.
//!
//! Who proposes is chosen by the engine in turns that are proportional to stake, so that each earns in proportion to it, and a block
//! costs one write for each of a handful of records, however many delegators there are. A validator counts what one share has earned since the
//! beginning; a delegation remembers up to where it was paid. Slashing changes what shares are worth, not how many there are, so that
//! this count needs no periods.

use datanet_types::amount::{BPS, mul_div};
use datanet_types::{Address, Amount, ConsensusAddress, ModuleAddress};

use super::{Delegation, Validator, delegation, get, state_key};
use crate::component::{BlockContext, Params, accounts};
use crate::state::{StateError, StateRead, StateWrite};

/// The account that holds what a validator's delegators have earned and not taken.
pub fn account(validator: &ConsensusAddress) -> ModuleAddress {
    ModuleAddress::of("rewards", &[&validator.0])
}

/// Base units that `delegator`'s stake on a validator has earned and that can be withdrawn.
///
/// # Errors
/// When the store cannot be read.
pub fn earned<S: StateRead>(state: &S, validator: &Validator, delegator: &Address) -> Result<Amount, StateError> {
    let address = validator.address();
    let held = delegation(state, &address, delegator)?;
    Ok(due(validator, &held).min(accounts::balance(state, account(&address))?))
}

/// Base units since the last payment, rounded down.
fn due(validator: &Validator, held: &Delegation) -> Amount {
    let since = validator.reward().saturating_sub(held.paid());
    let shares = u128::from(held.shares);
    let (whole, part) = (since >> 64, since & u128::from(u64::MAX));
    let sum = whole.saturating_mul(shares).saturating_add(part.saturating_mul(shares) >> 64);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Pays out what is due and remembers it.
pub(super) fn pay<S: StateWrite>(
    state: &mut S,
    validator: &Validator,
    delegator: &Address,
    held: &mut Delegation,
) -> Result<Amount, StateError> {
    let account = account(&validator.address());
    let amount = due(validator, held).min(accounts::balance(state, account)?);
    accounts::release(state, &account, delegator, amount)?;
    (held.paid_high, held.paid_low) = (validator.reward_high, validator.reward_low);
    Ok(amount)
}

/// Divides the fees of a block between who proposed it and the treasury.
pub(in crate::component) fn distribute<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
) -> Result<(), StateError> {
    let fees = accounts::balance(state, accounts::fees())?;
    if fees == 0 {
        return Ok(());
    }
    let proposer = get(state, &block.consensus.proposer)?.filter(|validator| validator.shares > 0);
    let earned = match proposer {
        Some(validator) => reward(state, validator, share(fees, params.proposer_share_bps))?,
        None => 0,
    };
    accounts::release(state, &accounts::fees(), accounts::treasury(), fees.saturating_sub(earned))
}

/// Gives `amount` out of the block's fees to a validator: the commission to its operator, the rest to all shares alike.
fn reward<S: StateWrite>(state: &mut S, mut validator: Validator, amount: Amount) -> Result<Amount, StateError> {
    let address = validator.address();
    let commission = share(amount, validator.commission_bps);
    let rest = amount.saturating_sub(commission);
    accounts::release(state, &accounts::fees(), validator.operator, commission)?;
    accounts::release(state, &accounts::fees(), account(&address), rest)?;
    let a_share = (u128::from(rest) << 64).checked_div(validator.shares.into()).unwrap_or(0);
    let reward = validator.reward().saturating_add(a_share);
    validator.reward_high = u64::try_from(reward >> 64).unwrap_or(u64::MAX);
    validator.reward_low = u64::try_from(reward & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    state.put(state_key::validator(&address), &validator);
    Ok(amount)
}

fn share(amount: Amount, bps: u32) -> Amount {
    mul_div(amount, bps.into(), BPS).unwrap_or(0)
}
