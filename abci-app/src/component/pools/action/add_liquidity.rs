//! Putting shares and money into a pool.

use datanet_types::action::AddLiquidity;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::pools::{self, curve};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::StateWrite;

impl ActionHandler for AddLiquidity {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.max_shares > 0 && self.max_amount > 0, code::POOL_INVALID, || {
            "shares and money are put in together; say how much of both at most".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, provider, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        pools::check_deadline(self.deadline, now)?;
        let mut pool = pools::require(state, &asset, now)?;
        let Some(more) = curve::add(&pool.parts(), self.max_shares, self.max_amount) else {
            return pools::too_much(&asset);
        };
        ensure(more.units > 0, code::POOL_LIMIT, || {
            format!("so little makes no unit of the pool of {asset}; put in more of both")
        })?;
        pools::check_least(more.units, self.min_units, pools::in_units)?;
        let params = params::get(state)?;
        pools::move_shares(state, &asset, (&provider, true), more.shares, (now, &params))?;
        accounts::transfer(state, provider, pools::account(&asset), more.amount)?;
        pools::give_units(state, &asset, &pool, (&provider, more.units), &params)?;
        pool.shares = pool.shares.saturating_add(more.shares);
        pool.amount = pool.amount.saturating_add(more.amount);
        pool.set_units(pool.units.saturating_add(more.units));
        pools::put(state, &asset, &pool);
        let event = Event::new("pool.added").with("asset", asset).with("account", provider);
        let event = event.with("shares", more.shares).with("amount", more.amount);
        Ok(vec![event.with("units", more.units)])
    }
}
