//! The thread that owns the writer. Commits are grouped: it takes whatever is queued, then commits once for all.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use datanet_types::ContributionId;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{TantivyDocument, Term};
use tokio::sync::{mpsc, oneshot};

use super::handle::Shared;
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
}

impl Worker {
    pub(super) fn new(store: Store, shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Self {
        let (uploads, pending) = (HashMap::new(), Pending::default());
        Self { store, shared, commands, uploads, sessions: 0, pending, analyzer: tokenizer() }
    }

    /// Serves commands until the last handle is gone or one says close.
    pub(super) fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.commands.blocking_recv() else { break };
            let mut next = Some(first);
            let mut outcome = Ok(());
            while let (Some(command), None, Ok(())) = (next.take(), &closing, &outcome) {
                match command {
                    Command::Close { reply } => closing = Some(reply),
                    command => outcome = self.on_command(command),
                }
                if outcome.is_ok() && self.pending.documents >= COMMIT_DOCUMENTS {
                    outcome = self.commit();
                }
                next = if closing.is_none() && outcome.is_ok() { self.commands.try_recv().ok() } else { None };
            }
            if let Err(error) = outcome.and_then(|()| self.commit()).or_else(|error| self.recover(&error)) {
                tracing::error!(%error, "the index could not be brought back and is closed");
                break;
            }
        }
        drop(self.store);
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
                if outcome.is_err() && self.is_open(contribution, session) {
                    self.abort(contribution);
                }
                let _ = reply.send(outcome);
                Ok(())
            }
            Command::Finish { contribution, session, reply } => self.on_finish(contribution, session, reply),
            Command::Abort { contribution, session } => {
                if self.is_open(contribution, session) {
                    self.abort(contribution);
                }
                Ok(())
            }
            Command::Remove { contribution, reply } => {
                self.on_remove(contribution, reply);
                Ok(())
            }
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
        self.abort(contribution);
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
            self.store.writer.add_document(record)?;
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
        self.store.writer.add_document(manifest)?;
        self.store.catalogue.insert(contribution, upload.manifest);
        Ok(())
    }

    fn on_remove(&mut self, contribution: ContributionId, reply: Reply<bool>) {
        self.abort(contribution);
        let Some(manifest) = self.store.catalogue.remove(&contribution) else {
            let _ = reply.send(Ok(false));
            return;
        };
        self.delete(contribution);
        self.pending.freed.extend(manifest.extents);
        self.pending.removed.push(reply);
    }

    /// Withdraws an upload. Its rows are free at once: no reader has ever seen them.
    fn abort(&mut self, contribution: ContributionId) {
        if let Some(upload) = self.uploads.remove(&contribution) {
            self.delete(contribution);
            for extent in upload.manifest.extents {
                self.store.free.give(extent);
            }
        }
    }

    fn delete(&self, contribution: ContributionId) {
        self.store.writer.delete_term(Term::from_field_bytes(self.store.fields.contribution, contribution.as_bytes()));
    }

    fn commit(&mut self) -> Result<(), RetrievalError> {
        if self.pending.sealed.is_empty() && self.pending.removed.is_empty() {
            if self.pending.documents >= COMMIT_DOCUMENTS {
                self.store.commit()?;
                self.pending.documents = 0;
            }
            return Ok(());
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
