//! Paying the holders of shares.

use datanet_types::action::PayIncome;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::StateWrite;

impl ActionHandler for PayIncome {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.amount > 0, code::SHARES_INVALID, || "at least 1 base unit is paid".to_owned())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let asset = shares::named(self.asset)?;
        shares::require(state, &asset)?;
        accounts::transfer(state, ctx.tx.signer, asset.income_account(), self.amount)?;
        let params = params::get(state)?;
        shares::receive(state, &asset, self.amount, ctx.block.seconds(), &params)?;
        let event = Event::new("income.paid").with("asset", asset).with("from", ctx.tx.signer);
        Ok(vec![event.with("amount", self.amount)])
    }
}
