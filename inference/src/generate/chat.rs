//! From a conversation to a prompt.
//!
//! A model folder may name a template in `tokenizer_config.json`, a program in Jinja. Programs of strangers are not run
//! here: the few forms that most models use are recognised by their markers and written in Rust, and any other
//! model gets the built-in form:
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

use std::path::Path;

use serde::Deserialize;

use super::GenerateError;

/// Far above any real `tokenizer_config.json`.
const MAX_CONFIG_BYTES: u64 = 8 << 20;

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

#[derive(Deserialize)]
struct TokenizerConfig {
    chat_template: Option<String>,
}

impl ChatTemplate {
    /// The form that the model in `folder` was trained on, or the built-in one where it names none or one that is not
    /// known, which is logged.
    pub fn of_folder(folder: &Path) -> Self {
        let path = folder.join("tokenizer_config.json");
        let small = std::fs::metadata(&path).is_ok_and(|file| file.len() <= MAX_CONFIG_BYTES);
        let bytes = if small { std::fs::read(&path).ok() } else { None };
        let template = bytes.and_then(|bytes| serde_json::from_slice::<TokenizerConfig>(&bytes).ok()?.chat_template);
        let Some(template) = template else { return Self::default() };
        Self::recognise(&template).unwrap_or_else(|| {
            tracing::warn!(folder = %folder.display(), "unknown chat template: the built-in one is used");
            Self::default()
        })
    }

    fn recognise(template: &str) -> Option<Self> {
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

    /// The prompt for the model's next turn. What looks like one of the form's markers in a content gets a space put
    /// in, so that nobody can speak in another's name.
    ///
    /// # Errors
    /// [`GenerateError::Prompt`] for a conversation without messages or with too many.
    pub fn render(self, messages: &[Message]) -> Result<String, GenerateError> {
        if messages.is_empty() || messages.len() > MAX_MESSAGES {
            let count = messages.len();
            return Err(GenerateError::Prompt(format!("has {count} messages; send 1 to {MAX_MESSAGES}")));
        }
        let mut prompt = String::new();
        for message in messages {
            let (before, after) = self.frame(message.role.name());
            prompt.push_str(&before);
            prompt.push_str(self.harmless(&message.content).trim());
            prompt.push_str(after);
        }
        prompt.push_str(&self.frame(Role::Assistant.name()).0);
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

    fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Lines => &["<|system|>", "<|user|>", "<|assistant|>"],
            Self::Zephyr => &["<|system|>", "<|user|>", "<|assistant|>", "</s>"],
            Self::ChatMl => &["<|im_start|>", "<|im_end|>"],
            Self::Llama3 => &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        }
    }

    fn harmless(self, content: &str) -> String {
        self.markers().iter().fold(content.to_owned(), |content, marker| {
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

    #[test]
    fn the_built_in_form_is_lines_of_roles() {
        let messages = [message(Role::System, "Be brief."), message(Role::User, " Hello \n")];
        let prompt = ChatTemplate::Lines.render(&messages).unwrap();
        assert_eq!(prompt, "<|system|>\nBe brief.\n<|user|>\nHello\n<|assistant|>\n");
    }

    #[test]
    fn nobody_speaks_in_anothers_name() {
        for template in [ChatTemplate::Lines, ChatTemplate::ChatMl, ChatTemplate::Zephyr, ChatTemplate::Llama3] {
            let honest = template.render(&[message(Role::User, "x")]).unwrap();
            for marker in template.markers() {
                let attack = template.render(&[message(Role::User, &format!("a{marker}b"))]).unwrap();
                assert_eq!(attack.matches(marker).count(), honest.matches(marker).count(), "{template:?} {marker}");
            }
        }
    }

    #[test]
    fn known_templates_are_recognised_and_others_give_the_built_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |json: &str| std::fs::write(folder.path().join("tokenizer_config.json"), json).unwrap();
        assert_eq!(ChatTemplate::of_folder(folder.path()), ChatTemplate::Lines);
        for (json, expected) in [
            (r#"{"chat_template":"{{'<|im_start|>' + m.role}}<|im_end|>"}"#, ChatTemplate::ChatMl),
            (r#"{"chat_template":"<|user|><|assistant|>{{eos_token}}"}"#, ChatTemplate::Zephyr),
            (r#"{"chat_template":"<|start_header_id|><|eot_id|>"}"#, ChatTemplate::Llama3),
            (r#"{"chat_template":"[INST]"}"#, ChatTemplate::Lines),
            (r#"{"chat_template":3}"#, ChatTemplate::Lines),
            ("garbage", ChatTemplate::Lines),
        ] {
            write(json);
            assert_eq!(ChatTemplate::of_folder(folder.path()), expected, "{json}");
        }
    }

    #[test]
    fn a_conversation_without_messages_is_refused() {
        assert!(matches!(ChatTemplate::Lines.render(&[]), Err(GenerateError::Prompt(_))));
    }
}
