//! Who writes. Commits are grouped: it takes whatever is queued, then commits once for all. It has a thread only while
//! there is something to do, and tantivy's writer, which has three, only while a contribution is on its way in or out.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use datanet_types::ContributionId;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{TantivyDocument, Term};
use tokio::sync::{mpsc, oneshot};

use super::handle::Shared;
use super::lanes::Lanes;
use super::schema::{count_terms, tokenizer};
use super::space::Extent;
use super::store::Store;
use super::view::Manifest;
use super::{Document, RetrievalError};

/// Commit at the latest after so many documents, however long the queue is.
const COMMIT_DOCUMENTS: u64 = 50_000;
/// Positions are 32 bits.
pub(super) const MOST_DOCUMENTS: u64 = u32::MAX as u64 - 1;

pub(super) type Reply<T> = oneshot::Sender<Result<T, RetrievalError>>;

pub(super) enum Command {
    /// Opens an upload; `None` if the contribution is in the index.
    Begin {
        contribution: ContributionId,
        reply: Reply<Option<u64>>,
    },
    Push {
        contribution: ContributionId,
        session: u64,
        documents: Vec<Document>,
        reply: Reply<()>,
    },
    /// Seals an upload; answered when it is durable.
    Finish {
        contribution: ContributionId,
        session: u64,
        reply: Reply<()>,
    },
    Abort {
        contribution: ContributionId,
        session: u64,
    },
    Remove {
        contribution: ContributionId,
        reply: Reply<bool>,
    },
    Close {
        reply: Reply<()>,
    },
}

struct Uploading {
    session: u64,
    next_record: u64,
    manifest: Manifest,
}

/// What the next commit settles.
#[derive(Default)]
struct Pending {
    documents: u64,
    /// Whether records are to be deleted: of what is removed, or of an upload that was withdrawn.
    deletes: bool,
    sealed: Vec<Reply<()>>,
    removed: Vec<Reply<bool>>,
    /// Rows that become free once no reader can see them.
    freed: Vec<Extent>,
}

pub(super) struct Worker {
    store: Store,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    uploads: HashMap<ContributionId, Uploading>,
    sessions: u64,
    pending: Pending,
    analyzer: TextAnalyzer,
    closing: Option<Reply<()>>,
}

/// Serves commands until the last handle is gone or one says close.
pub(super) async fn serve(mut worker: Worker, lanes: Lanes) {
    while let Some(first) = worker.commands.recv().await {
        let turn = lanes.run(move || {
            let goes_on = worker.turn(first);
            (worker, goes_on)
        });
        let Ok((back, goes_on)) = turn.await else { return };
        worker = back;
        if !goes_on {
            break;
        }
    }
    let _ = lanes.run(move || worker.end()).await;
}

impl Worker {
    pub(super) fn new(store: Store, shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Self {
        let (uploads, pending) = (HashMap::new(), Pending::default());
        Self { store, shared, commands, uploads, sessions: 0, pending, analyzer: tokenizer(), closing: None }
    }

    /// Does `first` and all that is queued behind it, and commits. `false`: this was the last turn.
    fn turn(&mut self, first: Command) -> bool {
        let mut next = Some(first);
        let mut outcome = Ok(());
        while let (Some(command), Ok(())) = (next.take(), &outcome) {
            match command {
                Command::Close { reply } => self.closing = Some(reply),
                command => outcome = self.on_command(command),
            }
            if outcome.is_ok() && self.pending.documents >= COMMIT_DOCUMENTS {
                outcome = self.commit();
            }
            next = if self.closing.is_none() && outcome.is_ok() { self.commands.try_recv().ok() } else { None };
        }
        let settled = outcome.and_then(|()| self.commit()).and_then(|()| self.rest());
        match settled.or_else(|error| self.recover(&error)) {
            Ok(()) => self.closing.is_none(),
            Err(error) => {
                tracing::error!(%error, "the index could not be brought back and is closed");
                false
            }
        }
    }

    /// Lets go of the files, and tells who asked for it.
    fn end(self) {
        let Self { store, shared, closing, .. } = self;
        // The view holds files too.
        drop((store, shared));
        if let Some(reply) = closing {
            let _ = reply.send(Ok(()));
        }
    }

    /// An error is one of the whole index: everything since the last commit is lost.
    fn on_command(&mut self, command: Command) -> Result<(), RetrievalError> {
        match command {
            Command::Begin { contribution, reply } => self.on_begin(contribution, reply),
            Command::Push { contribution, session, documents, reply } => {
                let outcome = self.on_push(contribution, session, documents);
                let failed = outcome.is_err();
                let _ = reply.send(outcome);
                if failed && self.is_open(contribution, session) { self.abort(contribution) } else { Ok(()) }
            }
            Command::Finish { contribution, session, reply } => self.on_finish(contribution, session, reply),
            Command::Abort { contribution, session } => {
                if self.is_open(contribution, session) {
                    self.abort(contribution)
                } else {
                    Ok(())
                }
            }
            Command::Remove { contribution, reply } => self.on_remove(contribution, reply),
            Command::Close { .. } => Ok(()),
        }
    }

    fn on_begin(&mut self, contribution: ContributionId, reply: Reply<Option<u64>>) -> Result<(), RetrievalError> {
        if self.store.catalogue.contains_key(&contribution) {
            // Another caller's upload may wait for its commit: "it is there" must mean durably.
            let committed = self.commit();
            let answer = committed.as_ref().map(|()| None).map_err(|error| RetrievalError::Commit(error.to_string()));
            let _ = reply.send(answer);
            return committed;
        }
        self.abort(contribution)?;
        self.sessions += 1;
        let upload = Uploading { session: self.sessions, next_record: 0, manifest: Manifest::default() };
        self.uploads.insert(contribution, upload);
        let _ = reply.send(Ok(Some(self.sessions)));
        Ok(())
    }

    fn is_open(&self, contribution: ContributionId, session: u64) -> bool {
        self.uploads.get(&contribution).is_some_and(|upload| upload.session == session)
    }

    fn on_push(
        &mut self,
        contribution: ContributionId,
        session: u64,
        documents: Vec<Document>,
    ) -> Result<(), RetrievalError> {
        if !self.is_open(contribution, session) {
            return Err(RetrievalError::UploadClosed);
        }
        let Some(upload) = self.uploads.get_mut(&contribution) else { return Err(RetrievalError::UploadClosed) };
        check(&documents, contribution, upload.next_record, self.shared.dimensions)?;
        let Some(last) = documents.last() else { return Ok(()) };
        let next_record = last.record.saturating_add(1);
        let count = documents.len() as u64;
        if self.store.free.end().saturating_add(count) > MOST_DOCUMENTS {
            return Err(RetrievalError::Full(MOST_DOCUMENTS));
        }
        let rows = self.store.free.take(count);
        upload.next_record = next_record;
        extend(&mut upload.manifest.extents, rows);
        upload.manifest.documents += count;
        let vectors: Vec<_> = documents.iter().map(|document| &document.embedding).collect();
        self.store.vectors.write(rows.first, &vectors)?;
        for (row, document) in (rows.first..).zip(&documents) {
            let terms = count_terms(&mut self.analyzer, &document.text);
            upload.manifest.terms += terms;
            let fields = self.store.fields;
            let mut record = TantivyDocument::default();
            record.add_bytes(fields.contribution, contribution.as_bytes());
            record.add_u64(fields.record, document.record);
            record.add_u64(fields.row, row);
            record.add_u64(fields.length, terms);
            record.add_text(fields.text, &document.text);
            if let Some(label) = &document.label {
                record.add_text(fields.label, label);
            }
            self.store.writer()?.add_document(record)?;
        }
        self.pending.documents += count;
        Ok(())
    }

    fn on_finish(
        &mut self,
        contribution: ContributionId,
        session: u64,
        reply: Reply<()>,
    ) -> Result<(), RetrievalError> {
        if !self.is_open(contribution, session) {
            let _ = reply.send(Err(RetrievalError::UploadClosed));
            return Ok(());
        }
        let Some(upload) = self.uploads.remove(&contribution) else { return Ok(()) };
        let fields = self.store.fields;
        let mut manifest = TantivyDocument::default();
        manifest.add_bytes(fields.contribution, contribution.as_bytes());
        manifest.add_u64(fields.sealed, 1);
        manifest.add_bytes(fields.manifest, &serde_json::to_vec(&upload.manifest).map_err(std::io::Error::other)?);
        self.pending.sealed.push(reply);
        self.store.writer()?.add_document(manifest)?;
        self.store.catalogue.insert(contribution, upload.manifest);
        Ok(())
    }

    fn on_remove(&mut self, contribution: ContributionId, reply: Reply<bool>) -> Result<(), RetrievalError> {
        self.abort(contribution)?;
        let Some(manifest) = self.store.catalogue.remove(&contribution) else {
            let _ = reply.send(Ok(false));
            return Ok(());
        };
        self.pending.freed.extend(manifest.extents);
        self.pending.removed.push(reply);
        self.delete(contribution)
    }

    /// Withdraws an upload. Its rows are free at once: no reader has ever seen them.
    fn abort(&mut self, contribution: ContributionId) -> Result<(), RetrievalError> {
        let Some(upload) = self.uploads.remove(&contribution) else { return Ok(()) };
        for extent in upload.manifest.extents {
            self.store.free.give(extent);
        }
        self.delete(contribution)
    }

    fn delete(&mut self, contribution: ContributionId) -> Result<(), RetrievalError> {
        self.pending.deletes = true;
        let term = Term::from_field_bytes(self.store.fields.contribution, contribution.as_bytes());
        self.store.writer()?.delete_term(term);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), RetrievalError> {
        if self.pending.sealed.is_empty() && self.pending.removed.is_empty() {
            return if self.pending.documents >= COMMIT_DOCUMENTS { self.commit_unseen() } else { Ok(()) };
        }
        self.store.commit()?;
        self.shared.publish(self.store.view());
        let settled = std::mem::take(&mut self.pending);
        if !settled.freed.is_empty() {
            // Readers hold the gate while they read: once it is ours, none is left that saw the freed rows.
            drop(self.shared.gate.write().unwrap_or_else(PoisonError::into_inner));
            for extent in settled.freed {
                if let Err(error) = self.store.vectors.erase(extent) {
                    tracing::warn!(%error, "removed vectors stay on the disk until the index is opened again");
                    continue;
                }
                self.store.free.give(extent);
            }
        }
        settled.sealed.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
        settled.removed.into_iter().for_each(|reply| drop(reply.send(Ok(true))));
        self.store.tidy()?;
        self.shared.publish(self.store.view());
        Ok(())
    }

    /// Commits records and deletions of records, none of which anybody sees.
    fn commit_unseen(&mut self) -> Result<(), RetrievalError> {
        self.store.commit()?;
        self.pending = Pending::default();
        Ok(())
    }

    /// Without uploads the writer goes, and its threads with it. What an upload that was withdrawn has left goes first:
    /// an earlier commit may have taken its records along, so their deletion must be committed too.
    fn rest(&mut self) -> Result<(), RetrievalError> {
        if !self.uploads.is_empty() {
            return Ok(());
        }
        if self.pending.documents > 0 || self.pending.deletes {
            self.commit_unseen()?;
        }
        self.store.rest();
        Ok(())
    }

    /// Goes back to the last commit and tells everybody who waited for the next.
    fn recover(&mut self, error: &RetrievalError) -> Result<(), RetrievalError> {
        tracing::warn!(%error, "an index commit failed; going back to the one before");
        let lost = std::mem::take(&mut self.pending);
        let tell = || RetrievalError::Commit(error.to_string());
        lost.sealed.into_iter().for_each(|reply| drop(reply.send(Err(tell()))));
        lost.removed.into_iter().for_each(|reply| drop(reply.send(Err(tell()))));
        self.uploads.clear();
        self.store.rollback()?;
        self.shared.publish(self.store.view());
        Ok(())
    }
}

fn check(
    documents: &[Document],
    contribution: ContributionId,
    mut next_record: u64,
    dimensions: usize,
) -> Result<(), RetrievalError> {
    for document in documents {
        let record = document.record;
        if document.contribution != contribution || record < next_record {
            return Err(RetrievalError::OutOfOrder { contribution: document.contribution, record });
        }
        let actual = document.embedding.dimensions();
        if actual != dimensions {
            return Err(RetrievalError::Dimensions { expected: dimensions, actual });
        }
        next_record = record.saturating_add(1);
    }
    Ok(())
}

/// Appends rows, to the last extent where they follow it.
fn extend(extents: &mut Vec<Extent>, rows: Extent) {
    match extents.last_mut() {
        Some(last) if last.end() == rows.first => last.count += rows.count,
        _ => extents.push(rows),
    }
}
