//! Making a store from an export.

use std::io::{BufRead, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::components::{COMPONENTS, Component};
use super::header::{Header, Part};
use super::{ExportError, MAGIC, MAX_HEADER, MAX_KEY, MAX_VALUE};
use crate::component::{migrations, params};
use crate::state::{Changes, MemoryState, StateError};
use crate::store::{BlockWrite, Head, Store};

/// Hashes what passes, and says within what the file ends if it does.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: BufRead> Hashing<R> {
    fn take(&mut self, length: usize, within: &str) -> Result<Vec<u8>, ExportError> {
        // Grows with what really arrives, whatever the length claims.
        let mut bytes = Vec::new();
        self.inner.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ExportError::Cut(within.to_owned()));
        }
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn take_line(&mut self) -> Result<Vec<u8>, ExportError> {
        let mut line = Vec::new();
        self.inner.by_ref().take(MAX_HEADER as u64).read_until(b'\n', &mut line)?;
        self.hasher.update(&line);
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ => Err(ExportError::Cut("the header".to_owned())),
        }
    }

    /// Bytes behind their length, which is at most `most`.
    fn take_text(&mut self, component: &Component, most: usize) -> Result<Vec<u8>, ExportError> {
        let within = format!("component {:?}", component.name);
        let length = self.take(4, &within)?;
        let length = length.first_chunk::<4>().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes)) as usize;
        if length > most {
            return Err(bad(component, format!("something is {length} bytes long, {most} is the most")));
        }
        self.take(length, &within)
    }
}

fn bad(component: &Component, reason: impl Into<String>) -> ExportError {
    ExportError::Entry { component: component.name.to_owned(), reason: reason.into() }
}

/// What a file says of itself, without looking at the rest.
///
/// # Errors
/// When it is no export, is cut short, or its header is none that is known here.
pub fn read_header(from: impl BufRead) -> Result<Header, ExportError> {
    begin(&mut Hashing { inner: from, hasher: Sha256::new() })
}

fn begin<R: BufRead>(file: &mut Hashing<R>) -> Result<Header, ExportError> {
    let magic = file.take(MAGIC.len(), "its first line");
    match magic {
        Ok(magic) if magic == MAGIC => {}
        Ok(_) | Err(ExportError::Cut(_)) => return Err(ExportError::Magic),
        Err(error) => return Err(error),
    }
    let header = Header::read(&file.take_line()?)?;
    match migrations::LATEST {
        ours if header.app_version > ours => Err(ExportError::Newer { theirs: header.app_version, ours }),
        _ => Ok(header),
    }
}

/// Makes a ledger in the file `path` from an export, in one write; the chain goes on at the next height.
///
/// # Errors
/// When `path` holds a chain already, the export is no whole one or does not lead to the app hash that it names, or store or file fail.
/// Nothing is written then.
pub fn import(path: &Path, from: impl BufRead) -> Result<Header, ExportError> {
    let store = Store::open(path)?;
    let before = store.snapshot()?;
    if before.head().height > 0 {
        let Head { chain_id, height, .. } = before.head().clone();
        return Err(ExportError::Taken { chain_id, height });
    }
    let (header, changes) = read(from)?;
    check_named(&header, &changes)?;
    let tree = before.tree_update(&changes)?;
    let root = tree.as_ref().map_or([0; 32], |tree| tree.root);
    if root != header.app_hash {
        return Err(ExportError::AppHash { expected: hex::encode(header.app_hash), actual: hex::encode(root) });
    }
    let mut head = Head::new(&header.chain_id, header.height, header.time_seconds, header.app_hash, header.block_hash);
    head.imported = true;
    store.commit(&before, BlockWrite { head, changes, tree, results: Vec::new() })?;
    Ok(header)
}

/// The header says what the state says of itself, which the app hash stands for.
fn check_named(header: &Header, changes: &Changes) -> Result<(), ExportError> {
    let key = params::state_key::params();
    let stored = changes.get(&key).cloned().flatten();
    let state = MemoryState(stored.into_iter().map(|value| (key.clone(), value)).collect());
    let bad = |error: StateError| ExportError::Header(error.to_string());
    let chain_id = params::chain_id(&state).map_err(bad)?;
    let app_version = params::get(&state).map_err(bad)?.app_version;
    if (&chain_id, app_version) == (&header.chain_id, header.app_version) {
        return Ok(());
    }
    Err(ExportError::Header(format!(
        "it names chain {:?} and version {} of the rules, its state is of chain {chain_id:?} and version {app_version}",
        header.chain_id, header.app_version
    )))
}

fn read(from: impl BufRead) -> Result<(Header, Changes), ExportError> {
    let mut file = Hashing { inner: from, hasher: Sha256::new() };
    let header = begin(&mut file)?;
    let mut changes = Changes::new();
    for (component, part) in COMPONENTS.iter().zip(&header.components) {
        read_part(&mut file, component, part, &mut changes)?;
    }
    let expected = file.hasher.clone().finalize();
    if file.take(expected.len(), "its checksum")? != expected.as_slice() {
        return Err(ExportError::Checksum);
    }
    if file.inner.read(&mut [0])? != 0 {
        return Err(ExportError::Trailing);
    }
    Ok((header, changes))
}

fn read_part<R: BufRead>(
    file: &mut Hashing<R>,
    component: &Component,
    part: &Part,
    changes: &mut Changes,
) -> Result<(), ExportError> {
    let (mut last, mut bytes): (Option<String>, u64) = (None, 0);
    for _ in 0..part.entries {
        let key = file.take_text(component, MAX_KEY)?;
        let key = String::from_utf8(key).map_err(|_| bad(component, "a key is no text"))?;
        if !component.owns(&key) {
            return Err(bad(component, format!("key {key:?} is not its own")));
        }
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(bad(component, format!("key {key:?} is out of order")));
        }
        let value = file.take_text(component, MAX_VALUE)?;
        bytes = bytes.saturating_add(key.len() as u64).saturating_add(value.len() as u64);
        last = Some(key.clone());
        changes.insert(key, Some(value));
    }
    if bytes != part.bytes {
        return Err(bad(component, format!("it has {bytes} bytes, the header says {}", part.bytes)));
    }
    Ok(())
}
