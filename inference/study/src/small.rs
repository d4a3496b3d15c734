//! Two networks whose gradients are written by hand: logistic regression, and a tanh network with adapters.

use std::ops::Range;

use datanet_training::random::Stream;

use crate::network::Classifier;

/// Logistic regression: weights `[classes, features]`, then biases `[classes]`.
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

    /// The layers as they stay: [outputs, inputs] weights, biases.
    pub fn frozen(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.layers.iter().map(|layer| (&layer.weights[..], &layer.biases[..]))
    }

    /// Rank of the adapters, and what their product is multiplied with.
    pub fn lora(&self) -> (usize, f32) {
        (self.rank, self.scale)
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

    /// A [rank, inputs] and B [outputs, rank] of each layer.
    pub fn adapters<'a>(&self, theta: &'a [f32]) -> Vec<(&'a [f32], &'a [f32])> {
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
