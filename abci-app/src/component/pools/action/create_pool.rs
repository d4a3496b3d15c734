//! Opening the pool of an asset's shares.

use datanet_types::action::CreatePool;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::pools::{self, LOCKED_UNITS, Pool, curve};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, deposit, params, shares};
use crate::state::StateWrite;

impl ActionHandler for CreatePool {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        // As much again is to be somebody's.
        let least = LOCKED_UNITS.saturating_mul(2);
        let units = curve::first_units(self.shares, self.amount);
        ensure(units >= least, code::POOL_INVALID, || {
            format!(
                "a pool begins with at least {least} units, the square root of shares times base units, and this makes {units}; put in more"
            )
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, creator, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        shares::require(state, &asset)?;
        if pools::get(state, &asset)?.is_some() {
            return refuse(code::POOL_TAKEN, format!("there is a pool of {asset} already; add liquidity to it"));
        }
        let params = params::get(state)?;
        let pool = Pool::new(asset, (self.shares, self.amount), creator, ctx.block.height);
        deposit::pay_for_good(state, &params, &creator, &pool)?;
        pools::move_shares(state, &asset, (&creator, true), self.shares, (now, &params))?;
        accounts::transfer(state, creator, pools::account(&asset), self.amount)?;
        pools::give_units(state, &asset, &pool, (&creator, pool.owned()), &params)?;
        pools::put(state, &asset, &pool);
        let event = Event::new("pool.created").with("asset", asset).with("creator", creator);
        let event = event.with("shares", self.shares).with("amount", self.amount);
        Ok(vec![event.with("units", pool.owned())])
    }
}
