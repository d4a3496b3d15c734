//! An upload under way: its bytes are checked and stored as they come, side by side, in flat memory.

use std::io;

use bytes::Bytes;
use datanet_data::corpus::{self, CorpusError, StreamChecker, Summary};
use datanet_p2p::{BlobError, HeldBlob};
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use datanet_types::{Amount, BlobHash};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::IntakeRequest;
use crate::blobs::{BlobStore, blob_error};
use crate::error::{Code, ServiceError, ServiceResult};

/// Chunks that wait for checker or disk: enough to keep them busy, little enough to stay small.
const QUEUE: usize = 16;

/// An upload that is stored and good to its end.
pub struct StoredUpload {
    pub(super) request: IntakeRequest,
    pub(super) bond: Amount,
    /// Keeps the collector off the bytes until they have their tag.
    pub(super) held: HeldBlob,
    pub(super) summary: Summary,
}

/// An upload under way. Dropping it before its end removes what was stored.
pub struct Upload {
    pub(super) blobs: BlobStore,
    request: IntakeRequest,
    bond: Amount,
    pub(super) schema: Schema,
    pub(super) limit: u64,
    received: u64,
    checker: Checker,
    store: Store,
    turn: OwnedSemaphorePermit,
}

struct Checker {
    chunks: mpsc::Sender<Bytes>,
    task: JoinHandle<ServiceResult<Option<Summary>>>,
}

struct Store {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    task: JoinHandle<Result<HeldBlob, BlobError>>,
}

impl Drop for Store {
    fn drop(&mut self) {
        // The end of its chunks must not look like the end of the body.
        self.task.abort();
    }
}

impl Upload {
    pub(super) fn begin(
        blobs: BlobStore,
        request: IntakeRequest,
        schema: Schema,
        bond: Amount,
        limit: u64,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        let (chunks, receiver) = mpsc::channel(QUEUE);
        let (format, shape) = (request.format, schema.clone());
        // Checking is computing: it runs beside the connection, off the async threads.
        let checker = Checker { chunks, task: tokio::task::spawn_blocking(move || check(receiver, format, &shape)) };
        let (chunks, receiver) = mpsc::channel(QUEUE);
        let into = blobs.clone();
        let task = tokio::spawn(async move { into.add_stream(ReceiverStream::new(receiver), limit).await });
        let store = Store { chunks, task };
        Self { blobs, request, bond, schema, limit, received: 0, checker, store, turn }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they are more than allowed ([`Code::BodyTooLarge`]), a record is not good ([`Code::BadRecords`]), or they
    /// cannot be stored. The first error ends the upload.
    pub async fn push(&mut self, chunk: Bytes) -> ServiceResult<()> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limit {
            return Err(too_large(self.limit));
        }
        // A closed queue means that its reader has ended, so there was an error: it is told now, while streaming.
        if self.checker.chunks.send(chunk.clone()).await.is_err() {
            return Err(ended((&mut self.checker.task).await.map(Result::err)));
        }
        if self.store.chunks.send(Ok(chunk)).await.is_err() {
            let result = (&mut self.store.task).await;
            return Err(ended(result.map(|result| result.err().map(|error| blob_error(&error)))));
        }
        Ok(())
    }

    /// The body is complete: what [`super::Intake::finish`] puts on the ledger.
    ///
    /// # Errors
    /// When a record is not good or there is none ([`Code::BadRecords`]), or the bytes cannot be stored or read back.
    pub async fn finish(self) -> ServiceResult<StoredUpload> {
        let Self { blobs, request, bond, schema, checker, mut store, turn, .. } = self;
        let broke_off = |error: tokio::task::JoinError| ServiceError::new(Code::Upload, error.to_string());
        drop(checker.chunks);
        let checked = checker.task.await.map_err(broke_off)??;
        // Good to its end: only now the store learns that this was the end.
        store.chunks = mpsc::channel(1).0;
        let held = (&mut store.task).await.map_err(broke_off)?.map_err(|error| blob_error(&error))?;
        let summary = match checked {
            Some(summary) => summary,
            None => check_parquet(&blobs, &held, schema).await?,
        };
        // What follows waits for a block, not for bytes.
        drop(turn);
        Ok(StoredUpload { request, bond, held, summary })
    }
}

pub(super) fn too_large(limit: u64) -> ServiceError {
    ServiceError::new(Code::BodyTooLarge, format!("a contribution is at most {limit} bytes; split it into several"))
}

fn ended(result: Result<Option<ServiceError>, tokio::task::JoinError>) -> ServiceError {
    match result {
        Ok(Some(error)) => error,
        Ok(None) => ServiceError::new(Code::Upload, "the upload stopped without a reason"),
        Err(error) => ServiceError::new(Code::Upload, error.to_string()),
    }
}

/// Checks a body as it comes. Parquet's directory is at its end: it is checked once it is whole.
fn check(mut chunks: mpsc::Receiver<Bytes>, format: Format, schema: &Schema) -> ServiceResult<Option<Summary>> {
    if format == Format::Parquet {
        while chunks.blocking_recv().is_some() {}
        return Ok(None);
    }
    let mut checker = StreamChecker::new(format, schema, corpus::Limits::default()).map_err(corpus_error)?;
    while let Some(chunk) = chunks.blocking_recv() {
        checker.push(&chunk).map_err(corpus_error)?;
    }
    checker.finish().map(Some).map_err(corpus_error)
}

async fn check_parquet(blobs: &BlobStore, held: &HeldBlob, schema: Schema) -> ServiceResult<Summary> {
    let file = blobs.export_file(&BlobHash(held.hash())).await?;
    let checked = tokio::task::spawn_blocking(move || corpus::check_parquet(file, &schema, corpus::Limits::default()));
    let checked = checked.await.map_err(|error| ServiceError::caused(Code::Upload, error))?;
    checked.map_err(corpus_error)
}

/// A body that does not fit is the user's to mend; a disk that fails is not.
pub(super) fn corpus_error(error: CorpusError) -> ServiceError {
    match error {
        CorpusError::Io(error) => ServiceError::io("cannot read the upload", &error),
        other => ServiceError::new(Code::BadRecords, other.to_string()),
    }
}
