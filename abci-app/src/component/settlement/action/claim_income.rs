//! Paying what leaves of epochs say of a datanet, a model or an agent: to its owner, or into its shares' income. What an agent earned is divided by its
//! floors first.

use datanet_types::action::ClaimIncome;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Account, Asset};

use super::claim;
use crate::code;
use crate::component::error::refuse;
use crate::component::{ActionError, ActionHandler, Event, TxContext, agents, params, shares};
use crate::gas::Gas;
use crate::state::{StateRead, StateWrite};

impl ActionHandler for ClaimIncome {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        shares::named(self.asset)?;
        claim::check_items(&self.items)
    }

    fn work(&self) -> Gas {
        claim::work(&self.items)
    }

    /// Each item takes a proof.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        claim::check_first(state, ctx, shares::named(self.asset)?.income_account().into(), &self.items)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let asset = shares::named(self.asset)?;
        let of = Account::from(asset.income_account());
        let shared = shares::get(state, &asset)?.is_some();
        let owner = owner(state, &asset)?;
        let to = if shared || matches!(asset, Asset::Agent(_)) { of } else { owner };
        let paid = claim::pay(state, ctx, (of, to), &self.items)?;
        let (params, now) = (params::get(state)?, ctx.block.seconds());
        let mut events = Vec::new();
        if let Asset::Agent(id) = &asset {
            let earned: Vec<_> = paid.iter().map(|(item, height)| (item.amount, *height)).collect();
            events = agents::pass_on_all(state, id, &earned, now, &params)?;
        } else if shared {
            shares::receive(state, &asset, claim::sum(&paid), now, &params)?;
        }
        let to = if shared { of } else { owner };
        let event = |item: &datanet_types::action::ClaimItem| {
            let event = Event::new("income.claimed").with("node", item.node).with("asset", asset).with("account", to);
            event.with("amount", item.amount).with("epoch", item.epoch)
        };
        events.extend(paid.into_iter().map(|(item, _)| event(item)));
        Ok(events)
    }
}

fn owner<S: StateRead>(state: &S, asset: &Asset) -> Result<Account, ActionError> {
    match shares::owner(state, asset)? {
        Some(owner) => Ok(owner.into()),
        None => refuse(
            code::SHARES_UNKNOWN,
            format!("there is no {asset}; look its id up in the list of datanets, models or agents"),
        ),
    }
}
