//! Whether the node lives and whether it is of use: for supervisors and load balancers, without a token.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::status::StatusService;
use crate::status::readiness::{Check, is_ready};

/// How the node is.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Health {
    /// Always `ok`; anything else is a problem.
    status: &'static str,
}

/// That the node is ready, and why.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Ready {
    /// Always `ok`; anything else is a problem.
    status: &'static str,
    /// What was looked at.
    checks: Vec<Check>,
}

/// Why the node is not ready: a problem that also says what was looked at.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    /// What was looked at, the good ones too.
    checks: Vec<Check>,
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "node", security(()), responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The node is of use: consensus moves or has nothing to do, peers, index, model, disk and tasks are as they must be. Looked
/// at once a second at most.
#[utoipa::path(get, path = "/health/ready", tag = "node", security(()), responses((status = 200, body = Ready), (status = 503, body = NotReady)))]
pub async fn ready(State(status): State<StatusService>) -> ServiceResult<Response> {
    let checks = status.readiness.checks().await.to_vec();
    if is_ready(&checks) {
        return Ok(Json(Ready { status: "ok", checks }).into_response());
    }
    let bad = checks.iter().filter(|check| !check.ok);
    let reasons: Vec<String> = bad.map(|check| format!("{}: {}", check.name, check.reason)).collect();
    let error = ServiceError::new(Code::NotReady, reasons.join("; "));
    let body = serde_json::to_vec(&NotReady { problem: Problem::from(&error), checks });
    let mut response = error.into_response();
    *response.body_mut() = Body::from(body.map_err(|error| ServiceError::caused(Code::Json, error))?);
    Ok(response)
}
