//! The thread that owns the model.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::network::Network;
use super::{Loaded, ServeError};
use crate::engine::batch::{BatchLimits, Queued, Waiting};
use crate::graph::adapter::Adapter;

/// What the handles ask for.
pub(super) enum EncoderCmd {
    /// Vectors.
    Texts(Vec<Job>),
    /// The vectors of one text under many adapters.
    Deltas(DeltaJob),
    /// Slots for an adapter's modules, after checking it.
    Cover { adapter: Arc<Adapter>, reply: oneshot::Sender<Result<(), ServeError>> },
}

/// One text on its way.
pub(super) struct Job {
    pub(super) ids: Vec<u32>,
    pub(super) adapter: Option<Arc<Loaded>>,
    pub(super) reply: oneshot::Sender<Result<Vec<f32>, ServeError>>,
    /// Its place in the queue, given back once answered.
    pub(super) _room: OwnedSemaphorePermit,
}

impl Queued for Job {
    fn tokens(&self) -> usize {
        self.ids.len()
    }

    fn urgent(&self) -> bool {
        true
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// One text under many adapters on its way.
pub(super) struct DeltaJob {
    pub(super) ids: Vec<u32>,
    pub(super) adapters: Vec<Option<Arc<Adapter>>>,
    /// Vectors of the first adapters.
    pub(super) done: Vec<Vec<f32>>,
    pub(super) reply: oneshot::Sender<Result<Vec<Vec<f32>>, ServeError>>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Runs batches until every handle is gone and everything queued is answered.
pub(super) struct Worker {
    pub(super) network: Network,
    pub(super) limits: BatchLimits,
    pub(super) commands: mpsc::Receiver<EncoderCmd>,
    /// Tells the handles that the thread has ended, by whatever way.
    pub(super) _stopped: DropGuard,
}

impl Worker {
    pub(super) fn run(mut self) {
        let (mut waiting, mut deltas) = (Waiting::default(), VecDeque::new());
        loop {
            if waiting.is_empty() && deltas.is_empty() {
                let Some(command) = self.commands.blocking_recv() else { return };
                self.on_command(command, &mut waiting, &mut deltas);
            }
            while let Ok(command) = self.commands.try_recv() {
                self.on_command(command, &mut waiting, &mut deltas);
            }
            let ended = self.run_batch(&mut waiting).and_then(|()| self.run_deltas(&mut deltas));
            if let Err(error) = ended {
                tracing::error!(%error, "the encoder stops");
                return;
            }
        }
    }

    fn on_command(&mut self, command: EncoderCmd, waiting: &mut Waiting<Job>, deltas: &mut VecDeque<DeltaJob>) {
        match command {
            EncoderCmd::Texts(jobs) => jobs.into_iter().for_each(|job| waiting.push(job)),
            EncoderCmd::Deltas(job) => deltas.push_back(job),
            EncoderCmd::Cover { adapter, reply } => {
                // The caller may have left meanwhile.
                let _ = reply.send(self.network.session.cover(&adapter));
            }
        }
    }

    /// The outer error ends the thread.
    fn run_batch(&mut self, waiting: &mut Waiting<Job>) -> Result<(), ServeError> {
        let (padding, capacity) = (self.network.padding, self.network.session.capacity());
        let mut mix = Mix::new(capacity);
        let batch = waiting.next_batch(self.limits, |tokens| padding.length(tokens), |job| mix.admit(job));
        if batch.is_empty() { Ok(()) } else { self.answer(batch) }
    }

    fn answer(&mut self, batch: Vec<Job>) -> Result<(), ServeError> {
        let texts: Vec<&[u32]> = batch.iter().map(|job| job.ids.as_slice()).collect();
        let rows: Vec<Option<&Loaded>> = batch.iter().map(|job| job.adapter.as_deref()).collect();
        match self.network.run(&texts, &rows) {
            Ok(vectors) => {
                for (job, vector) in batch.into_iter().zip(vectors) {
                    let _ = job.reply.send(vector);
                }
                Ok(())
            }
            Err(error @ ServeError::Lost(_)) => Err(error),
            Err(error) if batch.len() > 1 => {
                tracing::debug!(%error, texts = batch.len(), "a batch failed, its texts run one by one");
                batch.into_iter().try_for_each(|job| self.answer(vec![job]))
            }
            Err(error) => {
                if let Some(job) = batch.into_iter().next() {
                    let _ = job.reply.send(Err(error));
                }
                Ok(())
            }
        }
    }

    /// Runs one batch of the oldest of `deltas`, so that other requests wait for no more than a batch.
    fn run_deltas(&mut self, deltas: &mut VecDeque<DeltaJob>) -> Result<(), ServeError> {
        deltas.retain(|job| !job.reply.is_closed());
        let Some(mut job) = deltas.pop_front() else { return Ok(()) };
        match self.extend(&mut job) {
            Ok(()) if job.done.len() < job.adapters.len() => deltas.push_back(job),
            Ok(()) => {
                let _ = job.reply.send(Ok(job.done));
            }
            Err(error @ ServeError::Lost(_)) => return Err(error),
            Err(error) => {
                let _ = job.reply.send(Err(error));
            }
        }
        Ok(())
    }

    fn extend(&mut self, job: &mut DeltaJob) -> Result<(), ServeError> {
        let length = self.network.padding.length(job.ids.len());
        let room = (self.limits.tokens / length.max(1)).clamp(1, self.limits.texts.max(1));
        let done = job.done.len();
        let part = &job.adapters[done..(done + room).min(job.adapters.len())];
        for adapter in part.iter().flatten() {
            self.network.session.cover(adapter)?;
        }
        let rows: Vec<Option<&Adapter>> = part.iter().map(Option::as_deref).collect();
        for vector in self.network.run_once(&job.ids, &rows)? {
            job.done.push(vector?);
        }
        Ok(())
    }
}

/// What one batch can mix: adapters of one rank bucket, no more of them than the bank holds.
struct Mix {
    bucket: Option<usize>,
    adapters: HashSet<*const Loaded>,
    capacity: usize,
}

impl Mix {
    fn new(capacity: usize) -> Self {
        Self { bucket: None, adapters: HashSet::new(), capacity }
    }

    fn admit(&mut self, job: &Job) -> bool {
        let Some(adapter) = &job.adapter else { return true };
        let known = self.adapters.contains(&Arc::as_ptr(adapter));
        if *self.bucket.get_or_insert(adapter.bucket) != adapter.bucket
            || !known && self.adapters.len() >= self.capacity
        {
            return false;
        }
        self.adapters.insert(Arc::as_ptr(adapter));
        true
    }
}
