//! What a reader of an answer gets.

use tokio::sync::mpsc;

use super::GenerateError;
use super::apart::Apart;

/// One thing that happened to an answer.
#[derive(Debug)]
pub enum GenerateEvent {
    /// A token was generated.
    Token {
        /// The text that has become certain with it: empty while a character is unfinished or a stop string may be coming.
        text: String,
        /// The token.
        id: u32,
        /// Its log probability, where asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is complete; nothing follows.
    Done {
        /// The text that was held back until now.
        text: String,
        /// Why it ends here.
        reason: FinishReason,
        /// Tokens consumed.
        usage: GenerateUsage,
        /// The token that ended it, if one did.
        end: Option<u32>,
        /// Of an answer that was checked: how far it lies from what would have been drawn.
        apart: Option<Apart>,
    },
    /// The answer cannot be completed; nothing follows.
    Failed(GenerateError),
}

/// How probable a token was.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The bytes that it stands for, which may be a part of a character.
    pub bytes: Vec<u8>,
    /// Its log probability under the model's own distribution, whatever the temperature.
    pub logprob: f32,
    /// The most probable tokens, most probable first.
    pub top: Vec<Alternative>,
}

/// A token that could have come.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// The token.
    pub id: u32,
    /// The bytes that it stands for.
    pub bytes: Vec<u8>,
    /// Its log probability.
    pub logprob: f32,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// `max_tokens` was reached.
    Length,
}

impl FinishReason {
    /// OpenAI's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// Tokens that an answer consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenerateUsage {
    /// Of the prompt.
    pub prompt_tokens: usize,
    /// Generated, those of a stop string included and the token that ends an answer not.
    pub completion_tokens: usize,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// The tokens, those of a stop string included.
    pub ids: Vec<u32>,
    /// Log probabilities of the tokens, where asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// Why it ends.
    pub reason: FinishReason,
    /// Tokens consumed.
    pub usage: GenerateUsage,
    /// The token that ended it, if one did.
    pub end: Option<u32>,
    /// Of an answer that was checked: how far it lies from what would have been drawn.
    pub apart: Option<Apart>,
}

/// An answer as it is generated. Dropping it frees its place at the next step.
#[derive(Debug)]
pub struct GenerateStream {
    events: mpsc::Receiver<GenerateEvent>,
    ended: bool,
}

impl GenerateStream {
    pub(super) fn new(events: mpsc::Receiver<GenerateEvent>) -> Self {
        Self { events, ended: false }
    }

    /// What happened next; nothing after [`GenerateEvent::Done`] or [`GenerateEvent::Failed`], one of which always comes.
    pub async fn next(&mut self) -> Option<GenerateEvent> {
        if self.ended {
            return None;
        }
        let event = self.events.recv().await.unwrap_or(GenerateEvent::Failed(GenerateError::Stopped));
        self.ended = !matches!(event, GenerateEvent::Token { .. });
        Some(event)
    }

    /// Waits for the whole answer.
    ///
    /// # Errors
    /// That of [`GenerateEvent::Failed`].
    pub async fn complete(mut self) -> Result<Completion, GenerateError> {
        let (mut text, mut ids, mut all) = (String::new(), Vec::new(), Vec::new());
        loop {
            match self.next().await {
                Some(GenerateEvent::Token { text: piece, id, logprobs }) => {
                    text.push_str(&piece);
                    ids.push(id);
                    all.extend(logprobs);
                }
                Some(GenerateEvent::Done { text: rest, reason, usage, end, apart }) => {
                    text.push_str(&rest);
                    return Ok(Completion { text, ids, logprobs: all, reason, usage, end, apart });
                }
                Some(GenerateEvent::Failed(error)) => return Err(error),
                None => return Err(GenerateError::Stopped),
            }
        }
    }
}
