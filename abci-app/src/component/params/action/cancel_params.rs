//! Taking announced parameters back.

use datanet_types::action::CancelParams;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::params::versions;
use crate::component::{ActionError, ActionHandler, Event, TxContext, treasury};
use crate::state::StateWrite;

impl ActionHandler for CancelParams {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        ensure(versions::scheduled(state)?.is_some(), code::PARAMS_NOT_ANNOUNCED, || {
            "no parameters are announced; they hold already, were cancelled, or were never there".to_owned()
        })?;
        versions::schedule(state, None)?;
        Ok(vec![Event::new("params.cancelled").with("account", ctx.tx.signer)])
    }
}
