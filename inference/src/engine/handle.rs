//! The callers' side of the engine.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::batch::Job;
use super::model::Model;
use super::tokenize::TextTokenizer;
use super::worker::Worker;
use super::{Embedding, EngineConfig, EngineError, ModelInfo};

/// Texts that one background call has in the queue at a time.
const BACKGROUND_TEXTS: usize = 256;

/// What a call consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, special tokens included, after truncation.
    pub tokens: usize,
}

/// Asks the engine for vectors; cheap to clone. The engine stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    requests: mpsc::Sender<Vec<Job>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tokenizer: TextTokenizer,
    info: ModelInfo,
    /// Room for texts that somebody waits for, and apart from it for the background, which cannot crowd them out.
    room: [Arc<Semaphore>; 2],
    queue_depth: usize,
    stopped: CancellationToken,
}

/// Starts the thread that serves `model`.
pub(super) fn spawn(model: Model, config: &EngineConfig) -> Result<EngineHandle, EngineError> {
    let depth = config.queue_depth;
    // Each request holds room for at least one text, so this many can be under way at most.
    let (sender, requests) = mpsc::channel(2 * depth);
    let stopped = CancellationToken::new();
    let worker =
        Worker { encoder: model.encoder, limits: config.into(), requests, _stopped: stopped.clone().drop_guard() };
    std::thread::Builder::new().name("embed".to_owned()).spawn(move || worker.run()).map_err(EngineError::Thread)?;
    let room = [Arc::new(Semaphore::new(depth)), Arc::new(Semaphore::new(depth))];
    let shared = Shared { tokenizer: model.tokenizer, info: model.info, room, queue_depth: depth, stopped };
    Ok(EngineHandle { requests: sender, shared: Arc::new(shared) })
}

impl EngineHandle {
    /// The vectors of the texts, in their order. Dropping the future withdraws what has not run yet.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] at once where the queue has no room, [`EngineError::TooManyTexts`] for more than it
    /// could ever hold, [`EngineError::NoTokens`] and [`EngineError::Inference`] where a text has no vector, and
    /// [`EngineError::Stopped`].
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Embedding>, EngineError> {
        Ok(self.embed_with_usage(texts).await?.0)
    }

    /// As [`EngineHandle::embed`], with the number of tokens read.
    ///
    /// # Errors
    /// As [`EngineHandle::embed`].
    pub async fn embed_with_usage(&self, texts: Vec<String>) -> Result<(Vec<Embedding>, Usage), EngineError> {
        let limit = self.shared.queue_depth;
        if texts.len() > limit {
            return Err(EngineError::TooManyTexts { texts: texts.len(), limit });
        }
        if texts.is_empty() {
            return Ok((Vec::new(), Usage::default()));
        }
        let room = self.shared.room[0].clone().try_acquire_many_owned(permits(texts.len()));
        let room = room.map_err(|error| match error {
            TryAcquireError::NoPermits => EngineError::Overloaded { limit },
            TryAcquireError::Closed => EngineError::Stopped,
        })?;
        self.run(texts, room, true).await
    }

    /// The vector of one text.
    ///
    /// # Errors
    /// As [`EngineHandle::embed`].
    pub async fn embed_one(&self, text: impl Into<String>) -> Result<Embedding, EngineError> {
        let mut vectors = self.embed(vec![text.into()]).await?;
        vectors.pop().ok_or(EngineError::Stopped)
    }

    /// The vectors of any number of texts, in the background: waits for room instead of failing, and lets
    /// [`EngineHandle::embed`] overtake. For indexing and judging.
    ///
    /// # Errors
    /// As [`EngineHandle::embed`], less those about the queue.
    pub async fn embed_all(&self, texts: Vec<String>) -> Result<Vec<Embedding>, EngineError> {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut texts = texts.into_iter();
        loop {
            let part: Vec<String> = texts.by_ref().take(BACKGROUND_TEXTS.min(self.shared.queue_depth)).collect();
            if part.is_empty() {
                return Ok(vectors);
            }
            let room = self.shared.room[1].clone().acquire_many_owned(permits(part.len())).await;
            let room = room.map_err(|_| EngineError::Stopped)?;
            vectors.extend(self.run(part, room, false).await?.0);
        }
    }

    /// What is being served.
    pub fn model(&self) -> &ModelInfo {
        &self.shared.info
    }

    /// Completes when the engine's thread has ended, which while a handle lives is a failure.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }

    /// Gives this handle up and waits until the engine has answered what was queued and released the model, which it
    /// does once the other clones are gone too.
    pub async fn shutdown(self) {
        let Self { requests, shared } = self;
        drop(requests);
        shared.stopped.cancelled().await;
    }

    async fn run(
        &self,
        texts: Vec<String>,
        room: OwnedSemaphorePermit,
        urgent: bool,
    ) -> Result<(Vec<Embedding>, Usage), EngineError> {
        let shared = self.shared.clone();
        let encoded = tokio::task::spawn_blocking(move || shared.tokenizer.encode_all(&texts)).await;
        let encoded = encoded.map_err(|error| EngineError::Inference(format!("tokenising failed: {error}")))??;
        let tokens = encoded.iter().map(Vec::len).sum();
        let replies = self.submit(encoded, room, urgent)?;
        let mut vectors = Vec::with_capacity(replies.len());
        for reply in replies {
            vectors.push(reply.await.map_err(|_| EngineError::Stopped)??);
        }
        Ok((vectors, Usage { tokens }))
    }

    /// Queues token ids without a tokenizer in between.
    #[cfg(test)]
    pub(super) fn submit_ids(
        &self,
        texts: Vec<Vec<u32>>,
    ) -> Result<Vec<oneshot::Receiver<Result<Embedding, EngineError>>>, EngineError> {
        let room = self.shared.room[0].clone().try_acquire_many_owned(permits(texts.len()));
        self.submit(texts, room.map_err(|_| EngineError::Stopped)?, true)
    }

    /// Queues token ids; `room` has one permit for each text.
    fn submit(
        &self,
        texts: Vec<Vec<u32>>,
        mut room: OwnedSemaphorePermit,
        urgent: bool,
    ) -> Result<Vec<oneshot::Receiver<Result<Embedding, EngineError>>>, EngineError> {
        let (mut jobs, mut replies) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
        for ids in texts {
            let (reply, receiver) = oneshot::channel();
            let place = room.split(1).ok_or(EngineError::Overloaded { limit: self.shared.queue_depth })?;
            jobs.push(Job { ids, urgent, reply, _room: place });
            replies.push(receiver);
        }
        self.requests.try_send(jobs).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Overloaded { limit: self.shared.queue_depth },
            mpsc::error::TrySendError::Closed(_) => EngineError::Stopped,
        })?;
        Ok(replies)
    }
}

/// Queue depths are far below `u32::MAX` (see `EngineConfig::check`).
fn permits(texts: usize) -> u32 {
    u32::try_from(texts).unwrap_or(u32::MAX)
}
