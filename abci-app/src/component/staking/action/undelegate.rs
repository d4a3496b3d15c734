//! Taking stake back.

use datanet_types::staking::Undelegate;
use datanet_types::tx::VerifiedTx;

use crate::component::staking::{self, shares, unbonding};
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

impl ActionHandler for Undelegate {
    fn check_stateless(&self, _tx: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, delegator) = (params::get(state)?, ctx.tx.signer);
        let mut validator = staking::require(state, &self.validator)?;
        let amount = shares::sell(state, &mut validator, &delegator, self.amount)?;
        let event = Event::new("staking.undelegated").with("validator", self.validator).with("account", delegator);
        let event = event.with("amount", amount);
        if amount == 0 {
            // Everything was slashed: the shares are gone, and nothing is on its way.
            return Ok(vec![event]);
        }
        let arrives = unbonding::begin(state, ctx.block, &params, &self.validator, &delegator, amount)?;
        Ok(vec![event.with("arrives", arrives)])
    }
}
