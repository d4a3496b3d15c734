//! Who may be asked, at which price. Prices stand on the ledger and are read there, of the agent's own node, whatever a seller says.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use datanet_api::channels::ChannelParams;
use datanet_types::{Amount, ChannelId, NodeKey};

use super::questions::Question;
use crate::agent::journal::{Memory, Payment};
use crate::agent::node::Node;
use crate::agent::spec::{BuyerSpec, RateBy, SellerSpec};

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
    /// Whose node that is, where it is known.
    pub(super) node: Option<NodeKey>,
}

/// Of all sellers.
pub(super) async fn offers(node: &Node, spec: &BuyerSpec) -> Result<Vec<Offer>> {
    let (mut offers, payees) = (Vec::new(), payees(node, spec).await?);
    for seller in &spec.sellers {
        offers.push(offer(node, seller, &payees).await.with_context(|| format!("seller {}", seller.name))?);
    }
    Ok(offers)
}

/// Whom the channels of the agent's account pay, for whoever will say how good that was.
async fn payees(node: &Node, spec: &BuyerSpec) -> Result<BTreeMap<ChannelId, NodeKey>> {
    if spec.rate == RateBy::Never || spec.sellers.iter().all(|seller| seller.channel.is_none()) {
        return Ok(BTreeMap::new());
    }
    let params = ChannelParams { account: Some(node.address.to_string()) };
    let found = node.client.channels(&params).await.context("the channels of the agent's account")?;
    Ok(found.channels.into_iter().map(|one| (one.channel.id, one.channel.node)).collect())
}

async fn offer(node: &Node, seller: &SellerSpec, payees: &BTreeMap<ChannelId, NodeKey>) -> Result<Offer> {
    let (name, channel) = (seller.name.clone(), seller.channel);
    let answers = channel.map_or(Some(node.key), |channel| payees.get(&channel).copied());
    let whose = if channel.is_some() { "on another node" } else { "on the agent's node" };
    Ok(match (&seller.datanet, &seller.model) {
        (Some(datanet), _) => {
            let record = node.client.datanet(datanet).await?.record;
            let what = format!("answers out of a datanet {whose}");
            Offer { name, what, of: record.id.to_string(), model: false, price: record.price, channel, node: answers }
        }
        (None, model) => {
            let model = node.client.model(model.as_deref().unwrap_or_default()).await?.model;
            let what = format!("labels by a model {whose}");
            Offer {
                name,
                what,
                of: model.model_id.to_string(),
                model: true,
                price: model.price,
                channel,
                node: answers,
            }
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
