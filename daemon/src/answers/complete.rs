//! Text that a model writes, for pay: drawn, attributed, charged; token by token, or whole when a receipt is checked.
//!
//! A caller that leaves frees its place in the batch. It pays for what was written until then: its receipt says that it
//! asked for so many tokens, which is what another node draws again.

use std::ops::Range;
use std::sync::Arc;

use datanet_inference::encoder::{AdapterKey, ServeError};
use datanet_inference::generate::{
    FinishReason, GenerateError, GenerateEvent, GenerateHandle, GenerateRequest, GenerateStream, Message,
    Prompt as Given, PromptText, Role, SamplingParams, TokenLogprobs,
};
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Completion, Method, Sampling};
use datanet_types::release::Task;
use prost::Message as _;
use tokio::sync::mpsc;

use super::Answers;
use crate::billing::payment::{Admission, Checked, Payment};
use crate::billing::reservation::Asked;
use crate::billing::terms::{Terms, terms};
use crate::caller;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::errors::generate_error;
use crate::models::served::{Engine, ServedModel};
use crate::ppm;

/// Pieces that may wait for a slow reader.
const PIECES: usize = 64;

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// What is to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// A conversation, in the model's own form.
    Chat(Vec<ChatMessage>),
}

/// A completion to write.
#[derive(Debug, Clone)]
pub struct CompletionAsk {
    /// A deployed model, by name or id.
    pub model: String,
    /// What it follows on.
    pub prompt: Prompt,
    /// How tokens are drawn; 0 for `max_tokens` takes what the model has room for, up to the node's limit.
    pub sampling: Sampling,
    /// Whether the caller chose the seed.
    pub seeded: bool,
    /// How many answers to write, at least 1; each has the seed of the one before it and one more.
    pub choices: u32,
    /// Whether to tell how likely tokens were, and so many of the likeliest beside each.
    pub logprobs: Option<u32>,
    /// How it is paid.
    pub payment: Payment,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Text that has become certain; may be empty.
    pub text: String,
    /// How likely the token was, if asked for.
    pub logprobs: Option<TokenLogprobs>,
}

/// The end of an answer.
#[derive(Debug, Clone)]
pub struct Finished {
    /// `stop` or `length`.
    pub reason: &'static str,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written.
    pub completion_tokens: u32,
    /// The answer with its proof.
    pub record: AnswerRecord,
    /// Whether something behind the model was revoked.
    pub tainted: bool,
}

/// What comes of a completion.
#[derive(Debug)]
pub enum Piece {
    /// More text.
    Token(Token),
    /// It is complete, charged and recorded. The last piece.
    Finished(Box<Finished>),
    /// It failed. The last piece.
    Failed(ServiceError),
}

/// A completion under way. Whoever drops it leaves.
#[derive(Debug)]
pub struct Completing {
    /// A name for the answer.
    pub number: String,
    /// The pieces of each answer that was asked for, in order.
    pub choices: Vec<mpsc::Receiver<Piece>>,
}

/// Everything needed to charge an answer once it is written.
struct Bill {
    served: Arc<ServedModel>,
    terms: Terms,
    checked: Checked,
    input: AskInput,
}

impl Answers {
    /// Starts a completion by a deployed model, for its price.
    ///
    /// # Errors
    /// When no such decoder answers here ([`Code::UnknownModel`], [`Code::NotDeployed`], [`Code::NoDecoder`]), it
    /// cannot take the prompt or the sampling ([`Code::Prompt`], [`Code::ContextTooLong`], [`Code::Sampling`]), the
    /// payment will not do, or the model is busy ([`Code::ModelBusy`]). What fails later is the last piece,
    /// [`Piece::Failed`].
    pub async fn complete(&self, ask: CompletionAsk) -> ServiceResult<Completing> {
        let served = self.models.served_model(&ask.model, Task::Generate)?;
        caller::refuse_denied([&served.model.id.0, &served.model.manifest.0])?;
        let (handle, _) = decoder(&served)?;
        let terms = terms(&self.chain.reader()?, &served.model)?;
        let (prompt, stops) = rendered(handle, ask.prompt).await?;
        let mut sampling = ask.sampling;
        sampling.stop.extend(stops);
        let plain = bounds(&prompt.plain);
        // All are paid for, and all have their place, before the first is written: else none is, and nothing is charged.
        let mut paid = Vec::new();
        for choice in 0..ask.choices {
            let sampling = Sampling { seed: sampling.seed.wrapping_add(choice.into()), ..sampling.clone() };
            let (text, plain) = (prompt.text.clone(), plain.clone());
            let framed = prompt.framed;
            let input = AskInput { text, sampling: Some(sampling), plain, framed, ..AskInput::default() };
            let asked = asked(&served, &input, ask.seeded);
            match self.billing.admit(ask.payment.clone(), terms.price, asked).await? {
                Admission::Charge(checked) => paid.push((input, checked)),
                // By a voucher, which pays for one.
                Admission::Again(record) => return self.again(&served, *record),
            }
        }
        let mut begun = Vec::new();
        for (input, checked) in paid {
            let stream = start(&served, &input, ask.logprobs).await?;
            begun.push((stream, Bill { served: served.clone(), terms: terms.clone(), checked, input }));
        }
        let number = random_number()?;
        let choices = begun.into_iter().map(|(stream, bill)| self.spawn_writing(stream, bill)).collect();
        Ok(Completing { number, choices })
    }

    /// Writes one answer beside whatever else is done; its pieces.
    fn spawn_writing(&self, stream: GenerateStream, bill: Bill) -> mpsc::Receiver<Piece> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let core = self.clone();
        tokio::spawn(async move {
            let last = match core.write(stream, bill, &sender).await {
                Ok(finished) => Piece::Finished(Box::new(finished)),
                Err(error) => Piece::Failed(error),
            };
            // Nobody may be left to be told; the answer is recorded all the same.
            let _ = sender.send(last).await;
        });
        pieces
    }

    /// An answer that was paid before, as one piece.
    fn again(&self, served: &ServedModel, record: AnswerRecord) -> ServiceResult<Completing> {
        let completion = record.output.completion.clone().unwrap_or_default();
        let (sender, pieces) = mpsc::channel(PIECES);
        let token = Token { text: record.output.answer.clone(), logprobs: None };
        let finished = Finished {
            reason: if completion.finish_reason == FinishReason::Stop.as_str() { "stop" } else { "length" },
            prompt_tokens: completion.prompt_tokens,
            completion_tokens: completion.completion_tokens,
            record,
            tainted: self.chain.is_tainted(&served.model)?,
        };
        for piece in [Piece::Token(token), Piece::Finished(Box::new(finished))] {
            sender.try_send(piece).map_err(|error| ServiceError::new(Code::ShuttingDown, error.to_string()))?;
        }
        Ok(Completing { number: random_number()?, choices: vec![pieces] })
    }

    /// Passes tokens on as they come; then charges for them. What is paid is written to its end, whether or not the caller
    /// stays: asked again with the same payment, it is there.
    async fn write(
        &self,
        mut stream: GenerateStream,
        mut bill: Bill,
        sender: &mpsc::Sender<Piece>,
    ) -> ServiceResult<Finished> {
        let (mut text, mut count) = (String::new(), 0_u32);
        let (reason, usage) = loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = sender.closed(), if !bill.checked.is_paid() => None,
            };
            match event {
                Some(GenerateEvent::Token { text: more, logprobs, .. }) => {
                    count = count.saturating_add(1);
                    text.push_str(&more);
                    // Whoever leaves is noticed above.
                    let _ = sender.send(Piece::Token(Token { text: more, logprobs })).await;
                }
                Some(GenerateEvent::Done { text: rest, reason, usage }) => {
                    text.push_str(&rest);
                    if !rest.is_empty() {
                        let _ = sender.send(Piece::Token(Token { text: rest, logprobs: None })).await;
                    }
                    break (reason, Some(usage));
                }
                Some(GenerateEvent::Failed(error)) => return Err(generate_error(&error)),
                None if count == 0 => return Err(ServiceError::new(Code::ClientLeft, "the client left")),
                None => break (FinishReason::Length, None),
            }
        };
        drop(stream);
        let count = usage.map_or(count, |usage| u32::try_from(usage.completion_tokens).unwrap_or(u32::MAX));
        let prompt_tokens = usage.map_or(0, |usage| u32::try_from(usage.prompt_tokens).unwrap_or(u32::MAX));
        let Some(sampling) = bill.input.sampling.as_mut() else {
            return Err(ServiceError::new(Code::NoSampling, "a completion without sampling"));
        };
        if usage.is_none() || sampling.max_tokens == 0 {
            // With the same bound another node ends at the same token; one more is for the token that ends the answer.
            let more = u32::from(reason == FinishReason::Stop);
            sampling.max_tokens = count.saturating_add(more);
        }
        let completion =
            Completion { prompt_tokens, completion_tokens: count, finish_reason: reason.as_str().to_owned() };
        let method = method_of(&bill.served);
        let output = self.attributed(&bill.served, &bill.input, text, completion, method).await?;
        let credits = match method {
            Method::Span => self.span_credits(&output)?,
            _ => bill.served.release.credits(&output.influence),
        };
        let receipt = self.billing.model_receipt(&bill.served.model, &bill.terms, method, credits)?;
        let record = self.billing.charge(receipt, bill.input, output, bill.checked).await?;
        let tainted = self.chain.is_tainted(&bill.served.model)?;
        Ok(Finished { reason: reason.as_str(), prompt_tokens, completion_tokens: count, record, tainted })
    }

    /// The whole answer to `input`, for those who check a receipt.
    pub(super) async fn completed(
        &self,
        served: &Arc<ServedModel>,
        input: &AskInput,
        method: Method,
    ) -> ServiceResult<AskOutput> {
        let whole = start(served, input, None).await?.complete().await.map_err(|error| generate_error(&error))?;
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        let completion = Completion {
            prompt_tokens: count(whole.usage.prompt_tokens),
            completion_tokens: count(whole.usage.completion_tokens),
            finish_reason: whole.reason.as_str().to_owned(),
        };
        self.attributed(served, input, whole.text, completion, method).await
    }

    /// An answer with what moved it, or what it repeats.
    async fn attributed(
        &self,
        served: &Arc<ServedModel>,
        input: &AskInput,
        text: String,
        completion: Completion,
        method: Method,
    ) -> ServiceResult<AskOutput> {
        let mut output = AskOutput { answer: text, completion: Some(completion), ..AskOutput::default() };
        match method {
            Method::Span => output.spans = self.spans(served, &output.answer).await?,
            _ if output.answer.is_empty() => {}
            _ => output.influence = self.explain_written(served, &input.text, &output.answer).await?.influence,
        }
        Ok(output)
    }
}

/// What is asked of a model; a seed that was drawn for the caller is no part of it.
fn asked(served: &ServedModel, input: &AskInput, seeded: bool) -> Asked {
    let mut question = input.clone();
    if let Some(sampling) = question.sampling.as_mut().filter(|_| !seeded) {
        sampling.seed = 0;
    }
    let kind = if seeded { "complete with a seed" } else { "complete" };
    Asked::of(kind, &served.model.id.0, &question.encode_to_vec())
}

fn random_number() -> ServiceResult<String> {
    let mut number = [0; 12];
    getrandom::fill(&mut number)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(hex::encode(number))
}

/// By what a written answer is attributed: influence where the release has the table for it, else what it repeats.
fn method_of(served: &ServedModel) -> Method {
    if served.is_attributed() { Method::Influence } else { Method::Span }
}

fn decoder(served: &ServedModel) -> ServiceResult<(&GenerateHandle, Option<AdapterKey>)> {
    match &served.engine {
        Engine::Decoder(handle, key) => Ok((handle, *key)),
        Engine::Encoder(..) => Err(ServiceError::new(
            Code::NoDecoder,
            format!("model {} writes no text; ask it at /v1/classify or /v1/embeddings", served.release.name),
        )),
    }
}

/// The prompt as the model reads it, and the texts at which its form ends a turn.
async fn rendered(handle: &GenerateHandle, prompt: Prompt) -> ServiceResult<(PromptText, Vec<String>)> {
    let messages = match prompt {
        Prompt::Text(text) => return Ok((PromptText { text, ..PromptText::default() }, Vec::new())),
        Prompt::Chat(messages) => messages,
    };
    let role = |name: &str| match name {
        "assistant" => Role::Assistant,
        "user" => Role::User,
        _ => Role::System,
    };
    let messages: Vec<Message> =
        messages.into_iter().map(|message| Message { role: role(&message.role), content: message.content }).collect();
    let prompt = handle.render(messages).await.map_err(|error| generate_error(&error))?;
    Ok((prompt, handle.model().chat.stops().to_vec()))
}

/// Where each part begins and ends, in turn.
fn bounds(parts: &[Range<usize>]) -> Vec<u32> {
    let bound = |bound| u32::try_from(bound).unwrap_or(u32::MAX);
    parts.iter().flat_map(|part| [bound(part.start), bound(part.end)]).collect()
}

/// The parts with these bounds; a stranger's receipt may have any.
fn parts(bounds: &[u32]) -> ServiceResult<Vec<Range<usize>>> {
    let (pairs, rest) = bounds.as_chunks::<2>();
    if rest.is_empty() {
        return Ok(pairs.iter().map(|&[start, end]| start as usize..end as usize).collect());
    }
    Err(ServiceError::new(Code::Prompt, "the parts of the prompt have a start without an end"))
}

async fn start(served: &Arc<ServedModel>, input: &AskInput, logprobs: Option<u32>) -> ServiceResult<GenerateStream> {
    let (handle, adapter) = decoder(served)?;
    let sampling = input.sampling.clone().unwrap_or_default();
    let params = SamplingParams {
        max_tokens: (sampling.max_tokens > 0).then_some(sampling.max_tokens as usize),
        temperature: ppm::real(sampling.temperature) as f32,
        top_p: ppm::real(sampling.top_p) as f32,
        seed: Some(sampling.seed),
        stop: sampling.stop,
        logprobs: logprobs.map(|top| top as usize),
        json_schema: sampling.json_schema,
    };
    let prompt = PromptText { text: input.text.clone(), plain: parts(&input.plain)?, framed: input.framed };
    let request = GenerateRequest { prompt: Given::Parts(prompt), adapter, sampling: params };
    match handle.submit(request.clone()).await {
        // The service forgets the adapters used longest ago; this one is wanted again.
        Err(GenerateError::Serve(ServeError::UnknownAdapter(_))) => {
            served.reload().await?;
            handle.submit(request).await.map_err(|error| generate_error(&error))
        }
        other => other.map_err(|error| generate_error(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_prompt_survive_a_receipt_and_half_a_part_is_refused() {
        let plain = vec![3..7, 9..9, 20..41];
        assert_eq!(parts(&bounds(&plain)).unwrap(), plain);
        assert_eq!(parts(&[1, 2, 3]).unwrap_err().code, Code::Prompt);
    }
}
