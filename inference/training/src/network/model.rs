//! The network as attribution sees it.

use std::ops::Range;

use super::{Network, NetworkError};
use crate::attribution::{Curvature, Model, ModelError, Rows};
use crate::data::Task;
use crate::random::Stream;

impl Model for Network {
    fn parameters(&self) -> usize {
        self.layout().parameters()
    }

    fn layers(&self) -> Vec<Range<usize>> {
        self.layout().parts().iter().map(|part| part.range.clone()).collect()
    }

    fn losses(&mut self, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(self.forward(theta, samples).map_err(ModelError::new)?.losses)
    }

    fn loss_gradients(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), ModelError> {
        self.gradients_of(theta, samples).map_err(ModelError::new)
    }

    fn loss_gradient_sum(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        self.weighted_gradient(theta, samples, &vec![1.0; samples.len()]).map_err(ModelError::new)
    }

    fn held_out_loss(&mut self, theta: &[f32]) -> Result<f64, ModelError> {
        let asked = self.held_out();
        let losses = self.losses(theta, &asked)?;
        Ok(losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len().max(1) as f64)
    }

    fn curvature_rows(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        curvature: Curvature,
        seed: u64,
    ) -> Result<Rows, ModelError> {
        self.curvature(theta, samples, curvature, seed).map_err(ModelError::new)
    }

    fn accuracy(&mut self, theta: &[f32], samples: &[usize]) -> Result<Option<f32>, ModelError> {
        if self.task() != Task::Classify {
            return Ok(None);
        }
        let forward = self.forward(theta, samples).map_err(ModelError::new)?;
        let right = |(logs, &sample): (&[f32], &usize)| self.label(sample) == Some(highest(logs));
        let hits = forward.log_probabilities.iter().zip(samples).filter(|(logs, sample)| right((logs, sample))).count();
        Ok(Some(hits as f32 / samples.len().max(1) as f32))
    }
}

impl Network {
    /// Gauss-Newton rows, as [`Model::curvature_rows`] states them. For sentence embeddings, whose classes are the
    /// other records of the batch, every choice but none gives the rows of the true pairs; for language models, where
    /// a row a token and word would be too many, `All` gives eight random combinations.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn curvature(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        curvature: Curvature,
        seed: u64,
    ) -> Result<Rows, NetworkError> {
        match (curvature, self.task()) {
            (Curvature::None, _) => Ok(Rows::none(theta.len())),
            (Curvature::TrueLabel, _) | (_, Task::Embed) => Ok(self.gradients_of(theta, samples)?.1),
            (Curvature::All, Task::Classify) => self.all_classes(theta, samples),
            (Curvature::Signs(count), Task::Classify) => self.class_signs(theta, samples, count, seed),
            (Curvature::All, Task::Generate) => self.token_signs(theta, samples, 8, seed),
            (Curvature::Signs(count), Task::Generate) => self.token_signs(theta, samples, count, seed),
        }
    }

    fn all_classes(&mut self, theta: &[f32], samples: &[usize]) -> Result<Rows, NetworkError> {
        let classes = self.blueprint.classes();
        let repeated: Vec<usize> = samples.iter().flat_map(|&sample| vec![sample; classes]).collect();
        let mut factors = vec![0.0; repeated.len() * classes];
        (0..repeated.len()).for_each(|at| factors[at * classes + at % classes] = 1.0);
        self.class_rows(theta, &repeated, &factors)
    }

    fn class_signs(&mut self, theta: &[f32], samples: &[usize], count: usize, seed: u64) -> Result<Rows, NetworkError> {
        let repeated: Vec<usize> = samples.iter().flat_map(|&sample| vec![sample; count]).collect();
        let mut stream = Stream::new("class signs", seed, 0);
        let over = 1.0 / (count.max(1) as f32).sqrt();
        let mut factors = stream.signs(repeated.len() * self.blueprint.classes());
        factors.iter_mut().for_each(|sign| *sign *= over);
        self.class_rows(theta, &repeated, &factors)
    }

    fn token_signs(&mut self, theta: &[f32], samples: &[usize], count: usize, seed: u64) -> Result<Rows, NetworkError> {
        // The rows of a sample lie together, as every other choice gives them.
        let mut rows = Rows::zeros(samples.len() * count, theta.len());
        for combination in 0..count {
            let mut bits = Vec::new();
            // A sample's signs hang on nothing but the seed, itself and the combination's number.
            let draw = |sample: usize, signs: &mut [i8]| {
                let index = (sample as u64) << 8 | combination as u64;
                bits.resize(signs.len().div_ceil(8), 0);
                Stream::new("token signs", seed, index).fill(&mut bits);
                for (signs, &byte) in signs.chunks_mut(8).zip(&bits) {
                    for (bit, sign) in signs.iter_mut().enumerate() {
                        *sign = if byte >> bit & 1 == 1 { 1 } else { -1 };
                    }
                }
            };
            let found = self.token_rows(theta, samples, draw)?;
            found.iter().enumerate().for_each(|(at, row)| rows.row_mut(at * count + combination).copy_from_slice(row));
        }
        let over = 1.0 / (count.max(1) as f32).sqrt();
        rows.data.iter_mut().for_each(|x| *x *= over);
        Ok(rows)
    }
}

/// The place of the largest number; the first of equals.
pub(crate) fn highest(numbers: &[f32]) -> usize {
    (0..numbers.len()).rev().max_by(|&a, &b| numbers[a].total_cmp(&numbers[b])).unwrap_or(0)
}
