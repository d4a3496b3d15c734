//! A tanh network of one hidden layer, all of whose weights are trained: `A [hidden, inputs]`, `b [hidden]`,
//! `C [classes, hidden]`, `d [classes]`.

use std::ops::Range;

use datanet_training::random::Stream;

use crate::network::Classifier;

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tanh {
    /// Numbers of a vector.
    pub inputs: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Tanh {
    /// Before training: A ~ N(0, 1/inputs), everything else zero.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut dice = Stream::new("study tanh", seed, 0);
        let spread = 1.0 / (self.inputs as f32).sqrt();
        let mut theta: Vec<f32> = (0..self.hidden * self.inputs).map(|_| dice.normal() * spread).collect();
        theta.resize(self.parameters(), 0.0);
        theta
    }

    /// Where A, b, C and d end.
    fn ends(&self) -> [usize; 4] {
        let a = self.hidden * self.inputs;
        let c = a + self.hidden + self.classes * self.hidden;
        [a, a + self.hidden, c, c + self.classes]
    }
}

impl Classifier for Tanh {
    fn parameters(&self) -> usize {
        self.ends()[3]
    }

    fn layers(&self) -> Vec<Range<usize>> {
        let [_, b, _, d] = self.ends();
        vec![0..b, b..d]
    }

    fn forward(&self, theta: &[f32], vector: &[f32]) -> (Vec<f32>, Vec<Vec<f32>>) {
        let [a, b, c, d] = self.ends();
        let rows = theta[..a].chunks_exact(self.inputs).zip(&theta[a..b]);
        let hidden: Vec<f32> = rows.map(|(row, bias)| (dot(row, vector) + bias).tanh()).collect();
        let rows = theta[b..c].chunks_exact(self.hidden).zip(&theta[c..d]);
        let logits = rows.map(|(row, bias)| dot(row, &hidden) + bias).collect();
        (logits, vec![hidden])
    }

    fn backward(&self, theta: &[f32], vector: &[f32], activations: &[Vec<f32>], cotangent: &[f32], row: &mut [f32]) {
        let [a, b, c, _] = self.ends();
        let hidden = &activations[0];
        let mut back = vec![0.0; self.hidden];
        for (class, u) in cotangent.iter().enumerate() {
            let own = b + class * self.hidden..b + (class + 1) * self.hidden;
            add(&mut row[own.clone()], *u, hidden);
            add(&mut back, *u, &theta[own]);
        }
        row[c..].copy_from_slice(cotangent);
        for (unit, (back, h)) in back.iter().zip(hidden).enumerate() {
            let down = back * (1.0 - h * h);
            add(&mut row[unit * self.inputs..(unit + 1) * self.inputs], down, vector);
            row[a + unit] = down;
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}
