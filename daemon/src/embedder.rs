//! The node's embedding model. A missing or broken model stops what needs it, never the node.

use std::path::{Path, PathBuf};

use datanet_config::InferenceConfig;
use datanet_data::Embedding;
use datanet_inference::encoder::{
    EncodeRequest, EncoderConfig, EncoderHandle, EncoderInfo, EncoderService, Long, ServeError, Usage,
};
use datanet_inference::runtime::{Provider, Runtime};
use futures::FutureExt;

use crate::error::{Code, ServiceError, ServiceResult};

/// The model in memory, or the reason why it is not there.
#[derive(Debug, Clone)]
pub struct Embedder {
    engine: Result<EncoderHandle, String>,
    /// Where the model lies.
    folder: Option<PathBuf>,
}

impl Embedder {
    /// Loads the model; blocks for about a second.
    pub fn load(config: &InferenceConfig, model_dir: PathBuf, dylib: PathBuf) -> Self {
        let folder = Some(model_dir.clone());
        let runtime = Runtime::init(&dylib).map_err(ServeError::from);
        let engine = runtime.and_then(|runtime| EncoderService::spawn(&runtime, encoder_config(config, model_dir)));
        let engine = engine.map_err(|error| error.to_string());
        if let Err(reason) = &engine {
            tracing::warn!(%reason, "no embedding model: judging, semantic search and answers are off");
        }
        Self { engine, folder }
    }

    /// No model, with the reason.
    pub fn absent(reason: String) -> Self {
        Self { engine: Err(reason), folder: None }
    }

    /// The model's folder: what others are made from.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The engine.
    ///
    /// # Errors
    /// When there is none ([`Code::NoModel`]), or its thread has ended ([`Code::ModelStopped`]).
    pub fn engine(&self) -> ServiceResult<&EncoderHandle> {
        let engine = self.engine.as_ref().map_err(|reason| {
            ServiceError::new(
                Code::NoModel,
                format!("this node has no embedding model: {reason}; mend that, or run `datanet setup` for the default model, and start again"),
            )
        })?;
        // Its thread lives as long as its handles do; a dead one must not look like a model.
        if engine.stopped().now_or_never().is_some() {
            return Err(engine_error(&ServeError::Stopped));
        }
        Ok(engine)
    }

    /// What is loaded.
    ///
    /// # Errors
    /// As [`Embedder::engine`].
    pub fn info(&self) -> ServiceResult<EncoderInfo> {
        Ok(self.engine()?.model().clone())
    }

    /// What runs it now.
    ///
    /// # Errors
    /// As [`Embedder::engine`].
    pub fn provider(&self) -> ServiceResult<Provider> {
        Ok(self.engine()?.provider())
    }

    /// Embeds texts for a caller who waits: a full queue is the caller's to retry.
    ///
    /// # Errors
    /// As [`Embedder::engine`]; when the queue is full ([`Code::ModelBusy`]) or could never hold so many texts
    /// ([`Code::TooManyTexts`]), a text has no tokens ([`Code::EmptyText`]) or more than the model reads
    /// ([`Code::ContextTooLong`]), or the model fails ([`Code::ModelFailed`]).
    pub async fn embed(&self, texts: Vec<String>) -> ServiceResult<Vec<Embedding>> {
        Ok(self.embed_with_usage(texts).await?.0)
    }

    /// The embedding of one text of a caller who waits.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn embed_one(&self, text: &str) -> ServiceResult<Embedding> {
        let mut embeddings = self.embed(vec![text.to_owned()]).await?;
        embeddings.pop().ok_or_else(|| ServiceError::new(Code::ModelFailed, "the model gave no embedding"))
    }

    /// The embedding of the text of an answer that was given: what an earlier version gave may rest on its beginning alone.
    ///
    /// # Errors
    /// As [`Embedder::embed`], less what is about the text's length.
    pub async fn embed_answered(&self, text: &str) -> ServiceResult<Embedding> {
        let request = EncodeRequest { long: Long::Cut, ..vec![text.to_owned()].into() };
        let (mut embeddings, _) = self.engine()?.embed(request).await.map_err(|error| engine_error(&error))?;
        embeddings.pop().ok_or_else(|| ServiceError::new(Code::ModelFailed, "the model gave no embedding"))
    }

    /// Embeds texts for a caller who is charged by tokens.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn embed_with_usage(&self, texts: Vec<String>) -> ServiceResult<(Vec<Embedding>, Usage)> {
        self.engine()?.embed(texts).await.map_err(|error| engine_error(&error))
    }

    /// Embeds any number of records in the background: people who wait come first. A record that is longer than the model
    /// reads is embedded by its beginning.
    ///
    /// # Errors
    /// As [`Embedder::embed`], less what is about the queue.
    pub async fn embed_all(&self, texts: Vec<String>) -> ServiceResult<Vec<Embedding>> {
        self.engine()?.embed_all(texts).await.map_err(|error| engine_error(&error))
    }
}

fn encoder_config(config: &InferenceConfig, model_dir: PathBuf) -> EncoderConfig {
    let base = match config.cuda_device() {
        Some(id) => EncoderConfig::embedder(model_dir).on_cuda(id),
        None => EncoderConfig::embedder(model_dir),
    };
    EncoderConfig {
        threads: config.threads as usize,
        max_batch_tokens: if config.max_batch_tokens == 0 {
            base.max_batch_tokens
        } else {
            config.max_batch_tokens as usize
        },
        queue_depth: config.queue_depth as usize,
        ..base
    }
}

fn engine_error(error: &ServeError) -> ServiceError {
    match error {
        ServeError::Overloaded { .. } => ServiceError::new(Code::ModelBusy, error.to_string()),
        ServeError::TooLong { .. } => ServiceError::new(Code::ContextTooLong, error.to_string()),
        ServeError::TooManyTexts { .. } => ServiceError::new(Code::TooManyTexts, error.to_string()),
        ServeError::Stopped => ServiceError::new(Code::ModelStopped, error.to_string()),
        ServeError::NoTokens => ServiceError::new(Code::EmptyText, error.to_string()),
        other => ServiceError::new(Code::ModelFailed, other.to_string()),
    }
}
