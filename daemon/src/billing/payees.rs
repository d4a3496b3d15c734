//! In whose name an account earns: its own, and that of the datanets, models and agents which it owns and of which it has issued no shares.

use std::collections::BTreeMap;

use datanet_ledger::LedgerReader;
use datanet_ledger::component::{agents, datanets, models, shares};
use datanet_types::{Account, Address, Asset};

use crate::error::ServiceResult;

/// Accounts in whose name leaves are claimed, each with the asset that it stands for, if it does.
pub(super) type Payees = BTreeMap<Account, Option<Asset>>;

/// Those of an account.
pub(super) fn of_account(reader: &LedgerReader, owner: &Address) -> ServiceResult<Payees> {
    let mut payees = Payees::from([(Account::from(owner), None)]);
    let datanets = datanets::list(reader, None, usize::MAX)?.into_iter();
    let owned = datanets.filter(|datanet| datanet.creator == *owner).map(|datanet| Asset::Datanet(datanet.id));
    let models = models::list(reader, None, usize::MAX)?.into_iter();
    let owned = owned.chain(models.filter(|model| model.owner == *owner).map(|model| Asset::Model(model.id)));
    let agent = agents::of_account(reader, owner)?.map(|agent| Asset::Agent(agent.id));
    for asset in owned.chain(agent) {
        if shares::get(reader, &asset)?.is_none() {
            payees.extend(of_asset(&asset));
        }
    }
    Ok(payees)
}

/// That of an asset, whoever owns it.
pub(super) fn of_asset(asset: &Asset) -> Payees {
    Payees::from([(asset.income_account().into(), Some(*asset))])
}
