//! Writing an export.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::components::{COMPONENTS, owner};
use super::header::{FORMAT, Header, Part};
use super::{ExportError, MAGIC};
use crate::component::migrations;
use crate::reader::LedgerReader;
use crate::state::StateRead;
use crate::store::StoreError;

/// Entries read at once.
const PAGE: usize = 1_000;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// What the file says of itself.
    pub header: Header,
    /// SHA-256 of the file: the same for every node that exports this height.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub sha256: [u8; 32],
    /// Its bytes.
    pub bytes: u64,
}

/// Counts and hashes what passes.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.hasher.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(self.inner.write_all(bytes)?)
    }

    fn put_text(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let length = u32::try_from(bytes.len()).map_err(|_| ExportError::Header("an entry is too long".to_owned()))?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }
}

/// Writes all of what `reader` sees.
///
/// # Errors
/// When there is no state, a key belongs to no component, or store or file fail.
pub fn export<W: Write>(reader: &LedgerReader, to: W) -> Result<Exported, ExportError> {
    let header = header(reader)?;
    let mut file = Hashing { inner: to, hasher: Sha256::new(), bytes: 0 };
    file.put(MAGIC)?;
    file.put(&header.to_line()?)?;
    for prefix in COMPONENTS.iter().flat_map(|component| component.prefixes) {
        each(reader, prefix, |key, value| {
            file.put_text(key.as_bytes())?;
            file.put_text(value)
        })?;
    }
    let checksum = file.hasher.clone().finalize();
    file.put(&checksum)?;
    file.inner.flush()?;
    Ok(Exported { header, sha256: file.hasher.finalize().into(), bytes: file.bytes })
}

fn header(reader: &LedgerReader) -> Result<Header, ExportError> {
    let head = reader.head();
    if head.height == 0 {
        return Err(ExportError::Empty);
    }
    let empty = |name: &'static str| Part { name: name.to_owned(), entries: 0, bytes: 0 };
    let mut components: Vec<Part> = COMPONENTS.iter().map(|component| empty(component.name)).collect();
    each(reader, "", |key, value| {
        let part = owner(key).and_then(|at| components.get_mut(at));
        let Some(part) = part else { return Err(ExportError::Foreign(key.to_owned())) };
        part.entries = part.entries.saturating_add(1);
        part.bytes = part.bytes.saturating_add(key.len() as u64).saturating_add(value.len() as u64);
        Ok(())
    })?;
    Ok(Header {
        format: FORMAT,
        chain_id: head.chain_id.clone(),
        height: head.height,
        time_seconds: head.time_seconds,
        block_hash: head.block_hash(),
        app_hash: head.app_hash(),
        app_version: migrations::version(reader).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        components,
    })
}

fn each(
    reader: &LedgerReader,
    prefix: &str,
    mut with: impl FnMut(&str, &[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut after: Option<String> = None;
    loop {
        let page = reader.scan(prefix, after.as_deref(), PAGE);
        let page = page.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        for (key, value) in &page {
            with(key, value)?;
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}
