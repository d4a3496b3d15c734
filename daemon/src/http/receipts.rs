//! Receipts: read, verify, recompute.

use axum::Json;
use axum::extract::State;
use datanet_api::epochs::{EpochId, InTheNameOf, ProvenForgery};
use datanet_api::receipts::{AnswerRecordView, IssuedReceipt, IssuedReceipts, Verification};
use datanet_types::ReceiptId;

use super::epochs;
use super::extract::{Body, Raw, Segment};
use crate::answers::Answers;
use crate::answers::ask::Answered;
use crate::answers::background::Background;
use crate::audits::Audits;
use crate::billing::Billing;
use crate::db::receipts::Issued;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::{Identity, Keyring};

/// The latest receipts this node issued, newest first: all of them for the operator, and what its own accounts paid for for a program with a
/// token of its own.
#[utoipa::path(get, operation_id = "list_receipts", path = "/v1/receipts", tag = "answers", responses((status = 200, body = IssuedReceipts)))]
pub(super) async fn latest(State(billing): State<Billing>) -> ServiceResult<Json<IssuedReceipts>> {
    let latest = billing.receipts_for_caller(100)?.into_iter();
    let listed = |(sequence, Issued { id, fee, payer })| IssuedReceipt { sequence, id, fee, payer };
    Ok(Json(IssuedReceipts { receipts: latest.map(listed).collect() }))
}

/// A receipt with its question and answer, fetched from whoever has it.
#[utoipa::path(get, operation_id = "get_receipt", path = "/v1/receipts/{id}", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = AnswerRecordView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(answers): State<Answers>,
    Segment(id): Segment<ReceiptId>,
) -> ServiceResult<Json<AnswerRecordView>> {
    let Answered { record, quotes } = answers.with_quotes(answers.answer_record(&id).await?).await?;
    let Background { attribution, gate, tainted } = answers.background(&record).await?;
    Ok(Json(AnswerRecordView {
        attribution: attribution.to_owned(),
        gate,
        tainted,
        record: hex::encode(record.to_bytes()),
        input: record.input.clone(),
        output: record.output.clone(),
        quotes,
        receipt: record.into(),
    }))
}

/// Checks a receipt's signature, sums and place on the ledger, and recomputes the answer from this node's own blobs.
#[utoipa::path(post, operation_id = "verify_receipt", path = "/v1/receipts/{id}/verify", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = Verification), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn verify(
    State(answers): State<Answers>,
    Segment(id): Segment<ReceiptId>,
) -> ServiceResult<Json<Verification>> {
    let bytes = answers.answer_record_bytes(&id).await?;
    Ok(Json(answers.verify_record(&bytes).await?))
}

/// Shows on the ledger that the receipt's node settled another receipt for the same money: its epoch is void then, and half of the fine
/// is the account's.
#[utoipa::path(post, operation_id = "prove_forgery", path = "/v1/receipts/{id}/prove", tag = "answers", params(("id" = String, Path)), request_body = InTheNameOf, responses((status = 200, body = ProvenForgery), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn prove(
    State(audits): State<Audits>,
    State(keyring): State<Keyring>,
    State(identity): State<Identity>,
    Segment(id): Segment<ReceiptId>,
    Body(who): Body<InTheNameOf>,
) -> ServiceResult<Json<ProvenForgery>> {
    let key = epochs::key_of(who.account.as_deref(), &keyring, &identity)?;
    let bytes = audits.answers.answer_record_bytes(&id).await?;
    let proven = audits.prove(&key, &bytes).await?;
    let epoch = EpochId { node: proven.node, epoch: proven.epoch }.to_string();
    Ok(Json(ProvenForgery { epoch, settled: proven.settled.to_string(), tx: proven.tx }))
}

/// Checks a record that the caller brings, as bytes.
#[utoipa::path(post, operation_id = "check_record", path = "/v1/receipts/check", tag = "answers", request_body(content = super::routes::Bytes, content_type = "application/octet-stream"), responses((status = 200, body = Verification)))]
pub(super) async fn check(State(answers): State<Answers>, Raw(bytes): Raw) -> ServiceResult<Json<Verification>> {
    // No record begins so: they would be groups, which no message of ours has.
    if matches!(bytes.trim_ascii_start().first(), None | Some(b'{' | b'[')) {
        let found = if bytes.trim_ascii_start().is_empty() { "is empty" } else { "is JSON" };
        let detail =
            format!("the body {found}; send a record's bytes: those that `record` of GET /v1/receipts/ID has in hex");
        return Err(ServiceError::new(Code::BadReceipt, detail));
    }
    Ok(Json(answers.verify_record(&bytes).await?))
}
