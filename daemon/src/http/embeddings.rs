//! Embeddings in OpenAI's shape, so that its official clients work.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use datanet_api::embeddings::{EmbeddingView, EmbeddingsReply, EmbeddingsRequest, EncodingFormat, Input, UsageView};
use datanet_data::Embedding;

use super::extract::Body;
use crate::answers::Answers;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};

/// Embeds texts: unit vectors, whose dot product is their similarity.
#[utoipa::path(post, path = "/v1/embeddings", tag = "models", request_body = EmbeddingsRequest, responses((status = 200, body = EmbeddingsReply), (status = 429, body = super::Problem)))]
pub(super) async fn create(
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
        object: "embedding".to_owned(),
        index,
        embedding: encode(embedding.as_slice(), request.encoding_format),
    });
    Ok(Json(EmbeddingsReply {
        object: "list".to_owned(),
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
}
