//! What a validator and its delegators lose: part of everything that stood behind it when it did wrong, wherever that is now.

use datanet_types::Amount;
use datanet_types::amount::{BPS, mul_div};

use super::{Validator, bonded_account, get, moving, put, unbonding};
use crate::component::{BlockContext, Event, Misbehaviour, Params, accounts};
use crate::state::{StateError, StateWrite};

/// `bps` of an amount, rounded up: nobody is so small that nothing is taken.
pub(super) fn part(amount: u64, bps: u32) -> u64 {
    let whole = mul_div(amount, bps.into(), BPS).unwrap_or(0);
    let exact = mul_div(whole, BPS, bps.into()) == Some(amount) || amount == 0;
    if exact || bps == 0 { whole } else { whole.saturating_add(1).min(amount) }
}

/// Blocks for which stake that has left may still have counted: the engine follows two blocks later, and much of it in steps.
const LINGERS: u64 = 100;

/// Whether stake that left at `left` may have counted at height `since`.
pub(super) fn stood_behind(left: u64, since: u64) -> bool {
    left.saturating_add(LINGERS) >= since
}

/// Takes `bps` of what stands behind a validator, and of what left it or was moved elsewhere and may have counted at height `since`.
/// Stake that came later pays with the rest: it could see what it staked on. Stores the validator, with whatever else has changed of it.
pub(super) fn slash<S: StateWrite>(
    state: &mut S,
    validator: &mut Validator,
    since: u64,
    bps: u32,
) -> Result<Amount, StateError> {
    let address = validator.address();
    let cut = part(validator.tokens, bps);
    accounts::release(state, &bonded_account(&address), accounts::treasury(), cut)?;
    validator.tokens = validator.tokens.saturating_sub(cut);
    put(state, validator);
    let left = unbonding::slash(state, &address, since, bps)?;
    let moved = moving::slash(state, &address, since, bps)?;
    Ok(cut.saturating_add(left).saturating_add(moved))
}

/// Slashes whoever signed two histories, once and for all.
pub(super) fn punish_misbehaviour<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let mut events = Vec::new();
    for misbehaviour in &block.consensus.misbehaviour {
        events.extend(punish(state, params, misbehaviour)?);
    }
    Ok(events)
}

fn punish<S: StateWrite>(
    state: &mut S,
    params: &Params,
    misbehaviour: &Misbehaviour,
) -> Result<Option<Event>, StateError> {
    let Some(mut validator) = get(state, &misbehaviour.validator)?.filter(|validator| !validator.tombstoned) else {
        return Ok(None);
    };
    validator.tombstoned = true;
    validator.jailed_until = u64::MAX;
    let taken = slash(state, &mut validator, misbehaviour.height, params.equivocation_slash_bps)?;
    let event = Event::new("staking.slashed").with("validator", misbehaviour.validator).with("for", "equivocation");
    Ok(Some(event.with("amount", taken).with("height", misbehaviour.height)))
}

#[cfg(test)]
mod tests {
    use super::part;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_part_is_rounded_up_and_never_more_than_the_whole(amount: u64, bps in 0u32..=10_000) {
            let exact = u128::from(amount) * u128::from(bps);
            let got = u128::from(part(amount, bps));
            prop_assert!(got <= u128::from(amount));
            prop_assert!(got * 10_000 >= exact && got * 10_000 < exact + 10_000);
        }
    }
}
