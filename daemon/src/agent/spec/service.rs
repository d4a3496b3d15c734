//! What a service sells.

use anyhow::{Result, ensure};
use datanet_data::retrieval::MAX_NEIGHBOURS;
use datanet_types::AgentId;
use serde::Deserialize;

use super::money::Money;
use crate::sales::MAX_DESCRIPTION;

/// What a template has places for.
pub const PLACES: [&str; 4] = ["question", "passages", "label", "answer"];
/// Longest template and instructions, in bytes.
const MAX_WORDS: usize = 16 * 1024;

/// A service's part.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The agent on the ledger that sells.
    pub agent: AgentId,
    /// What a caller pays for an answer.
    pub price: Money,
    /// What it sells, in the owner's words.
    #[serde(default)]
    pub description: String,
    /// The datanet that passages come from.
    pub datanet: Option<String>,
    /// Passages of one answer; 5 if not given.
    pub passages: Option<u32>,
    /// The model that reads question and passages, or labels the question.
    pub model: Option<String>,
    /// What a model that writes is told: the owner's words.
    #[serde(default)]
    pub instructions: String,
    /// Words that a model writes at most, in tokens; 256 if not given.
    pub max_tokens: Option<u32>,
    /// What is made of it; `{answer}` if not given.
    pub template: Option<String>,
}

impl ServiceSpec {
    /// See the field.
    pub fn passages(&self) -> u32 {
        self.passages.unwrap_or(5)
    }

    /// See the field.
    pub fn max_tokens(&self) -> u32 {
        self.max_tokens.unwrap_or(256)
    }

    /// See the field.
    pub fn template(&self) -> &str {
        self.template.as_deref().unwrap_or("{answer}")
    }

    pub(super) fn check(&self) -> Result<()> {
        let parts = self.datanet.is_some() || self.model.is_some() || self.template.is_some();
        ensure!(parts, "[service] has nothing to sell; name a datanet, a model or a template");
        ensure!(self.price.0 > 0, "[service] price = {}: who sells for nothing needs no agent", self.price);
        let (description, most) = (self.description.len(), MAX_DESCRIPTION);
        ensure!(description <= most, "[service] description has {description} bytes; {most} at most");
        let most = MAX_NEIGHBOURS;
        ensure!((1..=most).contains(&self.passages()), "[service] passages = {}: 1 to {most}", self.passages());
        ensure!(
            self.passages.is_none() || self.datanet.is_some(),
            "[service] passages come out of a datanet; name one, or leave them out"
        );
        ensure!(
            self.model.is_some() || (self.instructions.is_empty() && self.max_tokens.is_none()),
            "[service] instructions and max_tokens are a model's; name one, or leave them out"
        );
        ensure!((1..=32_768).contains(&self.max_tokens()), "[service] max_tokens is 1 to 32768");
        for (name, text) in [("template", self.template()), ("instructions", self.instructions.as_str())] {
            ensure!(text.len() <= MAX_WORDS, "[service] {name} has {} bytes; {MAX_WORDS} at most", text.len());
        }
        self.check_places()
    }

    /// A place that nothing fills would be sold as it stands.
    fn check_places(&self) -> Result<()> {
        let template = self.template();
        ensure!(!template.trim().is_empty(), "[service] template is empty; write what is sold, such as \"{{answer}}\"");
        let has = |place: &str| template.contains(&format!("{{{place}}}"));
        ensure!(
            !has("passages") || self.datanet.is_some(),
            "[service] template has {{passages}}, and there is no datanet that they come from"
        );
        ensure!(
            !(has("label") || has("answer")) || self.datanet.is_some() || self.model.is_some(),
            "[service] template has {{label}} or {{answer}}, and neither datanet nor model gives one"
        );
        let known = |inner: &str| {
            let word = !inner.is_empty() && inner.len() <= 32 && inner.bytes().all(|b| b.is_ascii_lowercase());
            !word || PLACES.contains(&inner)
        };
        let pieces = template.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
        for (inner, _) in pieces {
            ensure!(known(inner), "[service] template has {{{inner}}}; there are {{{}}}", PLACES.join("}, {"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::sample::sample;
    use crate::agent::spec::{Kind, Spec};

    #[test]
    fn what_cannot_be_sold_is_named() {
        let good = sample(Kind::Service, "owl");
        Spec::parse(&good).unwrap();
        let whole = good
            .replace("# model = \"my-model\"", "model = \"my-model\"")
            .replace("# instructions = \"Answer", "instructions = \"Answer");
        assert!(Spec::parse(&whole).unwrap().service.unwrap().model.is_some());
        for (from, to, says) in [
            ("price = \"0.01DNT\"", "price = \"0DNT\"", "sells for nothing"),
            ("template = \"{answer}\"", "template = \" \"", "template is empty"),
            ("template = \"{answer}\"", "template = \"{anwser}\"", "{question}, {passages}, {label}, {answer}"),
            ("template = \"{answer}\"", "template = \"{answer}\"\nmax_tokens = 5", "are a model's"),
            ("datanet = \"topics\"\npassages = 5", "", "neither datanet nor model"),
            ("datanet = \"topics\"\npassages = 5", "passages = 5", "come out of a datanet"),
            ("passages = 5", "passages = 0", "passages = 0"),
            ("agent = \"0000", "agent = \"00", "hexadecimal"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = format!("{:#}", Spec::parse(&good.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(says), "{to:?} should say {says:?}: {error}");
        }
    }

    #[test]
    fn a_template_alone_is_a_skill_and_braces_that_are_no_places_stay() {
        let good = sample(Kind::Service, "owl").replace("datanet = \"topics\"\npassages = 5\n", "");
        let good = good.replace("template = \"{answer}\"", "template = '{\"asked\": \"{question}\", \"x\": {}}'");
        Spec::parse(&good).unwrap();
    }
}
