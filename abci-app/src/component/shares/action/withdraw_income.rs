//! Paying out what shares have earned.

use datanet_types::Account;
use datanet_types::action::WithdrawIncome;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, pools, shares};
use crate::state::StateWrite;

impl ActionHandler for WithdrawIncome {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset).map(drop)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, holder, now) = (shares::named(self.asset)?, ctx.tx.signer, ctx.block.seconds());
        shares::require(state, &asset)?;
        let account = Account::from(holder);
        let held = shares::withdraw(state, &asset, account, account, now)?;
        let provided = pools::withdraw(state, &asset, &holder, now)?;
        let amount = held.saturating_add(provided);
        ensure(amount > 0, code::INCOME_NOTHING, || {
            format!(
                "account {holder} has earned nothing by {asset} since it was paid last; income is divided evenly over time, wait for it"
            )
        })?;
        let event = Event::new("income.withdrawn").with("asset", asset).with("account", holder);
        Ok(vec![event.with("amount", amount).with("of_liquidity", provided)])
    }
}
