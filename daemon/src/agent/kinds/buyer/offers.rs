//! Who may be asked, at which price. Prices stand on the ledger and are read there, of the agent's own node, whatever a seller says.

use anyhow::{Context, Result};
use datanet_types::{Amount, ChannelId};

use super::questions::Question;
use crate::agent::journal::{Memory, Payment};
use crate::agent::node::Node;
use crate::agent::spec::{BuyerSpec, SellerSpec};

/// One seller's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) name: String,
    /// In our words.
    pub(super) what: String,
    /// The id of the datanet or the model.
    pub(super) of: String,
    pub(super) model: bool,
    pub(super) price: Amount,
    channel: Option<ChannelId>,
}

/// Of all sellers.
pub(super) async fn offers(node: &Node, spec: &BuyerSpec) -> Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for seller in &spec.sellers {
        offers.push(offer(node, seller).await.with_context(|| format!("seller {}", seller.name))?);
    }
    Ok(offers)
}

async fn offer(node: &Node, seller: &SellerSpec) -> Result<Offer> {
    let (name, channel) = (seller.name.clone(), seller.channel);
    let whose = if channel.is_some() { "on another node" } else { "on the agent's node" };
    Ok(match (&seller.datanet, &seller.model) {
        (Some(datanet), _) => {
            let record = node.client.datanet(datanet).await?.record;
            let what = format!("answers out of a datanet {whose}");
            Offer { name, what, of: record.id.to_string(), model: false, price: record.price, channel }
        }
        (None, model) => {
            let model = node.client.model(model.as_deref().unwrap_or_default()).await?.model;
            let what = format!("labels by a model {whose}");
            Offer { name, what, of: model.model_id.to_string(), model: true, price: model.price, channel }
        }
    })
}

impl Offer {
    /// Whether it answers such a question.
    pub(super) fn takes(&self, question: &Question) -> bool {
        question.classify || !self.model
    }

    /// How its next answer is paid.
    pub(super) fn payment(&self, memory: &Memory) -> Payment {
        match self.channel {
            None => Payment::Account,
            Some(channel) => {
                let cumulative = memory.promised(&channel).saturating_add(self.price);
                Payment::Voucher { channel, cumulative }
            }
        }
    }
}
