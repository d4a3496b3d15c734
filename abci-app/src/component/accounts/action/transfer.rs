//! Moving money.

use datanet_types::action::Transfer;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::accounts::transfer;
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for Transfer {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.amount > 0, code::TRANSFER, || "a transfer moves at least 1 base unit".to_owned())?;
        ensure(self.to != tx.signer, code::TRANSFER, || {
            "a transfer goes to another account than the sender's".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        transfer(state, ctx.tx.signer, self.to, self.amount)?;
        let event = Event::new("account.transferred");
        Ok(vec![event.with("from", ctx.tx.signer).with("to", self.to).with("amount", self.amount)])
    }
}
