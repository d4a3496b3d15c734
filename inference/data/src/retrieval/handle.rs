//! The callers' side of an index.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use datanet_types::receipt::AnswerRecord;
use datanet_types::{ContributionId, ModelId};
use tokio::sync::{mpsc, oneshot};

use super::ablate::{Ablation, ablate};
use super::answer::{Answer, Question, answer};
use super::lanes::Lanes;
use super::pool::Lease;
use super::recompute::{RecomputeVerdict, recompute};
use super::search::{Hit, SearchRequest, search};
use super::store::{Store, wipe};
use super::view::View;
use super::worker::{Command, Reply, Worker, serve};
use super::{Document, RetrievalError, Snapshot};
use crate::Embedding;

/// Commands that wait for the worker; more make callers wait.
const QUEUE: usize = 64;
/// Documents that [`DatanetIndex::add`] hands over at a time.
const CHUNK: usize = 4096;

/// Where an index is and what its vectors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexConfig {
    /// The index's own directory; made if it is not there.
    pub directory: PathBuf,
    /// The model of the vectors.
    pub model: ModelId,
    /// Numbers in a vector.
    pub dimensions: usize,
}

/// How much is in an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Contributions.
    pub contributions: u64,
    /// Records of them.
    pub documents: u64,
    /// Terms of all the records' texts.
    pub terms: u64,
}

/// The index of one datanet; cheap to clone. Its worker stops when the last clone is dropped, or at
/// [`DatanetIndex::close`].
#[derive(Clone)]
pub struct DatanetIndex {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    lanes: Lanes,
    /// Keeps it open, if it is out of a pool.
    _lease: Option<Arc<Lease>>,
}

impl std::fmt::Debug for DatanetIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatanetIndex").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    pub(super) model: ModelId,
    pub(super) dimensions: usize,
    view: RwLock<Arc<View>>,
    /// Held for reading as long as a view's rows are read; the worker passes through it before it reuses rows.
    pub(super) gate: RwLock<()>,
}

impl Shared {
    pub(super) fn publish(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DatanetIndex {
    /// Opens the index, making it where there is none. Blocks on the disk; must be called within a runtime. A node that
    /// has many opens them through an [`IndexPool`](super::IndexPool).
    ///
    /// # Errors
    /// Where [`RetrievalError::wants_rebuild`], [`DatanetIndex::rebuild`] it; [`RetrievalError::Locked`] and errors of
    /// the file system otherwise.
    pub fn open(config: &IndexConfig) -> Result<Self, RetrievalError> {
        Self::open_on(config, Lanes::default())
    }

    pub(super) fn open_on(config: &IndexConfig, lanes: Lanes) -> Result<Self, RetrievalError> {
        let store = Store::open(config)?;
        let shared = Arc::new(Shared {
            model: config.model,
            dimensions: config.dimensions,
            view: RwLock::new(Arc::new(store.view())),
            gate: RwLock::new(()),
        });
        let (commands, queue) = mpsc::channel(QUEUE);
        tokio::spawn(serve(Worker::new(store, shared.clone(), queue), lanes.clone()));
        Ok(Self { commands, shared, lanes, _lease: None })
    }

    /// Throws away what is in the directory, whatever its state, and opens an empty index there. Blocks on the disk.
    ///
    /// # Errors
    /// Of the file system.
    pub fn rebuild(config: &IndexConfig) -> Result<Self, RetrievalError> {
        Self::rebuild_on(config, Lanes::default())
    }

    pub(super) fn rebuild_on(config: &IndexConfig, lanes: Lanes) -> Result<Self, RetrievalError> {
        wipe(&config.directory)?;
        Self::open_on(config, lanes)
    }

    /// The same index, which stays open as long as this handle and its clones.
    pub(super) fn leased(self, lease: Lease) -> Self {
        Self { _lease: Some(Arc::new(lease)), ..self }
    }

    /// Whether it was closed, or has closed itself after a failure.
    pub(super) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Adds a contribution's documents, records ascending. `false`: it was there already, nothing is changed. When
    /// this returns, the contribution is durably in the index; before, it is wholly out.
    ///
    /// # Errors
    /// [`RetrievalError::Dimensions`], [`RetrievalError::OutOfOrder`], those of the disk, and
    /// [`RetrievalError::UploadClosed`] where somebody else began to add the same contribution meanwhile.
    pub async fn add(&self, contribution: ContributionId, documents: Vec<Document>) -> Result<bool, RetrievalError> {
        let Some(mut upload) = self.begin(contribution).await? else { return Ok(false) };
        let mut documents = documents.into_iter();
        loop {
            let chunk: Vec<Document> = documents.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                upload.finish().await?;
                return Ok(true);
            }
            upload.push(chunk).await?;
        }
    }

    /// Starts to add a contribution in parts, so that memory stays bounded; `None` if it is there already. An earlier
    /// upload of the same contribution that was not finished is withdrawn.
    ///
    /// # Errors
    /// [`RetrievalError::Closed`], or those of the disk.
    pub async fn begin(&self, contribution: ContributionId) -> Result<Option<Upload>, RetrievalError> {
        let session = self.call(|reply| Command::Begin { contribution, reply }).await?;
        Ok(session.map(|session| Upload { index: self.clone(), contribution, session, open: true }))
    }

    /// Removes a contribution, its texts and vectors included; `false` if it was not there.
    ///
    /// # Errors
    /// [`RetrievalError::Closed`], or those of the disk.
    pub async fn remove(&self, contribution: ContributionId) -> Result<bool, RetrievalError> {
        self.call(|reply| Command::Remove { contribution, reply }).await
    }

    /// The contributions in the index, by id.
    pub fn contributions(&self) -> Vec<ContributionId> {
        self.shared.view().catalogue.keys().copied().collect()
    }

    /// Whether a contribution is in the index.
    pub fn contains(&self, contribution: &ContributionId) -> bool {
        self.shared.view().catalogue.contains_key(contribution)
    }

    /// How much is in the index.
    pub fn stats(&self) -> IndexStats {
        let view = self.shared.view();
        view.catalogue.values().fold(IndexStats::default(), |stats, manifest| IndexStats {
            contributions: stats.contributions + 1,
            documents: stats.documents + manifest.documents,
            terms: stats.terms + manifest.terms,
        })
    }

    /// The model of the vectors.
    pub fn model(&self) -> ModelId {
        self.shared.model
    }

    /// Searches for people: best first. Contributions of the snapshot that are not here are passed over.
    ///
    /// # Errors
    /// [`RetrievalError::NoVector`], [`RetrievalError::Dimensions`], and those of the disk.
    pub async fn search(&self, request: SearchRequest) -> Result<Vec<Hit>, RetrievalError> {
        self.read(move |view, shared| {
            check_dimensions(request.embedding.as_ref(), shared)?;
            search(view, &request)
        })
        .await
    }

    /// Answers from exactly the question's snapshot.
    ///
    /// # Errors
    /// [`RetrievalError::Missing`] if a contribution of the snapshot is not here, [`RetrievalError::Dimensions`], and
    /// those of the disk.
    pub async fn answer(&self, question: Question) -> Result<Answer, RetrievalError> {
        self.read(move |view, shared| {
            check_dimensions(Some(&question.embedding), shared)?;
            answer(view, &question)
        })
        .await
    }

    /// Computes the answer of `record` again and says how far it is from the one that was signed. `snapshot` is the
    /// ledger's list at the receipt's height, `embedding` the vector of the record's input. What needs no data (signature,
    /// hashes, split) is for [`AnswerRecord::verify`].
    ///
    /// # Errors
    /// As [`DatanetIndex::answer`]: then nothing can be said about the record.
    pub async fn recompute(
        &self,
        record: AnswerRecord,
        snapshot: Snapshot,
        embedding: Embedding,
    ) -> Result<RecomputeVerdict, RetrievalError> {
        self.read(move |view, shared| {
            check_dimensions(Some(&embedding), shared)?;
            recompute(view, shared.model, &record, snapshot, embedding)
        })
        .await
    }

    /// Answers again without each credited contribution in turn: one retrieval each.
    ///
    /// # Errors
    /// As [`DatanetIndex::answer`].
    pub async fn ablate(&self, question: Question) -> Result<Vec<Ablation>, RetrievalError> {
        self.read(move |view, shared| {
            check_dimensions(Some(&question.embedding), shared)?;
            ablate(view, &question)
        })
        .await
    }

    /// Commits what is finished and lets go of the files; every clone is of no use afterwards.
    ///
    /// # Errors
    /// [`RetrievalError::Closed`] if it was closed before.
    pub async fn close(self) -> Result<(), RetrievalError> {
        self.call(|reply| Command::Close { reply }).await
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, RetrievalError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RetrievalError::Closed)?;
        answer.await.map_err(|_| RetrievalError::Closed)?
    }

    /// Runs a read where blocking is allowed: it scans every vector in question.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&View, &Shared) -> Result<T, RetrievalError> + Send + 'static,
    ) -> Result<T, RetrievalError> {
        // A read that nobody waits for any more still keeps the index open.
        let index = self.clone();
        let read = move || {
            let gate = index.shared.gate.read().unwrap_or_else(PoisonError::into_inner);
            let outcome = work(&index.shared.view(), &index.shared);
            drop(gate);
            outcome
        };
        self.lanes.run(read).await?
    }
}

fn check_dimensions(embedding: Option<&Embedding>, shared: &Shared) -> Result<(), RetrievalError> {
    match embedding.map(Embedding::dimensions) {
        Some(actual) if actual != shared.dimensions => {
            Err(RetrievalError::Dimensions { expected: shared.dimensions, actual })
        }
        _ => Ok(()),
    }
}

/// A contribution on its way into the index. Dropped before [`Upload::finish`], nothing of it stays.
pub struct Upload {
    index: DatanetIndex,
    contribution: ContributionId,
    session: u64,
    open: bool,
}

impl Upload {
    /// Adds the next documents; a few thousand at a time keep memory bounded.
    ///
    /// # Errors
    /// As [`DatanetIndex::add`]; the upload is withdrawn then. [`RetrievalError::UploadClosed`] if it was before.
    pub async fn push(&mut self, documents: Vec<Document>) -> Result<(), RetrievalError> {
        let Self { contribution, session, .. } = *self;
        self.index.call(|reply| Command::Push { contribution, session, documents, reply }).await
    }

    /// Puts the contribution into the index; it is durable when this returns.
    ///
    /// # Errors
    /// [`RetrievalError::UploadClosed`], [`RetrievalError::Commit`].
    pub async fn finish(mut self) -> Result<(), RetrievalError> {
        self.open = false;
        let (contribution, session) = (self.contribution, self.session);
        self.index.call(|reply| Command::Finish { contribution, session, reply }).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.open {
            // Best effort: a full queue leaves records without a manifest, which nobody sees and the next upload purges.
            let abort = Command::Abort { contribution: self.contribution, session: self.session };
            let _ = self.index.commands.try_send(abort);
        }
    }
}
