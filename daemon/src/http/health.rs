//! Whether the node lives and whether it is of use: for supervisors and load balancers, without a token.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use datanet_api::health::{Health, NotReady, Ready, ReadyCheck};

use super::Problem;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::status::StatusService;
use crate::status::readiness::{Check, is_ready};

/// The process answers.
#[utoipa::path(get, operation_id = "get_health", path = "/health/live", tag = "node", security(()), responses((status = 200, body = Health)))]
pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// The node is of use: consensus moves or has nothing to do, peers, index, model, disk and tasks are as they must be. Looked
/// at once a second at most.
#[utoipa::path(get, operation_id = "get_readiness", path = "/health/ready", tag = "node", security(()), responses((status = 200, body = Ready), (status = 503, body = NotReady, content_type = "application/problem+json")))]
pub(super) async fn ready(State(status): State<StatusService>) -> ServiceResult<Response> {
    let checks = status.readiness.checks().await.to_vec();
    let ready = is_ready(&checks);
    let checks: Vec<ReadyCheck> = checks.into_iter().map(wire).collect();
    if ready {
        return Ok(Json(Ready { status: "ok".to_owned(), checks }).into_response());
    }
    let bad = checks.iter().filter(|check| !check.ok);
    let reasons: Vec<String> = bad.map(|check| format!("{}: {}", check.name, check.reason)).collect();
    let error = ServiceError::new(Code::NotReady, reasons.join("; "));
    let body = serde_json::to_vec(&NotReady { problem: Problem::from(&error), checks });
    let mut response = error.into_response();
    *response.body_mut() = Body::from(body.map_err(|error| ServiceError::caused(Code::Json, error))?);
    Ok(response)
}

fn wire(check: Check) -> ReadyCheck {
    ReadyCheck { name: check.name.to_owned(), ok: check.ok, reason: check.reason }
}
