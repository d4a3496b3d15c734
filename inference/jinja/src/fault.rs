//! Why a template is not run, or not to its end.

use crate::text::Text;

/// Most characters of a template's own words in an error.
const MAX_WORDS: usize = 300;

/// What is wrong with a template, or with a conversation for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It is not one that can be run here: no Jinja, too long, or with something that is not known.
    #[error("line {line}: {what}")]
    Source {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and perhaps what helps.
        what: String,
    },
    /// It refuses the conversation (`raise_exception`).
    #[error("the model's chat template refuses it: {0}")]
    Refused(
        /// Its own words, made one line and cut.
        String,
    ),
    /// It cannot go on with this conversation.
    #[error("line {line} of the chat template: {what}")]
    Failed {
        /// Counted from 1.
        line: usize,
        /// What happened there.
        what: String,
    },
    /// It takes more than a template may.
    #[error("line {line}: the chat template {what}")]
    Bound {
        /// Counted from 1.
        line: usize,
        /// Of what it takes too much.
        what: &'static str,
    },
}

/// The same, of a part that does not know its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused(String),
    Failed(String),
    Bound(&'static str),
}

pub(crate) type Run<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn at(self, line: usize) -> TemplateError {
        match self {
            Self::Refused(words) => TemplateError::Refused(words),
            Self::Failed(what) => TemplateError::Failed { line, what },
            Self::Bound(what) => TemplateError::Bound { line, what },
        }
    }

    pub(crate) fn refused(words: &Text) -> Self {
        Self::Refused(shown(words.as_str(), MAX_WORDS))
    }
}

pub(crate) fn failed<T>(what: impl Into<String>) -> Run<T> {
    Err(Fault::Failed(what.into()))
}

/// A text as one line of at most so many characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let line: String = text.chars().take(most).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let dots = if text.chars().nth(most).is_some() { "…" } else { "" };
    format!("{}{dots}", line.trim())
}
