//! Saying on the ledger how good a seller was. Each epoch that was paid for can be rated once, so that looking first is enough.

use datanet_api::ClientResult;
use datanet_api::sellers::{NewRating, OpenRatings};
use datanet_api::status::Fees;
use datanet_api::transactions::Sent;
use datanet_types::Amount;
use serde_json::json;

use super::{Act, Hands, Try, failed, refused, unknown};
use crate::agent::journal::{Outcome, Rate};
use crate::agent::node::Node;
use crate::agent::purse::Done;

impl Hands {
    /// What it costs is counted at the most that was set aside: the chain does not say what it took of an account for one transaction.
    pub(super) async fn rate(&self, node: &Node, rate: &Rate, tried: Try<'_>) -> Act {
        let reserved = tried.intention.reserved;
        match is_open(node, rate).await {
            Ok(true) => {}
            // It was sent before, or the time for it is over.
            Ok(false) if tried.repeated => {
                return Act::Done(unknown(reserved, "it can be rated no more; it may have been"));
            }
            Ok(false) => {
                return Act::Done(refused("nothing-to-rate", "the epoch was rated, or the time for it is over"));
            }
            Err(error) => return failed(&error, tried),
        }
        let Rate { node: seller, epoch, score_bps } = *rate;
        let new = NewRating { account: Some(self.account.clone()), node: seller, epoch, score_bps };
        match node.client.post::<Sent>("/v1/ratings", &new).await {
            Ok(sent) => {
                let detail = json!({ "score_bps": score_bps, "tx": sent.tx });
                Act::Done(Done { outcome: Outcome::Done, captured: reserved, detail })
            }
            Err(error) => failed(&error, tried),
        }
    }
}

/// Whether the agent's account may still rate it.
async fn is_open(node: &Node, rate: &Rate) -> ClientResult<bool> {
    Ok(open(node).await?.open.iter().any(|one| (one.node, one.epoch) == (rate.node, rate.epoch)))
}

/// All that the agent's account may rate.
pub(in crate::agent) async fn open(node: &Node) -> ClientResult<OpenRatings> {
    node.client.get(&format!("/v1/accounts/{}/ratings", node.address)).await
}

/// What a word may cost: twice the least that a transaction costs, for its bytes and gas.
pub(in crate::agent) fn cost(fees: &Fees) -> Amount {
    fees.transaction.saturating_mul(2)
}
