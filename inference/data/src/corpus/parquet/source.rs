//! Any source in the form that the Parquet library reads from.

use std::io::{BufReader, Read, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::corpus::error::CorpusError;
use crate::corpus::reader::Source;

/// The first bytes of a source and its last ones, fewer where there are not as many.
pub(super) fn ends(source: &mut impl Source, first: usize, last: usize) -> Result<(Vec<u8>, Vec<u8>), CorpusError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut read = |from: u64, bytes: usize| -> std::io::Result<Vec<u8>> {
        source.seek(SeekFrom::Start(from))?;
        let mut found = Vec::with_capacity(bytes);
        source.by_ref().take(bytes as u64).read_to_end(&mut found)?;
        Ok(found)
    };
    Ok((read(0, first)?, read(length.saturating_sub(last as u64), last)?))
}

/// Several positions of one file at once.
pub(super) struct SharedSource {
    source: Arc<Mutex<dyn Source>>,
    pub(super) length: u64,
    pub(super) failed: Failed,
}

/// What reading the source has failed with, if it has: the Parquet library tells it as it tells damage.
pub(super) type Failed = Arc<Mutex<Option<std::io::Error>>>;

/// One position of it.
pub(super) struct Window {
    source: Arc<Mutex<dyn Source>>,
    at: u64,
    failed: Failed,
}

impl SharedSource {
    pub(super) fn new(mut source: impl Source) -> Result<Self, CorpusError> {
        let length = source.seek(SeekFrom::End(0))?;
        Ok(Self { source: Arc::new(Mutex::new(source)), length, failed: Failed::default() })
    }

    fn window(&self, at: u64) -> Window {
        Window { source: self.source.clone(), at, failed: self.failed.clone() }
    }
}

impl Length for SharedSource {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedSource {
    type T = BufReader<Window>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(64 << 10, self.window(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // Checked before anything of this length is allocated.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are not there")));
        }
        let mut bytes = vec![0; length];
        self.window(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // A reader that panicked leaves nothing behind that the next seek does not set right.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let read = source.seek(SeekFrom::Start(self.at)).and_then(|_| source.read(buffer));
        let read = read.inspect_err(|error| {
            let same = std::io::Error::new(error.kind(), error.to_string());
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(same);
        })?;
        self.at += read as u64;
        Ok(read)
    }
}
