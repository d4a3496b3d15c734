//! Where each trainable tensor lies in the flat parameter vector theta.

use std::collections::BTreeMap;
use std::ops::Range;

use datanet_inference::graph::adapt::LoraSlot;
use datanet_inference::graph::adapter::{Adapter, DenseTensor, LoraPair};
use datanet_inference::runtime::Tensor;

use super::NetworkError;
use crate::attribution::Rows;
use crate::random::Stream;

/// Graph input of the classification head's weight, `[hidden, classes]`.
pub const HEAD_WEIGHT: &str = "classifier.weight";
/// Graph input of the classification head's bias, `[classes]`.
pub const HEAD_BIAS: &str = "classifier.bias";

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Zero,
    One,
    /// Normal with this standard deviation.
    Normal(f32),
}

/// One trainable tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The graph input that takes it.
    pub input: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers' places in theta.
    pub range: Range<usize>,
    start: Start,
}

/// All trainable tensors, in theta's order: A and B of each adapted module, then the head.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Layout {
    parts: Vec<Part>,
    slots: Vec<LoraSlot>,
    rank: usize,
    classes: usize,
}

impl Layout {
    /// The layout of these adapters of rank `rank`, and of a head for `classes` labels over `hidden` numbers where
    /// `classes` is above 0. A starts normal over the root of its inputs, all else at zero: the network starts as
    /// the base.
    pub fn adapters(slots: &[LoraSlot], rank: usize, hidden: usize, classes: usize) -> Self {
        let mut layout = Self { slots: slots.to_vec(), rank, classes, ..Self::default() };
        for slot in slots {
            let spread = 1.0 / (slot.in_features as f32).sqrt();
            layout.push(&slot.a, &[slot.in_features, rank], Start::Normal(spread));
            layout.push(&slot.b, &[rank, slot.out_features], Start::Zero);
        }
        if classes > 0 {
            layout.push(HEAD_WEIGHT, &[hidden, classes], Start::Zero);
            layout.push(HEAD_BIAS, &[classes], Start::Zero);
        }
        layout
    }

    /// The layout of all weights of a decoder: matrices start normal with deviation .02, vectors (norms) at one.
    pub fn weights(weights: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        let mut layout = Self::default();
        for (name, shape) in weights {
            let start = if shape.len() > 1 { Start::Normal(0.02) } else { Start::One };
            layout.push(&name, &shape, start);
        }
        layout
    }

    fn push(&mut self, input: &str, shape: &[usize], start: Start) {
        let from = self.parameters();
        let range = from..from + shape.iter().product::<usize>();
        self.parts.push(Part { input: input.to_owned(), shape: shape.to_vec(), range, start });
    }

    /// P: numbers in theta.
    pub fn parameters(&self) -> usize {
        self.parts.last().map_or(0, |part| part.range.end)
    }

    /// The tensors in theta's order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The adapted modules, without the head.
    pub fn slots(&self) -> &[LoraSlot] {
        &self.slots
    }

    /// Theta before the first step.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut theta = Vec::with_capacity(self.parameters());
        for (index, part) in self.parts.iter().enumerate() {
            let mut stream = Stream::new("initial weights", seed, index as u64);
            let count = part.range.len();
            match part.start {
                Start::Zero => theta.resize(theta.len() + count, 0.0),
                Start::One => theta.resize(theta.len() + count, 1.0),
                Start::Normal(spread) => theta.extend((0..count).map(|_| spread * stream.normal())),
            }
        }
        theta
    }

    /// The graph inputs for one theta, shared by all rows of a batch.
    pub(super) fn shared(&self, theta: &[f32]) -> Result<Vec<(&str, Tensor)>, NetworkError> {
        let tensor = |part: &'_ Part| Tensor::new(&part.shape, theta[part.range.clone()].to_vec());
        self.parts.iter().map(|part| Ok((part.input.as_str(), tensor(part)?))).collect()
    }

    /// The graph inputs for a theta of each row: every tensor with a leading axis of rows.
    pub(super) fn stacked(&self, thetas: &[&[f32]]) -> Result<Vec<(&str, Tensor)>, NetworkError> {
        let tensor = |part: &'_ Part| {
            let shape = [&[thetas.len()], part.shape.as_slice()].concat();
            let mut numbers = Vec::with_capacity(thetas.len() * part.range.len());
            thetas.iter().for_each(|theta| numbers.extend_from_slice(&theta[part.range.clone()]));
            Tensor::new(&shape, numbers)
        };
        self.parts.iter().map(|part| Ok((part.input.as_str(), tensor(part)?))).collect()
    }

    /// Joins the gradients of all parts, in their order, to one vector.
    pub(super) fn join(&self, gradients: &[Tensor]) -> Result<Vec<f32>, NetworkError> {
        let mut joined = Vec::with_capacity(self.parameters());
        for (part, gradient) in self.parts.iter().zip(gradients) {
            let numbers = gradient.floats()?;
            check(numbers.len(), part.range.len(), &part.input)?;
            joined.extend_from_slice(numbers);
        }
        Ok(joined)
    }

    /// Joins the gradients of all parts, each with a leading axis of `rows` rows, to one vector a row.
    pub(super) fn join_rows(&self, gradients: &[Tensor], rows: usize) -> Result<Rows, NetworkError> {
        let mut joined = Rows::zeros(rows, self.parameters());
        for (part, gradient) in self.parts.iter().zip(gradients) {
            let numbers = gradient.floats()?;
            check(numbers.len(), rows * part.range.len(), &part.input)?;
            for (row, numbers) in numbers.chunks_exact(part.range.len().max(1)).enumerate() {
                joined.row_mut(row)[part.range.clone()].copy_from_slice(numbers);
            }
        }
        Ok(joined)
    }

    /// Theta as an adapter in PEFT's form; the head goes along as saved tensors.
    pub fn adapter(&self, theta: &[f32], base: &str, alpha: f32, targets: &[String]) -> Adapter {
        let numbers = |input: &str| self.part(input).map_or(&[][..], |part| &theta[part.range.clone()]);
        let mut modules = BTreeMap::new();
        for slot in &self.slots {
            let a = transposed(numbers(&slot.a), slot.in_features, self.rank);
            let b = transposed(numbers(&slot.b), self.rank, slot.out_features);
            let pair = LoraPair { a, b, in_features: slot.in_features, out_features: slot.out_features };
            modules.insert(slot.module.clone(), pair);
        }
        let mut saved = BTreeMap::new();
        if let (true, Some(weight)) = (self.classes > 0, self.part(HEAD_WEIGHT)) {
            let hidden = weight.shape[0];
            let data = transposed(numbers(HEAD_WEIGHT), hidden, self.classes);
            saved.insert(HEAD_WEIGHT.to_owned(), DenseTensor { shape: vec![self.classes, hidden], data });
            let data = numbers(HEAD_BIAS).to_vec();
            saved.insert(HEAD_BIAS.to_owned(), DenseTensor { shape: vec![self.classes], data });
        }
        let (base, targets) = (base.to_owned(), targets.to_vec());
        Adapter { base, rank: self.rank, alpha, targets, modules, saved }
    }

    /// Theta of an adapter.
    ///
    /// # Errors
    /// [`NetworkError::Adapter`] where it was made for other modules, another rank or another head.
    pub fn theta(&self, adapter: &Adapter) -> Result<Vec<f32>, NetworkError> {
        let wrong = |what: String| NetworkError::Adapter(what);
        let mut theta = Vec::with_capacity(self.parameters());
        for slot in &self.slots {
            let pair = adapter.modules.get(&slot.module).ok_or_else(|| wrong(format!("it has no {}", slot.module)))?;
            let fits = (pair.a.len(), pair.b.len()) == (self.rank * slot.in_features, self.rank * slot.out_features);
            if !fits {
                return Err(wrong(format!("{} has another size", slot.module)));
            }
            theta.extend(transposed(&pair.a, self.rank, slot.in_features));
            theta.extend(transposed(&pair.b, slot.out_features, self.rank));
        }
        if self.classes > 0 {
            let saved = |name: &str| adapter.saved.get(name).ok_or_else(|| wrong(format!("it has no {name}")));
            let (weight, bias) = (saved(HEAD_WEIGHT)?, saved(HEAD_BIAS)?);
            let hidden = self.part(HEAD_WEIGHT).map_or(0, |part| part.shape[0]);
            if weight.data.len() != self.classes * hidden || bias.data.len() != self.classes {
                return Err(wrong(format!("its head is not of {} labels over {hidden} numbers", self.classes)));
            }
            theta.extend(transposed(&weight.data, self.classes, hidden));
            theta.extend_from_slice(&bias.data);
        }
        if adapter.modules.len() != self.slots.len() {
            return Err(wrong("it adapts more modules than the job names".to_owned()));
        }
        Ok(theta)
    }

    fn part(&self, input: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.input == input)
    }
}

fn check(found: usize, expected: usize, input: &str) -> Result<(), NetworkError> {
    if found == expected {
        return Ok(());
    }
    Err(NetworkError::Graph(format!("the gradient of {input} has {found} numbers where {expected} are expected")))
}

/// `[rows, columns]` turned into `[columns, rows]`.
fn transposed(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| numbers[row * columns + column])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let slot = LoraSlot {
            module: "layer.0.query".to_owned(),
            a: "lora.layer.0.query.A".to_owned(),
            b: "lora.layer.0.query.B".to_owned(),
            in_features: 3,
            out_features: 4,
        };
        Layout::adapters(&[slot], 2, 5, 3)
    }

    #[test]
    fn theta_survives_the_adapters_form() {
        let layout = layout();
        let theta: Vec<f32> = (0..layout.parameters()).map(|n| n as f32).collect();
        let adapter = layout.adapter(&theta, "base", 4.0, &["query".to_owned()]);
        let pair = &adapter.modules["layer.0.query"];
        assert_eq!(&pair.a[..3], &[0.0, 2.0, 4.0]);
        assert_eq!(adapter.saved[HEAD_WEIGHT].shape, [3, 5]);
        assert_eq!(layout.theta(&adapter).unwrap(), theta);
    }

    #[test]
    fn an_adapter_of_another_model_is_refused() {
        let layout = layout();
        let mut adapter = layout.adapter(&layout.initial(0), "base", 4.0, &[]);
        adapter.saved.clear();
        assert!(layout.theta(&adapter).unwrap_err().to_string().contains("classifier.weight"));
    }

    #[test]
    fn a_network_starts_as_its_base() {
        let layout = layout();
        let theta = layout.initial(3);
        assert!(theta[..6].iter().all(|x| *x != 0.0) && theta[6..].iter().all(|x| *x == 0.0));
        assert_eq!(theta, layout.initial(3));
        assert_ne!(theta, layout.initial(4));
    }
}
