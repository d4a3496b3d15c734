//! Settling on request.

use axum::Json;
use axum::extract::State;
use datanet_types::epoch::EpochTotals;
use datanet_types::{BlobHash, Digest, TxHash};

use crate::billing::Billing;
use crate::error::ServiceResult;

/// An epoch settled.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct SettledEpoch {
    epoch: u64,
    #[schema(value_type = String)]
    root: Digest,
    #[schema(value_type = Object)]
    totals: EpochTotals,
    /// The blob that says who earned what and why.
    #[schema(value_type = String)]
    statement: BlobHash,
    #[schema(value_type = Option<String>)]
    tx: Option<TxHash>,
}

/// Settles everything this node answered since the last time, in one transaction.
#[utoipa::path(post, path = "/v1/epochs/settle", tag = "answers", responses((status = 200, body = SettledEpoch), (status = 409, body = super::Problem)))]
pub async fn settle(State(billing): State<Billing>) -> ServiceResult<Json<SettledEpoch>> {
    let settled = billing.settle_now().await?;
    Ok(Json(SettledEpoch {
        epoch: settled.epoch,
        root: settled.root,
        totals: settled.totals,
        statement: settled.statement,
        tx: settled.tx,
    }))
}
