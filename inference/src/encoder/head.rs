//! Classification heads, applied on the host in 32-bit floats.

use datanet_data::dot;

use super::ServeError;
use crate::graph::adapter::{Adapter, AdapterError};
use crate::graph::build::Scores;

/// Names under which an adapter file carries its head.
const WEIGHT: &str = "classifier.weight";
const BIAS: &str = "classifier.bias";

/// A linear layer from a pooled vector to one number a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    labels: Vec<String>,
    /// `[classes, hidden]`, row by row.
    weight: Vec<f32>,
    /// `[classes]`.
    bias: Vec<f32>,
}

/// What a head says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// One number a class.
    pub logits: Vec<f32>,
    /// How probable each class is: their softmax, or the sigmoid of each where classes are right or not by themselves.
    pub probabilities: Vec<f32>,
    /// The most probable class, the first of several.
    pub label: usize,
}

impl Head {
    /// A head of `labels.len()` classes over vectors of `weight.len() / labels.len()` numbers.
    ///
    /// # Errors
    /// [`ServeError::Head`] if there is no class, sizes disagree, or a number is not finite.
    pub fn new(labels: Vec<String>, weight: Vec<f32>, bias: Vec<f32>) -> Result<Self, ServeError> {
        let bad = |what: String| Err(ServeError::Head(what));
        let classes = labels.len();
        if classes == 0 || bias.len() != classes || weight.is_empty() || !weight.len().is_multiple_of(classes) {
            return bad(format!("it has {classes} labels, {} weights and {} biases", weight.len(), bias.len()));
        }
        if weight.iter().chain(&bias).any(|number| !number.is_finite()) {
            return bad("it holds numbers that are not finite".to_owned());
        }
        Ok(Self { labels, weight, bias })
    }

    /// The head that an adapter carries, if it carries one. Without labels its classes are called `LABEL_0`, `LABEL_1`,
    /// as Hugging Face does.
    ///
    /// # Errors
    /// As [`Head::new`], if the number of labels is another than that of classes, and for an adapter with other tensors
    /// that were trained as a whole, without which it would be another model.
    pub fn of(adapter: &Adapter, labels: Vec<String>) -> Result<Option<Self>, ServeError> {
        let others: Vec<&str> =
            adapter.saved.keys().map(String::as_str).filter(|name| ![WEIGHT, BIAS].contains(name)).collect();
        if !others.is_empty() {
            let what = format!("modules_to_save ({}, in place of the base's own)", others.join(", "));
            return Err(AdapterError::Unsupported(what).into());
        }
        let Some(weight) = adapter.saved.get(WEIGHT) else { return Ok(None) };
        let &[classes, hidden] = weight.shape.as_slice() else {
            return Err(ServeError::Head(format!("{WEIGHT} has the shape {:?}, not two axes", weight.shape)));
        };
        if classes.checked_mul(hidden) != Some(weight.data.len()) {
            return Err(ServeError::Head(format!("{WEIGHT} does not fill its shape")));
        }
        let labels = match labels.is_empty() {
            true => (0..classes).map(|class| format!("LABEL_{class}")).collect(),
            false if labels.len() == classes => labels,
            false => {
                return Err(ServeError::Head(format!("it has {classes} classes and {} labels", labels.len())));
            }
        };
        let bias = adapter.saved.get(BIAS).map_or_else(|| vec![0.0; classes], |bias| bias.data.clone());
        Self::new(labels, weight.data.clone(), bias).map(Some)
    }

    /// Names of the classes.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Numbers in a vector that the head takes.
    pub fn hidden(&self) -> usize {
        self.weight.len() / self.labels.len()
    }

    /// Classifies a pooled vector of [`Head::hidden`] numbers.
    pub fn classify(&self, vector: &[f32]) -> Classification {
        let rows = self.weight.chunks_exact(self.hidden());
        let logits = rows.zip(&self.bias).map(|(row, bias)| dot(row, vector) + bias).collect();
        Classification::of(logits, Scores::Softmax)
    }
}

impl Classification {
    /// What logits say that mean this; stable for any finite logits.
    pub fn of(logits: Vec<f32>, scores: Scores) -> Self {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let label = logits.iter().position(|&logit| logit == highest).unwrap_or(0);
        let probabilities = match scores {
            Scores::Softmax => softmax(&logits, highest),
            Scores::Sigmoid => logits.iter().map(|&logit| (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32).collect(),
        };
        Self { logits, probabilities, label }
    }
}

fn softmax(logits: &[f32], highest: f32) -> Vec<f32> {
    let shares: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - f64::from(highest)).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| (share / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::adapter;
    use super::*;
    use crate::graph::adapter::DenseTensor;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_head_gives_logits_probabilities_and_the_first_of_the_highest() {
        let head = Head::new(labels(&["a", "b"]), vec![1.0, 0.0, 0.0, 2.0], vec![0.5, -0.5]).unwrap();
        let said = head.classify(&[1.0, 1.0]);
        assert_eq!((said.logits.as_slice(), said.label), (&[1.5, 1.5][..], 0));
        assert_eq!(said.probabilities, [0.5, 0.5]);
    }

    #[test]
    fn a_head_is_read_from_an_adapter_and_checked() {
        let mut carrier = adapter(&[], 1, 0);
        assert_eq!(Head::of(&carrier, Vec::new()).unwrap(), None);
        let tensor = |shape: &[usize], data: &[f32]| DenseTensor { shape: shape.to_vec(), data: data.to_vec() };
        carrier.saved.insert(WEIGHT.to_owned(), tensor(&[2, 3], &[1.0; 6]));
        let head = Head::of(&carrier, Vec::new()).unwrap().unwrap();
        assert_eq!((head.labels(), head.hidden()), (&labels(&["LABEL_0", "LABEL_1"])[..], 3));
        assert!(Head::of(&carrier, labels(&["one"])).is_err());
        carrier.saved.insert(BIAS.to_owned(), tensor(&[1], &[1.0]));
        assert!(Head::of(&carrier, Vec::new()).is_err());
        carrier.saved.insert(BIAS.to_owned(), tensor(&[2], &[1.0, f32::NAN]));
        assert!(Head::of(&carrier, Vec::new()).is_err());
        let mut other = carrier.clone();
        other.saved.insert("pooler.dense.weight".to_owned(), tensor(&[1], &[1.0]));
        assert!(Head::of(&other, Vec::new()).unwrap_err().to_string().contains("pooler.dense.weight"));
        carrier.saved.insert(WEIGHT.to_owned(), tensor(&[6], &[1.0; 6]));
        assert!(Head::of(&carrier, Vec::new()).is_err());
    }

    #[test]
    fn classes_that_are_right_by_themselves_get_the_sigmoid_of_their_logit() {
        let said = Classification::of(vec![0.0, 3.0f32.ln(), f32::MAX, f32::MIN], Scores::Sigmoid);
        assert_eq!((said.label, &said.probabilities[2..]), (2, &[1.0, 0.0][..]));
        assert!((said.probabilities[0] - 0.5).abs() < 1e-6 && (said.probabilities[1] - 0.75).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one_for_any_finite_logits(logits in proptest::collection::vec(-3e38f32..3e38, 1..20)) {
            let said = Classification::of(logits, Scores::Softmax);
            prop_assert!((said.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            prop_assert!(said.probabilities.iter().all(|share| *share <= said.probabilities[said.label]));
        }
    }
}
