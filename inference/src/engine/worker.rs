//! The thread that owns the session.

use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::EngineError;
use super::batch::{BatchLimits, Job, Waiting};
use super::session::Encoder;

/// Runs batches until every handle is gone and everything queued is answered.
pub(super) struct Worker {
    pub(super) encoder: Encoder,
    pub(super) limits: BatchLimits,
    pub(super) requests: mpsc::Receiver<Vec<Job>>,
    /// Tells the handles that the thread has ended, by whatever way.
    pub(super) _stopped: DropGuard,
}

impl Worker {
    pub(super) fn run(mut self) {
        let mut waiting = Waiting::<Job>::default();
        loop {
            if waiting.is_empty() {
                let Some(request) = self.requests.blocking_recv() else { return };
                request.into_iter().for_each(|job| waiting.push(job));
            }
            while let Ok(request) = self.requests.try_recv() {
                request.into_iter().for_each(|job| waiting.push(job));
            }
            let batch = waiting.next_batch(self.limits, |tokens| self.encoder.padded(tokens), |_| true);
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
    }

    fn answer(&mut self, batch: Vec<Job>) {
        let texts: Vec<&[u32]> = batch.iter().map(|job| job.ids.as_slice()).collect();
        match self.encoder.run(&texts) {
            Ok(vectors) => {
                for (job, vector) in batch.into_iter().zip(vectors) {
                    // The caller may have left meanwhile.
                    let _ = job.reply.send(vector);
                }
            }
            Err(error) if batch.len() > 1 => {
                tracing::debug!(%error, texts = batch.len(), "a batch failed, its texts run one by one");
                batch.into_iter().for_each(|job| self.answer_one(job));
            }
            Err(error) => {
                if let Some(job) = batch.into_iter().next() {
                    let _ = job.reply.send(Err(error));
                }
            }
        }
    }

    fn answer_one(&mut self, job: Job) {
        let result = self
            .encoder
            .run(&[&job.ids])
            .and_then(|vectors| vectors.into_iter().next().unwrap_or(Err(EngineError::Stopped)));
        let _ = job.reply.send(result);
    }
}
