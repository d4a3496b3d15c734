//! The accounts whose keys are on this node.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::keys::{KeyInfo, Keys, NewKey};

use super::extract::Body;
use crate::error::ServiceResult;
use crate::keyring::Keyring;

/// The accounts whose keys are on this node.
#[utoipa::path(get, operation_id = "list_keys", path = "/v1/keys", tag = "accounts", responses((status = 200, body = Keys)))]
pub(super) async fn list(State(keyring): State<Keyring>) -> Json<Keys> {
    Json(Keys { keys: keyring.list() })
}

/// Makes a new account key; its secret stays in the node's home.
#[utoipa::path(post, operation_id = "add_key", path = "/v1/keys", tag = "accounts", request_body = NewKey, responses((status = 201, body = KeyInfo), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn add(
    State(keyring): State<Keyring>,
    Body(new): Body<NewKey>,
) -> ServiceResult<(StatusCode, Json<KeyInfo>)> {
    Ok((StatusCode::CREATED, Json(keyring.add(&new.name)?)))
}
