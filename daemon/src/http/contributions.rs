//! Contributions: upload, follow, read, revoke.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body as StreamingBody, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use bytes::Bytes;
use datanet_api::contributions::{
    Accepted, ContributeParams, ContributionView, Contributions, ListParams, PageParams, RecordsPage, Revoked,
};
use datanet_api::epochs::{Challenged, InTheNameOf};
use datanet_api::report::ContributionReport;
use datanet_data::corpus::{Columns, media};
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::validation;
use datanet_types::action::{ChallengeVerdict, Revoke};
use datanet_types::record::Format;
use datanet_types::{Action, ContributionId};
use futures::{Stream, StreamExt};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::encoding::BodyDecoder;
use super::epochs::key_of;
use super::extract::{Body, Query, Segment, cut, within};
use super::limits::Place;
use crate::answers::Answers;
use crate::blobs::BlobStore;
use crate::caller;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::intake::Intake;
use crate::intake::{self, IntakeRequest, Spool, Upload};
use crate::keyring::{Identity, Keyring, NODE_ACCOUNT};
use crate::records::ReadOptions;
use crate::records::Records;
use crate::training::Training;

/// Most entries of a page.
const MAX_PAGE: usize = 1_000;

/// What a contribution can be.
const STATES: [&str; 5] = ["storing", "judging", "refused", "final", "revoked"];

/// Gives a batch of records. The body streams; a bad record, or one byte over the limit, ends it at that point. Answers
/// once the contribution is on the ledger. With `map` or `ignore` the body is read once it is whole.
#[utoipa::path(
    post, operation_id = "contribute", path = "/v1/datanets/{id}/contributions", tag = "contributions",
    params(("id" = String, Path, description = "datanet id or name"), ContributeParams, ("Idempotency-Key" = Option<String>, Header, description = "makes a repeated upload harmless")),
    request_body(content = super::routes::Bytes, content_type = "application/x-ndjson", description = "JSONL, CSV (text/csv), Parquet (application/vnd.apache.parquet), Markdown (text/markdown) or plain text (text/plain); as it is or with Content-Encoding: gzip"),
    responses((status = 202, body = Accepted), (status = 413, response = super::problem::Refusal), (status = 415, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal))
)]
pub(super) async fn contribute(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(intake): State<Intake>,
    Segment(id): Segment<String>,
    Query(params): Query<ContributeParams>,
    headers: HeaderMap,
    body: StreamingBody,
) -> ServiceResult<(StatusCode, Json<Accepted>)> {
    let mut chunks = body.into_data_stream();
    let columns = columns(&params);
    let request = request(&chain, &keyring, &id, params, &headers);
    match upload(&intake, request, columns, BodyDecoder::of(&headers), &mut chunks).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(accepted))),
        Err(error) => {
            linger(chunks);
            Err(error)
        }
    }
}

fn request(
    chain: &Chain,
    keyring: &Keyring,
    datanet: &str,
    params: ContributeParams,
    headers: &HeaderMap,
) -> ServiceResult<IntakeRequest> {
    Ok(IntakeRequest {
        datanet: chain.datanet_named(datanet)?.id,
        format: format_of(headers)?,
        key: keyring.get(params.account.as_deref().unwrap_or(NODE_ACCOUNT))?,
        bond: params.bond,
        idempotency_key: text_header(headers, "idempotency-key")?,
    })
}

async fn upload(
    intake: &Intake,
    request: ServiceResult<IntakeRequest>,
    columns: ServiceResult<Columns>,
    decoder: ServiceResult<BodyDecoder>,
    chunks: &mut BodyDataStream,
) -> ServiceResult<Accepted> {
    let (mut request, columns, decoder) = (request?, columns?, decoder?);
    let sent = request.format;
    if columns.is_plain() {
        let mut upload = intake.begin(request).await?;
        receive(&mut upload, decoder, chunks).await?;
        return Ok(intake.finish(upload.finish().await?).await?.into());
    }
    request.format = Format::Jsonl;
    let mut upload = intake.begin(request).await?;
    let mut spool = upload.spool()?;
    receive(&mut spool, decoder, chunks).await?;
    spool.read_into(&mut upload, sent, columns).await?;
    Ok(intake.finish(upload.finish().await?).await?.into())
}

impl From<intake::Accepted> for Accepted {
    fn from(accepted: intake::Accepted) -> Self {
        let intake::Accepted { id, blob, size, records, record_root, tx, state } = accepted;
        Self { id, blob, size, records, record_root, tx, state }
    }
}

/// Which columns are which fields, as the query says.
fn columns(params: &ContributeParams) -> ServiceResult<Columns> {
    let parts = |text: &'_ Option<String>| -> Vec<String> {
        text.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect()
    };
    let (pairs, ignored) = (parts(&params.map), parts(&params.ignore));
    let read = Columns::read(pairs.iter().map(String::as_str), ignored.iter().map(String::as_str));
    read.map_err(|error| ServiceError::new(Code::BadQuery, error.to_string()))
}

/// Where a body goes.
trait Receiver {
    async fn take(&mut self, bytes: Bytes) -> ServiceResult<()>;
}

impl Receiver for Upload {
    async fn take(&mut self, bytes: Bytes) -> ServiceResult<()> {
        self.push(bytes).await
    }
}

impl Receiver for Spool {
    async fn take(&mut self, bytes: Bytes) -> ServiceResult<()> {
        self.push(bytes).await
    }
}

async fn receive(
    receiver: &mut impl Receiver,
    mut decoder: BodyDecoder,
    chunks: &mut BodyDataStream,
) -> ServiceResult<()> {
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            ServiceError::new(Code::BodyBrokeOff, format!("the body broke off: {error}; send it again"))
        })?;
        for piece in decoder.pieces(chunk) {
            push(receiver, decoder.decode(piece)?).await?;
        }
    }
    push(receiver, decoder.finish()?).await
}

async fn push(receiver: &mut impl Receiver, bytes: Bytes) -> ServiceResult<()> {
    // A piece of a compressed body may hold nothing yet.
    if bytes.is_empty() { Ok(()) } else { receiver.take(bytes).await }
}

/// Reads on for a moment after a refusal. A connection closed at once would break under a client that is still sending,
/// and it would see a broken pipe instead of the reason.
fn linger(mut chunks: BodyDataStream) {
    const MOMENT: Duration = Duration::from_secs(3);
    tokio::spawn(tokio::time::timeout(MOMENT, async move { while let Some(Ok(_)) = chunks.next().await {} }));
}

fn format_of(headers: &HeaderMap) -> ServiceResult<Format> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media::format_of(media_type).map_err(|error| ServiceError::new(Code::UnknownFormat, error.to_string()))
}

fn text_header(headers: &HeaderMap, name: &str) -> ServiceResult<Option<String>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ServiceError::new(Code::BadHeader, format!("{name} must be plain text")))?;
    Ok(Some(text.to_owned()))
}

/// Contributions to a datanet, first come first.
#[utoipa::path(get, operation_id = "list_contributions", path = "/v1/datanets/{id}/contributions", tag = "contributions", params(("id" = String, Path, description = "datanet id or name"), ListParams), responses((status = 200, body = Contributions)))]
pub(super) async fn list(
    State(chain): State<Chain>,
    Segment(id): Segment<String>,
    Query(params): Query<ListParams>,
) -> ServiceResult<Json<Contributions>> {
    let (reader, datanet) = chain.datanet_in_view(&id)?;
    let limit = within("limit", params.limit, 100, 1..=MAX_PAGE)?;
    if let Some(unknown) = params.state.as_deref().filter(|state| !STATES.contains(state)) {
        let detail = format!("\"state\" is {:?}; it takes {}", cut(unknown), STATES.join(", "));
        return Err(ServiceError::new(Code::BadQuery, detail).about("state"));
    }
    let page = contributions::in_datanet(&reader, &datanet.id, params.after, limit)?;
    let next = (page.len() == limit).then(|| page.last().map(|last| last.seq)).flatten();
    let mut views = Vec::new();
    for contribution in page {
        let view = chain.contribution_view(&reader, contribution)?;
        if params.state.as_ref().is_none_or(|wanted| *wanted == view.state) {
            views.push(view);
        }
    }
    Ok(Json(Contributions { contributions: views, next }))
}

/// One contribution: state, scores, and the judges' reasons.
#[utoipa::path(get, operation_id = "get_contribution", path = "/v1/contributions/{id}", tag = "contributions", params(("id" = String, Path)), responses((status = 200, body = ContributionView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    State(records): State<Records>,
    Segment(id): Segment<ContributionId>,
) -> ServiceResult<Json<ContributionView>> {
    if caller::is_stranger() {
        let (contribution, datanet) = chain.contribution_and_datanet(&id)?;
        caller::refuse_denied([&id.0, &contribution.blob.0, &datanet.id.0])?;
    }
    Ok(Json(records.contribution_with_reports(&id).await?))
}

/// What became of its records: which help, which harm, which are copies or badly written, what they did for answers here;
/// and what is not known, and why.
#[utoipa::path(get, operation_id = "report_contribution", path = "/v1/contributions/{id}/report", tag = "contributions", params(("id" = String, Path)), responses((status = 200, body = ContributionReport), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn report(
    State(answers): State<Answers>,
    State(training): State<Training>,
    Segment(id): Segment<ContributionId>,
) -> ServiceResult<Json<ContributionReport>> {
    Ok(Json(answers.contribution_report(&id, training.jobs()?).await?))
}

/// The contribution whenever its state changes, as server-sent events, until it is final, refused or revoked.
#[utoipa::path(get, operation_id = "follow_contribution", path = "/v1/contributions/{id}/events", tag = "contributions", params(("id" = String, Path)), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    State(chain): State<Chain>,
    State(records): State<Records>,
    State(shutdown): State<CancellationToken>,
    Segment(id): Segment<ContributionId>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    chain.contribution_and_datanet(&id)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let closed = sender.clone();
        tokio::select! {
            () = follow(&chain, &records, &id, sender) => {}
            () = closed.closed() => {}
            () = shutdown.cancelled() => {}
        }
        // A stream counts as a request for as long as it lasts.
        drop(place);
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok);
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Sends the contribution now and after each change, until its verdict. Reports are looked for only when something has
/// changed: they may have to be fetched from elsewhere.
async fn follow(chain: &Chain, records: &Records, id: &ContributionId, sender: tokio::sync::mpsc::Sender<Event>) {
    let mut commits = chain.commits();
    let mut last = String::new();
    loop {
        commits.mark_unchanged();
        let Ok(view) = chain.contribution_without_reports(id) else { return };
        let Ok(text) = serde_json::to_string(&view) else { return };
        if text != last {
            let Ok(full) = records.with_reports(view).await else { return };
            let Ok(event) = Event::default().event("state").json_data(&full) else { return };
            if sender.send(event).await.is_err() || full.is_settled() {
                return;
            }
            last = text;
        }
        if commits.changed().await.is_err() {
            return;
        }
    }
}

/// A contribution's records, in canonical form.
#[utoipa::path(get, operation_id = "list_records", path = "/v1/contributions/{id}/records", tag = "contributions", params(("id" = String, Path), PageParams), responses((status = 200, body = RecordsPage)))]
pub(super) async fn records(
    State(chain): State<Chain>,
    State(blobs): State<BlobStore>,
    State(records): State<Records>,
    Segment(id): Segment<ContributionId>,
    Query(params): Query<PageParams>,
) -> ServiceResult<Json<RecordsPage>> {
    let (contribution, datanet) = chain.contribution_and_datanet(&id)?;
    refuse_revoked(&contribution)?;
    if !blobs.has(&contribution.blob).await? {
        return Err(ServiceError::new(
            Code::BlobNotHere,
            "this node does not have the contribution's bytes yet; try again in a moment",
        ));
    }
    let options = ReadOptions::Page {
        offset: params.offset.unwrap_or(0),
        limit: within("limit", params.limit, 100, 1..=MAX_PAGE as u64)?,
    };
    let batch = records.read(&contribution, &datanet, options).await?;
    let raw = |record: &datanet_data::corpus::Record| {
        RawValue::from_string(record.canonical().to_owned()).map_err(|error| ServiceError::caused(Code::Record, error))
    };
    let page: ServiceResult<Vec<_>> = batch.records.iter().map(|(_, record)| raw(record)).collect();
    Ok(Json(RecordsPage { total: contribution.records, records: page? }))
}

fn refuse_revoked(contribution: &Contribution) -> ServiceResult<()> {
    if contribution.status() != Status::Revoked {
        return Ok(());
    }
    let (id, height) = (contribution.id, contribution.revoked_height);
    Err(ServiceError::new(
        Code::Revoked,
        format!("contribution {id} was revoked at height {height}; its records are gone"),
    ))
}

/// Takes a contribution back, with the key of the account that gave it, which must be on this node: from now on it is neither
/// served, trained on nor paid; nodes drop its bytes, and models trained on it are flagged. What it has earned stays.
#[utoipa::path(post, operation_id = "revoke_contribution", path = "/v1/contributions/{id}/revoke", tag = "contributions", params(("id" = String, Path)), responses((status = 200, body = Revoked), (status = 403, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn revoke(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(records): State<Records>,
    Segment(id): Segment<ContributionId>,
) -> ServiceResult<Json<Revoked>> {
    let (contribution, datanet) = chain.contribution_and_datanet(&id)?;
    let key = keyring.by_address(&contribution.contributor)?.ok_or_else(|| {
        ServiceError::new(
            Code::ForeignContribution,
            format!(
                "contribution {id} was given by {}, whose key is not on this node; sign a revoke transaction there",
                contribution.contributor
            ),
        )
    })?;
    let records = match contribution.status() {
        Status::Final => records.plain_root(&contribution, &datanet).await,
        _ => None,
    };
    let committed = chain.execute(&key, Action::Revoke(Revoke { contribution: id, records })).await?;
    Ok(Json(Revoked { id, state: "revoked".to_owned(), height: committed.height, tx: committed.hash }))
}

/// Challenges a contribution's verdict: a second committee, larger and of others, judges it anew, and that is final. Anybody can challenge an
/// acceptance, its giver a refusal. The deposit is lost if the verdict stands.
#[utoipa::path(post, operation_id = "challenge_verdict", path = "/v1/contributions/{id}/challenge", tag = "contributions", params(("id" = String, Path)), request_body = InTheNameOf, responses((status = 200, body = Challenged), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn challenge(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(identity): State<Identity>,
    Segment(id): Segment<ContributionId>,
    Body(request): Body<InTheNameOf>,
) -> ServiceResult<Json<Challenged>> {
    let (contribution, _) = chain.contribution_and_datanet(&id)?;
    let key = key_of(request.account.as_deref(), &keyring, &identity)?;
    let action = Action::ChallengeVerdict(ChallengeVerdict { contribution: id });
    let tx = chain.execute(&key, action).await?.hash;
    Ok(Json(Challenged { deposit: validation::challenge_deposit(&contribution), tx }))
}
