//! Moving stake from one validator to another.

use datanet_types::staking::Redelegate;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::staking::moving;
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

impl ActionHandler for Redelegate {
    fn check_stateless(&self, _tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.from != self.to, code::REDELEGATION, || {
            format!("validator {} is where the stake is already; name another", self.to)
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, delegator) = (params::get(state)?, ctx.tx.signer);
        let between = (&self.from, &self.to);
        let amount = moving::moved(state, ctx.block, &params, &delegator, between, self.amount)?;
        let event = Event::new("staking.redelegated").with("from", self.from).with("to", self.to);
        Ok(vec![event.with("account", delegator).with("amount", amount)])
    }
}
