//! The callers' side of an encoder service.

use std::sync::Arc;

use datanet_data::Embedding;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::source::Reading;
use super::tokenize::{Long, TextTokenizer};
use super::worker::{EncoderCmd, Job, Worker};
use super::{AdapterKey, Classification, EncoderConfig, EncoderInfo, Entry, Head, Loaded, Registry, ServeError};
use crate::graph::adapter::Adapter;
use crate::runtime::Provider;

/// Texts that one background call has in the queue at a time.
const BACKGROUND_TEXTS: usize = 256;

/// What a call consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, special tokens included, and without what was cut off.
    pub tokens: usize,
}

/// Texts under one adapter.
#[derive(Clone, Debug)]
pub struct EncodeRequest {
    /// The texts.
    pub texts: Vec<String>,
    /// The adapter, or none for the base model.
    pub adapter: Option<AdapterKey>,
    /// What happens to texts that are longer than the model reads.
    pub long: Long,
}

/// Texts under the base model, none of which may be longer than it reads.
impl From<Vec<String>> for EncodeRequest {
    fn from(texts: Vec<String>) -> Self {
        Self { texts, adapter: None, long: Long::Refuse }
    }
}

/// The vectors of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// One a text: its tokens pooled, scaled only where the service gives unit vectors; the logits where the
    /// model is a classifier.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read.
    pub usage: Usage,
}

/// The classes of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// One a text.
    pub answers: Vec<Classification>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Tokens read.
    pub usage: Usage,
}

/// Asks an encoder service; cheap to clone. The service stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct EncoderHandle {
    commands: mpsc::Sender<EncoderCmd>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tokenizer: TextTokenizer,
    info: EncoderInfo,
    registry: Registry,
    /// What the numbers of a vector are.
    reading: Reading,
    /// Room for texts that somebody waits for, and apart from it for the background, which cannot crowd them out.
    room: [Arc<Semaphore>; 2],
    queue_depth: usize,
    provider: watch::Receiver<Provider>,
    stopped: CancellationToken,
}

/// Starts the thread that serves `network`.
pub(super) fn spawn(
    network: Network,
    tokenizer: TextTokenizer,
    info: EncoderInfo,
    config: &EncoderConfig,
) -> Result<EncoderHandle, ServeError> {
    let depth = config.queue_depth;
    // Each request for vectors holds room for at least one text, of one kind or the other; the rest is for commands about
    // adapters.
    let (sender, commands) = mpsc::channel(2 * depth + 16);
    let stopped = CancellationToken::new();
    let (provider, reading) = (network.session.provider(), network.reading);
    let worker = Worker { network, limits: config.limits(), commands, _stopped: stopped.clone().drop_guard() };
    std::thread::Builder::new().name("encode".to_owned()).spawn(move || worker.run()).map_err(ServeError::Thread)?;
    let registry = Registry::new(config.max_adapters);
    let room = [Arc::new(Semaphore::new(depth)), Arc::new(Semaphore::new(depth))];
    let shared = Shared { tokenizer, info, registry, reading, room, queue_depth: depth, provider, stopped };
    Ok(EncoderHandle { commands: sender, shared: Arc::new(shared) })
}

/// Where a text's vector arrives.
type Reply = oneshot::Receiver<Result<Vec<f32>, ServeError>>;

impl EncoderHandle {
    /// What is being served.
    pub fn model(&self) -> &EncoderInfo {
        &self.shared.info
    }

    /// What executes the model now, and why if that is not what was asked for.
    pub fn provider(&self) -> Provider {
        self.shared.provider.borrow().clone()
    }

    /// Checks an adapter against the model and makes it available under `key`, in place of an earlier one of that key.
    /// `labels` name the classes of the head that the adapter may carry; without them they get numbers.
    ///
    /// # Errors
    /// [`ServeError::Adapter`], [`ServeError::Adapt`], [`ServeError::Head`] and [`ServeError::Rank`] if it does not fit, [`ServeError::AdaptersInUse`] if there is no
    /// room, [`ServeError::Stopped`].
    pub async fn load_adapter(
        &self,
        key: AdapterKey,
        adapter: Arc<Adapter>,
        labels: Vec<String>,
    ) -> Result<(), ServeError> {
        let head = Head::of(&adapter, labels)?;
        if let Some(head) = &head {
            self.check_head(head)?;
        }
        let loaded = Arc::new(Loaded::new(adapter.clone())?);
        let (reply, covered) = oneshot::channel();
        let command = EncoderCmd::Cover { adapter, reply };
        self.commands.send(command).await.map_err(|_| ServeError::Stopped)?;
        covered.await.map_err(|_| ServeError::Stopped)??;
        self.shared.registry.insert(key, Entry { loaded, head: head.map(Arc::new) })
    }

    /// Forgets an adapter; requests under way are still answered with it. Whether it was there.
    pub fn unload(&self, key: &AdapterKey) -> bool {
        self.shared.registry.remove(key)
    }

    /// The adapters that can be named, in order.
    pub fn adapters(&self) -> Vec<AdapterKey> {
        self.shared.registry.keys()
    }

    /// The vectors of the texts, in their order. Dropping the future withdraws what has not run yet.
    ///
    /// # Errors
    /// [`ServeError::Overloaded`] at once where the queue has no room, [`ServeError::TooManyTexts`] for more than it
    /// could ever hold, [`ServeError::UnknownAdapter`], [`ServeError::TooLong`] for a text that may not be cut, and the
    /// error of the first text that has no vector.
    pub async fn run(&self, request: EncodeRequest) -> Result<Encoded, ServeError> {
        let entry = request.adapter.map(|key| self.shared.registry.get(&key)).transpose()?;
        self.encode(request.texts, entry.map(|entry| entry.loaded), request.long).await
    }

    /// The vectors of the texts at unit length.
    ///
    /// # Errors
    /// As [`EncoderHandle::run`], and [`ServeError::Output`] for a vector of zeros.
    pub async fn embed(&self, request: impl Into<EncodeRequest>) -> Result<(Vec<Embedding>, Usage), ServeError> {
        let Encoded { vectors, usage } = self.run(request.into()).await?;
        Ok((self.units(vectors)?, usage))
    }

    /// The vectors of any number of texts under the base model at unit length, in the background: waits for room instead
    /// of failing, and lets those who wait overtake. For indexing and judging, whose records are cut where they are
    /// longer than the model reads.
    ///
    /// # Errors
    /// As [`EncoderHandle::embed`], less those about the queue.
    pub async fn embed_all(&self, texts: Vec<String>) -> Result<Vec<Embedding>, ServeError> {
        let mut embeddings = Vec::with_capacity(texts.len());
        let mut texts = texts.into_iter();
        loop {
            let part: Vec<String> = texts.by_ref().take(BACKGROUND_TEXTS.min(self.shared.queue_depth)).collect();
            if part.is_empty() {
                return Ok(embeddings);
            }
            let room = self.shared.room[1].clone().acquire_many_owned(permits(part.len())).await;
            let room = room.map_err(|_| ServeError::Stopped)?;
            let encoded = self.tokenise(part, Long::Cut).await?;
            let Encoded { vectors, .. } = self.answered(encoded, None, room, false).await?;
            embeddings.extend(self.units(vectors)?);
        }
    }

    /// The classes of the texts, by the adapter's head or by the model's own.
    ///
    /// # Errors
    /// As [`EncoderHandle::run`], and [`ServeError::NoHead`].
    pub async fn classify(&self, request: EncodeRequest) -> Result<Classified, ServeError> {
        let entry = request.adapter.map(|key| self.shared.registry.get(&key)).transpose()?;
        let (loaded, head) = entry.map_or((None, None), |entry| (Some(entry.loaded), entry.head));
        if head.is_none() && self.shared.info.labels.is_empty() {
            return Err(ServeError::NoHead);
        }
        let Encoded { vectors, usage } = self.encode(request.texts, loaded, request.long).await?;
        let Some(head) = head else {
            let scores = match self.shared.reading {
                Reading::Logits(scores) => scores,
                Reading::Pooled | Reading::Unit => return Err(ServeError::NoHead),
            };
            let answers = vectors.into_iter().map(|logits| Classification::of(logits, scores)).collect();
            return Ok(Classified { answers, labels: self.shared.info.labels.clone(), usage });
        };
        let answers = vectors.iter().map(|vector| head.classify(vector)).collect();
        Ok(Classified { answers, labels: head.labels().to_vec(), usage })
    }

    /// Completes when the service's thread has ended, which while a handle lives is a failure.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }

    /// Gives this handle up and waits until what was queued is answered and the model released, which happens once the
    /// other clones are gone too.
    pub async fn shutdown(self) {
        let Self { commands, shared } = self;
        drop(commands);
        shared.stopped.cancelled().await;
    }

    fn units(&self, vectors: Vec<Vec<f32>>) -> Result<Vec<Embedding>, ServeError> {
        let unit = |vector: Vec<f32>| match self.shared.reading {
            Reading::Unit => Embedding::from_unit(vector),
            Reading::Pooled | Reading::Logits(_) => Embedding::normalised(&vector),
        };
        let embeddings: Result<_, _> = vectors.into_iter().map(unit).collect();
        embeddings.map_err(|error| ServeError::Output(error.to_string()))
    }

    fn check_head(&self, head: &Head) -> Result<(), ServeError> {
        if self.shared.reading == Reading::Unit {
            let why = "this service gives unit vectors, and heads classify pooled ones; serve its base without them";
            return Err(ServeError::Head(why.to_owned()));
        }
        let dimensions = self.shared.info.dimensions;
        if head.hidden() == dimensions {
            return Ok(());
        }
        let hidden = head.hidden();
        Err(ServeError::Head(format!("it takes {hidden} numbers, the model's vectors have {dimensions}")))
    }

    fn room_for(&self, texts: usize) -> Result<OwnedSemaphorePermit, ServeError> {
        let limit = self.shared.queue_depth;
        if texts > limit {
            return Err(ServeError::TooManyTexts { texts, limit });
        }
        self.shared.room[0].clone().try_acquire_many_owned(permits(texts)).map_err(|error| match error {
            TryAcquireError::NoPermits => ServeError::Overloaded { limit },
            TryAcquireError::Closed => ServeError::Stopped,
        })
    }

    async fn tokenise(&self, texts: Vec<String>, long: Long) -> Result<Vec<Vec<u32>>, ServeError> {
        let shared = self.shared.clone();
        let encoded = tokio::task::spawn_blocking(move || shared.tokenizer.encode_all(&texts, long)).await;
        encoded.map_err(|error| ServeError::Output(format!("tokenising failed: {error}")))?
    }

    async fn encode(
        &self,
        texts: Vec<String>,
        adapter: Option<Arc<Loaded>>,
        long: Long,
    ) -> Result<Encoded, ServeError> {
        if texts.is_empty() {
            return Ok(Encoded { vectors: Vec::new(), usage: Usage::default() });
        }
        let room = self.room_for(texts.len())?;
        let encoded = self.tokenise(texts, long).await?;
        self.answered(encoded, adapter, room, true).await
    }

    /// The vectors of texts that have found `room`.
    async fn answered(
        &self,
        encoded: Vec<Vec<u32>>,
        adapter: Option<Arc<Loaded>>,
        room: OwnedSemaphorePermit,
        urgent: bool,
    ) -> Result<Encoded, ServeError> {
        let tokens = encoded.iter().map(Vec::len).sum();
        let replies = self.submit(encoded, adapter, room, urgent)?;
        let mut vectors = Vec::with_capacity(replies.len());
        for reply in replies {
            vectors.push(reply.await.map_err(|_| ServeError::Stopped)??);
        }
        Ok(Encoded { vectors, usage: Usage { tokens } })
    }

    /// Queues token ids; `room` has one permit for each text.
    pub(super) fn submit(
        &self,
        texts: Vec<Vec<u32>>,
        adapter: Option<Arc<Loaded>>,
        mut room: OwnedSemaphorePermit,
        urgent: bool,
    ) -> Result<Vec<Reply>, ServeError> {
        let (mut jobs, mut replies) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
        for ids in texts {
            let (reply, receiver) = oneshot::channel();
            let place = room.split(1).ok_or(ServeError::Overloaded { limit: self.shared.queue_depth })?;
            jobs.push(Job { ids, adapter: adapter.clone(), urgent, reply, _room: place });
            replies.push(receiver);
        }
        self.send(EncoderCmd::Texts(jobs))?;
        Ok(replies)
    }

    fn send(&self, command: EncoderCmd) -> Result<(), ServeError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServeError::Overloaded { limit: self.shared.queue_depth },
            mpsc::error::TrySendError::Closed(_) => ServeError::Stopped,
        })
    }
}

/// Queue depths are far below `u32::MAX`, see `EncoderConfig::check`.
fn permits(texts: usize) -> u32 {
    u32::try_from(texts).unwrap_or(u32::MAX)
}

#[cfg(test)]
impl EncoderHandle {
    /// Queues texts of several adapters at once, so that they can share batches.
    pub(super) async fn run_mixed(
        &self,
        texts: Vec<(String, Option<AdapterKey>)>,
    ) -> Result<Vec<Vec<f32>>, ServeError> {
        let (mut jobs, mut replies) = (Vec::new(), Vec::new());
        for (text, key) in texts {
            let adapter = key.map(|key| self.shared.registry.get(&key)).transpose()?.map(|entry| entry.loaded);
            let (reply, receiver) = oneshot::channel();
            let (ids, room) = (self.shared.tokenizer.encode(&text, Long::Cut)?, self.room_for(1)?);
            jobs.push(Job { ids, adapter, urgent: true, reply, _room: room });
            replies.push(receiver);
        }
        self.send(EncoderCmd::Texts(jobs))?;
        let mut vectors = Vec::new();
        for reply in replies {
            vectors.push(reply.await.map_err(|_| ServeError::Stopped)??);
        }
        Ok(vectors)
    }

    /// Queues token ids without a tokenizer in between.
    pub(super) fn submit_ids(&self, texts: Vec<Vec<u32>>) -> Result<Vec<Reply>, ServeError> {
        let room = self.room_for(texts.len())?;
        self.submit(texts, None, room, true)
    }
}
