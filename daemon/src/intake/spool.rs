//! A body whose columns are not called as the fields are: it is kept in a file until it is whole, and then given as JSONL
//! with the fields alone, so that everybody reads the same records by the schema.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use datanet_data::corpus::{self, Columns, CorpusError, Limits};
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use tokio::sync::mpsc;

use super::upload::{Upload, corpus_error, too_large};
use crate::error::{Code, ServiceError, ServiceResult};

/// Lines are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;

/// Pieces that wait for the upload.
const QUEUE: usize = 4;

/// A body on its way; dropping it removes what was kept.
pub struct Spool {
    file: File,
    received: u64,
    limit: u64,
}

impl Upload {
    /// A place for a body that is read only once it is whole; as long as an upload may be.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn spool(&self) -> ServiceResult<Spool> {
        Ok(Spool { file: self.blobs.spool_file()?, received: 0, limit: self.limit })
    }
}

impl Spool {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they are more than allowed ([`Code::BodyTooLarge`]), or cannot be kept.
    pub async fn push(&mut self, chunk: Bytes) -> ServiceResult<()> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limit {
            return Err(too_large(self.limit));
        }
        let io = |error: std::io::Error| ServiceError::io("cannot keep the upload", &error);
        let mut file = self.file.try_clone().map_err(io)?;
        let written = tokio::task::spawn_blocking(move || file.write_all(&chunk)).await;
        written.map_err(|error| ServiceError::caused(Code::Upload, error))?.map_err(io)
    }

    /// The body is complete: reads its records by `columns` and gives them to `upload` as JSONL.
    ///
    /// # Errors
    /// When a record or a column is not good ([`Code::BadRecords`]), or as [`Upload::push`].
    pub async fn read_into(self, upload: &mut Upload, format: Format, columns: Columns) -> ServiceResult<()> {
        let (sender, mut pieces) = mpsc::channel(QUEUE);
        let (file, schema) = (self.file, upload.schema.clone());
        let reading = tokio::task::spawn_blocking(move || read(file, format, &schema, &columns, &sender));
        while let Some(piece) = pieces.recv().await {
            upload.push(piece).await?;
        }
        let read = reading.await.map_err(|error| ServiceError::caused(Code::Upload, error))?;
        read.map_err(corpus_error)
    }
}

fn read(
    mut file: File,
    format: Format,
    schema: &Schema,
    columns: &Columns,
    into: &mpsc::Sender<Bytes>,
) -> Result<(), CorpusError> {
    std::io::Seek::rewind(&mut file)?;
    let records = corpus::read_records_by(format, file, schema, columns, Limits::default())?;
    let mut piece = Vec::with_capacity(PIECE + 4_096);
    for record in records {
        piece.extend_from_slice(record?.canonical().as_bytes());
        piece.push(b'\n');
        // Nobody takes it any more: the upload has ended, and says why.
        if piece.len() >= PIECE && into.blocking_send(std::mem::take(&mut piece).into()).is_err() {
            return Ok(());
        }
    }
    if !piece.is_empty() {
        let _ = into.blocking_send(piece.into());
    }
    Ok(())
}
