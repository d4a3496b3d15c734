//! The node's embedding model. A missing or broken model stops what needs it, never the node.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use datanet_config::InferenceConfig;
use datanet_data::{Embedding, Scripts};
use datanet_inference::encoder::{
    EncodeRequest, EncoderConfig, EncoderHandle, EncoderInfo, EncoderService, Long, ServeError, Usage,
};
use datanet_inference::runtime::{Provider, Runtime};
use futures::FutureExt;
use serde::Deserialize;

use crate::error::{Code, ServiceError, ServiceResult};

/// The model in memory, or the reason why it is not there.
#[derive(Debug, Clone)]
pub struct Embedder {
    engine: Result<EncoderHandle, String>,
    /// Where the model lies.
    folder: Option<PathBuf>,
    /// Scripts that the model knows.
    scripts: Scripts,
}

impl Embedder {
    /// Loads the model; blocks for about a second.
    pub fn load(config: &InferenceConfig, model_dir: PathBuf, dylib: PathBuf) -> Self {
        let (folder, scripts) = (Some(model_dir.clone()), scripts_of(&model_dir));
        let runtime = Runtime::init(&dylib).map_err(ServeError::from);
        let engine = runtime.and_then(|runtime| EncoderService::spawn(&runtime, encoder_config(config, model_dir)));
        let engine = engine.map_err(|error| error.to_string());
        if let Err(reason) = &engine {
            tracing::warn!(%reason, "no embedding model: judging, semantic search and answers are off");
        }
        Self { engine, folder, scripts }
    }

    /// No model, with the reason.
    pub fn absent(reason: String) -> Self {
        Self { engine: Err(reason), folder: None, scripts: Scripts::all() }
    }

    /// The model's folder: what others are made from.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The scripts whose texts the model can tell apart; its vectors of others are no evidence of anything.
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
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

/// A tokenizer, as far as its pieces go: by piece, or as a list of pieces with their scores.
#[derive(Deserialize)]
struct Tokenizer {
    model: Pieces,
}

#[derive(Deserialize)]
struct Pieces {
    vocab: Vocabulary,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vocabulary {
    Numbered(HashMap<String, u32>),
    Scored(Vec<(String, f64)>),
}

/// The scripts that the model in a folder knows, by its tokenizer. One that does not read is no ground to call its
/// vectors worthless; the engine says what is wrong with it.
fn scripts_of(folder: &Path) -> Scripts {
    let read = std::fs::read(folder.join("tokenizer.json")).ok();
    match read.and_then(|bytes| serde_json::from_slice::<Tokenizer>(&bytes).ok()).map(|tokenizer| tokenizer.model.vocab)
    {
        Some(Vocabulary::Numbered(pieces)) => Scripts::of_vocabulary(pieces.keys().map(String::as_str)),
        Some(Vocabulary::Scored(pieces)) => Scripts::of_vocabulary(pieces.iter().map(|(piece, _)| piece.as_str())),
        None => Scripts::all(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_says_which_scripts_its_model_knows_whatever_kind_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let words =
            |i: usize| format!("owl{}", "abcdefghij".chars().nth(i % 10).unwrap().to_string().repeat(i / 10 + 1));
        let numbered: HashMap<String, usize> = (0..400).map(|i| (words(i), i)).collect();
        let scored: Vec<(String, f64)> = (0..400).map(|i| (words(i), -1.5)).collect();
        for vocab in [serde_json::json!(numbered), serde_json::json!(scored)] {
            let tokenizer = serde_json::json!({ "model": { "type": "Unigram", "vocab": vocab } });
            std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
            let scripts = scripts_of(folder.path());
            assert!(scripts.read("An owl glides.") && !scripts.read("Сова летит."));
        }
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        assert_eq!(scripts_of(folder.path()), Scripts::all());
    }
}
