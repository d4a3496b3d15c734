//! Taking an announced payment back.

use datanet_types::action::CancelSpend;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::refuse;
use crate::component::treasury::{self, Spend, event, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for CancelSpend {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        let Some(spend) = state.get::<Spend>(&state_key::spend(self.spend))? else {
            return refuse(
                code::SPEND_UNKNOWN,
                format!("no payment {} is announced; it was made, cancelled, or never there", self.spend),
            );
        };
        treasury::cancel(state, &spend)?;
        Ok(vec![event("treasury.cancelled", &spend)])
    }
}
