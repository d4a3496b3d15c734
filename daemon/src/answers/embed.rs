//! Vectors by released embedding models.

use datanet_data::Embedding;
use datanet_inference::encoder::Usage;
use datanet_inference::encoder::{EncodeRequest, ServeError};
use datanet_types::release::Task;

use super::Answers;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::errors::serve_error;
use crate::models::served::Engine;

impl Answers {
    /// Unit vectors of texts by a deployed model, by name or id, and whether data behind it was revoked.
    ///
    /// # Errors
    /// When no such model answers here ([`Code::UnknownModel`], [`Code::NotDeployed`]), it gives no vectors
    /// ([`Code::NoEmbeddings`]), it is busy ([`Code::ModelBusy`]), or it takes no such texts ([`Code::TooManyTexts`],
    /// [`Code::EmptyText`], [`Code::ContextTooLong`]).
    pub async fn embed_with(&self, model: &str, texts: Vec<String>) -> ServiceResult<(Vec<Embedding>, Usage, bool)> {
        let served = self.models.served_model(model, Task::Embed)?;
        let Engine::Encoder(handle, key) = &served.engine else {
            let detail = format!("model {model} writes text; ask it at /v1/completions");
            return Err(ServiceError::new(Code::NoEmbeddings, detail));
        };
        let request = EncodeRequest { adapter: *key, ..texts.into() };
        let answer = match handle.embed(request.clone()).await {
            // The service forgets the adapters used longest ago; this one is wanted again.
            Err(ServeError::UnknownAdapter(_)) => {
                served.reload().await?;
                handle.embed(request).await.map_err(|error| serve_error(&error))
            }
            other => other.map_err(|error| serve_error(&error)),
        };
        let (embeddings, usage) = answer?;
        Ok((embeddings, usage, self.chain.is_tainted(&served.model)?))
    }
}
