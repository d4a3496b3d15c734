//! Owners who are still there.

use datanet_types::action::CancelRecovery;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::authority::{self, Keys};
use crate::component::error::refuse;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for CancelRecovery {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let account = ctx.tx.signer;
        match authority::keys(state, &account, ctx.block.seconds())? {
            Some(keys @ Keys { pending: Some(_), .. }) => {
                authority::put(state, &account, &Keys { pending: None, ..keys });
                Ok(vec![Event::new("keys.recovery_cancelled").with("account", account)])
            }
            _ => refuse(code::KEYS_NOT_RECOVERING, format!("no recovery of account {account} is under way")),
        }
    }
}
