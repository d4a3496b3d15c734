//! The files of an index: made, opened, checked and cleaned.
//!
//! ```text
//! index.json      format, model, dimensions; written last when an index is made
//! terms/          tantivy
//! vectors.f32     embeddings
//! lock            locked while the index is open
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use datanet_types::{ContributionId, ModelId};
use serde::{Deserialize, Serialize};
use tantivy::directory::INDEX_WRITER_LOCK;
use tantivy::directory::error::LockError;
use tantivy::index::SegmentId;
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::{LogMergePolicy, MergePolicy, NoMergePolicy};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{
    DocSet, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, SegmentMeta, TERMINATED, TantivyDocument,
    TantivyError, Term,
};

use super::RetrievalError;
use super::handle::IndexConfig;
use super::schema::{Fields, TOKENIZER, schema, tokenizer};
use super::space::FreeSpace;
use super::vectors::VectorFile;
use super::view::{Catalogue, Manifest, View};

/// Changes with the schema, the tokenizer or the manifests.
const FORMAT: u32 = 2;
/// Tantivy's buffer for one thread: a node has many indexes, and embedding is what takes the time.
const WRITER_BYTES: usize = 32 * 1024 * 1024;
/// The file whose lock says that the index is open.
const LOCK: &str = "lock";
/// How often a lock that is busy is tried, and the time between: two tenths of a second, many times what a fork takes.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    model: ModelId,
    dimensions: usize,
}

pub(super) struct Store {
    /// Open only while something is written.
    writer: Option<IndexWriter>,
    index: Index,
    pub(super) fields: Fields,
    pub(super) vectors: Arc<VectorFile>,
    /// As of the operations so far, committed or not.
    pub(super) catalogue: Catalogue,
    pub(super) free: FreeSpace,
    reader: IndexReader,
    /// tantivy's directory.
    terms: PathBuf,
    /// Unlocked when it is closed.
    _lock: fs::File,
}

impl Store {
    /// Opens the index, making it where there is none, and purges what a crash left.
    pub(super) fn open(config: &IndexConfig) -> Result<Self, RetrievalError> {
        let directory = config.directory.as_path();
        fs::create_dir_all(directory)?;
        let lock = lock(directory)?;
        match read_marker(directory)? {
            Some(marker) => check_marker(&marker, config)?,
            None => create(config)?,
        }
        let terms = directory.join("terms");
        let index = Index::open_in_dir(&terms).map_err(|error| corrupt(directory, error))?;
        index.tokenizers().register(TOKENIZER, tokenizer());
        let (expected, fields) = schema();
        if index.schema() != expected {
            return Err(corrupt(directory, "another schema"));
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let vectors = Arc::new(VectorFile::open(&directory.join("vectors.f32"), config.dimensions)?);
        let catalogue = read_catalogue(&reader.searcher(), fields).map_err(|error| corrupt(directory, error))?;
        let free = FreeSpace::default();
        let mut store = Self { writer: None, index, fields, vectors, catalogue, free, reader, terms, _lock: lock };
        store.purge_orphans()?;
        store.tidy()?;
        store.free = store.check_rows().map_err(|reason| corrupt(directory, reason))?;
        for hole in store.free.holes() {
            store.vectors.erase(hole)?;
        }
        store.vectors.truncate(store.free.end())?;
        store.rest();
        Ok(store)
    }

    /// The writer, started where there is none: three threads and a buffer.
    pub(super) fn writer(&mut self) -> Result<&mut IndexWriter, RetrievalError> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            empty => {
                // Merges are waited for, so one thread does them all.
                let options = IndexWriterOptions::builder()
                    .num_worker_threads(1)
                    .memory_budget_per_thread(WRITER_BYTES)
                    .num_merge_threads(1)
                    .build();
                let writer = start_writer(&self.index, &self.terms, &options)?;
                writer.set_merge_policy(Box::new(NoMergePolicy));
                Ok(empty.insert(writer))
            }
        }
    }

    /// Stops the writer; what is not committed is lost with it.
    pub(super) fn rest(&mut self) {
        self.writer = None;
    }

    /// Makes all operations so far durable and visible to the next [`Store::view`].
    pub(super) fn commit(&mut self) -> Result<(), RetrievalError> {
        // Vectors first: a committed record must never point at rows that a power cut can still take away.
        self.vectors.sync()?;
        self.writer()?.commit()?;
        Ok(self.reader.reload()?)
    }

    /// Forgets all operations since the last commit.
    pub(super) fn rollback(&mut self) -> Result<(), RetrievalError> {
        self.rest();
        self.reader.reload()?;
        self.catalogue = read_catalogue(&self.reader.searcher(), self.fields)?;
        self.purge_orphans()?;
        self.free = self.check_rows().map_err(|reason| TantivyError::InternalError(reason.to_owned()))?;
        Ok(())
    }

    /// The state as of the last commit.
    pub(super) fn view(&self) -> View {
        View {
            searcher: self.reader.searcher(),
            fields: self.fields,
            catalogue: Arc::new(self.catalogue.clone()),
            vectors: self.vectors.clone(),
        }
    }

    /// Merges small segments, and rewrites those that still hold deleted records, so that their texts leave the disk.
    /// Done here and not by tantivy's background threads, which would refuse a segment that they are merging already.
    pub(super) fn tidy(&mut self) -> Result<(), RetrievalError> {
        let segments = self.index.searchable_segment_metas()?;
        let stale = segments.iter().filter(|segment| segment.has_deletes()).map(SegmentMeta::id).collect();
        self.merge(stale)?;
        let segments = self.index.searchable_segment_metas()?;
        for candidate in LogMergePolicy::default().compute_merge_candidates(&segments) {
            self.merge(candidate.0)?;
        }
        Ok(self.reader.reload()?)
    }

    fn merge(&mut self, segments: Vec<SegmentId>) -> Result<(), RetrievalError> {
        if !segments.is_empty() {
            self.writer()?.merge(&segments).wait()?;
        }
        Ok(())
    }

    /// Deletes records whose contribution has no manifest.
    fn purge_orphans(&mut self) -> Result<(), RetrievalError> {
        let mut orphans = false;
        for segment in self.reader.searcher().segment_readers() {
            let index = segment.inverted_index(self.fields.contribution)?;
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                let known = ContributionId::from_slice(terms.key()).is_ok_and(|id| self.catalogue.contains_key(&id));
                if !known {
                    let term = Term::from_field_bytes(self.fields.contribution, terms.key());
                    self.writer()?.delete_term(term);
                    orphans = true;
                }
            }
        }
        if orphans { self.commit() } else { Ok(()) }
    }

    /// The rows that are free, if the manifests fit one another and the vector file.
    fn check_rows(&self) -> Result<FreeSpace, &'static str> {
        let extents = self.catalogue.values().flat_map(|manifest| manifest.extents.iter().copied());
        let free = FreeSpace::around(extents).ok_or("two contributions share vectors")?;
        match self.vectors.rows() {
            Ok(rows) if rows >= free.end() => Ok(free),
            Ok(_) => Err("the vector file is cut short"),
            Err(_) => Err("the vector file cannot be read"),
        }
    }
}

/// A writer of `index`, whose files are in `terms`.
///
/// tantivy locks its directory, and such a lock is held by every copy of the file's descriptor. A program that this
/// process starts has one from its fork to its exec, so a lock that was let go just before can still be busy; it is
/// waited for. Nobody else can hold it: the whole index is locked by [`lock`].
fn start_writer(index: &Index, terms: &Path, options: &IndexWriterOptions) -> Result<IndexWriter, RetrievalError> {
    loop {
        match index.writer_with_options(options.clone()) {
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => {
                fs::File::open(terms.join(&INDEX_WRITER_LOCK.filepath))?.lock()?;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Keeps everybody else out until the file is closed. A lock that this process let go just before can still be busy for
/// the time between a fork and an exec, as in [`start_writer`]: only one that stays busy is another process's.
fn lock(directory: &Path) -> Result<fs::File, RetrievalError> {
    let file = fs::File::options().create(true).truncate(false).write(true).open(directory.join(LOCK))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(RetrievalError::Locked(directory.to_owned()))
}

/// Removes an index, whatever state it is in.
pub(super) fn wipe(directory: &Path) -> Result<(), RetrievalError> {
    // The marker first: what a crash leaves of the rest is then no index.
    for file in ["index.json", "index.json.new", "vectors.f32"] {
        match fs::remove_file(directory.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    match fs::remove_dir_all(directory.join("terms")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn create(config: &IndexConfig) -> Result<(), RetrievalError> {
    let directory = config.directory.as_path();
    wipe(directory)?;
    fs::create_dir_all(directory.join("terms"))?;
    Index::create_in_dir(directory.join("terms"), schema().0)?;
    VectorFile::open(&directory.join("vectors.f32"), config.dimensions)?.sync()?;
    let marker = Marker { format: FORMAT, model: config.model, dimensions: config.dimensions };
    let new = directory.join("index.json.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(&serde_json::to_vec(&marker).map_err(std::io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(new, directory.join("index.json"))?;
    Ok(fs::File::open(directory)?.sync_all()?)
}

fn read_marker(directory: &Path) -> Result<Option<Marker>, RetrievalError> {
    match fs::read(directory.join("index.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| corrupt(directory, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn check_marker(marker: &Marker, config: &IndexConfig) -> Result<(), RetrievalError> {
    let directory = config.directory.clone();
    if marker.format != FORMAT {
        return Err(RetrievalError::OtherFormat { directory, found: marker.format, expected: FORMAT });
    }
    if marker.model != config.model {
        return Err(RetrievalError::OtherModel { directory, indexed: marker.model, wanted: config.model });
    }
    if marker.dimensions != config.dimensions {
        return Err(RetrievalError::Dimensions { expected: marker.dimensions, actual: config.dimensions });
    }
    Ok(())
}

fn read_catalogue(searcher: &Searcher, fields: Fields) -> Result<Catalogue, RetrievalError> {
    let sealed = Term::from_field_u64(fields.sealed, 1);
    let mut catalogue = Catalogue::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(fields.sealed)?;
        let Some(mut postings) = index.read_postings(&sealed, IndexRecordOption::Basic)? else { continue };
        let store = segment.get_store_reader(1)?;
        let mut document = postings.doc();
        while document != TERMINATED {
            if !segment.is_deleted(document) {
                let (contribution, manifest) = read_manifest(&store.get(document)?, fields)?;
                catalogue.insert(contribution, manifest);
            }
            document = postings.advance();
        }
    }
    Ok(catalogue)
}

fn read_manifest(document: &TantivyDocument, fields: Fields) -> Result<(ContributionId, Manifest), RetrievalError> {
    let bytes = |field| document.get_first(field).and_then(|value| value.as_bytes()).unwrap_or_default();
    let contribution = ContributionId::from_slice(bytes(fields.contribution)).map_err(std::io::Error::other)?;
    let manifest = serde_json::from_slice(bytes(fields.manifest)).map_err(std::io::Error::other)?;
    Ok((contribution, manifest))
}

fn corrupt(directory: &Path, reason: impl std::fmt::Display) -> RetrievalError {
    RetrievalError::Corrupt { directory: directory.to_owned(), reason: reason.to_string() }
}
