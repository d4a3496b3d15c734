//! Completions as OpenAI's clients read them: whole, or piece by piece.

use datanet_api::receipts::ReceiptView;
use serde_json::{Value, json};

use super::logprobs::{self, Place};
use crate::answers::complete::{Finished, Token};

/// Which of OpenAI's two shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `chat.completion`.
    Chat,
    /// `text_completion`.
    Text,
}

/// What all parts of one answer share.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    shape: Shape,
    id: String,
    created: u64,
    model: String,
}

impl Envelope {
    /// The envelope of an answer of the model called `model`.
    pub(super) fn new(shape: Shape, number: &str, model: String) -> Self {
        let prefix = if shape == Shape::Chat { "chatcmpl" } else { "cmpl" };
        Self { shape, id: format!("{prefix}-{number}"), created: crate::db::now(), model }
    }

    fn object(&self, kind: &str, choices: Value) -> Value {
        json!({ "id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices })
    }

    fn chunk(&self, choices: Value) -> Value {
        self.object(if self.shape == Shape::Chat { "chat.completion.chunk" } else { "text_completion" }, choices)
    }

    /// The whole answer.
    pub(super) fn whole(&self, text: &str, tokens: Option<&[Token]>, finished: &Finished) -> Value {
        let (kind, mut choice) = match self.shape {
            Shape::Chat => {
                let message = json!({ "role": "assistant", "content": text, "refusal": null });
                ("chat.completion", json!({ "index": 0, "message": message }))
            }
            Shape::Text => ("text_completion", json!({ "index": 0, "text": text })),
        };
        choice["logprobs"] = tokens.map_or(Value::Null, |tokens| self.logprobs(tokens, &mut Place::default()));
        choice["finish_reason"] = finished.reason.into();
        let mut whole = self.object(kind, json!([choice]));
        whole["usage"] = usage(finished);
        whole["datanet"] = extension(finished);
        whole
    }

    /// The first part of a stream: who speaks. Plain completions have none.
    pub(super) fn opening(&self) -> Option<Value> {
        let delta = json!({ "role": "assistant", "content": "", "refusal": null });
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null });
        (self.shape == Shape::Chat).then(|| self.chunk(json!([choice])))
    }

    /// One token of a stream; `place` is that of the next one where log probabilities are wanted.
    pub(super) fn piece(&self, token: &Token, place: Option<&mut Place>) -> Value {
        let logprobs = place.map_or(Value::Null, |place| self.logprobs(std::slice::from_ref(token), place));
        let choice = match self.shape {
            Shape::Chat => {
                json!({ "index": 0, "delta": { "content": token.text }, "logprobs": logprobs, "finish_reason": null })
            }
            Shape::Text => json!({ "index": 0, "text": token.text, "logprobs": logprobs, "finish_reason": null }),
        };
        self.chunk(json!([choice]))
    }

    /// The end of a stream: why it ended; then, if asked for, the count of tokens. The last part carries the receipt.
    pub(super) fn closing(&self, finished: &Finished, with_usage: bool) -> Vec<Value> {
        let choice = match self.shape {
            Shape::Chat => json!({ "index": 0, "delta": {}, "logprobs": null, "finish_reason": finished.reason }),
            Shape::Text => json!({ "index": 0, "text": "", "logprobs": null, "finish_reason": finished.reason }),
        };
        let mut parts = vec![self.chunk(json!([choice]))];
        if with_usage {
            let mut counted = self.chunk(json!([]));
            counted["usage"] = usage(finished);
            parts.push(counted);
        }
        if let Some(last) = parts.last_mut() {
            last["datanet"] = extension(finished);
        }
        parts
    }

    fn logprobs(&self, tokens: &[Token], place: &mut Place) -> Value {
        match self.shape {
            Shape::Chat => logprobs::of_chat(tokens),
            Shape::Text => logprobs::of_text(tokens, place),
        }
    }
}

fn usage(finished: &Finished) -> Value {
    let (prompt, completion) = (finished.prompt_tokens, finished.completion_tokens);
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt.saturating_add(completion) })
}

/// The receipt as an extension that other clients pass over.
fn extension(finished: &Finished) -> Value {
    let record = &finished.record;
    let sampling = &record.input.sampling;
    json!({
        "fee": record.receipt.fee,
        "attribution": crate::answers::attribution::name(record.receipt.method()),
        "tainted": finished.tainted,
        "seed": sampling.as_ref().map(|sampling| sampling.seed),
        "receipt": serde_json::to_value(ReceiptView::from(record.clone())).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use datanet_inference::generate::{Alternative, TokenLogprobs};
    use datanet_types::receipt::AnswerRecord;

    use super::*;

    fn finished() -> Finished {
        Finished {
            reason: "stop",
            prompt_tokens: 3,
            completion_tokens: 2,
            record: AnswerRecord::default(),
            tainted: true,
        }
    }

    fn token() -> Token {
        let top = |id, text: &str, logprob| Alternative { id, bytes: text.into(), logprob };
        let logprobs =
            TokenLogprobs { bytes: "é".into(), logprob: -0.5, top: vec![top(1, "é", -0.5), top(2, "e", -1.5)] };
        Token { text: "é".into(), logprobs: Some(logprobs) }
    }

    #[test]
    fn a_whole_chat_has_openais_shape() {
        let envelope = Envelope::new(Shape::Chat, "1", "birds".into());
        let whole = envelope.whole("é", Some(&[token()]), &finished());
        assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!("birds")));
        let choice = &whole["choices"][0];
        assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("é"), &json!("stop")));
        assert_eq!(choice["logprobs"]["content"][0]["bytes"], json!([195, 169]));
        assert_eq!(whole["usage"]["total_tokens"], 5);
        assert!(whole["datanet"]["receipt"]["id"].is_string() && whole["datanet"]["tainted"] == true);
    }

    #[test]
    fn the_receipt_rides_in_the_last_part_of_a_stream() {
        let envelope = Envelope::new(Shape::Chat, "1", "birds".into());
        let parts = envelope.closing(&finished(), true);
        assert!(parts[0].get("datanet").is_none() && parts[0]["choices"][0]["finish_reason"] == "stop");
        assert!(parts[1]["datanet"].is_object() && parts[1]["choices"] == json!([]));
        assert!(envelope.closing(&finished(), false)[0]["datanet"].is_object());
        let plain = Envelope::new(Shape::Text, "1", "birds".into());
        assert_eq!((plain.opening(), plain.piece(&token(), None)["choices"][0]["text"].clone()), (None, json!("é")));
        let piece = plain.piece(&token(), Some(&mut Place::default()));
        assert_eq!(piece["choices"][0]["logprobs"]["top_logprobs"][0]["e"], -1.5);
    }
}
