//! Small classifiers in plain Rust, for what can be checked without a runtime.

use std::ops::Range;

use rayon::prelude::*;

use super::points::Points;
use crate::{
    attribution::{
        curvature::cotangents,
        model::{Curvature, Model, ModelError, Rows},
    },
    random::Stream,
};

/// A network from a vector to logits whose gradient is written by hand.
pub trait Classifier: Sync {
    /// P.
    fn parameters(&self) -> usize;

    /// Where each layer's parameters lie.
    fn layers(&self) -> Vec<Range<usize>>;

    /// The logits, and the activations that [`Classifier::backward`] wants to see again.
    fn forward(&self, theta: &[f32], vector: &[f32]) -> (Vec<f32>, Vec<Vec<f32>>);

    /// u J: the gradient in theta, P zeros at first, of the logits' sum weighted by `cotangent`.
    fn backward(&self, theta: &[f32], vector: &[f32], activations: &[Vec<f32>], cotangent: &[f32], row: &mut [f32]);
}

/// A classifier with its points.
#[derive(Clone, Debug)]
pub struct Plain<N> {
    /// The network.
    pub network: N,
    /// What it learns from and is asked about.
    pub points: Points,
}

/// A sample that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sample {0} does not exist")]
struct NoSuchSample(usize);

impl<N: Classifier> Plain<N> {
    fn check(&self, samples: &[usize]) -> Result<(), ModelError> {
        match samples.iter().find(|at| **at >= self.points.len()) {
            Some(at) => Err(ModelError::new(NoSuchSample(*at))),
            None => Ok(()),
        }
    }

    /// Rows of each sample, as many as `cotangents` gives, in the samples' order.
    fn rows(
        &self,
        theta: &[f32],
        samples: &[usize],
        cotangents: impl Fn(usize, &[f32]) -> Vec<Vec<f32>> + Sync,
    ) -> (Vec<f32>, Rows) {
        let parameters = self.network.parameters();
        let each: Vec<(f32, Vec<f32>)> = samples
            .par_iter()
            .map(|at| {
                let vector = self.points.vector(*at);
                let (logits, activations) = self.network.forward(theta, vector);
                let probabilities = softmax(&logits);
                let mut data = Vec::new();
                for cotangent in cotangents(*at, &probabilities) {
                    let start = data.len();
                    data.resize(start + parameters, 0.0);
                    self.network.backward(theta, vector, &activations, &cotangent, &mut data[start..]);
                }
                (loss(&logits, self.points.labels[*at]), data)
            })
            .collect();
        let mut rows = Rows::none(parameters);
        let mut losses = Vec::with_capacity(each.len());
        for (loss, data) in each {
            losses.push(loss);
            rows.rows += data.len() / parameters.max(1);
            rows.data.extend(data);
        }
        (losses, rows)
    }
}

impl<N: Classifier> Model for Plain<N> {
    fn parameters(&self) -> usize {
        self.network.parameters()
    }

    fn layers(&self) -> Vec<Range<usize>> {
        self.network.layers()
    }

    fn losses(&mut self, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.check(samples)?;
        let one = |at: &usize| loss(&self.network.forward(theta, self.points.vector(*at)).0, self.points.labels[*at]);
        Ok(samples.par_iter().map(one).collect())
    }

    fn loss_gradients(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), ModelError> {
        self.check(samples)?;
        Ok(self.rows(theta, samples, |at, probabilities| {
            let mut cotangent = probabilities.to_vec();
            cotangent[self.points.labels[at]] -= 1.0;
            vec![cotangent]
        }))
    }

    fn curvature_rows(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        curvature: Curvature,
        seed: u64,
    ) -> Result<Rows, ModelError> {
        self.check(samples)?;
        let draw = |at: usize, probabilities: &[f32]| {
            let mut signs = Stream::new("curvature signs", seed, at as u64);
            cotangents(probabilities, self.points.labels[at], curvature, &mut signs)
        };
        Ok(self.rows(theta, samples, draw).1)
    }

    fn accuracy(&mut self, theta: &[f32], samples: &[usize]) -> Result<Option<f32>, ModelError> {
        self.check(samples)?;
        let right = |at: &&usize| {
            let logits = self.network.forward(theta, self.points.vector(**at)).0;
            let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
            best == Some(self.points.labels[**at])
        };
        let count = samples.par_iter().filter(right).count();
        Ok((!samples.is_empty()).then(|| count as f32 / samples.len() as f32))
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut shares: Vec<f32> = logits.iter().map(|x| (x - largest).exp()).collect();
    let total: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|x| *x /= total);
    shares
}

fn loss(logits: &[f32], label: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
    total.ln() + largest - logits[label]
}

/// Logistic regression: weights [classes, features], then biases [classes].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logistic {
    /// Numbers of a vector.
    pub features: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Classifier for Logistic {
    fn parameters(&self) -> usize {
        self.classes * (self.features + 1)
    }

    fn layers(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.parameters()).collect()
    }

    fn forward(&self, theta: &[f32], vector: &[f32]) -> (Vec<f32>, Vec<Vec<f32>>) {
        let (weights, biases) = theta.split_at(self.classes * self.features);
        let logits = weights.chunks_exact(self.features).zip(biases).map(|(row, bias)| dot(row, vector) + bias);
        (logits.collect(), Vec::new())
    }

    fn backward(&self, _: &[f32], vector: &[f32], _: &[Vec<f32>], cotangent: &[f32], row: &mut [f32]) {
        let (weights, biases) = row.split_at_mut(self.classes * self.features);
        for (row, u) in weights.chunks_exact_mut(self.features).zip(cotangent) {
            add(row, *u, vector);
        }
        biases.copy_from_slice(cotangent);
    }
}

/// One linear layer of a network that stays as it is.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    inputs: usize,
    outputs: usize,
    /// [outputs, inputs]
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// A tanh network whose layers stay as they are but for adapters of low rank: y = W x + b + scale B A x. theta holds A
/// [rank, inputs] and B [outputs, rank] of each layer in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TanhLora {
    layers: Vec<Layer>,
    rank: usize,
    scale: f32,
}

impl TanhLora {
    /// A network of these sizes with random layers, W ~ N(0, 1/inputs).
    pub fn random(sizes: &[usize], rank: usize, scale: f32, seed: u64) -> Self {
        let mut dice = Stream::new("study network", seed, 0);
        let layers = sizes.windows(2).map(|pair| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let spread = 1.0 / (inputs as f32).sqrt();
            let weights = (0..inputs * outputs).map(|_| dice.normal() * spread).collect();
            Layer { inputs, outputs, weights, biases: vec![0.0; outputs] }
        });
        Self { layers: layers.collect(), rank, scale }
    }

    /// Adapters before training: A ~ N(0, 1/inputs), B = 0.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut dice = Stream::new("study adapter", seed, 0);
        let mut theta = Vec::with_capacity(self.parameters());
        for layer in &self.layers {
            let spread = 1.0 / (layer.inputs as f32).sqrt();
            theta.extend((0..self.rank * layer.inputs).map(|_| dice.normal() * spread));
            theta.extend(std::iter::repeat_n(0.0, self.rank * layer.outputs));
        }
        theta
    }

    /// The network with an adapter melted into its layers: what was learnt becomes the base.
    pub fn merged(&self, theta: &[f32]) -> Self {
        let mut merged = self.clone();
        for (layer, (a, b)) in merged.layers.iter_mut().zip(self.adapters(theta)) {
            for (row, b) in layer.weights.chunks_exact_mut(layer.inputs).zip(b.chunks_exact(self.rank)) {
                for (a, b) in a.chunks_exact(layer.inputs).zip(b) {
                    add(row, self.scale * b, a);
                }
            }
        }
        merged
    }

    /// A and B of each layer.
    fn adapters<'a>(&self, theta: &'a [f32]) -> Vec<(&'a [f32], &'a [f32])> {
        let mut rest = theta;
        let mut take = |count: usize| {
            let (own, others) = rest.split_at(count);
            rest = others;
            own
        };
        self.layers.iter().map(|layer| (take(self.rank * layer.inputs), take(self.rank * layer.outputs))).collect()
    }
}

impl Classifier for TanhLora {
    fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| self.rank * (layer.inputs + layer.outputs)).sum()
    }

    fn layers(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let mut ranges = Vec::new();
        for layer in &self.layers {
            for count in [self.rank * layer.inputs, self.rank * layer.outputs] {
                ranges.push(start..start + count);
                start += count;
            }
        }
        ranges
    }

    fn forward(&self, theta: &[f32], vector: &[f32]) -> (Vec<f32>, Vec<Vec<f32>>) {
        let mut activations = Vec::with_capacity(2 * self.layers.len());
        let mut x = vector.to_vec();
        for (at, (layer, (a, b))) in self.layers.iter().zip(self.adapters(theta)).enumerate() {
            let low: Vec<f32> = a.chunks_exact(layer.inputs).map(|row| dot(row, &x)).collect();
            let rows = layer.weights.chunks_exact(layer.inputs).zip(&layer.biases).zip(b.chunks_exact(self.rank));
            let last = at + 1 == self.layers.len();
            let y = rows.map(|((row, bias), b)| {
                let y = dot(row, &x) + bias + self.scale * dot(b, &low);
                if last { y } else { y.tanh() }
            });
            let y = y.collect();
            activations.extend([x, low]);
            x = y;
        }
        (x, activations)
    }

    fn backward(&self, theta: &[f32], _: &[f32], activations: &[Vec<f32>], cotangent: &[f32], row: &mut [f32]) {
        let adapters = self.adapters(theta);
        let mut delta = cotangent.to_vec();
        let mut end = row.len();
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let (x, low) = (&activations[2 * at], &activations[2 * at + 1]);
            let (a, b) = adapters[at];
            let start = end - self.rank * (layer.inputs + layer.outputs);
            let (to_a, to_b) = row[start..end].split_at_mut(self.rank * layer.inputs);
            end = start;
            let mut down = vec![0.0; self.rank];
            for (delta, (b, to_b)) in delta.iter().zip(b.chunks_exact(self.rank).zip(to_b.chunks_exact_mut(self.rank)))
            {
                add(to_b, self.scale * delta, low);
                add(&mut down, self.scale * delta, b);
            }
            to_a.chunks_exact_mut(layer.inputs).zip(&down).for_each(|(to_a, down)| add(to_a, *down, x));
            if at == 0 {
                return;
            }
            let mut back = vec![0.0; layer.inputs];
            layer.weights.chunks_exact(layer.inputs).zip(&delta).for_each(|(row, delta)| add(&mut back, *delta, row));
            a.chunks_exact(layer.inputs).zip(&down).for_each(|(row, down)| add(&mut back, *down, row));
            // x is the tanh of the layer before.
            delta = back.iter().zip(x).map(|(back, x)| back * (1.0 - x * x)).collect();
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (wide_a, rest_a) = a.as_chunks::<8>();
    let (wide_b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in wide_a.iter().zip(wide_b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradients_agree_with_differences<N: Classifier>(network: N, theta: Vec<f32>) {
        let mut model = Plain { network, points: Points::blobs(6, 5, 3, 2.0, 0) };
        let samples: Vec<usize> = (0..6).collect();
        let (_, rows) = model.loss_gradients(&theta, &samples).unwrap();
        for parameter in 0..theta.len() {
            let moved = |by: f32| {
                let mut theta = theta.clone();
                theta[parameter] += by;
                theta
            };
            let up = model.losses(&moved(1e-2), &samples).unwrap();
            let down = model.losses(&moved(-1e-2), &samples).unwrap();
            for sample in 0..6 {
                let expected = (up[sample] - down[sample]) / 2e-2;
                assert!((rows.row(sample)[parameter] - expected).abs() < 2e-3, "{parameter} of {sample}");
            }
        }
    }

    #[test]
    fn logistic_gradients_are_right() {
        let mut dice = Stream::new("test", 0, 0);
        gradients_agree_with_differences(
            Logistic { features: 5, classes: 3 },
            (0..18).map(|_| dice.normal() * 0.3).collect(),
        );
    }

    #[test]
    fn adapter_gradients_are_right() {
        let network = TanhLora::random(&[5, 9, 4, 3], 2, 2.0, 0);
        let mut dice = Stream::new("test", 1, 0);
        let theta = network.initial(0).iter().map(|x| x + dice.normal() * 0.1).collect();
        gradients_agree_with_differences(network, theta);
    }

    #[test]
    fn a_merged_adapter_answers_the_same() {
        let network = TanhLora::random(&[5, 8, 3], 2, 2.0, 0);
        let mut dice = Stream::new("test", 2, 0);
        let theta: Vec<f32> = (0..network.parameters()).map(|_| dice.normal() * 0.2).collect();
        let vector = [0.3, -0.2, 1.0, 0.5, -1.0];
        let (adapted, _) = network.forward(&theta, &vector);
        let merged = network.merged(&theta);
        let (alone, _) = merged.forward(&vec![0.0; theta.len()], &vector);
        adapted.iter().zip(&alone).for_each(|(a, b)| assert!((a - b).abs() < 1e-5));
    }

    #[test]
    fn true_label_rows_are_the_gradients_turned() {
        let network = Logistic { features: 5, classes: 3 };
        let mut model = Plain { network, points: Points::blobs(4, 5, 3, 2.0, 0) };
        let theta = vec![0.1; 18];
        let (_, gradients) = model.loss_gradients(&theta, &[0, 3]).unwrap();
        let rows = model.curvature_rows(&theta, &[0, 3], Curvature::TrueLabel, 0).unwrap();
        gradients.data.iter().zip(&rows.data).for_each(|(g, row)| assert!((g + row).abs() < 1e-6));
        assert_eq!(model.curvature_rows(&theta, &[0, 3], Curvature::All, 0).unwrap().rows, 6);
        assert_eq!(model.curvature_rows(&theta, &[0, 3], Curvature::Signs(2), 0).unwrap().rows, 4);
        assert_eq!(model.curvature_rows(&theta, &[0, 3], Curvature::None, 0).unwrap().rows, 0);
        assert!(model.losses(&theta, &[4]).is_err());
    }
}
