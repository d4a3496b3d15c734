//! One answer under way.

use std::sync::Arc;

use tokenizers::Tokenizer;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::GenerateError;
use super::apart::Apart;
use super::bytes::token_bytes;
use super::event::{Alternative, FinishReason, GenerateEvent, GenerateUsage, TokenLogprobs};
use super::grammar::Grammar;
use super::sampling::{Sampler, SamplingParams, logprobs};
use super::text::{Detokeniser, Stops};
use crate::encoder::{Loaded, ServeError};
use crate::graph::quantise::Precision;

/// What a sequence has been told to do, and what it has done.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) adapter: Option<Arc<Loaded>>,
    events: mpsc::Sender<GenerateEvent>,
    sampler: Sampler,
    grammar: Option<Grammar>,
    detokeniser: Detokeniser,
    stops: Stops,
    /// How many alternatives to list, if log probabilities are wanted at all.
    top: Option<usize>,
    usage: GenerateUsage,
    max_tokens: usize,
    checked: Option<Checked>,
    _room: OwnedSemaphorePermit,
}

/// What a sequence is told to do.
#[derive(Debug)]
pub(super) struct Begun {
    /// Checked.
    pub(super) params: SamplingParams,
    pub(super) grammar: Option<Grammar>,
    pub(super) seed: u64,
    pub(super) prompt_tokens: usize,
    /// Settled: the context has room for so many.
    pub(super) max_tokens: usize,
    pub(super) adapter: Option<Arc<Loaded>>,
    /// The tokens to follow, of an answer that is checked.
    pub(super) claimed: Option<Vec<u32>>,
    /// The numbers that the model computes in.
    pub(super) precision: Precision,
}

/// An answer from elsewhere that is followed token by token.
#[derive(Debug)]
struct Checked {
    claimed: std::vec::IntoIter<u32>,
    apart: Apart,
}

impl Checked {
    /// The next of its tokens, whatever `sampler` would draw.
    fn next(&mut self, sampler: &mut Sampler, logits: &[f32]) -> Result<Option<u32>, GenerateError> {
        let id = self.claimed.next().ok_or_else(|| GenerateError::Claimed("stops where nothing ends it".to_owned()))?;
        if logits.get(id as usize) == Some(&f32::NEG_INFINITY) {
            return Err(GenerateError::Claimed("has a token that can't come there".to_owned()));
        }
        let Some(distance) = sampler.distance(logits, id) else { return Ok(None) };
        self.apart.add(distance);
        Ok(Some(id))
    }
}

impl Sequence {
    /// One that does what `begun` says.
    pub(super) fn new(begun: Begun, room: OwnedSemaphorePermit) -> (Self, mpsc::Receiver<GenerateEvent>) {
        let Begun { params, grammar, seed, prompt_tokens, max_tokens, adapter, claimed, precision } = begun;
        // Room for every event there can be, so that a slow reader never holds the others up.
        let (events, receiver) = mpsc::channel(max_tokens + 1);
        let sequence = Self {
            adapter,
            events,
            sampler: Sampler::new(&params, seed),
            grammar,
            detokeniser: Detokeniser::default(),
            stops: Stops::new(params.stop),
            top: params.logprobs,
            usage: GenerateUsage { prompt_tokens, completion_tokens: 0 },
            max_tokens,
            checked: claimed.map(|claimed| Checked { claimed: claimed.into_iter(), apart: Apart::of(precision) }),
            _room: room,
        };
        (sequence, receiver)
    }

    /// Whether nobody reads it any more.
    pub(super) fn abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Tokens that may still come.
    pub(super) fn remaining(&self) -> usize {
        self.max_tokens - self.usage.completion_tokens
    }

    /// Chooses the next token and tells it; none if the sequence has ended with it.
    pub(super) fn advance(&mut self, logits: &[f32], ends: &[u32], tokenizer: &Tokenizer) -> Option<u32> {
        let id = match self.choose(logits) {
            Ok(id) => id,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        if ends.contains(&id) {
            // The reader may have left meanwhile, here and below.
            self.finish(FinishReason::Stop, Some(id), false, tokenizer);
            return None;
        }
        let (text, stopped) = match self.read(id, tokenizer) {
            // A special token that ends the answer is no part of it, just as the model's own end is none.
            Ok(Read::Ended(text)) => {
                self.done(text, FinishReason::Stop, Some(id));
                return None;
            }
            Ok(Read::Text(text, stopped)) => (text, stopped),
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        let complete = match self.grammar.as_mut().map_or(Ok(false), |grammar| grammar.take(id)) {
            Ok(complete) => complete,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        let start = self.usage.completion_tokens == 0;
        self.usage.completion_tokens += 1;
        let logprobs = self.top.map(|top| token_logprobs(logits, id, top, start, tokenizer));
        let _ = self.events.try_send(GenerateEvent::Token { text, id, logprobs });
        if stopped || complete || self.remaining() == 0 {
            let reason = if stopped || complete { FinishReason::Stop } else { FinishReason::Length };
            self.finish(reason, None, stopped, tokenizer);
            return None;
        }
        Some(id)
    }

    fn choose(&mut self, logits: &[f32]) -> Result<u32, GenerateError> {
        let allowed = self.grammar.as_mut().map(|grammar| grammar.allow(logits)).transpose()?;
        let logits = allowed.as_deref().unwrap_or(logits);
        let picked = match &mut self.checked {
            Some(checked) => checked.next(&mut self.sampler, logits)?,
            None => self.sampler.pick(logits),
        };
        picked.ok_or_else(|| ServeError::Output("its logits are not finite".to_owned()).into())
    }

    /// What a token adds to the text.
    fn read(&mut self, id: u32, tokenizer: &Tokenizer) -> Result<Read, GenerateError> {
        let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let Some(token) = added.get(&id).filter(|token| token.special) else {
            let text = self.detokeniser.push(id, tokenizer)?;
            let (text, stopped) = self.stops.push(&text);
            return Ok(Read::Text(text, stopped));
        };
        // Nothing after it can complete a character before it.
        let before = self.detokeniser.finish(tokenizer)?;
        let (mut text, stopped) = self.stops.push(&before);
        if stopped {
            return Ok(Read::Text(text, true));
        }
        let (more, stopped) = self.stops.push_hidden(&token.content);
        text.push_str(&more);
        Ok(if stopped { Read::Ended(text) } else { Read::Text(text, false) })
    }

    /// Ends with an error.
    pub(super) fn fail(&mut self, error: GenerateError) {
        let _ = self.events.try_send(GenerateEvent::Failed(error));
    }

    fn finish(&mut self, reason: FinishReason, end: Option<u32>, at_stop: bool, tokenizer: &Tokenizer) {
        let mut text = String::new();
        let mut reason = reason;
        if !at_stop {
            let rest = self.detokeniser.finish(tokenizer).unwrap_or_default();
            let (rest, stopped) = self.stops.push(&rest);
            text = rest;
            if stopped {
                reason = FinishReason::Stop;
            } else {
                text.push_str(&self.stops.finish());
            }
        }
        self.done(text, reason, end);
    }

    fn done(&mut self, text: String, reason: FinishReason, end: Option<u32>) {
        if self.checked.as_ref().is_some_and(|checked| checked.claimed.len() > 0) {
            return self.fail(GenerateError::Claimed("goes on after its end".to_owned()));
        }
        let apart = self.checked.as_ref().map(|checked| checked.apart);
        let _ = self.events.try_send(GenerateEvent::Done { text, reason, usage: self.usage, end, apart });
    }
}

/// What a token adds to the text.
enum Read {
    /// Text, after which a stop string may have come.
    Text(String, bool),
    /// The rest of the text: it is a special token at which the answer ends.
    Ended(String),
}

/// `start` says whether the token is the first of its text.
fn token_logprobs(logits: &[f32], id: u32, top: usize, start: bool, tokenizer: &Tokenizer) -> TokenLogprobs {
    let bytes = |id: u32| token_bytes(tokenizer, id, start);
    let (logprob, alternatives) = logprobs(logits, id, top);
    let top = alternatives.into_iter().map(|(id, logprob)| Alternative { id, bytes: bytes(id), logprob }).collect();
    TokenLogprobs { bytes: bytes(id), logprob, top }
}
