//! Buying shares from their pool.

use datanet_types::action::BuyShares;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::pools;
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::StateWrite;

impl ActionHandler for BuyShares {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.amount > 0, code::POOL_INVALID, || "shares are bought for at least 1 base unit".to_owned())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, buyer, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        pools::check_deadline(self.deadline, now)?;
        let mut pool = pools::require(state, &asset, now)?;
        let params = params::get(state)?;
        let Some(bought) = pool.exchange((self.amount, true), ctx.block.height, params.pool_fee_bps) else {
            return pools::too_much(&asset);
        };
        pools::check_least(bought, self.min_shares.max(1), pools::in_shares)?;
        accounts::transfer(state, buyer, pools::account(&asset), self.amount)?;
        pools::move_shares(state, &asset, (&buyer, false), bought, (now, &params))?;
        pool.amount = pool.amount.saturating_add(self.amount);
        pool.shares = pool.shares.saturating_sub(bought);
        pools::put(state, &asset, &pool);
        let event = Event::new("shares.bought").with("asset", asset).with("account", buyer);
        Ok(vec![event.with("shares", bought).with("amount", self.amount)])
    }
}
