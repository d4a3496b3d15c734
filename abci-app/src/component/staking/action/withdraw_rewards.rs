//! Paying out what stake has earned.

use datanet_types::staking::WithdrawRewards;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::staking::{self, put_delegation, rewards};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

/// Validators in one withdrawal at most.
const MAX_VALIDATORS: usize = 64;

impl ActionHandler for WithdrawRewards {
    fn check_stateless(&self, _tx: &VerifiedTx) -> Result<(), ActionError> {
        let ascending = self.validators.is_sorted_by(|one, next| one < next);
        ensure(ascending && (1..=MAX_VALIDATORS).contains(&self.validators.len()), code::DELEGATION, || {
            format!("name 1 to {MAX_VALIDATORS} validators, each once, in ascending order")
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let delegator = ctx.tx.signer;
        let mut events = Vec::new();
        for address in &self.validators {
            let validator = staking::require(state, address)?;
            let mut held = staking::delegation(state, address, &delegator)?;
            let amount = rewards::pay(state, &validator, &delegator, &mut held)?;
            put_delegation(state, address, &delegator, &held)?;
            let event = Event::new("staking.rewarded").with("validator", address).with("account", delegator);
            events.push(event.with("amount", amount));
        }
        Ok(events)
    }
}
