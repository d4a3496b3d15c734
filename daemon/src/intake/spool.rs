//! An upload under way: bytes are checked and spooled as they come.

use std::io::Write;

use bytes::Bytes;
use datanet_inference::corpus::{self, CorpusError, StreamChecker, Summary};
use datanet_types::Amount;
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Accepted, IntakeRequest};
use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;

/// Chunks waiting for the disk: enough to keep it busy, little enough to stay small.
const QUEUE: usize = 16;

/// An upload that passed to its end.
pub(super) struct Finished {
    pub request: IntakeRequest,
    pub bond: Amount,
    pub file: NamedTempFile,
    pub summary: Summary,
}

/// An upload under way. Dropping it removes what was spooled.
pub struct Upload {
    core: Core,
    request: IntakeRequest,
    bond: Amount,
    limit: u64,
    received: u64,
    chunks: mpsc::Sender<Bytes>,
    worker: JoinHandle<ServiceResult<(NamedTempFile, Summary)>>,
}

impl Upload {
    pub(super) fn begin(
        core: &Core,
        request: IntakeRequest,
        schema: Schema,
        bond: Amount,
        limit: u64,
    ) -> ServiceResult<Self> {
        let dir = crate::init::spool_dir(&core.home);
        let file = NamedTempFile::new_in(&dir).map_err(|error| ServiceError::io("cannot spool the upload", &error))?;
        let (chunks, receiver) = mpsc::channel(QUEUE);
        let format = request.format;
        // Checking and writing block: they run beside the connection, one chunk behind it.
        let worker = tokio::task::spawn_blocking(move || spool(file, receiver, format, &schema));
        Ok(Self { core: core.clone(), request, bond, limit, received: 0, chunks, worker })
    }

    /// Takes the next bytes. The first error, of size or of content, ends the upload.
    pub async fn push(&mut self, chunk: Bytes) -> ServiceResult<()> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limit {
            return Err(ServiceError::too_large(
                "body-too-large",
                format!("a contribution is at most {} bytes; split it into several", self.limit),
            ));
        }
        if self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        // The worker has ended, so there was an error: it is told here, while streaming.
        Err(match (&mut self.worker).await {
            Ok(Err(error)) => error,
            _ => ServiceError::internal("spool", "the upload stopped without a reason"),
        })
    }

    /// The body is complete.
    pub async fn finish(self) -> ServiceResult<Accepted> {
        let Self { core, request, bond, chunks, worker, .. } = self;
        drop(chunks);
        let joined = worker.await.map_err(|error| ServiceError::internal("spool", error.to_string()))?;
        let (file, summary) = joined?;
        core.finish_upload(Finished { request, bond, file, summary }).await
    }
}

fn spool(
    mut file: NamedTempFile,
    mut chunks: mpsc::Receiver<Bytes>,
    format: Format,
    schema: &Schema,
) -> ServiceResult<(NamedTempFile, Summary)> {
    let limits = corpus::Limits::default();
    let mut checker = match format {
        // Parquet's directory is at its end: it is checked once it is whole.
        Format::Parquet => None,
        _ => Some(StreamChecker::new(format, schema, limits).map_err(corpus_error)?),
    };
    while let Some(chunk) = chunks.blocking_recv() {
        if let Some(checker) = &mut checker {
            checker.push(&chunk).map_err(corpus_error)?;
        }
        file.write_all(&chunk).map_err(|error| ServiceError::io("cannot spool the upload", &error))?;
    }
    file.flush().map_err(|error| ServiceError::io("cannot spool the upload", &error))?;
    let summary = match checker {
        Some(checker) => checker.finish(),
        None => {
            let file = file.reopen().map_err(|error| ServiceError::io("cannot read the upload", &error))?;
            corpus::check_parquet(file, schema, limits)
        }
    };
    Ok((file, summary.map_err(corpus_error)?))
}

/// A body that does not fit is the user's to mend; a disk that fails is not.
fn corpus_error(error: CorpusError) -> ServiceError {
    match error {
        CorpusError::Io(error) => ServiceError::io("cannot read the upload", &error),
        other => ServiceError::unprocessable("bad-records", other.to_string()),
    }
}
