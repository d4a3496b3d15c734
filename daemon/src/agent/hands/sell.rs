//! Saying to a caller what was made for him. It costs nothing, and said again it is heard once.

use datanet_api::services::{CallAnswer, CallOutcome};
use serde_json::json;

use super::{Act, Hands, MAX_SAID, Try, failed};
use crate::agent::journal::{Outcome, Sell};
use crate::agent::node::Node;
use crate::agent::purse::Done;
use crate::quoted::clean;

impl Hands {
    pub(super) async fn sell(&self, node: &Node, sell: &Sell, tried: Try<'_>) -> Act {
        let (order, suppliers) = (sell.order, sell.suppliers.clone());
        let (answer, refusal) = (sell.said.clone().ok(), sell.said.clone().err());
        let said = CallAnswer { order, answer, suppliers, refusal };
        let path = format!("/v1/agents/{}/answers", sell.agent);
        match node.client.post::<CallOutcome>(&path, &said).await {
            Ok(outcome) => Act::Done(done(sell, &outcome)),
            Err(error) => failed(&error, tried),
        }
    }
}

fn done(sell: &Sell, came: &CallOutcome) -> Done {
    let mut detail = json!({ "cost": sell.cost });
    if let Some(receipt) = came.receipt {
        detail["receipt"] = json!(receipt);
        detail["fee"] = json!(came.fee);
    }
    let why = sell.said.as_ref().err().map(String::as_str).or(came.why.as_deref());
    if let Some(why) = why {
        detail["why"] = json!(clean(why, MAX_SAID));
    }
    let outcome = if came.receipt.is_some() { Outcome::Done } else { Outcome::Refused };
    Done { outcome, captured: 0, detail }
}
