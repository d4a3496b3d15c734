//! Whether the node lives and whether it is of use: for supervisors and load balancers, without a token.

use axum::Json;
use axum::extract::State;
use datanet_api::health::Health;

use crate::chain::Chain;
use crate::error::{Code, ServiceError};

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "node", security(()), responses((status = 200, body = Health)))]
pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// The ledger has state and is not catching up.
#[utoipa::path(get, path = "/health/ready", tag = "node", security(()), responses((status = 200, body = Health), (status = 503, body = super::Problem)))]
pub(super) async fn ready(State(chain): State<Chain>) -> Result<Json<Health>, ServiceError> {
    if chain.height() == 0 {
        return Err(ServiceError::new(Code::NoBlocks, "the ledger has no block yet; wait a moment"));
    }
    if chain.catching_up().await {
        return Err(ServiceError::new(Code::CatchingUp, "the ledger is catching up with its peers; wait a moment"));
    }
    Ok(Json(Health { status: "ok".to_owned() }))
}
