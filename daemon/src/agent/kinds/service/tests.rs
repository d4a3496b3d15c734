use std::sync::{Arc, Mutex};

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use datanet_types::quote::SignedQuote;

use super::*;
use crate::agent::kit::{desk, node_at, serve};
use crate::agent::sample::sample;
use crate::agent::spec::{Kind, Spec};

/// What the node was asked for, and what callers were told.
type Seen = Arc<Mutex<(Vec<String>, Vec<Value>)>>;

/// A node that quotes, and refuses to sell in words that are for the account's owner alone.
fn node(seen: &Seen) -> Router {
    let (quoted, asked, said) = (seen.clone(), seen.clone(), seen.clone());
    let quote = move || async move {
        quoted.lock().unwrap().0.push("quote".to_owned());
        Json(json!({ "quote": SignedQuote { price: 1_000, ..SignedQuote::default() } }))
    };
    let ask = move || async move {
        asked.lock().unwrap().0.push("ask".to_owned());
        let detail = "channel 77 of account shop has 3 left";
        let error = json!({ "message": detail, "type": "invalid_request_error", "code": "x", "param": null });
        let problem = json!({ "type": "x", "title": "x", "status": 402, "code": "channel-exhausted", "detail": detail, "error": error });
        (StatusCode::PAYMENT_REQUIRED, Json(problem))
    };
    let answers = move |Path(_): Path<String>, Json(told): Json<Value>| async move {
        said.lock().unwrap().1.push(told);
        Json(json!({ "receipt": null, "fee": 0, "why": "refused" }))
    };
    Router::new()
        .route("/v1/quotes", post(quote))
        .route("/v1/ask", post(ask))
        .route("/v1/agents/{id}/answers", post(answers))
}

/// What the caller of `text` is told, who has waited already until there is so much time left, and what the node was asked for.
async fn told(text: &str, skill: &Skill, left: Duration) -> (String, Vec<String>) {
    let (seen, dir) = (Seen::default(), tempfile::tempdir().unwrap());
    let spec = Spec::parse(&sample(Kind::Service, "owl")).unwrap();
    let mut desk = desk(&spec, node_at(&serve(node(&seen)).await), &dir);
    let (spec, mut bought) = (spec.service.unwrap(), Bought::default());
    let call = CallView { order: Digest([7; 32]), text: text.to_owned(), price: 10_000 };
    let until = Instant::now() + left;
    Counter { desk: &mut desk, spec: &spec, skill, bought: &mut bought, until }.sell(&call).await.unwrap();
    let (asked, said) = seen.lock().unwrap().clone();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0]["answer"].is_null(), "{said:?}");
    (said[0]["refusal"].as_str().unwrap().to_owned(), asked)
}

fn part(step: Step) -> Option<Part> {
    Some(Part { step, of: "topics".into(), price: 1_000 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_nothing_of_the_owners_account() {
    let skill = Skill::of(part(Step::Search), None);
    let (why, asked) = told("what do owls eat?", &skill, WORK).await;
    assert_eq!(
        (why.as_str(), asked),
        ("the supplier that it has for its search gave none", vec!["quote".into(), "ask".into()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_bought_for_who_may_have_left_or_asks_more_than_a_model_reads() {
    let skill = Skill::of(part(Step::Search), part(Step::Write));
    let (why, asked) = told("what do owls eat?", &skill, Duration::ZERO).await;
    assert!(why.contains("took too long") && asked.is_empty(), "{why}: {asked:?}");
    let (why, asked) = told(&"o".repeat(MAX_QUESTION + 1), &skill, WORK).await;
    assert!(why.contains("4001 characters") && asked.is_empty(), "{why}: {asked:?}");
}
