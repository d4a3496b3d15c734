//! Trainings that others order and pay for, on both faces.

use axum::body::Body as Sent;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use datanet_api::fine_tuning::{DatanetChoice, FineTuningJob, NewFineTuningJob};
use datanet_api::trainings::{
    BoughtModel, NewBoughtModel, TrainingFileParams, TrainingPayment, TrainingQuoted, TrainingRequest, TrainingView,
};
use datanet_types::release::Release;
use futures::StreamExt;
use tokio_util::io::ReaderStream;

use super::extract::{Body, Query, Segment};
use super::limits::Place;
use crate::answers::Answers;
use crate::chain::Chain;
use crate::db::jobs::{JobRecord, OrderEnd};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::NODE_ACCOUNT;
use crate::models::Models;
use crate::trainings::Trainings;
use crate::trainings::wish::Wish;

/// Bytes read of a file at a time.
const CHUNK: usize = 256 << 10;

/// A request in the node's own terms. What pays, and what was quoted, are no part of what is asked.
fn wish(chain: &Chain, request: TrainingRequest) -> ServiceResult<Wish> {
    let (_, datanet) = chain.datanet_in_view(&request.datanet)?;
    let asked = TrainingRequest { datanet: datanet.id.to_hex(), voucher: None, quote: None, ..request };
    let words = serde_json::to_vec(&asked).map_err(|error| ServiceError::caused(Code::Json, error))?;
    let TrainingRequest { datanet: named, count, base, job, name, .. } = asked;
    if base.trim().is_empty() {
        return Err(ServiceError::new(Code::BadJob, "base is missing; name a base model of the node").about("base"));
    }
    let new = NewFineTuningJob {
        model: base,
        datanets: Some(vec![DatanetChoice::Snapshot { datanet: named, count }]),
        suffix: name,
        job: Some(job),
        ..NewFineTuningJob::default()
    };
    Ok(Wish { datanet, count, new: new.try_into()?, words })
}

/// Says what a training costs at most: a price that is signed and kept to for five minutes. Asking for it costs nothing and buys nothing.
#[utoipa::path(post, operation_id = "quote_training", path = "/v1/trainings/quote", tag = "trainings", request_body = TrainingRequest, responses((status = 200, body = TrainingQuoted), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn quote(
    State(chain): State<Chain>,
    State(trainings): State<Trainings>,
    Body(request): Body<TrainingRequest>,
) -> ServiceResult<Json<TrainingQuoted>> {
    let priced = trainings.quote(&wish(&chain, request)?).await?;
    let seconds = trainings.seconds();
    Ok(Json(TrainingQuoted { quote: priced.quote, steps: priced.most_steps, count: priced.count, seconds }))
}

/// Orders a training, for a voucher that is held until it is over: taken for its steps once its release is there, let go of where there is none. Sent again
/// with the same voucher, it is the same training, and costs nothing more.
#[utoipa::path(post, operation_id = "order_training", path = "/v1/trainings", tag = "trainings", request_body = TrainingRequest, responses((status = 200, body = TrainingView), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn order(
    State(chain): State<Chain>,
    State(trainings): State<Trainings>,
    Body(mut request): Body<TrainingRequest>,
) -> ServiceResult<Json<TrainingView>> {
    let quote = request.quote.take();
    let Some(voucher) = request.voucher.take() else {
        let detail = "a training is paid by a voucher on a channel with this node, for the price that POST /v1/trainings/quote says; send it as \"voucher\"";
        return Err(ServiceError::new(Code::PaymentRequired, detail).about("voucher"));
    };
    let job = trainings.order(wish(&chain, request)?, voucher, quote).await?;
    Ok(Json(view(&trainings, job).await?))
}

/// How a training does, for whoever has its id; with its receipt and manifest once it is paid.
#[utoipa::path(get, operation_id = "get_training", path = "/v1/trainings/{id}", tag = "trainings", params(("id" = String, Path)), responses((status = 200, body = TrainingView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(trainings): State<Trainings>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<TrainingView>> {
    let job = trainings.ordered(&id)?;
    Ok(Json(view(&trainings, job).await?))
}

/// A file of what was trained, for whoever has the training's id, once it is paid.
#[utoipa::path(get, operation_id = "get_training_file", path = "/v1/trainings/{id}/file", tag = "trainings", params(("id" = String, Path), TrainingFileParams), responses((status = 200, content_type = "application/octet-stream", body = super::routes::Bytes), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn file(
    State(trainings): State<Trainings>,
    Segment(id): Segment<String>,
    Query(TrainingFileParams { name }): Query<TrainingFileParams>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Response> {
    let place = place.for_stream()?;
    let (file, content) = trainings.file(&id, &name).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, file.size.to_string()),
    ];
    // A stream counts as a request for as long as it lasts.
    let content = ReaderStream::with_capacity(tokio::fs::File::from_std(content), CHUNK).inspect(move |_| _ = &place);
    Ok((headers, Sent::from_stream(content)).into_response())
}

/// Registers what was bought, by its receipt, as a model of an account of this node: its files are fetched from the node that has trained it, or whoever has
/// them. Anybody may repeat its run then, as of any model.
#[utoipa::path(post, operation_id = "register_bought_model", path = "/v1/models/bought", tag = "models", request_body = NewBoughtModel, responses((status = 200, body = BoughtModel), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn register(
    State(answers): State<Answers>,
    State(models): State<Models>,
    Body(NewBoughtModel { receipt, account }): Body<NewBoughtModel>,
) -> ServiceResult<Json<BoughtModel>> {
    let record = answers.answer_record(&receipt).await?;
    let account = account.unwrap_or_else(|| NODE_ACCOUNT.to_owned());
    let (model, name) = models.register_bought(record, &account).await?;
    Ok(Json(BoughtModel { model, name }))
}

async fn view(trainings: &Trainings, job: JobRecord) -> ServiceResult<TrainingView> {
    let release = match trainings.manifest(&job).await {
        Ok(release) => release,
        // It was paid, and is not here any more: the receipt has the manifest.
        Err(error) if error.code == Code::UnknownModel => None,
        Err(error) => return Err(error),
    };
    let Some(order) = job.order.clone() else {
        return Err(ServiceError::new(Code::UnknownJob, "nobody has ordered it"));
    };
    let (payment, receipt, fee, reason) = match order.end {
        None => (TrainingPayment::Held, None, None, None),
        Some(OrderEnd::Paid { receipt, fee, .. }) => (TrainingPayment::Taken, Some(receipt), Some(fee), None),
        Some(OrderEnd::Unpaid { reason, .. }) => (TrainingPayment::Released, None, None, Some(reason)),
    };
    let shown = FineTuningJob::from(job);
    Ok(TrainingView {
        id: shown.id,
        status: shown.status,
        payment,
        reason,
        created_at: shown.created_at,
        until: order.until,
        base: shown.model,
        name: shown.name,
        rate: order.rate,
        most_steps: order.most_steps,
        progress: shown.progress,
        error: shown.error,
        evaluation: shown.evaluation,
        receipt,
        fee,
        manifest: release.as_ref().map(Release::manifest),
        release,
    })
}
