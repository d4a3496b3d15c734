//! What an answer of a released model costs, and the receipt that says so.

use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::models::Model;
use datanet_ledger::state::StateRead;
use datanet_types::receipt::{Credit, Method, Receipt};
use datanet_types::release::DataSnapshot;
use datanet_types::{Amount, DatanetId};

use super::Billing;
use crate::error::ServiceResult;

/// What an answer of a model costs, and in whose name it is charged.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The datanet behind the model; the dearest if there are several. `None`: trained on no datanet, and free.
    pub datanet: Option<Datanet>,
    /// Base units an answer costs.
    pub price: Amount,
}

/// The terms of a model on the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub fn terms<S: StateRead>(state: &S, model: &Model) -> ServiceResult<Terms> {
    let mut dearest: Option<Datanet> = None;
    // What it took nothing of has no say: such a datanet may be closed, and a price must not change by that.
    for snapshot in model.snapshots.iter().filter(|snapshot| snapshot.count > 0) {
        let datanet = datanets::get(state, &snapshot.datanet)?;
        dearest = match (dearest, datanet) {
            (Some(before), Some(datanet)) if before.price >= datanet.price => Some(before),
            (before, datanet) => datanet.or(before),
        };
    }
    let price = dearest.as_ref().map_or(0, |datanet| datanet.price);
    Ok(Terms { datanet: dearest, price })
}

impl Billing {
    /// The claims of an answer of `model`, with `credits` found by `method`; to be captured with [`Billing::capture`] for
    /// the price that [`terms`] says.
    pub fn model_receipt(&self, model: &Model, terms: &Terms, method: Method, credits: Vec<Credit>) -> Receipt {
        Receipt {
            chain_id: self.chain.id().to_owned(),
            datanet: terms.datanet.as_ref().map_or(DatanetId::ZERO, |datanet| datanet.id),
            model: model.id,
            node: self.identity.node_key(),
            height: model.registered_height,
            snapshot: DataSnapshot::digest_of(&model.snapshots),
            method: method as i32,
            credits,
            fee: terms.price,
            ..Receipt::default()
        }
    }
}
