//! Ending a datanet of which nothing stayed.

use datanet_types::Asset;
use datanet_types::action::CloseDatanet;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::datanets::{self, Closed, Counts, Datanet, deposit, deposit_account};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params, shares};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for CloseDatanet {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let datanet = datanets::require(state, &self.datanet)?;
        ensure(datanet.creator == ctx.tx.signer, code::DATANET_FOREIGN, || {
            format!("datanet {} was opened by {}; only that account can close it", datanet.name, datanet.creator)
        })?;
        check_unused(&datanet, &datanets::counts(state, &datanet.id)?)?;
        check_unshared(state, &datanet)?;
        let closed = Closed { height: ctx.block.height };
        let kept = deposit::kept(&params::get(state)?, &datanet, &closed);
        let (account, back) = (deposit_account(&datanet.id), datanet.deposit.saturating_sub(kept));
        accounts::release(state, &account, accounts::treasury(), kept)?;
        accounts::release(state, &account, datanet.creator, back)?;
        datanets::close(state, &datanet, &closed);
        let event = Event::new("datanet.closed").with("datanet", datanet.id).with("name", &datanet.name);
        Ok(vec![event.with("creator", datanet.creator).with("back", back)])
    }
}

/// Who holds shares of it owns what it may earn yet.
fn check_unshared<S: StateRead>(state: &S, datanet: &Datanet) -> Result<(), ActionError> {
    let shared = shares::get(state, &Asset::Datanet(datanet.id))?.is_some();
    ensure(!shared, code::DATANET_IN_USE, || {
        format!("datanet {} has issued shares, whose holders own its income: it stays", datanet.name)
    })
}

/// What was final once is in the datanet's history, on which models, answers and receipts rest for good; what is before
/// judges, or was refused so shortly ago that a second committee may see it otherwise, has a bond in it and may become final.
fn check_unused(datanet: &Datanet, counts: &Counts) -> Result<(), ActionError> {
    ensure(counts.history == 0, code::DATANET_IN_USE, || {
        let (name, locked) = (&datanet.name, display(datanet.deposit));
        format!("datanet {name} has a history that others rest on: it stays, and its deposit of {locked} with it")
    })?;
    let open = counts.open();
    ensure(open == 0, code::DATANET_IN_USE, || {
        format!(
            "{open} contributions to datanet {} are not decided; close it once they are refused and that cannot change any more",
            datanet.name
        )
    })
}
