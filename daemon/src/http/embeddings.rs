//! Embeddings in OpenAI's shape, so that its official clients work.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use datanet_api::embeddings::{
    EmbeddingView, EmbeddingsExtension, EmbeddingsReply, EmbeddingsRequest, EncodingFormat, Input, UsageView,
};
use datanet_data::Embedding;

use super::extract::fields::harmless::{none, not_token_ids, off, on};
use super::extract::fields::{Fate, Fields};
use super::extract::{Shape, Shaped, says_nothing};
use crate::answers::Answers;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};

const TOKEN_IDS: &str = "holds ids of tokens, and each model counts its own; send the text: LangChain does with OpenAIEmbeddings(check_embedding_ctx_length=False)";
const READING: &str =
    "is not supported: a text is read as it is; leave it out, and write into the text what the model wants before it";

impl Shape for EmbeddingsRequest {
    const FIELDS: Fields = Fields(&[&[
        ("input", Fate::Sound(not_token_ids, TOKEN_IDS)),
        ("model", Fate::Taken),
        ("encoding_format", Fate::Taken),
        ("dimensions", Fate::Taken),
        ("user", Fate::Ignored),
        ("metadata", Fate::Ignored),
        ("priority", Fate::Ignored),
        ("input_type", Fate::Unless(none, READING)),
        ("task", Fate::Unless(none, READING)),
        ("prompt_name", Fate::Unless(none, READING)),
        ("instruction", Fate::Unless(none, READING)),
        ("truncate", Fate::Unless(none, READING)),
        ("truncation", Fate::Unless(none, READING)),
        ("truncate_prompt_tokens", Fate::Unless(none, READING)),
        ("add_special_tokens", Fate::Unless(on, READING)),
        ("late_chunking", Fate::Unless(off, READING)),
        ("normalize", Fate::Unless(on, "is not supported: vectors have length 1; leave it out")),
        (
            "output_dtype",
            Fate::Unless(|kind| kind == "float", "is not supported: vectors are of 32-bit floats; leave it out"),
        ),
        ("texts", Fate::Unless(none, "is not known here; send input instead")),
    ]]);
}

/// Embeds texts: unit vectors, whose dot product is their similarity.
#[utoipa::path(post, operation_id = "create_embeddings", path = "/v1/embeddings", tag = "models", request_body = EmbeddingsRequest, responses((status = 200, body = EmbeddingsReply), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn create(
    State(embedder): State<Embedder>,
    State(answers): State<Answers>,
    Shaped(request): Shaped<EmbeddingsRequest>,
) -> ServiceResult<Json<EmbeddingsReply>> {
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.iter().any(|text| says_nothing(text)) {
        return Err(ServiceError::new(Code::EmptyInput, "input must hold at least one text, and none may be empty")
            .about("input"));
    }
    let own = embedder.info();
    let wanted = request.model.filter(|model| {
        let own = own.as_ref().ok();
        own.is_none_or(|own| *model != own.name && *model != hex::encode(own.id))
    });
    let (embeddings, usage, model, tainted) = match wanted {
        Some(model) => {
            let (embeddings, usage, tainted) = answers.embed_with(&model, texts).await?;
            (embeddings, usage, model, tainted)
        }
        None => {
            let info = own?;
            let (embeddings, usage) = embedder.embed_with_usage(texts).await?;
            (embeddings, usage, info.name, false)
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
        datanet: EmbeddingsExtension { tainted },
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
    fn every_field_has_a_fate() {
        let taken: Vec<&str> = EmbeddingsRequest::FIELDS.taken().collect();
        assert_eq!(taken, ["input", "model", "encoding_format", "dimensions"]);
    }

    #[test]
    fn base64_is_little_endian_floats() {
        assert_eq!(encode(&[1.0, -2.5], EncodingFormat::Base64), "AACAPwAAIMA=");
    }
}
