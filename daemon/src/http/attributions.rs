//! Whose records moved an answer.

use axum::Json;
use axum::extract::State;
use datanet_api::attributions::Attributed;
use datanet_types::ReceiptId;

use super::extract::Segment;
use crate::answers::Answers;
use crate::error::ServiceResult;

/// An answer explained: every contribution's part in it, the records that helped and harmed most, and what the method
/// proves. Works for receipts of any node, if their records and models can be fetched.
#[utoipa::path(get, operation_id = "get_attribution", path = "/v1/attributions/{receipt}", tag = "answers", params(("receipt" = String, Path)), responses((status = 200, body = Attributed), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(answers): State<Answers>,
    Segment(receipt): Segment<ReceiptId>,
) -> ServiceResult<Json<Attributed>> {
    Ok(Json(answers.attribution(&receipt).await?))
}
