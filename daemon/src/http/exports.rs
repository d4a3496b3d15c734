//! A datanet's records as one stream, to be taken elsewhere.

use std::io;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use datanet_api::datanets::{EXPORT_HEIGHT, EXPORT_RECORDS, ExportParams};
use tokio::sync::mpsc::Receiver;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::extract::{Query, Segment};
use super::limits::Place;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::{Lines, Records};

/// Pieces that wait for whoever reads.
const QUEUE: usize = 8;

/// All records that are final in a datanet, in the order in which they became so, one JSON object a line. The headers
/// `datanet-records` and `datanet-height` say how many there are and at which height; a stream that breaks off before its
/// end, as it does where a contribution is revoked meanwhile, is not to be used.
#[utoipa::path(
    get, operation_id = "export_records", path = "/v1/datanets/{id}/records", tag = "datanets",
    params(("id" = String, Path, description = "id or name"), ExportParams),
    responses(
        (status = 200, content_type = "application/x-ndjson", body = super::routes::Bytes, headers(("datanet-records" = u64, description = "records in the stream"), ("datanet-height" = u64, description = "height at which they were final"))),
        (status = 404, response = super::problem::Refusal)
    )
)]
pub(super) async fn records(
    State(chain): State<Chain>,
    State(records): State<Records>,
    State(shutdown): State<CancellationToken>,
    Segment(id): Segment<String>,
    Query(params): Query<ExportParams>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Response> {
    let export = records.export(&chain.datanet_named(&id)?.id).await?;
    let headers = [(EXPORT_RECORDS, export.records()), (EXPORT_HEIGHT, export.height)];
    let (lines, pieces) = tokio::sync::mpsc::channel(QUEUE);
    let into = lines.clone();
    let sent = async move { records.send_export(&export, params.provenance, &into).await };
    let body = stream(shutdown, place, sent, lines, pieces);
    let mut response = body.into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.into());
    }
    Ok(response)
}

/// The held-out set of a datanet, on which usefulness and models are measured, one JSON object a line: train on none of it.
#[utoipa::path(
    get, operation_id = "export_held_out_set", path = "/v1/datanets/{id}/holdout", tag = "datanets",
    params(("id" = String, Path, description = "id or name")),
    responses((status = 200, content_type = "application/x-ndjson", body = super::routes::Bytes), (status = 404, response = super::problem::Refusal))
)]
pub(super) async fn held_out(
    State(chain): State<Chain>,
    State(records): State<Records>,
    State(shutdown): State<CancellationToken>,
    Segment(id): Segment<String>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Response> {
    let datanet = chain.datanet_named(&id)?;
    let held = records.bring_held_out(&datanet).await?;
    let (lines, pieces) = tokio::sync::mpsc::channel(QUEUE);
    let into = lines.clone();
    let sent = async move { records.send_held_out(&datanet, held, &into).await };
    Ok(stream(shutdown, place, sent, lines, pieces).into_response())
}

/// A body of the pieces that are sent, which breaks off where `sent` fails or the node stops.
fn stream(
    shutdown: CancellationToken,
    place: Place,
    sent: impl Future<Output = ServiceResult<()>> + Send + 'static,
    lines: Lines,
    pieces: Receiver<io::Result<Bytes>>,
) -> impl IntoResponse {
    tokio::spawn(async move {
        let sent = tokio::select! {
            sent = sent => sent,
            () = lines.closed() => Ok(()),
            () = shutdown.cancelled() => Err(ServiceError::new(Code::ShuttingDown, "the node is shutting down")),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "an export broke off");
            let _ = lines.send(Err(io::Error::other(error.to_string()))).await;
        }
        // A stream counts as a request for as long as it lasts.
        drop(place);
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(ReceiverStream::new(pieces)))
}
