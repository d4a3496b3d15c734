//! Completions as OpenAI's clients read them: whole, or piece by piece.

use datanet_api::receipts::ReceiptView;
use serde_json::{Value, json};

use super::logprobs::{self, Place};
use crate::answers::complete::{Finished, Token};
use crate::error::{ServiceError, ServiceResult};

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

    /// One whole answer.
    pub(super) fn choice(&self, index: usize, text: &str, tokens: Option<&[Token]>, finished: &Finished) -> Value {
        let mut choice = match self.shape {
            Shape::Chat => {
                let message = json!({ "role": "assistant", "content": text, "refusal": null });
                json!({ "index": index, "message": message })
            }
            Shape::Text => json!({ "index": index, "text": text }),
        };
        choice["logprobs"] = tokens.map_or(Value::Null, |tokens| self.logprobs(tokens, &mut Place::default()));
        choice["finish_reason"] = finished.reason.into();
        choice
    }

    /// All answers, which have ended so.
    pub(super) fn whole(&self, choices: Vec<Value>, ended: &Ended) -> Value {
        let kind = if self.shape == Shape::Chat { "chat.completion" } else { "text_completion" };
        let mut whole = self.object(kind, choices.into());
        whole["usage"] = ended.usage();
        whole["datanet"] = ended.extension();
        whole
    }

    /// The first part of an answer in a stream: who speaks. Plain completions have none.
    pub(super) fn opening(&self, index: usize) -> Option<Value> {
        let delta = json!({ "role": "assistant", "content": "", "refusal": null });
        let choice = json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null });
        (self.shape == Shape::Chat).then(|| self.chunk(json!([choice])))
    }

    /// One token of a stream; `place` is that of the next one where log probabilities are wanted.
    pub(super) fn piece(&self, index: usize, token: &Token, place: Option<&mut Place>) -> Value {
        let logprobs = place.map_or(Value::Null, |place| self.logprobs(std::slice::from_ref(token), place));
        let mut choice = json!({ "index": index, "logprobs": logprobs, "finish_reason": null });
        match self.shape {
            Shape::Chat => choice["delta"] = json!({ "content": token.text }),
            Shape::Text => choice["text"] = token.text.as_str().into(),
        }
        self.chunk(json!([choice]))
    }

    /// The end of an answer in a stream: why it ended.
    pub(super) fn closing(&self, index: usize, reason: &str) -> Value {
        let mut choice = json!({ "index": index, "logprobs": null, "finish_reason": reason });
        match self.shape {
            Shape::Chat => choice["delta"] = json!({}),
            Shape::Text => choice["text"] = "".into(),
        }
        self.chunk(json!([choice]))
    }

    /// The end of a stream: that of its last answer; then, if asked for, the count of tokens. The last part carries the
    /// receipts.
    pub(super) fn last(&self, closing: Value, ended: &Ended, with_usage: bool) -> Vec<Value> {
        let mut parts = vec![closing];
        if with_usage {
            let mut counted = self.chunk(json!([]));
            counted["usage"] = ended.usage();
            parts.push(counted);
        }
        if let Some(last) = parts.last_mut() {
            last["datanet"] = ended.extension();
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

/// The answers of a request that have come to their end.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Those that were written and charged, with their places.
    pub(super) finished: Vec<(usize, Finished)>,
    /// Those that were not, and why.
    pub(super) failed: Vec<(usize, ServiceError)>,
}

impl Ended {
    pub(super) fn len(&self) -> usize {
        self.finished.len().saturating_add(self.failed.len())
    }

    /// Puts answers in the order of their places.
    ///
    /// Whoever asked for several has paid for those that were written, so they are given even if others failed; where none
    /// was, the first failure is the answer.
    pub(super) fn in_order(&mut self) -> ServiceResult<()> {
        self.finished.sort_by_key(|(index, _)| *index);
        self.failed.sort_by_key(|(index, _)| *index);
        match (self.finished.first(), self.failed.first()) {
            (None, Some((_, error))) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The prompt is counted once, as OpenAI does.
    fn usage(&self) -> Value {
        let prompt = self.finished.first().map_or(0, |(_, finished)| finished.prompt_tokens);
        let written = self.finished.iter().map(|(_, finished)| finished.completion_tokens);
        let completion = written.fold(0, u32::saturating_add);
        json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt.saturating_add(completion) })
    }

    /// That of the one answer; or of several each, with what they cost together.
    fn extension(&self) -> Value {
        if let ([(_, one)], []) = (self.finished.as_slice(), self.failed.as_slice()) {
            return extension(one);
        }
        let each = self.finished.iter().map(|(index, finished)| {
            let mut one = extension(finished);
            one["index"] = (*index).into();
            one
        });
        let fee = self.finished.iter().map(|(_, one)| one.record.receipt.fee).fold(0, u64::saturating_add);
        let failed = self.failed.iter().map(|(index, error)| json!({ "index": index, "message": error.detail }));
        json!({
            "fee": fee,
            "tainted": self.finished.iter().any(|(_, finished)| finished.tainted),
            "answers": each.collect::<Vec<_>>(),
            "failed": failed.collect::<Vec<_>>(),
        })
    }
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
    use crate::error::Code;

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

    fn ended(count: usize) -> Ended {
        Ended { finished: (0..count).rev().map(|index| (index, finished())).collect(), failed: Vec::new() }
    }

    #[test]
    fn a_whole_chat_has_openais_shape() {
        let envelope = Envelope::new(Shape::Chat, "1", "birds".into());
        let choice = envelope.choice(0, "é", Some(&[token()]), &finished());
        let whole = envelope.whole(vec![choice], &ended(1));
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
        let parts = envelope.last(envelope.closing(0, "stop"), &ended(1), true);
        assert!(parts[0].get("datanet").is_none() && parts[0]["choices"][0]["finish_reason"] == "stop");
        assert!(parts[1]["datanet"].is_object() && parts[1]["choices"] == json!([]));
        assert!(envelope.last(envelope.closing(0, "stop"), &ended(1), false)[0]["datanet"].is_object());
        let plain = Envelope::new(Shape::Text, "1", "birds".into());
        assert_eq!(plain.opening(0), None);
        assert_eq!(plain.piece(3, &token(), None)["choices"][0]["text"], "é");
        let piece = plain.piece(3, &token(), Some(&mut Place::default()));
        assert_eq!(piece["choices"][0]["logprobs"]["top_logprobs"][0]["e"], -1.5);
        assert_eq!(piece["choices"][0]["index"], 3);
    }

    #[test]
    fn several_answers_each_have_their_receipt_and_count_the_prompt_once() {
        let mut ended = ended(2);
        ended.failed.push((2, ServiceError::new(Code::ModelFailed, "a bad day")));
        ended.in_order().unwrap();
        assert_eq!(ended.usage(), json!({ "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 }));
        let said = ended.extension();
        assert_eq!((&said["answers"][0]["index"], &said["answers"][1]["index"]), (&json!(0), &json!(1)), "{said:#}");
        assert!(said["answers"][1]["receipt"]["id"].is_string(), "{said:#}");
        assert_eq!(said["failed"], json!([{ "index": 2, "message": "a bad day" }]));
        ended.finished.clear();
        assert_eq!(ended.in_order().unwrap_err().code, Code::ModelFailed);
    }
}
