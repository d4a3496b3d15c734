//! Small classifiers in plain Rust, for what can be checked without a runtime.

use std::ops::Range;

use datanet_training::attribution::curvature::cotangents;
use datanet_training::attribution::{Curvature, Model, ModelError, Rows};
use datanet_training::random::Stream;
use rayon::prelude::*;

use crate::points::Points;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small::{Logistic, TanhLora};

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
    fn gradients_of_all_weights_are_right() {
        let network = crate::tanh::Tanh { inputs: 5, hidden: 6, classes: 3 };
        let mut dice = Stream::new("test", 3, 0);
        let theta = network.initial(0).iter().map(|x| x + dice.normal() * 0.2).collect();
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
