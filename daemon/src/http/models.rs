//! Models: the node's own, those on the ledger, those deployed here; deploying and rolling back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::fine_tuning::FineTuningJob;
use datanet_api::models::{
    AncestorView, Deleted, Deploy, Deployed, Imported, ModelDetails, ModelList, ModelRecord, ModelView, ModelsParams,
    NewImport, NewModel, Registered, RegisteredModel, Taint, Undeployed, Verify,
};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::models;
use datanet_types::action::RegisterModel;
use datanet_types::{Action, Digest, ModelId};

use super::extract::{Body, Query, Segment};
use crate::billing::terms::terms;
use crate::chain;
use crate::chain::Chain;
use crate::db::deployments::{Deployment, NamedModel};
use crate::db::jobs::JobRecord;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;
use crate::keyring::NODE_ACCOUNT;
use crate::models::Models;
use crate::models::gate::judged;
use crate::models::import::{Import, UNSTATED_LICENCE};
use crate::records::check_licence;
use crate::training::Training;

impl From<NamedModel> for Deployed {
    fn from(named: NamedModel) -> Self {
        Self { name: named.name, model: named.model, before: named.before }
    }
}

/// The node's embedding model and all models on the ledger, with what is deployed here.
#[utoipa::path(get, operation_id = "list_models", path = "/v1/models", tag = "models", params(ModelsParams), responses((status = 200, body = ModelList)))]
pub(super) async fn list(
    State(chain): State<Chain>,
    State(embedder): State<Embedder>,
    State(models): State<Models>,
    State(training): State<Training>,
    Query(params): Query<ModelsParams>,
) -> ServiceResult<Json<ModelList>> {
    let here = Here::of(&models, &training)?;
    let mut data: Vec<ModelView> = own(&chain, &models, &embedder)?.into_iter().collect();
    let own = data.first().map(|view| view.model_id);
    let others = chain.models_on_ledger()?.into_iter().filter(|model| Some(model.record.id) != own);
    let reader = chain.reader()?;
    for model in others {
        data.push(here.view(&models, &reader, model)?);
    }
    data.retain(|view| view.deployed || !params.deployed);
    // What answers here comes first.
    data.sort_by_key(|view| !view.deployed);
    Ok(Json(ModelList { object: "list".to_owned(), data }))
}

/// One model, by id or name, with its manifest and lineage.
#[utoipa::path(get, operation_id = "get_model", path = "/v1/models/{id}", tag = "models", params(("id" = String, Path)), responses((status = 200, body = ModelDetails), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    State(embedder): State<Embedder>,
    State(models): State<Models>,
    State(training): State<Training>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<ModelDetails>> {
    if let Some(own) = own(&chain, &models, &embedder)?.filter(|own| own.id == id || own.model_id.to_hex() == id) {
        return Ok(Json(ModelDetails { model: own, manifest: None, gate: None, lineage: Vec::new() }));
    }
    let model = chain.model_on_ledger(&models.model_named(&id)?)?.ok_or_else(|| {
        ServiceError::new(
            Code::UnknownModel,
            format!("no model {id:?} here or on the ledger; `GET /v1/models` lists them"),
        )
    })?;
    let manifest = match model.record.release {
        true => Some(models.release(&model.record.id).await?),
        false => None,
    };
    let behind = models::ancestors(&chain.reader()?, &model.record.parents)?.unwrap_or_default();
    let lineage = behind.into_iter().map(|ancestor| AncestorView {
        model_id: ancestor.model.id,
        name: ancestor.model.name,
        owner: ancestor.model.owner,
        licence: ancestor.model.licence,
    });
    let gate = manifest.as_ref().and_then(|release| release.attribution.clone()).map(judged);
    let model = Here::of(&models, &training)?.view(&models, &chain.reader()?, model)?;
    Ok(Json(ModelDetails { lineage: lineage.collect(), model, manifest, gate }))
}

/// The node's embedding model, if it has one.
fn own(chain: &Chain, models: &Models, embedder: &Embedder) -> ServiceResult<Option<ModelView>> {
    let Ok(info) = embedder.info() else { return Ok(None) };
    let files = ModelId(info.id);
    let model_id = models.registered_base(&files)?.unwrap_or(files);
    let ledger = chain.model_on_ledger(&model_id)?;
    let owner = ledger.as_ref().map(|model| model.record.owner);
    Ok(Some(ModelView {
        id: info.name.clone(),
        object: "model".to_owned(),
        created: embedder.folder().map_or(0, changed_at),
        owned_by: owner.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string()),
        model_id,
        names: vec![info.name.clone()],
        name: info.name,
        owner,
        deployed: true,
        dimensions: Some(info.dimensions),
        max_tokens: Some(info.max_tokens),
        tainted: ledger.as_ref().is_some_and(|model| model.tainted),
        price: 0,
        token_price: 0,
        ledger: ledger.map(Into::into),
    }))
}

/// What this node knows of models beside the ledger.
struct Here {
    names: Vec<NamedModel>,
    deployments: Vec<Deployment>,
    jobs: Vec<JobRecord>,
}

impl Here {
    fn of(models: &Models, training: &Training) -> ServiceResult<Self> {
        Ok(Self { names: models.names()?, deployments: models.deployments()?, jobs: training.jobs()? })
    }

    /// Since when a model is known here, in seconds since 1970: when it was made or deployed, whichever was first; 0 where
    /// neither happened here.
    fn created(&self, id: &ModelId) -> u64 {
        let deployed = self.deployments.iter().filter(|one| one.model == *id).map(|one| one.deployed_at);
        let made = self.jobs.iter().filter(|job| job.release == Some(*id)).filter_map(|job| job.finished_at);
        deployed.chain(made).min().unwrap_or(0)
    }

    fn view(&self, models: &Models, reader: &LedgerReader, model: chain::RegisteredModel) -> ServiceResult<ModelView> {
        let record = &model.record;
        let leading = self.names.iter().filter(|named| named.model == record.id).map(|named| named.name.clone());
        let names: Vec<String> = leading.collect();
        let terms = terms(reader, record)?;
        Ok(ModelView {
            id: names.first().cloned().unwrap_or_else(|| record.id.to_hex()),
            object: "model".to_owned(),
            created: self.created(&record.id),
            owned_by: record.owner.to_string(),
            model_id: record.id,
            name: record.name.clone(),
            owner: Some(record.owner),
            deployed: models.served.is_deployed(&record.id),
            names,
            dimensions: None,
            max_tokens: None,
            tainted: model.tainted,
            price: terms.price,
            token_price: terms.token_price,
            ledger: Some(model.into()),
        })
    }
}

impl From<chain::RegisteredModel> for RegisteredModel {
    fn from(model: chain::RegisteredModel) -> Self {
        let taint = model.taint.into_iter();
        let taint = taint.map(|models::Taint { model, contribution, height }| Taint { model, contribution, height });
        Self { record: recorded(model.record), tainted: model.tainted, taint: taint.collect() }
    }
}

fn recorded(model: models::Model) -> ModelRecord {
    ModelRecord {
        id: model.id,
        owner: model.owner,
        name: model.name,
        parents: model.parents,
        datanets: model.datanets,
        licence: model.licence,
        registered_height: model.registered_height,
        snapshots: model.snapshots,
        evaluation: model.evaluation,
        release: model.release,
        manifest: model.manifest,
    }
}

/// When a folder was last changed, in seconds since 1970; 0 where that is not known.
fn changed_at(folder: &std::path::Path) -> u64 {
    let changed = std::fs::metadata(folder).and_then(|about| about.modified()).ok();
    changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

/// Puts the node's embedding model on the ledger for one of the node's accounts, which is paid when this node answers with it, and
/// when a model answers that was made from it here.
#[utoipa::path(post, operation_id = "register_model", path = "/v1/models", tag = "models", request_body = NewModel, responses((status = 201, body = Registered), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn register(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(embedder): State<Embedder>,
    Body(new): Body<NewModel>,
) -> ServiceResult<(StatusCode, Json<Registered>)> {
    check_licence(&new.licence)?;
    let key = keyring.get(new.account.as_deref().unwrap_or(NODE_ACCOUNT))?;
    let manifest = Digest(embedder.info()?.id);
    let action = RegisterModel { manifest, name: new.name, licence: new.licence, ..RegisterModel::default() };
    let model = action.id(&key.address());
    let committed = chain.execute(&key, Action::RegisterModel(action)).await?;
    Ok((StatusCode::CREATED, Json(Registered { model, tx: committed.hash })))
}

/// Puts a classifier or embedding model that was exported to ONNX on the ledger as it is, so that any node can deploy it.
/// The file is checked and run once. Its answers are free and credited to nobody: nothing says what it was trained on.
#[utoipa::path(post, operation_id = "import_model", path = "/v1/models/import", tag = "models", request_body = NewImport, responses((status = 201, body = Imported), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn import(
    State(models): State<Models>,
    Body(new): Body<NewImport>,
) -> ServiceResult<(StatusCode, Json<Imported>)> {
    let import = Import {
        folder: new.folder,
        name: new.name,
        licence: new.licence.unwrap_or_else(|| UNSTATED_LICENCE.to_owned()),
        account: new.account.unwrap_or_else(|| NODE_ACCOUNT.to_owned()),
    };
    Ok((StatusCode::CREATED, Json(models.import_model(import).await?)))
}

/// Fetches a released model from whoever has it, checks every byte and the base model it needs, and serves it from now on,
/// also after a restart.
#[utoipa::path(post, operation_id = "deploy_model", path = "/v1/models/{id}/deploy", tag = "models", params(("id" = String, Path)), request_body = Deploy, responses((status = 200, body = Deployed), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn deploy(
    State(models): State<Models>,
    Segment(id): Segment<String>,
    Body(how): Body<Deploy>,
) -> ServiceResult<Json<Deployed>> {
    let model = models.model_named(&id)?;
    Ok(Json(models.deploy(&model, how.name).await?.into()))
}

/// Takes a name away, and its model with its last name; by a model's id, the model with all its names.
#[utoipa::path(delete, operation_id = "undeploy_model", path = "/v1/models/{id}/deploy", tag = "models", params(("id" = String, Path)), responses((status = 200, body = Deleted), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn undeploy(
    State(models): State<Models>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<Deleted>> {
    let (model, gone) = models.undeploy(&id).await?;
    let gone = Undeployed { names: gone.names, models: gone.models };
    Ok(Json(Deleted { id: model.to_hex(), object: "model".to_owned(), deleted: true, gone }))
}

/// The same, as OpenAI's clients ask for it. The release itself stays on the ledger.
#[utoipa::path(delete, operation_id = "delete_model", path = "/v1/models/{id}", tag = "models", params(("id" = String, Path)), responses((status = 200, body = Deleted), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn delete(models: State<Models>, id: Segment<String>) -> ServiceResult<Json<Deleted>> {
    undeploy(models, id).await
}

/// Trains a released model again from its data, or a part of it, and compares: a job, whose `verdict` says what was found.
#[utoipa::path(post, operation_id = "verify_model", path = "/v1/models/{id}/verify", tag = "fine-tuning", params(("id" = String, Path)), request_body = Verify, responses((status = 200, body = FineTuningJob), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn verify(
    State(models): State<Models>,
    State(training): State<Training>,
    Segment(id): Segment<String>,
    Body(how): Body<Verify>,
) -> ServiceResult<Json<FineTuningJob>> {
    let model = models.model_named(&id)?;
    Ok(Json(training.create_verification(&model, how.stretches).await?.into()))
}

/// The model that answered to this name before answers again.
#[utoipa::path(post, operation_id = "roll_back_model", path = "/v1/models/{id}/rollback", tag = "models", params(("id" = String, Path)), responses((status = 200, body = Deployed), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn rollback(
    State(models): State<Models>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<Deployed>> {
    Ok(Json(models.roll_back(&id).await?.into()))
}
