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

use super::extract::Shaped;
use super::limits::Place;
use crate::answers::Answers;
use crate::answers::complete::{Completing, CompletionAsk, Piece};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};
use view::{Envelope, Shape};

/// Continues a chat. With `stream`, as server-sent events that end with `[DONE]`.
#[utoipa::path(post, operation_id = "create_chat_completion", path = "/v1/chat/completions", tag = "models", request_body = ChatRequest, responses((status = 200, content((Object = "application/json"), (String = "text/event-stream"))), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn chat(
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    Extension(place): Extension<Place>,
    Shaped(request): Shaped<ChatRequest>,
) -> ServiceResult<Response> {
    let how = How { shape: Shape::Chat, stream: request.shared.stream, usage: request.shared.wants_usage() };
    answer(&answers, request::chat(request, &billing)?, how, place).await
}

/// Continues a text. With `stream`, as server-sent events that end with `[DONE]`.
#[utoipa::path(post, operation_id = "create_completion", path = "/v1/completions", tag = "models", request_body = CompletionRequest, responses((status = 200, content((Object = "application/json"), (String = "text/event-stream"))), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn complete(
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    Extension(place): Extension<Place>,
    Shaped(request): Shaped<CompletionRequest>,
) -> ServiceResult<Response> {
    let how = How { shape: Shape::Text, stream: request.shared.stream, usage: request.shared.wants_usage() };
    answer(&answers, request::completion(request, &billing)?, how, place).await
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
    let completing = answers.complete(ask).await?;
    let envelope = Envelope::new(how.shape, &completing.number, model);
    if how.stream {
        return Ok(stream(completing, envelope, how.usage, logprobs, place).into_response());
    }
    Ok(Json(whole(completing, &envelope, logprobs).await?).into_response())
}

async fn whole(mut completing: Completing, envelope: &Envelope, logprobs: bool) -> ServiceResult<Value> {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    while let Some(piece) = completing.pieces.recv().await {
        match piece {
            Piece::Token(token) => {
                text.push_str(&token.text);
                if logprobs {
                    tokens.push(token);
                }
            }
            Piece::Finished(finished) => {
                return Ok(envelope.whole(&text, logprobs.then_some(tokens.as_slice()), &finished));
            }
            Piece::Failed(error) => return Err(error),
        }
    }
    Err(ServiceError::new(Code::ShuttingDown, "the node is shutting down"))
}

/// Sends pieces as they come. A client that leaves closes the channel of pieces, and its place in the batch is free.
fn stream(
    mut completing: Completing,
    envelope: Envelope,
    usage: bool,
    logprobs: bool,
    place: Place,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut next = logprobs.then(logprobs::Place::default);
        if let Some(opening) = envelope.opening()
            && sender.send(data(&opening)).await.is_err()
        {
            return;
        }
        while let Some(piece) = completing.pieces.recv().await {
            let parts = match piece {
                // Half a character: the rest comes with the next token.
                Piece::Token(token) if token.text.is_empty() && !logprobs => Vec::new(),
                Piece::Token(token) => vec![envelope.piece(&token, next.as_mut())],
                Piece::Finished(finished) => envelope.closing(&finished, usage),
                Piece::Failed(error) => vec![failure(&error)],
            };
            for part in &parts {
                if sender.send(data(part)).await.is_err() {
                    return;
                }
            }
        }
        // Nobody is left to be told, if this fails.
        let _ = sender.send(Event::default().data("[DONE]")).await;
        // A stream counts as a request for as long as it lasts.
        drop(place);
    });
    Sse::new(tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::default())
}

fn data(value: &Value) -> Event {
    Event::default().data(value.to_string())
}

/// An error in the middle of a stream, as OpenAI's clients notice it.
fn failure(error: &ServiceError) -> Value {
    json!({ "error": Problem::from(error).error })
}
