//! Asking a datanet.

use axum::Json;
use axum::extract::State;
use datanet_data::retrieval::MAX_NEIGHBOURS;
use datanet_types::Amount;
use datanet_types::receipt::{AnswerRecord, AskInput, Passage};
use datanet_types::voucher::SignedVoucher;

use super::ApiState;
use super::extract::Body;
use super::receipts::ReceiptView;
use crate::error::{ServiceError, ServiceResult};

/// A question, or a passage to classify.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// Id or name.
    datanet: String,
    /// A question: answered with passages. Either this or `text`.
    question: Option<String>,
    /// A passage: answered with a label. Either this or `question`.
    text: Option<String>,
    /// Passages the answer rests on, at most 100. 0 or not given: what measured best (30 for a label, 5 for a question).
    neighbours: Option<u32>,
    /// Pays: `{"channel", "cumulative", "signature"}`.
    #[schema(value_type = Option<Object>)]
    voucher: Option<SignedVoucher>,
    /// Pays instead of a voucher: an account of this node with an open channel to it.
    account: Option<String>,
}

/// An answer with its proof.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Answer {
    /// The answer in words.
    answer: String,
    /// The label, for a passage.
    label: Option<String>,
    /// What it rests on, best first.
    #[schema(value_type = Vec<Object>)]
    passages: Vec<Passage>,
    /// Base units charged.
    fee: Amount,
    /// The proof.
    receipt: ReceiptView,
}

impl From<AnswerRecord> for Answer {
    fn from(record: AnswerRecord) -> Self {
        Self {
            answer: record.output.answer.clone(),
            label: record.output.label.clone(),
            passages: record.output.passages.clone(),
            fee: record.receipt.fee,
            receipt: record.into(),
        }
    }
}

/// Answers from the final contributions of a datanet, for its price, with a signed receipt.
#[utoipa::path(post, path = "/v1/ask", tag = "answers", request_body = AskRequest, responses((status = 200, body = Answer), (status = 402, body = super::Problem), (status = 404, body = super::Problem)))]
pub async fn ask(State(state): State<ApiState>, Body(request): Body<AskRequest>) -> ServiceResult<Json<Answer>> {
    let (_, datanet) = state.datanet(&request.datanet)?;
    let input = input(&request)?;
    let payment = state.payment(request.voucher, request.account)?;
    Ok(Json(state.core.ask(&datanet, input, payment).await?.into()))
}

fn input(request: &AskRequest) -> ServiceResult<AskInput> {
    let (text, classify) = match (&request.question, &request.text) {
        (Some(question), None) => (question, false),
        (None, Some(text)) => (text, true),
        _ => return Err(ServiceError::bad_request("what-to-ask", "send either \"question\" or \"text\"")),
    };
    if text.trim().is_empty() {
        return Err(ServiceError::bad_request("empty-text", "the question or passage is empty"));
    }
    /// Longest question or passage in bytes.
    const MAX_TEXT: usize = 64 * 1024;
    if text.len() > MAX_TEXT {
        return Err(ServiceError::too_large(
            "text-too-long",
            format!("a question or passage is at most {MAX_TEXT} bytes"),
        ));
    }
    let neighbours = request.neighbours.unwrap_or(0);
    if neighbours > MAX_NEIGHBOURS {
        return Err(ServiceError::bad_request("neighbours", format!("\"neighbours\" is at most {MAX_NEIGHBOURS}")));
    }
    Ok(AskInput { text: text.clone(), classify, neighbours, sampling: None })
}
