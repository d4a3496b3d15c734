//! Announcing a payment out of the treasury.

use datanet_types::Digest;
use datanet_types::action::SpendTreasury;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::treasury::{self, Spend, event};
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

impl ActionHandler for SpendTreasury {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.amount > 0, code::SPEND_INVALID, || "the amount is 0; pay at least 1 base unit".to_owned())?;
        ensure(self.reason != Digest::ZERO, code::SPEND_INVALID, || {
            "reason must be the SHA-256 of the text that says what for, so that everybody can tell which it was"
                .to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        let params = params::get(state)?;
        let spend = Spend {
            to: self.to,
            amount: self.amount,
            reason: self.reason,
            height: ctx.block.height,
            due: ctx.block.seconds().saturating_add(params.authority_delay_seconds),
            ..Spend::default()
        };
        let spend = treasury::announce(state, ctx.block, &params, spend)?;
        Ok(vec![event("treasury.announced", &spend).with("reason", spend.reason).with("due", spend.due)])
    }
}
