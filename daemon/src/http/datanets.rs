//! Datanets: list, show, create, history.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_data::corpus::{Limits, StreamChecker};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::datanets::history::{self, Entry};
use datanet_ledger::component::datanets::{self, Counts, Datanet};
use datanet_types::action::CreateDatanet;
use datanet_types::record::Format;
use datanet_types::release::DataSnapshot;
use datanet_types::schema::Schema;
use datanet_types::{Action, Amount, BlobHash, DatanetId, TxHash};

use super::ApiState;
use super::extract::{Body, Query, Segment};
use crate::error::{ServiceError, ServiceResult};
use crate::intake::{blob_error, holdout_tag};
use crate::keyring::NODE_ACCOUNT;
use crate::library::check_licence;

/// A datanet and what it holds.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct DatanetView {
    /// Its record on the ledger.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    record: Datanet,
    /// What it holds, counted.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    counts: Counts,
}

/// All datanets.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Datanets {
    datanets: Vec<DatanetView>,
}

/// A datanet to open.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDatanet {
    /// 1 to 64 of `a-z 0-9 -`.
    name: String,
    /// For people.
    #[serde(default)]
    description: String,
    /// `{"fields": [{"name", "kind", "role", "required", "max_bytes", "allowed"}]}`; exactly one field has role `text`.
    #[schema(value_type = Object)]
    schema: Schema,
    /// SPDX expression, such as `CC-BY-4.0` or `LicenseRef-ours`; its form is checked.
    licence: String,
    /// Base units an answer costs; 1,000 if not given.
    #[serde(default = "defaults::price")]
    price: Amount,
    /// Lowest combined score accepted, in basis points.
    #[serde(default = "defaults::accept_threshold")]
    accept_threshold: u32,
    /// Validators drawn for each contribution.
    #[serde(default = "defaults::committee_size")]
    committee_size: u32,
    /// Storage attestations that make an accepted contribution final.
    #[serde(default = "defaults::storage_quorum")]
    storage_quorum: u32,
    /// Smallest bond of a contribution, in base units.
    #[serde(default)]
    min_bond: Amount,
    /// The held-out set: JSONL in this schema, on which usefulness is measured.
    holdout: String,
    /// The account that opens and owns it; the node's own if not given.
    account: Option<String>,
}

mod defaults {
    pub fn price() -> u64 {
        1_000
    }
    pub fn accept_threshold() -> u32 {
        5_000
    }
    pub fn committee_size() -> u32 {
        3
    }
    pub fn storage_quorum() -> u32 {
        2
    }
}

/// A datanet opened.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct CreatedDatanet {
    #[schema(value_type = String)]
    id: DatanetId,
    name: String,
    #[schema(value_type = String)]
    tx: TxHash,
}

/// Which part of a history.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    /// From behind this place; from the beginning if not given.
    after: Option<u64>,
    /// At most this many entries, up to 1,000.
    limit: Option<usize>,
}

/// What became final in a datanet and what was revoked, in order: what models' data snapshots are places in.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct History {
    /// The history as it is now: what a model trained on everything names.
    #[schema(value_type = Object)]
    latest: DataSnapshot,
    /// `{contribution, change: "final" or "revoked", digest, height}`, from place `after` + 1 on.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Entry>,
    /// Send as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

fn view(reader: &LedgerReader, record: Datanet) -> ServiceResult<DatanetView> {
    Ok(DatanetView { counts: datanets::counts(reader, &record.id)?, record })
}

/// All datanets on the ledger.
#[utoipa::path(get, path = "/v1/datanets", tag = "datanets", responses((status = 200, body = Datanets)))]
pub async fn list(State(state): State<ApiState>) -> ServiceResult<Json<Datanets>> {
    let reader = state.core.chain.reader()?;
    let all = datanets::list(&reader, None, usize::MAX)?;
    let views: ServiceResult<Vec<_>> = all.into_iter().map(|record| view(&reader, record)).collect();
    Ok(Json(Datanets { datanets: views? }))
}

/// One datanet, by id or name.
#[utoipa::path(get, path = "/v1/datanets/{id}", tag = "datanets", params(("id" = String, Path, description = "id or name")), responses((status = 200, body = DatanetView), (status = 404, body = super::Problem)))]
pub async fn show(State(state): State<ApiState>, Segment(id): Segment<String>) -> ServiceResult<Json<DatanetView>> {
    let (reader, datanet) = state.datanet(&id)?;
    Ok(Json(view(&reader, datanet)?))
}

/// A datanet's history as a chain of digests, from which anybody can tell what a model was trained on.
#[utoipa::path(get, path = "/v1/datanets/{id}/history", tag = "datanets", params(("id" = String, Path, description = "id or name"), HistoryParams), responses((status = 200, body = History), (status = 404, body = super::Problem)))]
pub async fn history(
    State(state): State<ApiState>,
    Segment(id): Segment<String>,
    Query(params): Query<HistoryParams>,
) -> ServiceResult<Json<History>> {
    let (reader, datanet) = state.datanet(&id)?;
    let (after, limit) = (params.after.unwrap_or(0), params.limit.unwrap_or(100).clamp(1, 1_000));
    let entries = history::entries(&reader, &datanet.id, after, limit)?;
    let next = (entries.len() == limit).then(|| after.saturating_add(limit as u64));
    Ok(Json(History { latest: history::latest(&reader, &datanet.id)?, entries, next }))
}

/// Opens a datanet; answers once it is on the ledger.
#[utoipa::path(post, path = "/v1/datanets", tag = "datanets", request_body = NewDatanet, responses((status = 201, body = CreatedDatanet), (status = 422, body = super::Problem)))]
pub async fn create(
    State(state): State<ApiState>,
    Body(new): Body<NewDatanet>,
) -> ServiceResult<(StatusCode, Json<CreatedDatanet>)> {
    let core = &state.core;
    let key = core.keyring.get(new.account.as_deref().unwrap_or(NODE_ACCOUNT))?;
    new.schema.validate().map_err(|error| ServiceError::unprocessable("bad-schema", error.to_string()))?;
    check_licence(&new.licence)?;
    check_holdout(&new)?;
    let id = DatanetId::derive(core.chain.id(), &key.address(), &new.name);
    let holdout_size = new.holdout.len() as u64;
    // Said before anything is kept: a name that is taken must not touch its datanet's held-out set.
    if datanets::by_name(&core.chain.reader()?, &new.name)?.is_some() {
        return Err(ServiceError::conflict(
            "name-taken",
            format!("a datanet named {:?} exists; choose another", new.name),
        ));
    }
    let held = core.blobs().add_bytes(new.holdout.into_bytes()).await.map_err(|error| blob_error(&error))?;
    let holdout = BlobHash(held.hash());
    let tag = holdout_tag(&holdout);
    core.keep_blob(&tag, &holdout).await?;
    let action = CreateDatanet {
        name: new.name.clone(),
        description: new.description,
        schema: new.schema,
        licence: new.licence,
        price: new.price,
        accept_threshold: new.accept_threshold,
        committee_size: new.committee_size,
        storage_quorum: new.storage_quorum,
        holdout,
        holdout_size,
        min_bond: new.min_bond,
    };
    let committed = match core.chain.execute(&key, Action::CreateDatanet(action)).await {
        Ok(committed) => committed,
        Err(error) => {
            let all = datanets::list(&core.chain.reader()?, None, usize::MAX)?;
            if error.is_ledgers_verdict() && all.iter().all(|datanet| datanet.holdout != holdout) {
                core.blobs().release(&tag).await.map_err(|error| blob_error(&error))?;
            }
            return Err(error);
        }
    };
    Ok((StatusCode::CREATED, Json(CreatedDatanet { id, name: new.name, tx: committed.hash })))
}

fn check_holdout(new: &NewDatanet) -> ServiceResult<()> {
    let bad =
        |error: &dyn std::fmt::Display| ServiceError::unprocessable("bad-holdout", format!("held-out set: {error}"));
    let mut checker = StreamChecker::new(Format::Jsonl, &new.schema, Limits::default()).map_err(|error| bad(&error))?;
    checker.push(new.holdout.as_bytes()).map_err(|error| bad(&error))?;
    checker.finish().map(|_| ()).map_err(|error| bad(&error))
}
