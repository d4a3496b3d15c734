//! The files of models: given out in forms that others read, fetched, and let go of.

use std::convert::Infallible;

use axum::body::Body as Sent;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use datanet_api::Problem;
use datanet_api::models::{ExportParams, Pull, PullUpdate, Pulled, Removed};
use datanet_types::ModelId;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::extract::{Body, Query, Segment};
use super::limits::Place;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::Models;
use crate::models::export::{Content, Part};

/// Files of an archive begin and end at multiples of so many bytes.
const BLOCK: u64 = 512;
/// Bytes read of a file at a time.
const CHUNK: usize = 256 << 10;

/// A released model in a form that others read, as a tar archive: an adapter for PEFT, or for ONNX Runtime with the graph
/// that takes it; base, adapter and head as one ONNX file; a whole decoder for Transformers. The base is read from this
/// node's disk. A README.md says what the model is and how it is loaded.
#[utoipa::path(get, operation_id = "export_model", path = "/v1/models/{id}/export", tag = "models", params(("id" = String, Path), ExportParams), responses((status = 200, content_type = "application/octet-stream", body = super::routes::Bytes), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn export(
    State(models): State<Models>,
    Segment(id): Segment<String>,
    Query(params): Query<ExportParams>,
    Extension(place): Extension<Place>,
) -> ServiceResult<Response> {
    let model = models.model_named(&id)?;
    let parts = models.export(&model, params.format).await?;
    let length = archive_length(&parts);
    let name = format!("attachment; filename=\"{}-{}.tar\"", short(&model), params.format);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, name),
    ];
    // A stream counts as a request for as long as it lasts.
    let body = archive(parts)?.inspect(move |_| _ = &place);
    Ok((headers, Sent::from_stream(body)).into_response())
}

/// Names are strangers' texts; an id is letters and digits.
fn short(model: &ModelId) -> String {
    model.to_hex().chars().take(8).collect()
}

fn archive_length(parts: &[Part]) -> u64 {
    let one = |part: &Part| BLOCK.saturating_add(part.size.next_multiple_of(BLOCK));
    parts.iter().map(one).fold(2 * BLOCK, u64::saturating_add)
}

/// The bytes of an archive of these files.
fn archive(parts: Vec<Part>) -> ServiceResult<impl Stream<Item = std::io::Result<Bytes>> + Send> {
    let mut pieces: Vec<BoxStream<'static, std::io::Result<Bytes>>> = Vec::new();
    let whole = |bytes: Vec<u8>| stream::once(std::future::ready(Ok(Bytes::from(bytes)))).boxed();
    for part in parts {
        let mut header = tar::Header::new_gnu();
        let named = header.set_path(&part.name);
        named.map_err(|error| ServiceError::io("cannot name a file of the archive", &error))?;
        header.set_size(part.size);
        header.set_mode(0o644);
        header.set_cksum();
        pieces.push(whole(header.as_bytes().to_vec()));
        let padding = part.size.next_multiple_of(BLOCK).saturating_sub(part.size);
        pieces.push(match part.content {
            Content::Bytes(bytes) => whole(bytes),
            // No more than was said, should the file have grown.
            Content::File(file) => {
                let file = tokio::fs::File::from_std(file).take(part.size);
                ReaderStream::with_capacity(file, CHUNK).into_stream().boxed()
            }
        });
        pieces.push(whole(vec![0; usize::try_from(padding).unwrap_or_default()]));
    }
    pieces.push(whole(vec![0; 2 * BLOCK as usize]));
    Ok(stream::iter(pieces).flatten())
}

/// Has a released model's files here, fetched from whoever has them and checked, and keeps them; nothing is served. With
/// `stream`, as server-sent events: how far it is, then what was fetched.
#[utoipa::path(post, operation_id = "pull_model", path = "/v1/models/{id}/pull", tag = "models", params(("id" = String, Path)), request_body = Pull, responses((status = 200, content((Pulled = "application/json"), (String = "text/event-stream"))), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn pull(
    State(models): State<Models>,
    Segment(id): Segment<String>,
    Extension(place): Extension<Place>,
    Body(how): Body<Pull>,
) -> ServiceResult<Response> {
    let model = models.model_named(&id)?;
    if !how.stream {
        return Ok(Json(models.pull(&model, |_| {}).await?).into_response());
    }
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let pulled = {
            // Whoever reads slowly misses a step of the progress, and nothing else.
            let tell = |progress| _ = sender.try_send(PullUpdate::Progress(progress));
            tokio::select! {
                pulled = models.pull(&model, tell) => pulled,
                () = sender.closed() => Err(ServiceError::new(Code::ClientLeft, "the client left")),
            }
        };
        let last = match pulled {
            Ok(pulled) => PullUpdate::Done(pulled),
            Err(error) => PullUpdate::Failed { error: Problem::from(&error).error },
        };
        // Nobody may be left to be told.
        let _ = sender.send(last).await;
        drop(place);
    });
    let events = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let events = events.map(|update| Ok::<_, Infallible>(Event::default().json_data(update).unwrap_or_default()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Lets go of a model's files here; refused while it is deployed or a job needs it. Other nodes keep theirs, and the model
/// stays on the ledger.
#[utoipa::path(delete, operation_id = "remove_model_files", path = "/v1/models/{id}/files", tag = "models", params(("id" = String, Path)), responses((status = 200, body = Removed), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn remove(State(models): State<Models>, Segment(id): Segment<String>) -> ServiceResult<Json<Removed>> {
    let model = models.model_named(&id)?;
    Ok(Json(models.remove_files(&model).await?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[tokio::test]
    async fn an_archive_is_as_long_as_was_said_and_holds_what_was_put_in() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1_500]).unwrap();
        file.rewind().unwrap();
        let bytes = |name: &str, size: usize| Part {
            name: name.to_owned(),
            size: size as u64,
            content: Content::Bytes(vec![1; size]),
        };
        // The file has grown meanwhile.
        let grown = Part { name: "model.onnx".to_owned(), size: 1_400, content: Content::File(file) };
        let parts = vec![bytes("README.md", 512), grown, bytes("empty", 0)];
        let length = archive_length(&parts);
        let packed: Vec<Bytes> = archive(parts).unwrap().try_collect().await.unwrap();
        let packed = packed.concat();
        assert_eq!(packed.len() as u64, length);
        let mut found = Vec::new();
        for entry in tar::Archive::new(packed.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let (name, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
            entry.read_to_end(&mut content).unwrap();
            found.push((name, content.len(), content.iter().all(|byte| *byte == content[0])));
        }
        let expected = [("README.md", 512), ("model.onnx", 1_400), ("empty", 0)];
        assert_eq!(found, expected.map(|(name, size)| (name.to_owned(), size, true)));
    }
}
