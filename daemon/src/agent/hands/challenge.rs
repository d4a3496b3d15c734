//! Doubting a verdict, and seeing what a second committee says.

use datanet_types::{Amount, ContributionId};
use serde_json::json;

use super::{Act, Hands, Try, failed, refused};
use crate::agent::journal::{Deed, Outcome};
use crate::agent::node::Node;
use crate::agent::purse::Done;

impl Hands {
    /// Challenges the verdict, unless that was done: a verdict can be challenged once, so that looking first is enough.
    pub(super) async fn challenge(&self, node: &Node, contribution: &ContributionId, tried: Try<'_>) -> Act {
        let view = match node.client.contribution(contribution).await {
            Ok(view) => view,
            Err(error) => return failed(&error, tried),
        };
        match &view.challenge {
            Some(challenge) if challenge.challenger == node.address => decided(&challenge.outcome, challenge.deposit),
            Some(_) => Act::Done(refused("challenged", "somebody else has challenged it")),
            None => {
                let reserved = match &tried.intention.deed {
                    Deed::Challenge { deposit, .. } => *deposit,
                    _ => 0,
                };
                match view.challenge_deposit {
                    Some(deposit) if deposit <= reserved => {}
                    _ => return Act::Done(refused("too-late", "it cannot be challenged any more, or not for that")),
                }
                match node.client.challenge_verdict(contribution, Some(self.account.clone())).await {
                    Ok(_) => Act::UnderWay,
                    Err(error) => failed(&error, tried),
                }
            }
        }
    }
}

/// What came of a challenge.
fn decided(outcome: &str, deposit: Amount) -> Act {
    let over = |overturned: Option<bool>, captured| {
        let why = format!("the second committee's word: {outcome}");
        let detail = json!({ "overturned": overturned, "deposit": deposit, "why": why });
        Act::Done(Done { outcome: Outcome::Done, captured, detail })
    };
    match outcome {
        "open" => Act::UnderWay,
        "overturned" => over(Some(true), 0),
        "stands" => over(Some(false), deposit),
        // The deposit comes back where nobody could decide.
        _ => over(None, 0),
    }
}
