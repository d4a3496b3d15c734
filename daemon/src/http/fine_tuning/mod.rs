//! Fine-tuning in OpenAI's shape: jobs, their events and their checkpoints.

mod fields;
mod request;
mod view;

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use datanet_api::fine_tuning::{
    FineTuningCheckpoint, FineTuningEvent, FineTuningJob, NewFineTuningJob, Page, PageParams,
};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::extract::{Query, Segment, Shaped, within};
use super::limits::Place;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::training::Training;
use view::{checkpoint_of, event_number, event_of, page};

/// Most entries of a page.
const MAX_PAGE: usize = 1_000;

fn limit(params: &PageParams) -> ServiceResult<usize> {
    within("limit", params.limit, 20, 1..=MAX_PAGE)
}

/// Takes a fine-tuning job. It is durable when this answers, waits for those before it, and goes on after a restart.
#[utoipa::path(post, operation_id = "create_fine_tuning_job", path = "/v1/fine_tuning/jobs", tag = "fine-tuning", request_body = NewFineTuningJob, responses((status = 200, body = FineTuningJob), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn create(
    State(training): State<Training>,
    Shaped(new): Shaped<NewFineTuningJob>,
) -> ServiceResult<Json<FineTuningJob>> {
    Ok(Json(training.create_job(new.try_into()?).await?.into()))
}

/// All jobs of this node, newest first.
#[utoipa::path(get, operation_id = "list_fine_tuning_jobs", path = "/v1/fine_tuning/jobs", tag = "fine-tuning", params(PageParams), responses((status = 200, body = Page<FineTuningJob>)))]
pub(super) async fn list(
    State(training): State<Training>,
    Query(params): Query<PageParams>,
) -> ServiceResult<Json<Page<FineTuningJob>>> {
    let jobs = training.jobs()?.into_iter().map(FineTuningJob::from).collect();
    Ok(Json(page(jobs, limit(&params)?, |job| job.id.clone(), params.after.as_deref())?))
}

/// One job.
#[utoipa::path(get, operation_id = "get_fine_tuning_job", path = "/v1/fine_tuning/jobs/{id}", tag = "fine-tuning", params(("id" = String, Path)), responses((status = 200, body = FineTuningJob), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(training): State<Training>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<FineTuningJob>> {
    Ok(Json(training.job(&id)?.into()))
}

/// Ends a job; its last checkpoint stays on disk for a while.
#[utoipa::path(post, operation_id = "cancel_fine_tuning_job", path = "/v1/fine_tuning/jobs/{id}/cancel", tag = "fine-tuning", params(("id" = String, Path)), responses((status = 200, body = FineTuningJob), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn cancel(
    State(training): State<Training>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<FineTuningJob>> {
    Ok(Json(training.cancel_job(&id).await?.into()))
}

/// What happened in a job, newest first; with `stream`, as it happens, oldest first.
#[utoipa::path(get, operation_id = "list_fine_tuning_events", path = "/v1/fine_tuning/jobs/{id}/events", tag = "fine-tuning", params(("id" = String, Path), PageParams), responses((status = 200, content((Page<FineTuningEvent> = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn events(
    State(training): State<Training>,
    State(shutdown): State<CancellationToken>,
    Segment(id): Segment<String>,
    Query(params): Query<PageParams>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Response> {
    let job = training.job(&id)?;
    if params.stream {
        let after = match params.after.as_deref() {
            None => 0,
            Some(after) => event_number(after)
                .ok_or_else(|| ServiceError::new(Code::UnknownCursor, format!("no event has the id {after:.80}")))?,
        };
        return Ok(stream(training, shutdown, job.id, after, place).into_response());
    }
    let mut events = training.job_events(job.number, 0, usize::MAX)?;
    events.reverse();
    let events = events.into_iter().map(|event| event_of(&job.id, event)).collect();
    Ok(Json(page(events, limit(&params)?, |event: &FineTuningEvent| event.id.clone(), params.after.as_deref())?)
        .into_response())
}

/// States of a job from which it can go on, newest first.
#[utoipa::path(get, operation_id = "list_fine_tuning_checkpoints", path = "/v1/fine_tuning/jobs/{id}/checkpoints", tag = "fine-tuning", params(("id" = String, Path), PageParams), responses((status = 200, body = Page<FineTuningCheckpoint>)))]
pub(super) async fn checkpoints(
    State(training): State<Training>,
    Segment(id): Segment<String>,
    Query(params): Query<PageParams>,
) -> ServiceResult<Json<Page<FineTuningCheckpoint>>> {
    let job = training.job(&id)?;
    let events = training.job_events(job.number, 0, usize::MAX)?;
    let found = events.iter().rev().filter_map(|event| checkpoint_of(&job.id, event)).collect();
    Ok(Json(page(found, limit(&params)?, |checkpoint| checkpoint.id.clone(), params.after.as_deref())?))
}

fn stream(
    training: Training,
    shutdown: CancellationToken,
    id: String,
    after: u64,
    place: Place,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let closed = sender.clone();
        tokio::select! {
            () = follow(&training, &id, after, sender) => {}
            () = closed.closed() => {}
            () = shutdown.cancelled() => {}
        }
        // A stream counts as a request for as long as it lasts.
        drop(place);
    });
    Sse::new(tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::default())
}

/// Sends events as they are written, and the job itself whenever it changes; ends with the job.
async fn follow(training: &Training, id: &str, mut after: u64, sender: mpsc::Sender<Event>) {
    let mut changes = training.changes();
    loop {
        changes.mark_unchanged();
        // The job first: events that are written meanwhile come in the next round.
        let Ok(job) = training.job(id) else { return };
        let Ok(events) = training.job_events(job.number, after, MAX_PAGE) else { return };
        let full = events.len() == MAX_PAGE;
        for event in events {
            after = event.number;
            let Ok(event) = Event::default().event("event").json_data(event_of(id, event)) else { return };
            if sender.send(event).await.is_err() {
                return;
            }
        }
        if full {
            continue;
        }
        let over = job.state.is_over();
        let Ok(event) = Event::default().event("job").json_data(FineTuningJob::from(job)) else { return };
        if sender.send(event).await.is_err() || over || changes.changed().await.is_err() {
            return;
        }
    }
}
