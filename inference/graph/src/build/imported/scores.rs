//! What a classifier's logits mean.

use super::{BuildError, ExportConfig};

/// How logits become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scores {
    /// One class of several is right: their softmax.
    #[default]
    Softmax,
    /// Each class is right or not by itself, or there is one alone: the sigmoid of each.
    Sigmoid,
}

impl Scores {
    /// From `config.json`: the function it names, or else the kind of problem; one logit alone gets the sigmoid, since
    /// the softmax of one number is 1 whatever it is.
    pub(super) fn of(config: &ExportConfig, classes: usize) -> Result<Self, BuildError> {
        let problem = match config.problem_type.as_deref() {
            None if classes == 1 => Self::Sigmoid,
            Some("single_label_classification") if classes == 1 => Self::Sigmoid,
            None | Some("single_label_classification") => Self::Softmax,
            Some("multi_label_classification") => Self::Sigmoid,
            Some(other) => {
                let what = format!(
                    "problem_type {other:?} is not supported: its numbers are no probabilities; single_label_classification and multi_label_classification are"
                );
                return Err(BuildError::Config(what));
            }
        };
        let Some((key, function)) = config.function() else { return Ok(problem) };
        match function.rsplit('.').next().unwrap_or(function).to_ascii_lowercase().as_str() {
            "sigmoid" => Ok(Self::Sigmoid),
            "softmax" if classes > 1 => Ok(Self::Softmax),
            _ => {
                let what = format!(
                    "{key} {function:?} is not supported for {classes} classes: it gives no probabilities; remove the key to have the {}",
                    if problem == Self::Sigmoid { "sigmoid" } else { "softmax" }
                );
                Err(BuildError::Config(what))
            }
        }
    }
}

impl ExportConfig {
    /// The key that names the function over the logits, and the function.
    fn function(&self) -> Option<(&'static str, &str)> {
        let inner = self.sentence_transformers.as_ref().and_then(|inner| inner.activation_fn.as_ref());
        let known = [
            ("function_to_apply", self.function_to_apply.as_ref()),
            ("sentence_transformers.activation_fn", inner),
            ("sbert_ce_default_activation_function", self.sbert_ce_default_activation_function.as_ref()),
        ];
        known.into_iter().find_map(|(key, function)| Some((key, function?.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(config: Value, classes: usize) -> Result<Scores, String> {
        let config: ExportConfig = serde_json::from_value(config).unwrap();
        Scores::of(&config, classes).map_err(|error| error.to_string())
    }

    #[test]
    fn the_kind_of_problem_and_the_number_of_classes_say_what_logits_mean() {
        let problem = |name: &str| json!({ "problem_type": name });
        assert_eq!(of(json!({}), 3), Ok(Scores::Softmax));
        assert_eq!(of(json!({}), 1), Ok(Scores::Sigmoid));
        assert_eq!(of(json!({ "problem_type": null }), 2), Ok(Scores::Softmax));
        assert_eq!(of(problem("single_label_classification"), 2), Ok(Scores::Softmax));
        assert_eq!(of(problem("multi_label_classification"), 3), Ok(Scores::Sigmoid));
        for other in ["regression", "ranking"] {
            assert!(of(problem(other), 1).unwrap_err().contains(other));
        }
    }

    #[test]
    fn a_function_that_is_named_is_taken_or_refused_by_name() {
        let cross = |name: &str| json!({ "sentence_transformers": { "activation_fn": name, "version": "5" } });
        assert_eq!(of(cross("torch.nn.modules.activation.Sigmoid"), 1), Ok(Scores::Sigmoid));
        assert_eq!(of(json!({ "function_to_apply": "sigmoid" }), 2), Ok(Scores::Sigmoid));
        assert_eq!(of(json!({ "function_to_apply": "softmax" }), 2), Ok(Scores::Softmax));
        assert!(of(json!({ "function_to_apply": "softmax" }), 1).unwrap_err().contains("function_to_apply"));
        assert!(of(cross("torch.nn.modules.linear.Identity"), 1).unwrap_err().contains("Identity"));
        let old = json!({ "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity" });
        assert!(of(old, 3).unwrap_err().contains("the softmax"));
    }
}
