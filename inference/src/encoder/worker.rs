//! The thread that owns the model.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::batch::{BatchLimits, Queued, Waiting};
use super::network::Network;
use super::{Loaded, ServeError};
use crate::graph::adapter::Adapter;

/// What the handles ask for.
pub(super) enum EncoderCmd {
    /// Vectors.
    Texts(Vec<Job>),
    /// Slots for an adapter's modules, after checking it.
    Cover { adapter: Arc<Adapter>, reply: oneshot::Sender<Result<(), ServeError>> },
}

/// One text on its way.
pub(super) struct Job {
    pub(super) ids: Vec<u32>,
    pub(super) adapter: Option<Arc<Loaded>>,
    /// Whether somebody waits for it now.
    pub(super) urgent: bool,
    pub(super) reply: oneshot::Sender<Result<Vec<f32>, ServeError>>,
    /// Its place in the queue, given back once answered.
    pub(super) _room: OwnedSemaphorePermit,
}

impl Queued for Job {
    fn tokens(&self) -> usize {
        self.ids.len()
    }

    fn urgent(&self) -> bool {
        self.urgent
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
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
        let mut waiting = Waiting::default();
        loop {
            if waiting.is_empty() {
                let Some(command) = self.commands.blocking_recv() else { return };
                self.on_command(command, &mut waiting);
            }
            while let Ok(command) = self.commands.try_recv() {
                self.on_command(command, &mut waiting);
            }
            if let Err(error) = self.run_batch(&mut waiting) {
                tracing::error!(%error, "the encoder stops");
                return;
            }
        }
    }

    fn on_command(&mut self, command: EncoderCmd, waiting: &mut Waiting<Job>) {
        match command {
            EncoderCmd::Texts(jobs) => jobs.into_iter().for_each(|job| waiting.push(job)),
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
