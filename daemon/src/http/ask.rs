//! Asking a datanet.

use axum::Json;
use axum::extract::State;
use datanet_api::ask::{Answer, AskRequest, PassageView};
use datanet_data::retrieval::MAX_NEIGHBOURS;
use datanet_types::receipt::AskInput;

use super::extract::{Body, IdempotencyKey};
use crate::answers::Answers;
use crate::answers::ask::Answered;
use crate::billing::Billing;
use crate::caller;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

fn answered(answered: Answered) -> Answer {
    let Answered { record, quotes } = answered;
    let own = record.output.answer.clone();
    // The best that may be shown: the operator may keep some from strangers.
    let best =
        if caller::is_stranger() { quotes.iter().flatten().next().cloned() } else { quotes.first().cloned().flatten() };
    let passages = record.output.passages.iter().zip(quotes).map(|(passage, text)| PassageView {
        contribution: passage.contribution,
        record: passage.record,
        weight: passage.weight,
        label: passage.label.clone(),
        text,
    });
    Answer {
        answer: if own.is_empty() { best.unwrap_or_default() } else { own },
        label: record.output.label.clone(),
        passages: passages.collect(),
        fee: record.receipt.fee,
        receipt: record.into(),
    }
}

/// Answers from the final contributions of a datanet, for its price, with a signed receipt.
#[utoipa::path(post, operation_id = "ask", path = "/v1/ask", tag = "answers", params(("Idempotency-Key" = Option<String>, Header, description = "names the payment of an account: sent again by that name, the same question gets the same answer")), request_body = AskRequest, responses((status = 200, body = Answer), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn ask(
    State(chain): State<Chain>,
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    IdempotencyKey(name): IdempotencyKey,
    Body(request): Body<AskRequest>,
) -> ServiceResult<Json<Answer>> {
    let (_, datanet) = chain.datanet_in_view(&request.datanet)?;
    let input = input(&request)?;
    let payment = billing.payment(request.voucher, request.account)?.named(name)?.quoted(request.quote);
    Ok(Json(answered(answers.ask(&datanet, input, payment).await?)))
}

/// The question in the node's own terms.
pub(super) fn input(request: &AskRequest) -> ServiceResult<AskInput> {
    let (text, classify) = match (&request.question, &request.text) {
        (Some(question), None) => (question, false),
        (None, Some(text)) => (text, true),
        _ => return Err(ServiceError::new(Code::WhatToAsk, "send either \"question\" or \"text\"")),
    };
    if text.trim().is_empty() {
        return Err(ServiceError::new(Code::EmptyText, "the question or passage is empty"));
    }
    /// Longest question or passage in bytes.
    const MAX_TEXT: usize = 64 * 1024;
    if text.len() > MAX_TEXT {
        let detail = format!("the question or passage has {} bytes; at most {MAX_TEXT} bytes are read", text.len());
        return Err(ServiceError::new(Code::TextTooLong, detail));
    }
    let neighbours = request.neighbours.unwrap_or(0);
    if neighbours > MAX_NEIGHBOURS {
        return Err(ServiceError::new(Code::BadParameter, format!("\"neighbours\" is at most {MAX_NEIGHBOURS}"))
            .about("neighbours"));
    }
    Ok(AskInput { text: text.clone(), classify, neighbours, ..AskInput::default() })
}
