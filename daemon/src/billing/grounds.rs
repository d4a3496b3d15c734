//! What a receipt claims of the ledger, held against the ledger: the same for whoever looks, and whenever.

use datanet_ledger::component::{channels, contributions, datanets, models};
use datanet_ledger::state::StateRead;
use datanet_types::amount::display;
use datanet_types::receipt::{Method, Receipt};
use datanet_types::release::DataSnapshot;
use datanet_types::{Amount, ContributionId, DatanetId};

use super::terms::terms;
use crate::error::ServiceResult;

/// Blocks by which what a node has indexed may be behind: more than it waits for bytes that are missing.
const LAG: u64 = 1_000;

/// Why a receipt that was settled at `settled_height` cannot be right; none if nothing on the ledger contradicts it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn contradiction<S: StateRead>(state: &S, receipt: &Receipt, settled_height: u64) -> ServiceResult<Option<String>> {
    if receipt.height > settled_height {
        return Ok(Some(format!("it is of height {}, and was settled at {settled_height}", receipt.height)));
    }
    match receipt.method() {
        Method::Retrieval => of_retrieval(state, receipt),
        Method::Influence | Method::Span => of_model(state, receipt),
    }
}

fn of_retrieval<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Option<String>> {
    let Some(datanet) = datanets::get(state, &receipt.datanet)? else {
        return Ok(Some(format!("there is no datanet {}", receipt.datanet)));
    };
    if receipt.fee != datanet.price {
        return Ok(Some(other_price(receipt.fee, datanet.price)));
    }
    // What was searched is what there was when it was asked, which was not before there was a channel to pay by.
    let channel = receipt.channel.map(|id| channels::get(state, &id)).transpose()?.flatten();
    let opened = channel.map_or(0, |channel| channel.opened_height);
    if receipt.height.saturating_add(LAG) < opened {
        let height = receipt.height;
        return Ok(Some(format!("it is of height {height}, long before its channel was opened at {opened}")));
    }
    let named = receipt.credits.iter().map(|credit| &credit.contribution).chain(&receipt.missing);
    for id in named {
        let known = contributions::get(state, id)?;
        if !known.is_some_and(|known| known.datanet == datanet.id && known.was_final_at(receipt.height)) {
            let height = receipt.height;
            return Ok(Some(format!("contribution {id} was not final in datanet {} at height {height}", datanet.name)));
        }
    }
    Ok(None)
}

fn of_model<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Option<String>> {
    let Some(model) = models::get(state, &receipt.model)?.filter(|model| model.release) else {
        return Ok(Some(format!("model {} is no release on the ledger", receipt.model)));
    };
    if receipt.height != model.registered_height || receipt.snapshot != DataSnapshot::digest_of(&model.snapshots) {
        return Ok(Some("height and snapshot are not those of the model on the ledger".to_owned()));
    }
    let terms = terms(state, &model)?;
    let datanet = terms.datanet.as_ref().map_or(DatanetId::ZERO, |datanet| datanet.id);
    if receipt.datanet != datanet {
        return Ok(Some(format!("model {} is paid through datanet {datanet}", model.name)));
    }
    if receipt.fee != terms.price {
        return Ok(Some(other_price(receipt.fee, terms.price)));
    }
    for id in receipt.credits.iter().map(|credit| &credit.contribution) {
        let is_behind = |known: &contributions::Contribution| {
            known.was_final_at(model.registered_height)
                && model.snapshots.iter().any(|snapshot| snapshot.datanet == known.datanet)
        };
        if !contributions::get(state, id)?.is_some_and(|known| is_behind(&known)) {
            return Ok(Some(not_behind(id, &model.name)));
        }
    }
    Ok(None)
}

fn other_price(charged: Amount, price: Amount) -> String {
    format!("{} were charged, the price is {}", display(charged), display(price))
}

fn not_behind(id: &ContributionId, model: &str) -> String {
    format!("contribution {id} is not behind model {model}")
}
