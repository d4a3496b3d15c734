//! The node's model, and its place on the ledger.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_ledger::component::models;
use datanet_types::action::RegisterModel;
use datanet_types::{Action, Address, ModelId, TxHash};

use super::ApiState;
use super::extract::Body;
use crate::error::ServiceResult;
use crate::keyring::NODE_ACCOUNT;

/// A model in OpenAI's shape, with our fields.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ModelView {
    /// Its name: what `model` in requests takes.
    id: String,
    object: &'static str,
    created: u64,
    owned_by: String,
    /// Hash over its files: its id on the ledger.
    #[schema(value_type = String)]
    model_id: ModelId,
    /// Numbers in a vector.
    dimensions: usize,
    /// Tokens read of a text at most.
    max_tokens: usize,
    /// Who is paid when it answers, if it is on the ledger.
    #[schema(value_type = Option<String>)]
    owner: Option<Address>,
}

/// All models.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Models {
    object: &'static str,
    data: Vec<ModelView>,
}

/// How to put the node's model on the ledger.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// A name for people.
    name: String,
    /// SPDX expression.
    licence: String,
    /// The account that owns it and is paid; the node's own if not given.
    account: Option<String>,
}

/// A model on the ledger.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct RegisteredModel {
    #[schema(value_type = String)]
    model: ModelId,
    #[schema(value_type = String)]
    tx: TxHash,
}

/// The models this node serves.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, body = Models)))]
pub async fn list(State(state): State<ApiState>) -> ServiceResult<Json<Models>> {
    let Ok(info) = state.core.models.info() else { return Ok(Json(Models { object: "list", data: Vec::new() })) };
    let model_id = ModelId(info.id);
    let registered = models::get(&state.core.chain.reader()?, &model_id)?;
    let view = ModelView {
        id: info.name.clone(),
        object: "model",
        created: 0,
        owned_by: registered.as_ref().map_or_else(|| "nobody".to_owned(), |model| model.owner.to_string()),
        model_id,
        dimensions: info.dimensions,
        max_tokens: info.max_tokens,
        owner: registered.map(|model| model.owner),
    };
    Ok(Json(Models { object: "list", data: vec![view] }))
}

/// Puts the node's embedding model on the ledger, so that its owner is paid when it answers.
#[utoipa::path(post, path = "/v1/models", tag = "models", request_body = NewModel, responses((status = 201, body = RegisteredModel), (status = 422, body = super::Problem)))]
pub async fn register(
    State(state): State<ApiState>,
    Body(new): Body<NewModel>,
) -> ServiceResult<(StatusCode, Json<RegisteredModel>)> {
    let key = state.core.keyring.get(new.account.as_deref().unwrap_or(NODE_ACCOUNT))?;
    let model = ModelId(state.core.models.info()?.id);
    let action =
        RegisterModel { model, name: new.name, licence: new.licence, ..RegisterModel::default() };
    let committed = state.core.chain.execute(&key, Action::RegisterModel(action)).await?;
    Ok((StatusCode::CREATED, Json(RegisteredModel { model, tx: committed.hash })))
}
