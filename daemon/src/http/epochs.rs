//! Settling on request.

use axum::Json;
use axum::extract::State;
use datanet_api::epochs::SettledEpoch;

use crate::billing::Billing;
use crate::error::ServiceResult;

/// Settles everything this node answered since the last time, in one transaction.
#[utoipa::path(post, operation_id = "settle", path = "/v1/epochs/settle", tag = "answers", responses((status = 200, body = SettledEpoch), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn settle(State(billing): State<Billing>) -> ServiceResult<Json<SettledEpoch>> {
    let settled = billing.settle_now().await?;
    Ok(Json(SettledEpoch {
        epoch: settled.epoch,
        root: settled.root,
        totals: settled.totals,
        statement: settled.statement,
        tx: settled.tx,
    }))
}
