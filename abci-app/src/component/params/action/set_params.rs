//! Announcing other parameters.

use datanet_types::action::{MAX_PARAM_CHANGES, SetParams};
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::params::changes::changed;
use crate::component::params::versions::{self, Scheduled};
use crate::component::{ActionError, ActionHandler, Event, TxContext, treasury};
use crate::state::StateWrite;

impl ActionHandler for SetParams {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.changes.len() <= MAX_PARAM_CHANGES, code::PARAMS_INVALID, || {
            format!("changes are {} bytes, {MAX_PARAM_CHANGES} is the most; name only what changes", self.changes.len())
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        let present = versions::present(state)?.params;
        let params = match changed(&present, &self.changes) {
            Ok(params) => params,
            Err(reason) => return refuse(code::PARAMS_INVALID, reason),
        };
        let due = ctx.block.seconds().saturating_add(present.authority_delay_seconds);
        versions::schedule(state, Some(&Scheduled { due, params }))?;
        let event = Event::new("params.announced").with("account", ctx.tx.signer).with("changes", &self.changes);
        Ok(vec![event.with("due", due)])
    }
}
