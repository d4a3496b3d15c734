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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::Value;

    use super::*;
    use crate::agent::desk::Became;
    use crate::agent::journal::Observed;
    use crate::agent::kit::{desk, node_at, serve};
    use crate::agent::purse::Plan;
    use crate::agent::sample::sample;
    use crate::agent::spec::{Kind, Spec};

    /// What the node says of the contribution, and how often its verdict was challenged there.
    type World = Arc<Mutex<(Value, u32)>>;

    fn accepted() -> Value {
        let (id, zero) = ("11".repeat(32), "00".repeat(32));
        let address = datanet_types::SigningKey::from_bytes(&[9; 32]).address();
        json!({
            "id": id, "datanet": zero, "contributor": address, "blob": zero, "size": 9, "format": "jsonl", "records": 1,
            "record_root": zero, "bond": 1_000, "seq": 1, "state": "final", "height": 1, "final_height": 2, "attestations": 1,
            "scores": null, "combined": 6_000, "threshold": 5_000, "reason": "", "committee": [],
            "challenge_until": 9_999_999_999_u64, "challenge_deposit": 300_000,
        })
    }

    async fn node(world: World) -> Node {
        let (shown, challenged) = (world.clone(), world);
        let owl = datanet_types::SigningKey::from_bytes(&[1; 32]).address();
        let router = Router::new()
            .route("/v1/contributions/{id}", get(move || async move { Json(shown.lock().unwrap().0.clone()) }))
            .route(
                "/v1/contributions/{id}/challenge",
                post(move || async move {
                    let mut world = challenged.lock().unwrap();
                    world.0["challenge"] = json!({ "challenger": owl, "deposit": 300_000, "outcome": "open" });
                    world.1 += 1;
                    Json(json!({ "deposit": 300_000, "tx": "00".repeat(32) }))
                }),
            );
        node_at(&serve(router).await)
    }

    fn plan() -> Plan {
        let contribution = ContributionId([0x11; 32]);
        let deed = Deed::Challenge { contribution, deposit: 300_000 };
        let (subject, observed) = ("verdict/1".to_owned(), Observed::default());
        Plan { subject, observed, deed, why: String::new(), reserved: 300_000 }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_verdict_is_challenged_once_and_what_came_of_it_is_learnt() {
        let spec = Spec::parse(&sample(Kind::Judge, "owl")).unwrap();
        for (outcome, captured, doubted) in
            [("overturned", 0, (1, 0)), ("stands", 300_000, (0, 1)), ("undecided", 0, (0, 0))]
        {
            let world: World = Arc::new(Mutex::new((accepted(), 0)));
            let dir = tempfile::tempdir().unwrap();
            let mut desk = desk(&spec, node(world.clone()).await, &dir);
            assert!(matches!(desk.carry_out(plan()).await.unwrap(), Became::UnderWay));
            // A restart, in which it is looked for before it is done.
            drop(desk);
            let mut desk = crate::agent::kit::desk(&spec, node(world.clone()).await, &dir);
            desk.take_up().await.unwrap();
            assert_eq!(
                (world.lock().unwrap().1, desk.purse.memory().spent(0)),
                (1, 300_000),
                "set aside as long as it is open"
            );
            world.lock().unwrap().0["challenge"]["outcome"] = json!(outcome);
            desk.take_up().await.unwrap();
            let memory = desk.purse.memory();
            assert_eq!(
                (memory.total(), memory.doubted(), memory.pending().count()),
                (captured, doubted, 0),
                "{outcome}"
            );
            assert_eq!(world.lock().unwrap().1, 1);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_another_has_challenged_or_has_become_dearer_is_left() {
        let spec = Spec::parse(&sample(Kind::Judge, "owl")).unwrap();
        let other = datanet_types::SigningKey::from_bytes(&[8; 32]).address();
        for (name, value) in [
            ("challenge", json!({ "challenger": other, "deposit": 300_000, "outcome": "open" })),
            ("challenge_deposit", json!(300_001)),
            ("challenge_deposit", Value::Null),
        ] {
            let mut view = accepted();
            view[name] = value;
            let world: World = Arc::new(Mutex::new((view, 0)));
            let dir = tempfile::tempdir().unwrap();
            let mut desk = desk(&spec, node(world.clone()).await, &dir);
            let Became::Ended(ended) = desk.carry_out(plan()).await.unwrap() else { panic!("it has ended") };
            assert_eq!((ended.outcome, ended.captured, world.lock().unwrap().1), (Outcome::Refused, 0, 0), "{name}");
        }
    }
}
