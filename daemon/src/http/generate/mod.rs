//! Text that a model writes, in OpenAI's shapes: `/v1/chat/completions` and `/v1/completions`.

mod fields;
mod logprobs;
mod request;
mod view;

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use datanet_api::Problem;
use datanet_api::generate::{ChatRequest, CompletionRequest};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::extract::{IdempotencyKey, Shaped};
use super::limits::Place;
use crate::answers::Answers;
use crate::answers::complete::{Completing, CompletionAsk, Finished, Piece, Token};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};
pub(super) use request::{chat as chat_asked, completion as completion_asked};
use view::{Ended, Envelope, Shape};

/// Continues a chat, `n` times. With `stream`, as server-sent events that end with `[DONE]`.
#[utoipa::path(post, operation_id = "create_chat_completion", path = "/v1/chat/completions", tag = "models", params(("Idempotency-Key" = Option<String>, Header, description = "names the payment of an account: sent again by that name, the same question gets the same answer")), request_body = ChatRequest, responses((status = 200, content((Object = "application/json"), (String = "text/event-stream"))), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn chat(
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    Extension(place): Extension<Place>,
    IdempotencyKey(name): IdempotencyKey,
    Shaped(request): Shaped<ChatRequest>,
) -> ServiceResult<Response> {
    let how = How { shape: Shape::Chat, stream: request.shared.stream, usage: request.shared.wants_usage() };
    answer(&answers, named(request::chat(request, &billing)?, name)?, how, place).await
}

/// Continues a text, `n` times. With `stream`, as server-sent events that end with `[DONE]`.
#[utoipa::path(post, operation_id = "create_completion", path = "/v1/completions", tag = "models", params(("Idempotency-Key" = Option<String>, Header, description = "names the payment of an account: sent again by that name, the same question gets the same answer")), request_body = CompletionRequest, responses((status = 200, content((Object = "application/json"), (String = "text/event-stream"))), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn complete(
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    Extension(place): Extension<Place>,
    IdempotencyKey(name): IdempotencyKey,
    Shaped(request): Shaped<CompletionRequest>,
) -> ServiceResult<Response> {
    let how = How { shape: Shape::Text, stream: request.shared.stream, usage: request.shared.wants_usage() };
    answer(&answers, named(request::completion(request, &billing)?, name)?, how, place).await
}

/// The same, its payment called by what the client calls it.
fn named(ask: CompletionAsk, name: Option<String>) -> ServiceResult<CompletionAsk> {
    let payment = ask.payment.clone().named(name)?;
    Ok(CompletionAsk { payment, ..ask })
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy)]
struct How {
    shape: Shape,
    stream: bool,
    usage: bool,
}

async fn answer(answers: &Answers, ask: CompletionAsk, how: How, place: Place) -> ServiceResult<Response> {
    let (model, logprobs) = (ask.model.clone(), ask.logprobs.is_some());
    if how.stream && ask.payment.is_taken_last() {
        let detail = "a transfer is taken once the whole answer is there; pay by a channel to have it as it is written";
        return Err(ServiceError::new(Code::BadParameter, detail).about("stream"));
    }
    let place = if how.stream { place.for_stream()? } else { place };
    let completing = answers.complete(ask).await?;
    let envelope = Envelope::new(how.shape, &completing.number, model);
    if how.stream {
        return Ok(stream(completing, envelope, how.usage, logprobs, place).into_response());
    }
    Ok(Json(whole(completing, &envelope, logprobs).await?).into_response())
}

/// The pieces of all answers as they come, each with its answer's place.
fn merged(choices: Vec<mpsc::Receiver<Piece>>) -> impl Stream<Item = (usize, Piece)> + Unpin {
    let numbered = |(index, pieces)| ReceiverStream::new(pieces).map(move |piece| (index, piece));
    futures::stream::select_all(choices.into_iter().enumerate().map(numbered))
}

async fn whole(completing: Completing, envelope: &Envelope, logprobs: bool) -> ServiceResult<Value> {
    let count = completing.choices.len();
    let mut pieces = merged(completing.choices);
    let mut written: Vec<(String, Vec<Token>)> = vec![Default::default(); count];
    let mut ended = Ended::default();
    while let Some((index, piece)) = pieces.next().await {
        match piece {
            Piece::Token(token) => {
                if let Some((text, tokens)) = written.get_mut(index) {
                    text.push_str(&token.text);
                    tokens.extend(logprobs.then_some(token));
                }
            }
            Piece::Finished(finished) => ended.finished.push((index, *finished)),
            Piece::Failed(error) => ended.failed.push((index, error)),
        }
    }
    if ended.len() < count {
        return Err(ServiceError::new(Code::ShuttingDown, "the node is shutting down"));
    }
    ended.in_order()?;
    let choice = |(index, finished): &(usize, Finished)| {
        let (text, tokens) = written.get(*index)?;
        Some(envelope.choice(*index, text, logprobs.then_some(tokens.as_slice()), finished))
    };
    Ok(envelope.whole(ended.finished.iter().filter_map(choice).collect(), &ended))
}

/// Sends pieces as they come. A client that leaves closes the channels of pieces, and its places in the batch are free.
fn stream(
    completing: Completing,
    envelope: Envelope,
    usage: bool,
    logprobs: bool,
    place: Place,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut sending = Sending::new(envelope, completing.choices.len(), usage, logprobs);
        let mut pieces = merged(completing.choices);
        let mut parts = sending.openings();
        loop {
            for part in &parts {
                if sender.send(data(part)).await.is_err() {
                    return;
                }
            }
            let Some((index, piece)) = pieces.next().await else { break };
            parts = sending.parts(index, piece);
        }
        // Nobody is left to be told, if this fails.
        let _ = sender.send(Event::default().data("[DONE]")).await;
        // A stream counts as a request for as long as it lasts.
        drop(place);
    });
    Sse::new(ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::default())
}

/// What has been sent of the answers of a stream.
struct Sending {
    envelope: Envelope,
    usage: bool,
    /// For each answer the place of its next token, where log probabilities are wanted.
    places: Vec<Option<logprobs::Place>>,
    ended: Ended,
}

impl Sending {
    fn new(envelope: Envelope, count: usize, usage: bool, logprobs: bool) -> Self {
        let places = vec![logprobs.then(logprobs::Place::default); count];
        Self { envelope, usage, places, ended: Ended::default() }
    }

    fn openings(&self) -> Vec<Value> {
        (0..self.places.len()).filter_map(|index| self.envelope.opening(index)).collect()
    }

    /// What a piece of an answer is sent as.
    fn parts(&mut self, index: usize, piece: Piece) -> Vec<Value> {
        let place = self.places.get_mut(index).and_then(Option::as_mut);
        let closing = match piece {
            // Half a character: the rest comes with the next token.
            Piece::Token(token) if token.text.is_empty() && place.is_none() => return Vec::new(),
            Piece::Token(token) => return vec![self.envelope.piece(index, &token, place)],
            Piece::Finished(finished) => {
                let closing = self.envelope.closing(index, finished.reason);
                self.ended.finished.push((index, *finished));
                closing
            }
            Piece::Failed(error) => {
                self.ended.failed.push((index, error));
                self.envelope.closing(index, "error")
            }
        };
        if self.ended.len() < self.places.len() {
            return vec![closing];
        }
        match self.ended.in_order() {
            Ok(()) => self.envelope.last(closing, &self.ended, self.usage),
            Err(error) => vec![failure(&error)],
        }
    }
}

fn data(value: &Value) -> Event {
    Event::default().data(value.to_string())
}

/// An error in the middle of a stream, as OpenAI's clients notice it.
fn failure(error: &ServiceError) -> Value {
    json!({ "error": Problem::from(error).error })
}
