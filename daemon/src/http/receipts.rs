//! Receipts: read, verify, recompute.

use axum::Json;
use axum::extract::State;
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Receipt};
use datanet_types::{ReceiptId, Signature};

use super::extract::{Raw, Segment};
use crate::answers::Answers;
use crate::answers::ask::Answered;
use crate::answers::verify::Verification;
use crate::billing::Billing;
use crate::error::ServiceResult;

/// A receipt with its id and signature.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ReceiptView {
    /// Its id: the hash of the answer record.
    #[schema(value_type = String)]
    id: ReceiptId,
    /// What the node claims.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    receipt: Receipt,
    /// The node's signature.
    #[schema(value_type = String)]
    signature: Signature,
}

impl From<AnswerRecord> for ReceiptView {
    fn from(record: AnswerRecord) -> Self {
        Self { id: record.id(), receipt: record.receipt, signature: record.signature }
    }
}

/// A receipt with the question and answer it speaks of.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AnswerRecordView {
    receipt: ReceiptView,
    #[schema(value_type = Object)]
    input: AskInput,
    #[schema(value_type = Object)]
    output: AskOutput,
    /// The words of the output's passages, in their order, read where they lie: a receipt holds their hashes alone. `null` where
    /// they were taken back since, or cannot be had now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quotes: Vec<Option<String>>,
    /// The whole record as stored, hexadecimal: what `POST /v1/receipts/check` takes (as bytes).
    record: String,
}

/// A receipt issued here.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct IssuedReceipt {
    sequence: u64,
    #[schema(value_type = String)]
    id: ReceiptId,
}

/// Receipts issued here.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct IssuedReceipts {
    receipts: Vec<IssuedReceipt>,
}

/// The latest receipts this node issued, newest first.
#[utoipa::path(get, path = "/v1/receipts", tag = "answers", responses((status = 200, body = IssuedReceipts)))]
pub async fn latest(State(billing): State<Billing>) -> ServiceResult<Json<IssuedReceipts>> {
    let latest = billing.latest_receipts(100)?;
    let receipts = latest.into_iter().map(|(sequence, id)| IssuedReceipt { sequence, id }).collect();
    Ok(Json(IssuedReceipts { receipts }))
}

/// A receipt with its question and answer, fetched from whoever has it.
#[utoipa::path(get, path = "/v1/receipts/{id}", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = AnswerRecordView), (status = 404, body = super::Problem)))]
pub async fn show(
    State(answers): State<Answers>,
    Segment(id): Segment<ReceiptId>,
) -> ServiceResult<Json<AnswerRecordView>> {
    let Answered { record, quotes } = answers.with_quotes(answers.answer_record(&id).await?).await?;
    Ok(Json(AnswerRecordView {
        record: hex::encode(record.to_bytes()),
        input: record.input.clone(),
        output: record.output.clone(),
        quotes,
        receipt: record.into(),
    }))
}

/// Checks a receipt's signature, sums and place on the ledger, and recomputes the answer from this node's own blobs.
#[utoipa::path(post, path = "/v1/receipts/{id}/verify", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = Verification), (status = 404, body = super::Problem)))]
pub async fn verify(
    State(answers): State<Answers>,
    Segment(id): Segment<ReceiptId>,
) -> ServiceResult<Json<Verification>> {
    let bytes = answers.answer_record_bytes(&id).await?;
    Ok(Json(answers.verify_record(&bytes).await?))
}

/// The same for a record that the caller brings, as bytes.
#[utoipa::path(post, path = "/v1/receipts/check", tag = "answers", request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Verification)))]
pub async fn check(State(answers): State<Answers>, Raw(bytes): Raw) -> ServiceResult<Json<Verification>> {
    Ok(Json(answers.verify_record(&bytes).await?))
}
