//! One answer under way.

use std::sync::Arc;

use tokenizers::Tokenizer;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::GenerateError;
use super::event::{Alternative, FinishReason, GenerateEvent, GenerateUsage, TokenLogprobs};
use super::sampling::{Sampler, SamplingParams, logprobs};
use super::text::{Detokeniser, Stops};
use crate::encoder::{Loaded, ServeError};

/// What a sequence has been told to do, and what it has done.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) adapter: Option<Arc<Loaded>>,
    events: mpsc::Sender<GenerateEvent>,
    sampler: Sampler,
    detokeniser: Detokeniser,
    stops: Stops,
    /// How many alternatives to list, if log probabilities are wanted at all.
    top: Option<usize>,
    usage: GenerateUsage,
    max_tokens: usize,
    _room: OwnedSemaphorePermit,
}

impl Sequence {
    /// A sequence whose `params` have been checked and whose number of tokens is settled.
    pub(super) fn new(
        params: SamplingParams,
        seed: u64,
        prompt_tokens: usize,
        max_tokens: usize,
        adapter: Option<Arc<Loaded>>,
        room: OwnedSemaphorePermit,
    ) -> (Self, mpsc::Receiver<GenerateEvent>) {
        // Room for every event there can be, so that a slow reader never holds the others up.
        let (events, receiver) = mpsc::channel(max_tokens + 1);
        let sequence = Self {
            adapter,
            events,
            sampler: Sampler::new(&params, seed),
            detokeniser: Detokeniser::default(),
            stops: Stops::new(params.stop),
            top: params.logprobs,
            usage: GenerateUsage { prompt_tokens, completion_tokens: 0 },
            max_tokens,
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
        let Some(id) = self.sampler.pick(logits) else {
            self.fail(ServeError::Output("its logits are not finite".to_owned()).into());
            return None;
        };
        if ends.contains(&id) {
            // The reader may have left meanwhile, here and below.
            self.finish(FinishReason::Stop, false, tokenizer);
            return None;
        }
        self.usage.completion_tokens += 1;
        let text = match self.detokeniser.push(id, tokenizer) {
            Ok(text) => text,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        let (text, stopped) = self.stops.push(&text);
        let logprobs = self.top.map(|top| token_logprobs(logits, id, top, tokenizer));
        let _ = self.events.try_send(GenerateEvent::Token { text, id, logprobs });
        if stopped || self.remaining() == 0 {
            let reason = if stopped { FinishReason::Stop } else { FinishReason::Length };
            self.finish(reason, stopped, tokenizer);
            return None;
        }
        Some(id)
    }

    /// Ends with an error.
    pub(super) fn fail(&mut self, error: GenerateError) {
        let _ = self.events.try_send(GenerateEvent::Failed(error));
    }

    fn finish(&mut self, reason: FinishReason, at_stop: bool, tokenizer: &Tokenizer) {
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
        let _ = self.events.try_send(GenerateEvent::Done { text, reason, usage: self.usage });
    }
}

fn token_logprobs(logits: &[f32], id: u32, top: usize, tokenizer: &Tokenizer) -> TokenLogprobs {
    let text = |id: u32| tokenizer.decode(&[id], false).unwrap_or_default();
    let (logprob, alternatives) = logprobs(logits, id, top);
    let top = alternatives.into_iter().map(|(id, logprob)| Alternative { id, text: text(id), logprob }).collect();
    TokenLogprobs { text: text(id), logprob, top }
}
