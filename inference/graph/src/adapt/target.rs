//! Which layers are meant.

use std::collections::BTreeSet;

use super::find::Linear;
use super::{ALL_LINEAR, AdaptError, AdaptSpec};

/// Names of output heads, which [`ALL_LINEAR`] leaves out.
const HEADS: [&str; 5] = ["lm_head", "classifier", "score", "pre_classifier", "qa_outputs"];

/// Modules named in an error at most.
const SHOWN: usize = 24;

/// The path of a module without the prefix that an architecture puts before it in a model for a task (`bert.`,
/// `distilbert.`, `roberta.`, `model.`).
pub fn bare_module(path: &str) -> &str {
    ["bert.", "distilbert.", "roberta.", "model."].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path)
}

/// The layers that the spec means, in the order of the graph.
pub(super) fn choose<'a>(all: &'a [Linear], spec: &AdaptSpec) -> Result<Vec<&'a Linear>, AdaptError> {
    if spec.targets.is_empty() {
        return Err(AdaptError::NoTargets(known(all)));
    }
    for target in &spec.targets {
        if !all.iter().any(|linear| meant(linear, target)) {
            return Err(AdaptError::Unmatched { target: target.clone(), known: known(all) });
        }
    }
    let meant = |linear: &&Linear| spec.targets.iter().any(|target| meant(linear, target));
    let targeted: Vec<&Linear> = all.iter().filter(meant).collect();
    let Some(layers) = &spec.layers else { return Ok(targeted) };
    let present: BTreeSet<usize> = targeted.iter().filter_map(|linear| layer(&linear.module)).collect();
    if let Some(&layer) = layers.iter().find(|layer| !present.contains(layer)) {
        return Err(AdaptError::NoLayer { layer, known: listed(present.iter().map(usize::to_string)) });
    }
    let inside = |linear: &&Linear| layer(&linear.module).is_some_and(|layer| layers.contains(&layer));
    let chosen: Vec<&Linear> = targeted.into_iter().filter(inside).collect();
    if chosen.is_empty() { Err(AdaptError::NoTargets(known(all))) } else { Ok(chosen) }
}

fn meant(linear: &Linear, target: &str) -> bool {
    if target == ALL_LINEAR {
        let last = linear.module.rsplit('.').next().unwrap_or_default();
        return !HEADS.contains(&last);
    }
    let [weight, node] = &linear.aliases;
    matches(&linear.module, target) || target == weight || target == node
}

/// PEFT's rule: the path is the target, or ends with it after a dot; `*` stands for anything.
fn matches(module: &str, target: &str) -> bool {
    let tail = |at: usize| at == 0 || module.as_bytes()[at - 1] == b'.';
    (0..module.len()).filter(|&at| module.is_char_boundary(at) && tail(at)).any(|at| glob(&module[at..], target))
}

/// Whether the whole text is what the pattern says. Linear in memory, at most quadratic in time.
fn glob(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The layer that a module is in: the first number of its path.
fn layer(module: &str) -> Option<usize> {
    module.split('.').find_map(|part| part.parse().ok())
}

/// What the layers are called, layer numbers left out.
fn known(all: &[Linear]) -> String {
    let general = |linear: &Linear| {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        linear.module.split('.').map(|part| if number(part) { "*" } else { part }).collect::<Vec<_>>().join(".")
    };
    listed(all.iter().map(general).collect::<BTreeSet<_>>().into_iter())
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.take(SHOWN).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_end_of_a_path_at_a_dot() {
        let module = "encoder.layer.11.attention.self.query";
        for target in ["query", "self.query", module, "*query", "layer.*.query", "encoder.*.self.*", "*"] {
            assert!(matches(module, target), "{target}");
        }
        for target in ["uery", "key", "layer.1.attention.self.query", "", "encoder", "layer.*.key", "query*self"] {
            assert!(!matches(module, target), "{target}");
        }
    }

    #[test]
    fn the_architectures_prefix_is_no_part_of_a_path() {
        assert_eq!(bare_module("bert.encoder.layer.0"), "encoder.layer.0");
        assert_eq!(bare_module("model.layers.0.mlp"), "layers.0.mlp");
        assert_eq!(bare_module("layers.0.mlp"), "layers.0.mlp");
    }
}
