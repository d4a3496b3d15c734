//! Embeddings in OpenAI's shape, so that its official clients work.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use datanet_data::Embedding;

use super::extract::Body;
use crate::answers::Answers;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};

/// What to embed.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
pub struct EmbeddingsRequest {
    /// A text or a list of texts.
    #[schema(value_type = Object)]
    input: Input,
    /// The model's name or id: the node's own or a deployed one; the node's own if not given.
    model: Option<String>,
    /// `float` or `base64` (little-endian 32-bit floats).
    #[serde(default)]
    encoding_format: EncodingFormat,
    /// Accepted if it is the model's own number.
    dimensions: Option<usize>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "input must be a text or a list of texts")]
enum Input {
    One(String),
    Many(Vec<String>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64: what the official clients ask for.
    Base64,
}

/// One vector.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct EmbeddingView {
    object: &'static str,
    index: usize,
    /// A list of numbers, or base64.
    embedding: serde_json::Value,
}

/// Tokens read.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UsageView {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// All vectors, in the order of the texts.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct EmbeddingsReply {
    object: &'static str,
    data: Vec<EmbeddingView>,
    model: String,
    usage: UsageView,
}

/// Embeds texts: unit vectors, whose dot product is their similarity.
#[utoipa::path(post, path = "/v1/embeddings", tag = "models", request_body = EmbeddingsRequest, responses((status = 200, body = EmbeddingsReply), (status = 429, body = super::Problem)))]
pub async fn create(
    State(embedder): State<Embedder>,
    State(answers): State<Answers>,
    Body(request): Body<EmbeddingsRequest>,
) -> ServiceResult<Json<EmbeddingsReply>> {
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(ServiceError::new(Code::EmptyInput, "input must hold at least one text, and none may be empty"));
    }
    let own = embedder.info();
    let wanted = request.model.filter(|model| {
        let own = own.as_ref().ok();
        own.is_none_or(|own| *model != own.name && *model != hex::encode(own.id))
    });
    let (embeddings, usage, model) = match wanted {
        Some(model) => {
            let (embeddings, usage) = answers.embed_with(&model, texts).await?;
            (embeddings, usage, model)
        }
        None => {
            let info = own?;
            let (embeddings, usage) = embedder.embed_with_usage(texts).await?;
            (embeddings, usage, info.name)
        }
    };
    check_dimensions(request.dimensions, &embeddings)?;
    let data = embeddings.iter().enumerate().map(|(index, embedding)| EmbeddingView {
        object: "embedding",
        index,
        embedding: encode(embedding.as_slice(), request.encoding_format),
    });
    Ok(Json(EmbeddingsReply {
        object: "list",
        data: data.collect(),
        model,
        usage: UsageView { prompt_tokens: usage.tokens, total_tokens: usage.tokens },
    }))
}

fn check_dimensions(wanted: Option<usize>, embeddings: &[Embedding]) -> ServiceResult<()> {
    let dimensions = embeddings.first().map_or(0, |embedding| embedding.as_slice().len());
    if wanted.is_some_and(|wanted| wanted != dimensions) {
        let detail = format!("the model's vectors have {dimensions} dimensions");
        return Err(ServiceError::new(Code::BadParameter, detail).about("dimensions"));
    }
    Ok(())
}

fn encode(vector: &[f32], format: EncodingFormat) -> serde_json::Value {
    match format {
        EncodingFormat::Float => vector.iter().map(|value| f64::from(*value)).collect::<Vec<_>>().into(),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_little_endian_floats() {
        assert_eq!(encode(&[1.0, -2.5], EncodingFormat::Base64), "AACAPwAAIMA=");
    }

    #[test]
    fn one_text_or_many_are_read_and_numbers_are_not() {
        let read = |text: &str| serde_json::from_str::<EmbeddingsRequest>(text);
        assert!(matches!(read(r#"{"input":"a"}"#).unwrap().input, Input::One(_)));
        assert!(matches!(
            read(r#"{"input":["a","b"],"model":"m","encoding_format":"base64"}"#).unwrap().input,
            Input::Many(_)
        ));
        assert!(read(r#"{"input":[1,2]}"#).is_err());
    }
}
