//! Ending a sub-key.

use datanet_types::action::RevokeKey;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::authority::{self, state_key};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for RevokeKey {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let account = ctx.tx.signer;
        ensure(authority::grant(state, &account, &self.key)?.is_some(), code::GRANT_UNKNOWN, || {
            format!("account {account} has no sub-key {}", self.key)
        })?;
        state.delete(state_key::grant(&account, &self.key));
        Ok(vec![Event::new("key.revoked").with("account", account).with("key", self.key)])
    }
}
