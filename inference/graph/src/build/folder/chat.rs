//! The template of a decoder's chats, and what it writes when it is tried out.

use std::sync::Arc;

use datanet_jinja::{Conversation, Template, TemplateError, Text, Turn};
use serde_json::{Map, Value};

use crate::build::BuildError;

/// The tokens of `tokenizer_config.json` that templates know by name.
const TOKENS: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// An answer in a conversation by which a template is tried out.
const ANSWER: &str = "An example.";

/// Conversations by which a template is tried out, the usual one first: some templates refuse a system message, some ask
/// for one, some know one question alone.
const TRIALS: [&[Turn<'static>]; 3] = [
    &[turn("user", "What is this?"), turn("assistant", ANSWER), turn("user", "And that?")],
    &[turn("system", "Be brief."), turn("user", "What is this?"), turn("assistant", ANSWER), turn("user", "And that?")],
    &[turn("user", "What is this?")],
];

const fn turn(role: &'static str, content: &'static str) -> Turn<'static> {
    Turn { role, content }
}

/// A template that has been read and tried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    template: Arc<Template>,
    tokens: Vec<(String, String)>,
    /// What it writes of those conversations that it takes, in their order.
    trials: Vec<Text>,
}

impl ChatTemplate {
    /// Reads the template `source` of `file`, beside which `settings` are those of the tokenizer, and tries it out.
    ///
    /// # Errors
    /// [`BuildError::File`] for a template that cannot be run, that takes none of the conversations that it is tried out
    /// by, or that writes nothing.
    pub(super) fn read(file: &str, source: &str, settings: &Map<String, Value>) -> Result<Self, BuildError> {
        let bad = |error: TemplateError| BuildError::file(file, format!("the chat template cannot be used: {error}"));
        let template = Arc::new(Template::parse(source).map_err(bad)?);
        let mut read = Self { template, tokens: tokens(settings)?, trials: Vec::new() };
        let mut refused = None;
        for trial in TRIALS {
            match read.render(trial) {
                Ok(text) => read.trials.push(text),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let (true, Some(error)) = (read.trials.is_empty(), refused) {
            return Err(bad(error));
        }
        if read.trials.iter().all(|trial| trial.as_str().trim().is_empty()) {
            return Err(BuildError::file(
                file,
                "the chat template writes nothing of a conversation; mend or remove it",
            ));
        }
        Ok(read)
    }

    /// The prompt for the next turn of a conversation.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, turns: &[Turn<'_>]) -> Result<Text, TemplateError> {
        self.template.render(&Conversation { turns, add_generation_prompt: true, tokens: &self.tokens })
    }

    /// Its source.
    pub fn source(&self) -> &str {
        self.template.source()
    }

    /// What the template itself writes into examples of prompts.
    pub fn own_parts(&self) -> impl Iterator<Item = &str> {
        let parts = self.trials.iter().flat_map(Text::parts);
        parts.filter(|(_, people)| !people).map(|(part, _)| part)
    }

    /// What it writes before the first message of an example, which may be more than that message's frame.
    pub fn openings(&self) -> impl Iterator<Item = &str> {
        self.trials.iter().filter_map(|trial| trial.as_str().get(..trial.people().first()?.start))
    }

    /// What it writes between two messages of an example, and after the last.
    pub fn between(&self) -> impl Iterator<Item = &str> {
        self.trials.iter().flat_map(|trial| {
            let starts = trial.people().iter().skip(1).map(|part| part.start).chain([trial.as_str().len()]);
            trial.people().iter().zip(starts).map(|(part, next)| &trial.as_str()[part.end..next])
        })
    }

    /// What it writes after an answer and before the next message.
    pub fn after_answer(&self) -> Option<&str> {
        self.trials.iter().find_map(|trial| {
            let people = trial.people();
            let at = people.iter().position(|part| trial.as_str()[part.clone()].contains(ANSWER))?;
            let next = people.get(at + 1).map_or(trial.as_str().len(), |next| next.start);
            Some(&trial.as_str()[people[at].end..next])
        })
    }
}

/// Names and texts of the tokens that a tokenizer's settings state.
fn tokens(settings: &Map<String, Value>) -> Result<Vec<(String, String)>, BuildError> {
    let mut tokens = Vec::new();
    for name in TOKENS {
        let text = match settings.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text,
            Some(Value::Object(token)) if token.get("content").is_some_and(Value::is_string) => {
                let Some(Value::String(text)) = token.get("content") else { continue };
                text
            }
            Some(_) => {
                let what = format!("{name} is no text and no token with a content");
                return Err(BuildError::file(super::further::TOKENIZER_CONFIG, what));
            }
        };
        tokens.push((name.to_owned(), text.clone()));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    fn read(source: &str) -> Result<ChatTemplate, String> {
        let settings =
            json!({ "bos_token": "<s>", "eos_token": { "content": "</s>", "special": true }, "pad_token": null });
        let settings = settings.as_object().unwrap();
        ChatTemplate::read("chat_template.jinja", source, settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_knows_the_tokenizers_tokens_and_what_it_writes_itself() {
        let template = read(CHATML).unwrap();
        assert_eq!(template.after_answer(), Some("<|im_end|>\n<|im_start|>user\n"));
        assert_eq!(template.own_parts().next(), Some("<|im_start|>user\n"));
        let openings = ["user", "system", "user"].map(|role| format!("<|im_start|>{role}\n"));
        assert_eq!(template.openings().collect::<Vec<_>>(), openings);
        assert_eq!(template.between().last(), Some("<|im_end|>\n<|im_start|>assistant\n"));
        let tokens = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}";
        let prompt = read(tokens).unwrap().render(&[turn("user", "x")]).unwrap();
        assert_eq!(prompt.as_str(), "<s>x</s>False");
    }

    #[test]
    fn templates_that_refuse_or_ask_for_a_system_message_are_taken() {
        let refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}";
        assert!(read(&format!("{refuses}{CHATML}")).is_ok());
        let asks = "{% if messages[0].role != 'system' %}{{ raise_exception('a system message first') }}{% endif %}";
        assert_eq!(read(&format!("{asks}{CHATML}")).unwrap().after_answer(), Some("<|im_end|>\n<|im_start|>user\n"));
        let once = "{% if messages|length > 1 %}{{ raise_exception('one question') }}{% endif %}";
        assert_eq!(read(&format!("{once}{CHATML}")).unwrap().after_answer(), None);
    }

    #[test]
    fn a_template_that_cannot_be_used_is_refused_with_the_reason() {
        for (source, what) in [
            ("{% if x %}", "line 1: {% elif or else or endif %} is missing"),
            ("a\n{% include 'b' %}", "line 2: {% include %}"),
            ("{{ raise_exception('not for chats') }}", "refuses it: not for chats"),
            ("{{ messages | frob }}", "line 1 of the chat template: the filter frob"),
            (
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "the chat template writes too much",
            ),
            (" ", "writes nothing"),
            ("{% set x = 1 %}", "writes nothing"),
        ] {
            let error = read(source).unwrap_err();
            assert!(error.contains("chat_template.jinja") && error.contains(what), "{source}: {error}");
        }
        let settings = json!({ "bos_token": 3 });
        let error = ChatTemplate::read("x", "a", settings.as_object().unwrap()).unwrap_err().to_string();
        assert!(error.contains("tokenizer_config.json") && error.contains("bos_token"), "{error}");
    }
}
