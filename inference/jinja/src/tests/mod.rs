//! What templates write, whose words they write, and what they may not do.

mod attacks;
mod expected;
mod whose;

use crate::{Conversation, Template, TemplateError, Text, Turn};

const TOKENS: [(&str, &str); 2] = [("bos_token", "<s>"), ("eos_token", "</s>")];

/// The templates of models in use, by their names.
const TEMPLATES: [(&str, &str); 13] = [
    ("command-r", include_str!("templates/command-r.jinja")),
    ("deepseek-r1-distill", include_str!("templates/deepseek-r1-distill.jinja")),
    ("gemma-2", include_str!("templates/gemma-2.jinja")),
    ("llama-2", include_str!("templates/llama-2.jinja")),
    ("llama-3.1", include_str!("templates/llama-3.1.jinja")),
    ("macros", include_str!("templates/macros.jinja")),
    ("mistral-v0.3", include_str!("templates/mistral-v0.3.jinja")),
    ("phi-3", include_str!("templates/phi-3.jinja")),
    ("qwen2.5", include_str!("templates/qwen2.5.jinja")),
    ("qwen3", include_str!("templates/qwen3.jinja")),
    ("smollm2", include_str!("templates/smollm2.jinja")),
    ("smollm3", include_str!("templates/smollm3.jinja")),
    ("zephyr", include_str!("templates/zephyr.jinja")),
];

fn render(source: &str, turns: &[(&str, &str)], answer: bool) -> Result<Text, TemplateError> {
    let turns: Vec<Turn<'_>> = turns.iter().map(|&(role, content)| Turn { role, content }).collect();
    let tokens = TOKENS.map(|(name, token)| (name.to_owned(), token.to_owned()));
    let conversation = Conversation { turns: &turns, add_generation_prompt: answer, tokens: &tokens };
    Template::parse(source)?.render(&conversation)
}

fn rendered(source: &str, turns: &[(&str, &str)]) -> String {
    render(source, turns, true).unwrap().as_str().to_owned()
}

/// The text with what people wrote in ⟦brackets⟧.
fn marked(text: &Text) -> String {
    text.parts().iter().map(|(part, people)| if *people { format!("⟦{part}⟧") } else { (*part).to_owned() }).collect()
}
