//! The callers' side of a generation service.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::decoder::Opened;
use super::grammar::{Grammar, Grammars};
use super::prefill::Pending;
use super::prompt::{PromptReader, PromptText};
use super::sequence::{Begun, Sequence};
use super::worker::{GenerateCmd, Worker};
use super::{Completion, DecoderInfo, GenerateConfig, GenerateError, GenerateStream, Message, SamplingParams};
use crate::encoder::{AdapterKey, Entry, Loaded, Registry, ServeError};
use crate::graph::adapter::{Adapter, AdapterError};
use crate::graph::quantise::Precision;
use crate::runtime::Provider;

/// Stack of a thread that compiles a schema, of which only what is used takes memory: 17 KiB a reference were measured, and the
/// longest schema holds a thousand.
const COMPILE_STACK: usize = 256 << 20;
/// How long compiling a schema may take.
const COMPILE_TIME: std::time::Duration = std::time::Duration::from_secs(10);
/// Stack of the thread that generates: it follows a grammar into its depth.
const WORKER_STACK: usize = 64 << 20;

/// What an answer follows on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text, to be continued; special tokens in it are that.
    Text(String),
    /// A text of which parts are plain, to be continued: a conversation as [`GenerateHandle::render`] gives it.
    Parts(PromptText),
    /// Token ids, to be continued.
    Tokens(Vec<u32>),
    /// A conversation, to be answered.
    Chat(Vec<Message>),
}

/// An answer that is wanted.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// What it follows on.
    pub prompt: Prompt,
    /// The adapter, or none for the base model.
    pub adapter: Option<AdapterKey>,
    /// How tokens are chosen, and when to stop.
    pub sampling: SamplingParams,
    /// All tokens of an answer that is checked, the one that ended it included: they are taken, whatever would be drawn.
    pub claimed: Option<Vec<u32>>,
}

/// Asks a generation service; cheap to clone. The service stops when the last clone is dropped.
#[derive(Clone)]
pub struct GenerateHandle {
    commands: mpsc::Sender<GenerateCmd>,
    shared: Arc<Shared>,
}

struct Shared {
    prompts: Arc<PromptReader>,
    info: DecoderInfo,
    /// Tokens with which an answer ends.
    ends: Vec<u32>,
    /// Built when the first answer is to be JSON.
    grammars: OnceLock<Grammars>,
    /// Schemas that are compiled at once.
    compiling: Arc<Semaphore>,
    registry: Registry,
    room: Arc<Semaphore>,
    queue_depth: usize,
    default_max_tokens: usize,
    precision: Precision,
    provider: watch::Receiver<Provider>,
    stopped: CancellationToken,
}

/// Starts the thread that serves the model.
pub(super) fn spawn(opened: Opened, config: &GenerateConfig) -> Result<GenerateHandle, GenerateError> {
    let Opened { decoder, prompts, info, ends } = opened;
    // Those under way have left the queue.
    let queue_depth = config.queue_depth + config.max_sequences;
    let (sender, commands) = mpsc::channel(queue_depth + 16);
    let (stopped, prompts) = (CancellationToken::new(), Arc::new(prompts));
    let provider = decoder.session.provider();
    let guard = stopped.clone().drop_guard();
    let worker = Worker::new(decoder, prompts.clone(), ends.clone(), config.into(), commands, guard);
    let thread = std::thread::Builder::new().name("generate".to_owned()).stack_size(WORKER_STACK);
    thread.spawn(move || worker.run()).map_err(ServeError::Thread)?;
    let shared = Shared {
        prompts,
        info,
        ends,
        grammars: OnceLock::new(),
        compiling: Arc::new(Semaphore::new(2)),
        registry: Registry::new(config.max_adapters),
        room: Arc::new(Semaphore::new(queue_depth)),
        queue_depth,
        default_max_tokens: config.default_max_tokens,
        precision: config.precision,
        provider,
        stopped,
    };
    Ok(GenerateHandle { commands: sender, shared: Arc::new(shared) })
}

impl GenerateHandle {
    /// What is being served.
    pub fn model(&self) -> &DecoderInfo {
        &self.shared.info
    }

    /// What executes the model now, and why if that is not what was asked for.
    pub fn provider(&self) -> Provider {
        self.shared.provider.borrow().clone()
    }

    /// As [`crate::encoder::EncoderHandle::load_adapter`], without a head.
    ///
    /// # Errors
    /// As there, and [`crate::graph::adapter::AdapterError::Unsupported`] for one with tensors that were trained as a
    /// whole, without which it would be another model.
    pub async fn load_adapter(&self, key: AdapterKey, adapter: Arc<Adapter>) -> Result<(), GenerateError> {
        if !adapter.saved.is_empty() {
            let names = adapter.saved.keys().cloned().collect::<Vec<_>>().join(", ");
            let what = format!("modules_to_save ({names}, in place of the base's own)");
            return Err(ServeError::from(AdapterError::Unsupported(what)).into());
        }
        let loaded = Arc::new(Loaded::new(adapter.clone())?);
        let (reply, covered) = oneshot::channel();
        let command = GenerateCmd::Cover { adapter, reply };
        self.commands.send(command).await.map_err(|_| GenerateError::Stopped)?;
        covered.await.map_err(|_| GenerateError::Stopped)??;
        Ok(self.shared.registry.insert(key, Entry { loaded, head: None })?)
    }

    /// Forgets an adapter; answers under way are completed with it. Whether it was there.
    pub fn unload(&self, key: &AdapterKey) -> bool {
        self.shared.registry.remove(key)
    }

    /// The adapters that can be named, in order.
    pub fn adapters(&self) -> Vec<AdapterKey> {
        self.shared.registry.keys()
    }

    /// Tokens that an answer has at most for which so many are `wanted`, or none are named; the prompt may leave room for fewer.
    pub fn most_tokens(&self, wanted: Option<usize>) -> usize {
        wanted.unwrap_or(self.shared.default_max_tokens).min(self.shared.info.context)
    }

    /// A conversation in the model's own form, ready for its next turn.
    ///
    /// # Errors
    /// [`GenerateError::Prompt`] for a conversation without messages or with too many, [`GenerateError::Template`] for one
    /// that the model's template does not take, and [`GenerateError::PromptTooLong`].
    pub async fn render(&self, messages: Vec<Message>) -> Result<PromptText, GenerateError> {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        if bytes > self.shared.prompts.most_bytes() {
            return Err(GenerateError::PromptTooLong { context: self.shared.info.context });
        }
        let shared = self.shared.clone();
        // A template is a program, and runs for as long as it may.
        let rendered = tokio::task::spawn_blocking(move || shared.info.chat.render(&messages)).await;
        rendered.map_err(|error| GenerateError::Text(error.to_string()))?
    }

    /// The tokens that a prompt is read as: those that an answer to it, of so many tokens, follows on.
    ///
    /// # Errors
    /// As [`GenerateHandle::submit`], of the prompt, and where the context has no room for such an answer: then nobody has given it here.
    pub async fn prompt_tokens(&self, prompt: PromptText, written: usize) -> Result<Vec<u32>, GenerateError> {
        let tokens = self.tokenise(Prompt::Parts(prompt)).await?;
        self.answer_tokens(tokens.len(), Some(written))?;
        Ok(tokens)
    }

    /// Starts an answer, which comes token by token.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`], [`GenerateError::Schema`] and [`GenerateError::Prompt`] for what makes no sense, [`GenerateError::PromptTooLong`]
    /// and [`GenerateError::ContextExceeded`] for what does not fit, and of [`GenerateError::Serve`] an overload at once
    /// where the queue has no room, and an unknown adapter.
    pub async fn submit(&self, request: GenerateRequest) -> Result<GenerateStream, GenerateError> {
        let GenerateRequest { prompt, adapter, mut sampling, claimed } = request;
        sampling.check()?;
        let shared = &self.shared;
        if let Some(id) = claimed.iter().flatten().find(|&&id| id as usize >= shared.info.vocabulary) {
            return Err(GenerateError::Claimed(format!("has token {id}; the model knows {}", shared.info.vocabulary)));
        }
        let entry = adapter.map(|key| shared.registry.get(&key)).transpose()?;
        let room = shared.room.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => ServeError::Overloaded { limit: shared.queue_depth }.into(),
            TryAcquireError::Closed => GenerateError::Stopped,
        })?;
        if matches!(prompt, Prompt::Chat(_)) {
            sampling.stop.extend_from_slice(shared.info.chat.stops());
        }
        let prompt = self.tokenise(prompt).await?;
        let grammar = self.grammar(sampling.json_schema.take()).await?;
        let max_tokens = self.answer_tokens(prompt.len(), sampling.max_tokens)?;
        // Two hashers of one process never start alike, and nobody can tell how.
        let seed = sampling.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let adapter = entry.map(|entry| entry.loaded);
        let prompt_tokens = prompt.len();
        let precision = shared.precision;
        let begun = Begun { params: sampling, grammar, seed, prompt_tokens, max_tokens, adapter, claimed, precision };
        let (sequence, events) = Sequence::new(begun, room);
        let command = GenerateCmd::Generate(Box::new(Pending { sequence, prompt, alone: false }));
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServeError::Overloaded { limit: shared.queue_depth }.into(),
            mpsc::error::TrySendError::Closed(_) => GenerateError::Stopped,
        })?;
        Ok(GenerateStream::new(events))
    }

    /// Waits for a whole answer.
    ///
    /// # Errors
    /// As [`GenerateHandle::submit`], and what went wrong later.
    pub async fn complete(&self, request: GenerateRequest) -> Result<Completion, GenerateError> {
        self.submit(request).await?.complete().await
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

    /// Token ids of a prompt that fits the context.
    async fn tokenise(&self, prompt: Prompt) -> Result<Vec<u32>, GenerateError> {
        let DecoderInfo { vocabulary, context, .. } = self.shared.info;
        let prompt = match prompt {
            Prompt::Tokens(ids) => {
                if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
                    return Err(GenerateError::Prompt(format!("has token {id}; the model knows {vocabulary}")));
                }
                return fitting(ids, context);
            }
            Prompt::Text(text) => PromptText { text, ..PromptText::default() },
            Prompt::Parts(prompt) => prompt,
            Prompt::Chat(messages) => self.render(messages).await?,
        };
        let prompts = self.shared.prompts.clone();
        let encoded = tokio::task::spawn_blocking(move || prompts.read(&prompt)).await;
        let ids = encoded.map_err(|error| GenerateError::Text(error.to_string()))??;
        fitting(ids, context)
    }

    /// What holds an answer to a schema.
    async fn grammar(&self, schema: Option<String>) -> Result<Option<Grammar>, GenerateError> {
        let Some(schema) = schema else { return Ok(None) };
        let gone = |_| GenerateError::Stopped;
        let place = self.shared.compiling.clone().acquire_owned().await.map_err(gone)?;
        let (shared, (reply, compiled)) = (self.shared.clone(), oneshot::channel());
        // A schema of references goes as deep as it is long, and ends a thread of the usual size.
        let thread = std::thread::Builder::new().name("grammar".to_owned()).stack_size(COMPILE_STACK);
        let compile = move || {
            // The caller may have left meanwhile.
            let _ = reply.send(shared.grammars().and_then(|grammars| grammars.compile(&schema)));
            drop(place);
        };
        thread.spawn(compile).map_err(ServeError::Thread)?;
        let too_much = |why: &str| GenerateError::Schema(format!("compiling it {why}; make it simpler"));
        let compiled = tokio::time::timeout(COMPILE_TIME, compiled).await.map_err(|_| too_much("takes too long"))?;
        // The thread ends without a word only by a panic, which a stranger's schema must not make the node's.
        compiled.map_err(|_| too_much("failed"))?.map(Some)
    }

    /// Tokens that an answer to a prompt of so many may have.
    fn answer_tokens(&self, prompt: usize, wanted: Option<usize>) -> Result<usize, GenerateError> {
        let context = self.shared.info.context;
        let left = context - prompt;
        match wanted {
            None if left > 0 => Ok(left.min(self.shared.default_max_tokens)),
            Some(wanted) if wanted <= left => Ok(wanted),
            _ => Err(GenerateError::ContextExceeded { prompt, answer: wanted.unwrap_or(1), context }),
        }
    }
}

impl Shared {
    /// Two that come first may both build it; one is kept.
    fn grammars(&self) -> Result<&Grammars, GenerateError> {
        if let Some(grammars) = self.grammars.get() {
            return Ok(grammars);
        }
        let grammars = Grammars::new(self.prompts.tokenizer(), self.info.vocabulary, &self.ends)?;
        Ok(self.grammars.get_or_init(|| grammars))
    }
}

impl std::fmt::Debug for GenerateHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerateHandle").field("model", &self.shared.info).finish_non_exhaustive()
    }
}

fn fitting(ids: Vec<u32>, context: usize) -> Result<Vec<u32>, GenerateError> {
    if ids.is_empty() {
        return Err(GenerateError::Prompt("is empty; send some words".to_owned()));
    }
    if ids.len() > context {
        return Err(GenerateError::PromptTooLong { context });
    }
    Ok(ids)
}
