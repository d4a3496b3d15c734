//! The chain's authority steps back.

use datanet_types::action::RetireAuthority;
use datanet_types::tx::VerifiedTx;

use crate::component::treasury;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for RetireAuthority {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        Ok(treasury::retire(state)?.into_iter().collect())
    }
}
