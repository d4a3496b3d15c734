//! What agents sell here: asked by anybody, answered by the programs that run them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use datanet_api::services::{
    CallAnswer, CallOutcome, CallView, Called, NextCall, ServiceAnswer, ServiceAsk, ServiceList, ServiceView,
};
use datanet_types::AgentId;

use super::extract::{Body, IdempotencyKey, Segment};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::quoted::clean;
use crate::sales::{Call, LONGEST_WAIT, MAX_TEXT, Said, Sales, Terms};

/// Longest reason of an agent that is told to its callers, in characters.
const MAX_WHY: usize = 300;

/// What agents sell at this node now.
#[utoipa::path(get, operation_id = "list_services", path = "/v1/services", tag = "agents", responses((status = 200, body = ServiceList)))]
pub(super) async fn list(State(sales): State<Sales>) -> Json<ServiceList> {
    let view = |(agent, terms): (AgentId, Terms)| ServiceView {
        agent,
        price: terms.price,
        description: clean(&terms.description, MAX_WHY),
    };
    Json(ServiceList { services: sales.all().into_iter().map(view).collect() })
}

/// Asks an agent, for its price. What it is made of stands on the receipt; what fails costs nothing.
#[utoipa::path(post, operation_id = "ask_agent", path = "/v1/agents/{id}/ask", tag = "answers", params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "names the payment of an account: sent again by that name, the same question gets the same answer")), request_body = ServiceAsk, responses((status = 200, body = ServiceAnswer), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn ask(
    State(billing): State<Billing>,
    State(sales): State<Sales>,
    IdempotencyKey(name): IdempotencyKey,
    Segment(id): Segment<AgentId>,
    Body(ServiceAsk { text, voucher, account, quote }): Body<ServiceAsk>,
) -> ServiceResult<Json<ServiceAnswer>> {
    if text.trim().is_empty() {
        return Err(ServiceError::new(Code::EmptyText, "the question is empty; send words").about("text"));
    }
    if text.len() > MAX_TEXT {
        let detail = format!("the question has {} bytes; at most {MAX_TEXT} bytes are read", text.len());
        return Err(ServiceError::new(Code::TextTooLong, detail).about("text"));
    }
    let payment = billing.payment(voucher, account)?.named(name)?.quoted(quote);
    let record = sales.ask(&id, text, payment).await?;
    let (answer, fee) = (record.output.answer.clone(), record.receipt.fee);
    Ok(Json(ServiceAnswer { answer, fee, receipt: record.into() }))
}

/// The next call for an agent, which sells on these terms from now on. For the program that runs it.
#[utoipa::path(post, operation_id = "next_call", path = "/v1/agents/{id}/calls", tag = "agents", params(("id" = String, Path)), request_body = NextCall, responses((status = 200, body = Called), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn next(
    State(sales): State<Sales>,
    Segment(id): Segment<AgentId>,
    Body(NextCall { price, description, anew, wait_seconds }): Body<NextCall>,
) -> ServiceResult<Json<Called>> {
    let wait = Duration::from_secs(wait_seconds);
    if wait > LONGEST_WAIT {
        let detail = format!("wait_seconds is at most {}", LONGEST_WAIT.as_secs());
        return Err(ServiceError::new(Code::BadField, detail).about("wait_seconds"));
    }
    let call = sales.next(&id, Terms { price, description }, anew, wait).await?;
    Ok(Json(Called { call: call.map(|Call { order, text, price }| CallView { order, text, price }) }))
}

/// What an agent says to a call that it took; tells what came of it. For the program that runs it.
#[utoipa::path(post, operation_id = "answer_call", path = "/v1/agents/{id}/answers", tag = "agents", params(("id" = String, Path)), request_body = CallAnswer, responses((status = 200, body = CallOutcome), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn answer(
    State(sales): State<Sales>,
    Segment(id): Segment<AgentId>,
    Body(CallAnswer { order, answer, suppliers, refusal }): Body<CallAnswer>,
) -> ServiceResult<Json<CallOutcome>> {
    let said = match (answer, refusal) {
        (Some(text), None) => Said::Answer(text, suppliers),
        (None, Some(why)) => Said::Refused(clean(&why, MAX_WHY).replace('\n', " ")),
        _ => return Err(ServiceError::new(Code::BadField, "send either \"answer\" or \"refusal\"").about("answer")),
    };
    Ok(Json(match sales.said(&id, &order, said).await? {
        Some(Ok((receipt, fee))) => CallOutcome { receipt: Some(receipt), fee, why: None },
        Some(Err(why)) => CallOutcome { why: Some(why), ..CallOutcome::default() },
        None => CallOutcome { why: Some("nobody waits for it any more".to_owned()), ..CallOutcome::default() },
    }))
}
