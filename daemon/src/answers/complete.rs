//! Text that a model writes, for pay: drawn, attributed, charged, token by token; and followed when a receipt is checked.
//!
//! A caller of a free answer that leaves frees its place in the batch: the receipt says that it asked for so many tokens, which is what
//! another node draws again. What is paid for is written to its end: that of the answer, or of the tokens that were paid ahead.

use std::sync::Arc;
use std::time::Duration;

use datanet_inference::generate::{Apart, FinishReason, GenerateEvent, GenerateStream, TokenLogprobs};
use datanet_types::rate::{Rate, Usage};
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Completion, Method, Sampling};
use datanet_types::release::Task;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::Answers;
use super::prompt::{inputs, start};
use crate::billing::payment::Payment;
use crate::billing::price::Price;
use crate::billing::purchase::{Admission, Answer, Held, Order};
use crate::billing::reservation::{Asked, Kind};
use crate::billing::terms::{Terms, terms};
use crate::caller;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::errors::generate_error;
use crate::models::served::ServedModel;

/// Pieces that may wait for a slow reader.
const PIECES: usize = 64;

/// How long a reader may take none before it is written on without it: a channel and the node's stake stand for an answer until it is
/// captured, and nobody holds them by not reading.
const STALLED: Duration = Duration::from_secs(30);

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

/// Everything needed to write an answer and to capture it.
struct Bill {
    served: Arc<ServedModel>,
    terms: Terms,
    /// What the text is charged by; none if it is free.
    rate: Option<Rate>,
    input: AskInput,
}

/// An answer that is to be given.
enum Choice {
    /// It is written, and paid by what is held.
    Fresh(AskInput, Box<Held>),
    /// It is paid already.
    Again(Box<AnswerRecord>),
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
        let terms = terms(&self.chain.reader()?, &served.model)?;
        let rate = self.billing.rate(&terms);
        // All are paid for, and all have their place, before the first is written: else none is, and nothing is charged.
        let mut choices = Vec::new();
        for (index, input) in inputs(&served, &ask).await?.into_iter().enumerate() {
            let asked = asked(&served, &input, ask.seeded);
            let price = self.billing.text_price(&terms, most_tokens(&served, &input));
            let order = Order { payment: ask.payment.numbered(index), asked, price };
            choices.push(match self.billing.reserve(order).await? {
                Admission::Charge(held) => Choice::Fresh(input, held),
                Admission::Again(record) => Choice::Again(record),
            });
        }
        let mut begun = Vec::new();
        for choice in choices {
            begun.push(match choice {
                Choice::Fresh(input, held) => match start_paid(&served, input, ask.logprobs, held.tokens()).await {
                    Ok((stream, input)) => {
                        Ok((stream, Bill { served: served.clone(), terms: terms.clone(), rate, input }, held))
                    }
                    Err(error) => {
                        held.release().await;
                        return Err(error);
                    }
                },
                Choice::Again(record) => Err(record),
            });
        }
        let number = random_number()?;
        let choices = begun.into_iter().map(|begun| match begun {
            Ok((stream, bill, held)) => Ok(self.spawn_writing(stream, bill, *held)),
            Err(record) => self.again(&served, *record),
        });
        Ok(Completing { number, choices: choices.collect::<ServiceResult<_>>()? })
    }

    /// What a completion asks for, as far as it decides the answer, and how it is priced: for a quote.
    ///
    /// # Errors
    /// As [`Answers::complete`], up to the payment.
    pub(super) async fn completion_asked(&self, ask: &CompletionAsk) -> ServiceResult<(Asked, Price)> {
        let served = self.models.served_model(&ask.model, Task::Generate)?;
        let terms = terms(&self.chain.reader()?, &served.model)?;
        let first = inputs(&served, ask).await?.into_iter().next();
        let input = first.ok_or_else(|| ServiceError::new(Code::NoSampling, "a completion of no answers"))?;
        let price = self.billing.text_price(&terms, most_tokens(&served, &input));
        Ok((asked(&served, &input, ask.seeded), price))
    }

    /// Writes one answer beside whatever else is done; its pieces.
    fn spawn_writing(&self, stream: GenerateStream, bill: Bill, held: Held) -> mpsc::Receiver<Piece> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let core = self.clone();
        caller::spawn(async move {
            let last = match core.sell(stream, bill, held, &sender).await {
                Ok(finished) => Piece::Finished(Box::new(finished)),
                Err(error) => Piece::Failed(error),
            };
            // Nobody may be left to be told, or to listen; the answer is recorded all the same.
            let _ = sender.send_timeout(last, STALLED).await;
        });
        pieces
    }

    /// An answer that was paid before, as one piece.
    fn again(&self, served: &ServedModel, record: AnswerRecord) -> ServiceResult<mpsc::Receiver<Piece>> {
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
        Ok(pieces)
    }

    /// Writes an answer and captures it. What is paid is written to its end, whether or not the caller stays: asked again with the same
    /// payment, it is there.
    async fn sell(
        &self,
        stream: GenerateStream,
        bill: Bill,
        held: Held,
        sender: &mpsc::Sender<Piece>,
    ) -> ServiceResult<Finished> {
        let has_form = bill.input.sampling.as_ref().is_some_and(|sampling| sampling.json_schema.is_some());
        let is_paid = held.is_paid();
        let withheld = (is_paid && has_form).then(Vec::new);
        let mut reader = Reader { sender, is_paid, withheld, patience: STALLED, stalled: false };
        let written = match self.write(stream, bill, &mut reader).await {
            Ok(written) => written,
            Err(error) => {
                held.release().await;
                return Err(error);
            }
        };
        let record = self.billing.capture(held, written.answer).await?;
        reader.tell().await;
        if reader.stalled {
            return Err(ServiceError::new(
                Code::ClientLeft,
                format!(
                    "nobody read the stream for {} seconds, and it is cut off; all of it is written and paid for: send the same request with the same payment to have it",
                    STALLED.as_secs()
                ),
            ));
        }
        let tainted = self.chain.is_tainted(&written.served.model)?;
        let (prompt_tokens, completion_tokens) = (written.prompt_tokens, written.completion_tokens);
        Ok(Finished { reason: written.reason, prompt_tokens, completion_tokens, record, tainted })
    }

    /// Passes tokens on as they come, and says what is to be charged for them.
    async fn write(
        &self,
        mut stream: GenerateStream,
        mut bill: Bill,
        reader: &mut Reader<'_>,
    ) -> ServiceResult<Written> {
        let (mut text, mut tokens) = (String::new(), Vec::new());
        let (reason, usage) = loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = reader.gone() => None,
            };
            match event {
                Some(GenerateEvent::Token { text: more, id, logprobs }) => {
                    tokens.push(id);
                    text.push_str(&more);
                    reader.pass(Token { text: more, logprobs }).await;
                }
                Some(GenerateEvent::Done { text: rest, reason, usage, end, .. }) => {
                    tokens.extend(end);
                    text.push_str(&rest);
                    if !rest.is_empty() {
                        reader.pass(Token { text: rest, logprobs: None }).await;
                    }
                    break (reason, Some(usage));
                }
                Some(GenerateEvent::Failed(error)) => return Err(generate_error(&error)),
                None if tokens.is_empty() => return Err(ServiceError::new(Code::ClientLeft, "the client left")),
                None => break (FinishReason::Length, None),
            }
        };
        drop(stream);
        let count = usage.map_or(tokens.len(), |usage| usage.completion_tokens);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
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
            Completion { prompt_tokens, completion_tokens: count, finish_reason: reason.as_str().to_owned(), tokens };
        let method = method_of(&bill.served);
        let output = self.attributed(&bill.served, &bill.input, text, completion, method).await?;
        let credits = match method {
            Method::Span => self.span_credits(&output)?,
            _ => bill.served.release.credits(&output.influence),
        };
        let mut receipt = self.billing.model_receipt(&bill.served.model, &bill.terms, method, credits);
        receipt.usage = bill.rate.map(|rate| Usage { rate, tokens: count, steps: 0 });
        receipt.fee = receipt.usage.map_or(0, |usage| usage.fee());
        let answer = Answer { receipt, input: bill.input, output };
        Ok(Written { answer, served: bill.served, reason: reason.as_str(), prompt_tokens, completion_tokens: count })
    }

    /// The answer to `input` with these tokens, for those who check a receipt, and how far they lie from what this node would draw.
    pub(super) async fn followed(
        &self,
        served: &Arc<ServedModel>,
        input: &AskInput,
        tokens: Vec<u32>,
        method: Method,
    ) -> ServiceResult<(AskOutput, Option<Apart>)> {
        let stream = start(served, input, None, Some(tokens.clone())).await?;
        let whole = stream.complete().await.map_err(|error| generate_error(&error))?;
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        let completion = Completion {
            prompt_tokens: count(whole.usage.prompt_tokens),
            completion_tokens: count(whole.usage.completion_tokens),
            finish_reason: whole.reason.as_str().to_owned(),
            tokens,
        };
        Ok((self.attributed(served, input, whole.text, completion, method).await?, whole.apart))
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
        let mut output = AskOutput { answer: text, ..AskOutput::default() };
        match method {
            Method::Span => output.spans = self.spans(served, &output.answer).await?,
            _ if output.answer.is_empty() => {}
            _ => output.influence = self.explain_written(served, input, &completion.tokens).await?.influence,
        }
        output.completion = Some(completion);
        Ok(output)
    }
}

/// An answer that is written and not captured yet.
struct Written {
    answer: Answer,
    served: Arc<ServedModel>,
    reason: &'static str,
    prompt_tokens: u32,
    completion_tokens: u32,
}

/// Who reads an answer while it is written.
struct Reader<'a> {
    sender: &'a mpsc::Sender<Piece>,
    /// Whether it is written to its end without anybody to read it.
    is_paid: bool,
    /// What is told once it is paid, where it is not told as it comes: a text that its asker's own form keeps from its end fails, and is not paid.
    withheld: Option<Vec<Token>>,
    /// How long it may take nothing.
    patience: Duration,
    /// Whether nobody has read for so long: what is held for the answer must not wait for that.
    stalled: bool,
}

impl Reader<'_> {
    /// Waits until there is no sense in writing any more; for ever, if it is paid.
    async fn gone(&self) {
        match (self.is_paid, self.stalled) {
            (true, _) => std::future::pending().await,
            (false, true) => {}
            (false, false) => self.sender.closed().await,
        }
    }

    /// Passes on what was withheld.
    async fn tell(&mut self) {
        for token in self.withheld.take().unwrap_or_default() {
            self.pass(token).await;
        }
    }

    async fn pass(&mut self, token: Token) {
        if self.stalled {
            return;
        }
        if let Some(withheld) = &mut self.withheld {
            withheld.push(token);
            return;
        }
        // Whoever leaves is noticed elsewhere.
        if let Err(SendTimeoutError::Timeout(_)) = self.sender.send_timeout(Piece::Token(token), self.patience).await {
            self.stalled = true;
        }
    }
}

/// What is asked of a model; a seed that was drawn for the caller is no part of it.
fn asked(served: &ServedModel, input: &AskInput, seeded: bool) -> Asked {
    let mut question = input.clone();
    if let Some(sampling) = question.sampling.as_mut().filter(|_| !seeded) {
        sampling.seed = 0;
    }
    let question = [&[u8::from(seeded)], question.encode_to_vec().as_slice()].concat();
    Asked::of(Kind::Complete, &served.model.id.0, &question)
}

/// Tokens that the answer to `input` has at most.
fn most_tokens(served: &ServedModel, input: &AskInput) -> u32 {
    served.most_tokens(input.sampling.as_ref().map_or(0, |sampling| sampling.max_tokens))
}

/// Begins the answer to `input`, of no more tokens than are paid for; gives what it then is the answer to, by which another node ends at the same.
async fn start_paid(
    served: &Arc<ServedModel>,
    input: AskInput,
    logprobs: Option<u32>,
    paid: Option<u32>,
) -> ServiceResult<(GenerateStream, AskInput)> {
    let wanted = input.sampling.as_ref().map_or(0, |sampling| sampling.max_tokens);
    if let Some(paid) = paid.filter(|paid| *paid < most_tokens(served, &input)) {
        let mut bounded = input.clone();
        if let Some(sampling) = bounded.sampling.as_mut() {
            sampling.max_tokens = paid;
        }
        match start(served, &bounded, logprobs, None).await {
            // The prompt leaves room for fewer; whoever wants no number of them is given these.
            Err(error) if wanted == 0 && error.code == Code::ContextTooLong => {}
            begun => return Ok((begun?, bounded)),
        }
    }
    Ok((start(served, &input, logprobs, None).await?, input))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_may_fail_by_its_askers_own_form_is_told_once_it_is_paid_and_in_order() {
        let (sender, mut pieces) = mpsc::channel(8);
        let withheld = Some(Vec::new());
        let mut reader = Reader { sender: &sender, is_paid: true, withheld, patience: STALLED, stalled: false };
        for text in ["a", "b"] {
            reader.pass(Token { text: text.into(), logprobs: None }).await;
        }
        assert!(pieces.try_recv().is_err(), "nothing before it is paid");
        reader.tell().await;
        for text in ["a", "b"] {
            assert!(matches!(pieces.try_recv(), Ok(Piece::Token(token)) if token.text == text));
        }
        assert!(pieces.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_written_on_without() {
        let token = || Token { text: "a".into(), logprobs: None };
        let (sender, mut pieces) = mpsc::channel(2);
        let patience = Duration::from_millis(20);
        let mut reader = Reader { sender: &sender, is_paid: true, withheld: None, patience, stalled: false };
        for _ in 0..10_000 {
            reader.pass(token()).await;
        }
        assert!(reader.stalled, "it waited once, and for nothing more");
        assert!(futures::poll!(std::pin::pin!(reader.gone())).is_pending(), "what is paid is written to its end");
        // Who reads is waited for, however slow.
        let (sender, slow) = mpsc::channel(2);
        let mut reader = Reader { sender: &sender, is_paid: false, withheld: None, patience: STALLED, stalled: false };
        let reading = tokio::spawn(async move {
            let mut slow = slow;
            let mut count = 0;
            while slow.recv().await.is_some() {
                tokio::task::yield_now().await;
                count += 1;
            }
            count
        });
        for _ in 0..100 {
            reader.pass(token()).await;
        }
        assert!(!reader.stalled);
        drop(sender);
        assert_eq!(reading.await.unwrap(), 100);
        // Of what is free nothing is written for nobody.
        let (sender, gone) = mpsc::channel::<Piece>(2);
        drop(gone);
        Reader { sender: &sender, is_paid: false, withheld: None, patience, stalled: false }.gone().await;
        assert!(matches!(pieces.try_recv(), Ok(Piece::Token(_))), "what it was sent before is there");
    }
}
