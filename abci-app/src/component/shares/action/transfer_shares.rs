//! Giving shares to another account.

use datanet_types::Account;
use datanet_types::action::TransferShares;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, params, shares};
use crate::state::StateWrite;

impl ActionHandler for TransferShares {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.shares > 0, code::SHARES_INVALID, || "at least 1 share is transferred".to_owned())?;
        ensure(self.to != tx.signer, code::SHARES_INVALID, || {
            "shares go to another account than the sender's".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, from) = (shares::named(self.asset)?, ctx.tx.signer);
        let between = (Account::from(from), Account::from(self.to));
        let params = params::get(state)?;
        shares::transfer(state, &asset, between, self.shares, (&from, ctx.block.seconds(), &params))?;
        let event = Event::new("shares.transferred").with("asset", asset).with("from", from).with("to", self.to);
        Ok(vec![event.with("shares", self.shares)])
    }
}
