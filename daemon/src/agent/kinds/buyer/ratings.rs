//! What a buyer says on the ledger of those that it paid: for each epoch of a node that it paid for, once that is final, how often the node's latest
//! answers were right. It is no choice of a policy's, and nothing that strangers wrote has part in it but their answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use datanet_api::ClientResult;
use datanet_api::sellers::OpenRating;
use datanet_types::Amount;
use datanet_types::amount::display;

use super::grades::Grades;
use crate::agent::desk::{Became, Desk};
use crate::agent::hands::{open_ratings, rating_cost};
use crate::agent::journal::{Deed, Observed, Outcome, Rate, Reader};
use crate::agent::node::Node;
use crate::agent::purse::Plan;
use crate::agent::spec::RateBy;

/// How long it waits before it looks again: epochs become final by the minute.
const BETWEEN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Ratings {
    by: RateBy,
    journal: Reader,
    grades: Grades,
    looked: Option<Instant>,
    /// What was refused to this process: it is not tried again by it.
    refused: BTreeSet<String>,
}

impl Ratings {
    /// By what the spec says.
    pub(super) fn new(by: RateBy) -> Self {
        Self { by, journal: Reader::default(), grades: Grades::default(), looked: None, refused: BTreeSet::new() }
    }

    /// Says what there is to say, unless it looked a moment ago.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub(super) async fn look(&mut self, desk: &mut Desk) -> Result<()> {
        if self.by == RateBy::Never || self.looked.is_some_and(|at| at.elapsed() < BETWEEN) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        for entry in self.journal.more(desk.purse.journal())? {
            self.grades.learn(entry);
        }
        let (open, cost) = match open(&desk.node).await {
            Ok(found) => found,
            Err(error) => {
                desk.told.say(&format!("sellers are rated another time: {error}"));
                return Ok(());
            }
        };
        for one in open {
            if let Err(why) = self.rate(desk, &one, cost).await? {
                desk.told.say(&format!("sellers are rated another time: {why}"));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Rates one epoch, if there is anything to say; why nothing more can be said now.
    async fn rate(&mut self, desk: &mut Desk, one: &OpenRating, cost: Amount) -> Result<Result<(), String>> {
        let OpenRating { node, epoch, seller, amount, .. } = *one;
        let subject = format!("rating/{node}/{epoch}");
        // What one says of oneself does not count.
        let own = seller == desk.node.address;
        if own || self.refused.contains(&subject) || desk.purse.memory().is_decided(&subject) {
            return Ok(Ok(()));
        }
        let Some(grade) = self.grades.of(&node, self.by) else { return Ok(Ok(())) };
        let what = format!("epoch {epoch} of node {node}, for which {} was paid", display(amount));
        let why =
            format!("of its latest answers {} of {} were right, as far as that is known", grade.right, grade.graded);
        let deed = Deed::Rate(Rate { node, epoch, score_bps: grade.bps() });
        let observed = Observed::of(what, subject.as_bytes());
        let plan = Plan { subject: subject.clone(), observed, deed, why, reserved: cost };
        Ok(match desk.carry_out(plan).await? {
            Became::Ended(ended) => {
                if ended.outcome == Outcome::Refused {
                    self.refused.insert(subject);
                }
                Ok(())
            }
            Became::UnderWay => Ok(()),
            Became::Not(why) => Err(why),
        })
    }
}

/// What can be rated, and what a word may cost.
async fn open(node: &Node) -> ClientResult<(Vec<OpenRating>, Amount)> {
    let open = open_ratings(node).await?.open;
    if open.is_empty() {
        return Ok((open, 0));
    }
    Ok((open, rating_cost(&node.client.status().await?.fees)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use datanet_types::{Address, NodeKey, SigningKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::agent::journal::{Ask, Payment};
    use crate::agent::kit::{desk, node_at, serve};
    use crate::agent::purse::Done;
    use crate::agent::sample::sample;
    use crate::agent::spec::{Kind, Spec};

    const SELLER: NodeKey = NodeKey([3; 32]);
    /// Of a transaction on the ledger.
    const FEE: u64 = 1_000;

    /// A ledger, as far as ratings go.
    #[derive(Debug, Default)]
    struct Ledger {
        open: Vec<Value>,
        said: Vec<Value>,
        /// Words that are refused.
        refuses: bool,
        /// How many words are taken and not acknowledged.
        silent: u32,
    }

    type World = Arc<Mutex<Ledger>>;

    fn seller() -> Address {
        SigningKey::from_bytes(&[9; 32]).address()
    }

    fn right(epoch: u64, seller: Address) -> Value {
        json!({ "node": SELLER, "epoch": epoch, "seller": seller, "amount": 3_000, "until": 9_999_999_999_u64 })
    }

    fn status() -> Value {
        json!({
            "name": "n", "version": "1", "chain_id": "c", "height": 1, "app_hash": "", "catching_up": false, "engine": "solo",
            "node_key": SELLER, "account": seller(), "roles": [], "peers": 0, "consensus_peers": 0, "p2p": [],
            "contributions_held": 0, "max_contribution_bytes": 1,
            "model": { "id": null, "name": null, "dimensions": null, "provider": "none" },
            "deployed": [], "jobs": 0, "uptime_seconds": 1,
            "fees": { "transaction": FEE, "review": 1, "bond_penalty_bps": 5_000 },
        })
    }

    fn problem(status: StatusCode, code: &str) -> Response {
        let error = json!({ "message": code, "type": "x", "code": code, "param": null });
        let said = json!({ "type": code, "title": code, "status": status.as_u16(), "code": code, "detail": code, "error": error });
        (status, Json(said)).into_response()
    }

    fn rated(world: &World, new: Value) -> Response {
        let mut ledger = world.lock().unwrap();
        if ledger.refuses {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "transaction-refused");
        }
        let before = ledger.open.len();
        ledger.open.retain(|one| one["epoch"] != new["epoch"]);
        assert_eq!(ledger.open.len() + 1, before, "the ledger takes one word an epoch: {new}");
        ledger.said.push(new);
        if ledger.silent > 0 {
            ledger.silent -= 1;
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal");
        }
        Json(json!({ "tx": "00".repeat(32), "height": 2 })).into_response()
    }

    async fn node(world: World) -> Node {
        let shown = world.clone();
        let router = Router::new()
            .route("/v1/status", get(|| async { Json(status()) }))
            .route(
                "/v1/accounts/{address}/ratings",
                get(move || async move { Json(json!({ "open": shown.lock().unwrap().open })) }),
            )
            .route("/v1/ratings", post(move |Json(new): Json<Value>| async move { rated(&world, new) }));
        node_at(&serve(router).await)
    }

    fn world(open: Vec<Value>) -> World {
        Arc::new(Mutex::new(Ledger { open, ..Ledger::default() }))
    }

    /// A desk whose journal has three answers of the seller's node, two of them right.
    async fn bought(world: World, dir: &tempfile::TempDir) -> Desk {
        let spec = Spec::parse(&sample(Kind::Buyer, "owl")).unwrap();
        let mut desk = desk(&spec, node(world).await, dir);
        for (n, right) in [true, true, false].into_iter().enumerate() {
            let subject = format!("question/{n}");
            if desk.purse.memory().is_decided(&subject) {
                continue;
            }
            let ask = Ask {
                seller: "seller".to_owned(),
                of: "x".to_owned(),
                model: false,
                text: subject.clone(),
                classify: true,
                truth: Some("owl".to_owned()),
                payment: Payment::Account,
                node: Some(SELLER),
            };
            let (observed, deed, why) = (Observed::default(), Deed::Ask(ask), String::new());
            let intention = desk.purse.intend(Plan { subject, observed, deed, why, reserved: FEE }).unwrap().unwrap();
            let detail = json!({ "label": if right { "owl" } else { "jay" }, "right": right });
            desk.purse.end(&intention, Done { outcome: Outcome::Done, captured: FEE, detail }).unwrap();
        }
        desk
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_epoch_that_was_paid_for_is_rated_once_by_how_often_the_seller_was_right() {
        let (world, dir) = (world(vec![right(4, seller()), right(7, seller())]), tempfile::tempdir().unwrap());
        for _ in 0..2 {
            let mut desk = bought(world.clone(), &dir).await;
            Ratings::new(RateBy::Known).look(&mut desk).await.unwrap();
            let said = world.lock().unwrap().said.clone();
            let words: Vec<_> = said.iter().map(|one| (one["epoch"].as_u64(), one["score_bps"].as_u64())).collect();
            assert_eq!(words, [(Some(4), Some(6_666)), (Some(7), Some(6_666))]);
            assert_eq!((&said[0]["account"], &said[0]["node"]), (&json!("owl"), &json!(SELLER)));
            // Three answers and two words, each at the most that it may cost.
            assert_eq!((desk.purse.memory().total(), desk.purse.memory().pending().count()), (3 * FEE + 4 * FEE, 0));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_said_before_a_crash_or_into_silence_is_not_said_again() {
        let (world, dir) = (world(vec![right(4, seller()), right(5, seller())]), tempfile::tempdir().unwrap());
        let mut first = bought(world.clone(), &dir).await;
        let deed = Deed::Rate(Rate { node: SELLER, epoch: 4, score_bps: 6_666 });
        let (subject, observed) = (format!("rating/{SELLER}/4"), Observed::default());
        first.purse.intend(Plan { subject, observed, deed, why: String::new(), reserved: FEE }).unwrap().unwrap();
        drop(first);
        // It was on the ledger when the process died.
        world.lock().unwrap().open.remove(0);
        world.lock().unwrap().silent = 1;
        let mut desk = bought(world.clone(), &dir).await;
        desk.take_up().await.unwrap();
        Ratings::new(RateBy::Known).look(&mut desk).await.unwrap();
        let said = world.lock().unwrap().said.clone();
        assert_eq!((said.len(), &said[0]["epoch"]), (1, &json!(5)), "{said:?}");
        let memory = desk.purse.memory();
        assert_eq!((memory.total(), memory.pending().count()), (3 * FEE + FEE + 2 * FEE, 0), "it may have been paid");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_refused_is_written_down_and_tried_again_by_the_next_process() {
        let (world, dir) = (world(vec![right(4, seller())]), tempfile::tempdir().unwrap());
        world.lock().unwrap().refuses = true;
        let mut desk = bought(world.clone(), &dir).await;
        let mut ratings = Ratings::new(RateBy::Known);
        for _ in 0..2 {
            ratings.looked = None;
            ratings.look(&mut desk).await.unwrap();
            assert_eq!((desk.purse.memory().counts().1, desk.purse.memory().total()), (1, 3 * FEE));
        }
        world.lock().unwrap().refuses = false;
        Ratings::new(RateBy::Known).look(&mut desk).await.unwrap();
        assert_eq!(world.lock().unwrap().said.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_said_unasked_beyond_the_budget_of_oneself_or_of_who_was_never_graded() {
        let own = SigningKey::from_bytes(&[1; 32]).address();
        let mut other = right(6, seller());
        other["node"] = json!(NodeKey([4; 32]));
        let (world, dir) = (world(vec![right(4, seller())]), tempfile::tempdir().unwrap());
        let mut desk = bought(world.clone(), &dir).await;
        Ratings::new(RateBy::Never).look(&mut desk).await.unwrap();
        let limits = crate::agent::purse::Limits { amount: 4 * FEE, window: None, each: FEE };
        let journal = crate::agent::journal::Journal::open(&dir.path().join("journal"), None).unwrap();
        desk.purse = crate::agent::purse::Purse::new(journal, limits, "owl");
        Ratings::new(RateBy::Known).look(&mut desk).await.unwrap();
        drop(desk);
        world.lock().unwrap().open = vec![right(5, own), other];
        let mut desk = bought(world.clone(), &dir).await;
        Ratings::new(RateBy::Known).look(&mut desk).await.unwrap();
        assert_eq!(world.lock().unwrap().said, Vec::<Value>::new());
        assert_eq!(desk.purse.memory().total(), 3 * FEE);
    }
}
