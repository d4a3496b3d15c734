//! The embeddings on disk: rows of `f32`, little endian, one after the other.
//!
//! Rows are read by position through the page cache, never mapped (that would be `unsafe`) and never held: memory is
//! bounded by the block size, and a restart costs nothing. A row's place comes from the manifests, so the file needs
//! no header of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::space::Extent;
use crate::Embedding;

/// Rows that are read at once: 768 KiB at 384 dimensions, which stays in the processor's cache.
pub(super) const BLOCK_ROWS: u64 = 512;

#[derive(Debug)]
pub(super) struct VectorFile {
    file: File,
    dimensions: usize,
}

impl VectorFile {
    /// Opens or creates the file at `path`.
    pub(super) fn open(path: &Path, dimensions: usize) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, dimensions })
    }

    fn row_bytes(&self) -> usize {
        self.dimensions * size_of::<f32>()
    }

    fn offset(&self, row: u64) -> u64 {
        row.saturating_mul(self.row_bytes() as u64)
    }

    /// Rows that the file has, complete ones.
    pub(super) fn rows(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len() / (self.row_bytes().max(1) as u64))
    }

    /// Writes vectors to consecutive rows from `first`.
    pub(super) fn write(&self, first: u64, vectors: &[&Embedding]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(vectors.len() * self.row_bytes());
        for vector in vectors {
            bytes.extend(vector.as_slice().iter().flat_map(|value| value.to_le_bytes()));
        }
        self.file.write_all_at(&bytes, self.offset(first))
    }

    /// Reads up to [`BLOCK_ROWS`] consecutive rows into `buffer`.
    pub(super) fn read<'b>(&self, rows: Extent, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let bytes = rows.count as usize * self.row_bytes();
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        let block = &mut buffer[..bytes];
        self.file.read_exact_at(block, self.offset(rows.first))?;
        Ok(block)
    }

    /// Overwrites rows with zeros: what was revoked does not stay on the disk. Blocks that are zero are only read.
    pub(super) fn erase(&self, extent: Extent) -> io::Result<()> {
        let mut buffer = Vec::new();
        for rows in blocks(extent) {
            let block = self.read(rows, &mut buffer)?;
            if block.iter().any(|byte| *byte != 0) {
                self.file.write_all_at(&vec![0; block.len()], self.offset(rows.first))?;
            }
        }
        Ok(())
    }

    /// Cuts everything from row `end` on.
    pub(super) fn truncate(&self, end: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > self.offset(end) {
            self.file.set_len(self.offset(end))?;
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// `extent` in pieces of [`BLOCK_ROWS`].
pub(super) fn blocks(extent: Extent) -> impl Iterator<Item = Extent> {
    (extent.first..extent.end())
        .step_by(BLOCK_ROWS as usize)
        .map(move |first| Extent { first, count: BLOCK_ROWS.min(extent.end() - first) })
}
