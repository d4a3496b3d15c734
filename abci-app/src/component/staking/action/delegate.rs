//! Staking on a validator.

use datanet_types::amount::display;
use datanet_types::staking::Delegate;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::staking::{self, MIN_DELEGATION, shares};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for Delegate {
    fn check_stateless(&self, _tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.amount >= MIN_DELEGATION, code::DELEGATION, || {
            format!("a stake is at least {}, not {}", display(MIN_DELEGATION), display(self.amount))
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let delegator = ctx.tx.signer;
        let mut validator = staking::require_open(state, &self.validator)?;
        shares::stake(state, &mut validator, &delegator, self.amount)?;
        let event = Event::new("staking.delegated").with("validator", self.validator).with("account", delegator);
        Ok(vec![event.with("amount", self.amount)])
    }
}
