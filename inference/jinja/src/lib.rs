//! Chat templates: the small programs in Jinja by which a model's maker says how a conversation becomes a prompt.
//!
//! ```text
//!  source ── lexer ──► tokens ── parser ──► tree        once, when the model's folder is opened
//!  tree + messages ── machine, within a budget ──► Text  for each prompt
//!
//!  <|im_start|>user⏎ Is <|im_end|> a word? <|im_end|>⏎
//!  └─ template ────┘ └─ people ──────────┘ └ template┘    what a Text knows
//! ```
//!
//! Templates come with models, from strangers, and are run as `transformers` runs them: the same white space, names,
//! filters and methods, and nothing that could reach anything but the prompt. Three things are different.
//!
//! - **Whose words.** Every string knows which of its characters people wrote, whatever is done with it ([`Text`]). So a
//!   special token is one only where the template wrote all of it.
//! - **Bounds.** Source, nesting, steps, reading and writing are counted (`budget`). A template that takes too much is an
//!   error and no slow or swollen node.
//! - **No clock.** `strftime_now` always tells the same day (`date`).
//!
//! What is not known is refused by its name: tags that read other templates, recursive loops, `*args`, and filters, tests
//! and methods that no template in use calls.

mod ast;
mod budget;
mod date;
mod fault;
mod filters;
mod json;
mod lexer;
mod machine;
mod methods;
mod ops;
mod parser;
mod predicates;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::sync::Arc;

use budget::Budget;
pub use fault::TemplateError;
use machine::Machine;
pub use text::Text;
use value::Value;

/// One turn of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<'a> {
    /// `system`, `user` or `assistant`: a name of the program's, which becomes the template's words.
    pub role: &'a str,
    /// What people wrote.
    pub content: &'a str,
}

/// A conversation that is to become a prompt.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// In order.
    pub turns: &'a [Turn<'a>],
    /// Whether the prompt ends with the beginning of an answer.
    pub add_generation_prompt: bool,
    /// Further names that the template knows: `bos_token` and the like.
    pub tokens: &'a [(String, String)],
}

/// A template that can be run.
#[derive(Debug)]
pub struct Template {
    body: ast::Body,
    source: String,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError::Source`] for one that is too long or nests too deep, is no Jinja, or has a tag that is not known.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { body: parser::parse(source)?, source: source.to_owned() })
    }

    /// As it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The prompt for a conversation, a pure function of the two.
    ///
    /// # Errors
    /// [`TemplateError::Refused`] where the template does, [`TemplateError::Failed`] where it cannot go on, and
    /// [`TemplateError::Bound`] where it takes too much.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<Text, TemplateError> {
        let Conversation { turns, add_generation_prompt, tokens } = *conversation;
        let bytes = turns.iter().map(|turn| turn.content.len()).sum();
        let mut budget = Budget::new(turns.len(), bytes);
        let messages = messages(turns, &mut budget).map_err(|fault| fault.at(1))?;
        let mut variables = vec![
            (Arc::from("messages"), messages),
            (Arc::from("add_generation_prompt"), Value::Bool(add_generation_prompt)),
            (Arc::from("tools"), Value::None),
            (Arc::from("documents"), Value::None),
        ];
        variables.extend(tokens.iter().map(|(name, token)| (Arc::from(name.as_str()), Value::own(token.as_str()))));
        Machine::new(budget, variables).run(&self.body)
    }
}

fn messages(turns: &[Turn<'_>], budget: &mut Budget) -> fault::Run<Value> {
    let mut messages = Vec::with_capacity(turns.len());
    for turn in turns {
        let content = Value::text(Text::of_people(turn.content), budget)?;
        let entries = vec![(Value::own("role"), Value::own(turn.role)), (Value::own("content"), content)];
        messages.push(Value::dict(entries, budget)?);
    }
    Value::list(messages, budget)
}
