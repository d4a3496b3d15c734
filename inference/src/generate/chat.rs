//! From a conversation to a prompt.
//!
//! A model folder may hold a template, a program in Jinja. Programs of strangers are not run here: the few forms that most
//! models use are recognised by their markers and written in Rust, and any other model gets the built-in form:
//!
//! ```text
//! <|system|>
//! You are brief.
//! <|user|>
//! What is a datanet?
//! <|assistant|>
//! ```
//!
//! after which the model writes, until it ends or begins another line of this kind.

use serde::Deserialize;

use super::{GenerateError, PromptText};

/// Most messages of a conversation.
const MAX_MESSAGES: usize = 4_096;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions from whoever runs the service (OpenAI also calls it `developer`).
    #[serde(alias = "developer")]
    System,
    /// A person or program that asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// The form of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChatTemplate {
    /// The built-in form: a line `<|role|>`, then the content.
    #[default]
    Lines,
    /// `<|im_start|>role`, a line break, the content, `<|im_end|>`.
    ChatMl,
    /// As [`ChatTemplate::Lines`], each content ended by `</s>`.
    Zephyr,
    /// `<|start_header_id|>role<|end_header_id|>`, an empty line, the content, `<|eot_id|>`.
    Llama3,
}

impl ChatTemplate {
    /// The form of a model's template; none for one that is not known.
    pub(super) fn of(template: &str) -> Option<Self> {
        let has = |marker: &str| template.contains(marker);
        if has("<|im_start|>") && has("<|im_end|>") {
            Some(Self::ChatMl)
        } else if has("<|start_header_id|>") && has("<|eot_id|>") {
            Some(Self::Llama3)
        } else if has("<|user|>") && has("<|assistant|>") {
            Some(if has("eos_token") || has("</s>") { Self::Zephyr } else { Self::Lines })
        } else {
            None
        }
    }

    /// The prompt for the model's next turn. What people have written is plain, so that nobody can speak in another's name
    /// with a special token; a marker that `is_token` says is none gets a space put in there.
    ///
    /// # Errors
    /// [`GenerateError::Prompt`] for a conversation without messages or with too many.
    pub(super) fn render(
        self,
        messages: &[Message],
        is_token: impl Fn(&str) -> bool,
    ) -> Result<PromptText, GenerateError> {
        if messages.is_empty() || messages.len() > MAX_MESSAGES {
            let count = messages.len();
            return Err(GenerateError::Prompt(format!("has {count} messages; send 1 to {MAX_MESSAGES}")));
        }
        let mut prompt = PromptText::default();
        for message in messages {
            let (before, after) = self.frame(message.role.name());
            prompt.text.push_str(&before);
            let start = prompt.text.len();
            prompt.text.push_str(self.harmless(&message.content, &is_token).trim());
            prompt.plain.push(start..prompt.text.len());
            prompt.text.push_str(after);
        }
        prompt.text.push_str(&self.frame(Role::Assistant.name()).0);
        Ok(prompt)
    }

    /// Strings at which an answer ends, beside the model's own end.
    pub fn stops(self) -> Vec<String> {
        self.markers().iter().map(|marker| (*marker).to_owned()).collect()
    }

    /// What comes before and after a content.
    fn frame(self, role: &str) -> (String, &'static str) {
        match self {
            Self::Lines => (format!("<|{role}|>\n"), "\n"),
            Self::Zephyr => (format!("<|{role}|>\n"), "</s>\n"),
            Self::ChatMl => (format!("<|im_start|>{role}\n"), "<|im_end|>\n"),
            Self::Llama3 => (format!("<|start_header_id|>{role}<|end_header_id|>\n\n"), "<|eot_id|>"),
        }
    }

    /// What its frames are recognised by.
    pub(super) fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Lines => &["<|system|>", "<|user|>", "<|assistant|>"],
            Self::Zephyr => &["<|system|>", "<|user|>", "<|assistant|>", "</s>"],
            Self::ChatMl => &["<|im_start|>", "<|im_end|>"],
            Self::Llama3 => &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        }
    }

    fn harmless(self, content: &str, is_token: impl Fn(&str) -> bool) -> String {
        self.markers().iter().filter(|marker| !is_token(marker)).fold(content.to_owned(), |content, marker| {
            let (first, rest) = marker.split_at(1);
            content.replace(marker, &format!("{first} {rest}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn render(template: ChatTemplate, messages: &[Message]) -> String {
        template.render(messages, |_| false).unwrap().text
    }

    #[test]
    fn the_built_in_form_is_lines_of_roles() {
        let messages = [message(Role::System, "Be brief."), message(Role::User, " Hello \n")];
        let prompt = render(ChatTemplate::Lines, &messages);
        assert_eq!(prompt, "<|system|>\nBe brief.\n<|user|>\nHello\n<|assistant|>\n");
    }

    #[test]
    fn nobody_speaks_in_anothers_name() {
        for template in [ChatTemplate::Lines, ChatTemplate::ChatMl, ChatTemplate::Zephyr, ChatTemplate::Llama3] {
            let honest = render(template, &[message(Role::User, "x")]);
            for marker in template.markers() {
                let attack = [message(Role::User, &format!("a{marker}b"))];
                let broken = render(template, &attack);
                assert_eq!(broken.matches(marker).count(), honest.matches(marker).count(), "{template:?} {marker}");
                // A special token stays as it was written, in a part in which nothing is special.
                let whole = template.render(&attack, |_| true).unwrap();
                assert_eq!(&whole.text[whole.plain[0].clone()], attack[0].content);
            }
        }
    }

    #[test]
    fn known_templates_are_recognised() {
        for (template, expected) in [
            ("{{'<|im_start|>' + m.role}}<|im_end|>", Some(ChatTemplate::ChatMl)),
            ("<|user|><|assistant|>{{eos_token}}", Some(ChatTemplate::Zephyr)),
            ("<|start_header_id|><|eot_id|>", Some(ChatTemplate::Llama3)),
            ("[INST]", None),
        ] {
            assert_eq!(ChatTemplate::of(template), expected, "{template}");
        }
    }

    #[test]
    fn a_conversation_without_messages_is_refused() {
        assert!(matches!(ChatTemplate::Lines.render(&[], |_| false), Err(GenerateError::Prompt(_))));
    }
}
