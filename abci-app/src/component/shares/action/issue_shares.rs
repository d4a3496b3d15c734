//! Dividing an asset's income into shares.

use datanet_types::Asset;
use datanet_types::action::IssueShares;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::shares::{self, Accumulator, MAX_SUPPLY, MIN_SUPPLY, Shares, Stream};
use crate::component::{ActionError, ActionHandler, Event, TxContext, deposit, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for IssueShares {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        ensure((MIN_SUPPLY..=MAX_SUPPLY).contains(&self.supply), code::SHARES_INVALID, || {
            format!("the supply is {}; from {MIN_SUPPLY} to {MAX_SUPPLY} shares are issued", self.supply)
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (asset, owner) = (shares::named(self.asset)?, ctx.tx.signer);
        check_owner(state, &asset, ctx)?;
        if let Some(there) = shares::get(state, &asset)? {
            return refuse(
                code::SHARES_ISSUED,
                format!(
                    "{asset} has issued {} shares at height {}; that is done once",
                    there.supply, there.issued_height
                ),
            );
        }
        let params = params::get(state)?;
        let record = Shares {
            asset: Some(asset),
            supply: self.supply,
            issuer: owner,
            issued_height: ctx.block.height,
            accumulator: Accumulator::default(),
            stream: Stream { left: 0, since: ctx.block.seconds(), until: ctx.block.seconds() },
            income: 0,
        };
        deposit::pay_for_good(state, &params, &owner, &record)?;
        let locked = shares::issue(state, &asset, &record, &params)?;
        let event = Event::new("shares.issued").with("asset", asset).with("supply", self.supply);
        Ok(vec![event.with("issuer", owner).with("deposit", locked)])
    }
}

fn check_owner<S: StateRead>(state: &S, asset: &Asset, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    match shares::owner(state, asset)? {
        None => refuse(
            code::SHARES_UNKNOWN,
            format!("there is no {asset}; look its id up in the list of datanets, models or agents"),
        ),
        Some(owner) => ensure(owner == ctx.tx.signer, code::SHARES_FOREIGN, || {
            format!("{asset} is owned by {owner}; only that account issues shares of it")
        }),
    }
}
