//! Coming back after a time in jail.

use datanet_types::amount::display;
use datanet_types::staking::Unjail;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::staking;
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

impl ActionHandler for Unjail {
    fn check_stateless(&self, _tx: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let params = params::get(state)?;
        let mut validator = staking::require_open(state, &self.validator)?;
        ensure(validator.operator == ctx.tx.signer, code::VALIDATOR_FOREIGN, || {
            format!("account {} operates validator {}; sign with its key", validator.operator, self.validator)
        })?;
        ensure(validator.jailed_until > 0, code::VALIDATOR_JAIL, || {
            format!("validator {} is not in jail", self.validator)
        })?;
        ensure(validator.jailed_until <= ctx.block.seconds(), code::VALIDATOR_JAIL, || {
            let left = validator.jailed_until.saturating_sub(ctx.block.seconds());
            format!("validator {} is in jail for {left} more seconds; try again then", self.validator)
        })?;
        ensure(validator.tokens >= params.min_validator_stake, code::VALIDATOR_STAKE, || {
            let (behind, least) = (display(validator.tokens), display(params.min_validator_stake));
            format!("{behind} stand behind validator {}, it takes {least}; stake more first", self.validator)
        })?;
        validator.jailed_until = 0;
        staking::put(state, &mut validator);
        Ok(vec![Event::new("staking.unjailed").with("validator", self.validator)])
    }
}
