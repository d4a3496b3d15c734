//! Selling shares to their pool.

use datanet_types::action::SellShares;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::pools;
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::StateWrite;

impl ActionHandler for SellShares {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.shares > 0, code::POOL_INVALID, || "at least 1 share is sold".to_owned())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, seller, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        pools::check_deadline(self.deadline, now)?;
        let mut pool = pools::require(state, &asset, now)?;
        let params = params::get(state)?;
        let Some(amount) = pool.exchange((self.shares, false), ctx.block.height, params.pool_fee_bps) else {
            return pools::too_much(&asset);
        };
        pools::check_least(amount, self.min_amount.max(1), display)?;
        pools::move_shares(state, &asset, (&seller, true), self.shares, (now, &params))?;
        accounts::release(state, &pools::account(&asset), seller, amount)?;
        pool.shares = pool.shares.saturating_add(self.shares);
        pool.amount = pool.amount.saturating_sub(amount);
        pools::put(state, &asset, &pool);
        let event = Event::new("shares.sold").with("asset", asset).with("account", seller);
        Ok(vec![event.with("shares", self.shares).with("amount", amount)])
    }
}
