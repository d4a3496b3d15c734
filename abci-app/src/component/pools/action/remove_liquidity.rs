//! Taking shares and money out of a pool.

use datanet_types::action::RemoveLiquidity;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::pools::{self, curve};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::StateWrite;

impl ActionHandler for RemoveLiquidity {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure(self.units > 0, code::POOL_INVALID, || "at least 1 unit is taken out".to_owned())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, provider, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        pools::check_deadline(self.deadline, now)?;
        let mut pool = pools::require(state, &asset, now)?;
        let mut held = pools::position(state, &asset, &provider)?;
        held.count(&pool.accumulator);
        ensure(self.units <= held.units, code::POOL_POSITION, || {
            format!("account {provider} has {} units of the pool of {asset}, and this takes {}", held.units, self.units)
        })?;
        let Some(less) = curve::remove(&pool.parts(), self.units) else { return pools::too_much(&asset) };
        pools::check_least(less.shares, self.min_shares, pools::in_shares)?;
        pools::check_least(less.amount, self.min_amount, display)?;
        let params = params::get(state)?;
        if less.shares > 0 {
            pools::move_shares(state, &asset, (&provider, false), less.shares, (now, &params))?;
        }
        accounts::release(state, &pools::account(&asset), provider, less.amount)?;
        pool.shares = pool.shares.saturating_sub(less.shares);
        pool.amount = pool.amount.saturating_sub(less.amount);
        pool.set_units(pool.units.saturating_sub(less.units));
        held.units = held.units.saturating_sub(less.units);
        pools::store(state, &asset, &mut pool, &provider, held)?;
        pools::put(state, &asset, &pool);
        let event = Event::new("pool.removed").with("asset", asset).with("account", provider);
        let event = event.with("shares", less.shares).with("amount", less.amount);
        Ok(vec![event.with("units", less.units)])
    }
}
