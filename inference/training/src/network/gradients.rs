//! Passes with gradients: of a batch, of each record, and of the rows that curvature is made of.

use datanet_inference::runtime::Tensor;

use super::buckets::Limit;
use super::compile::{self, Kind};
use super::examples::Block;
use super::objective::{LOG_PROBABILITIES, SIGNS, WEIGHTS};
use super::{CHUNK, Network, NetworkError, owned};
use crate::attribution::Rows;
use crate::data::Task;

/// Tokens that go through a differentiated graph at once.
const TOKENS: usize = 8_192;

/// Bytes of a language model's sign tensor at once.
const SIGN_BYTES: usize = 64 << 20;

impl Network {
    /// The loss of each sample and the sum of `weights[i] * gradient of loss i`.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn weighted_gradient(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        weights: &[f32],
    ) -> Result<(Vec<f32>, Vec<f32>), NetworkError> {
        self.check(theta)?;
        let (mut losses, mut sum) = (vec![0.0; samples.len()], vec![0.0; theta.len()]);
        let inputs_theta = owned(self.blueprint.layout.shared(theta)?);
        for part in self.parts(samples, Limit { rows: usize::MAX, tokens: TOKENS })? {
            let negative: Vec<f32> = part.places.iter().map(|place| -weights[*place]).collect();
            let inputs = self.weights(&part.block, &part.samples, &negative)?;
            let results = self.gradients(Kind::Summed, &part.block, &inputs_theta, &inputs)?;
            part.put(&mut losses, self.losses_of(&part.block, &part.samples, results[0].floats()?));
            let gradient = self.blueprint.layout.join(&results[1..])?;
            sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
        }
        Ok((losses, sum))
    }

    /// The loss of each sample and the gradient of each loss.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn gradients_of(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), NetworkError> {
        self.check(theta)?;
        let (mut losses, mut rows) = (vec![0.0; samples.len()], Rows::zeros(samples.len(), theta.len()));
        let most = if self.task == Task::Embed { samples.len().max(1) } else { CHUNK };
        for part in self.parts(samples, Limit::rows(most))? {
            let weights = self.weights(&part.block, &part.samples, &vec![-1.0; part.samples.len()])?;
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; part.block.rows.len()])?);
            let results = self.gradients(Kind::PerRow, &part.block, &stacked, &weights)?;
            part.put(&mut losses, self.losses_of(&part.block, &part.samples, results[0].floats()?));
            let found = self.blueprint.layout.join_rows(&results[1..], part.block.rows.len())?;
            part.put_rows(&mut rows, &self.pairs_added(found, part.samples.len()));
        }
        Ok((losses, rows))
    }

    /// Rows sum_k f_k sqrt(p_k) grad log p_k of a classifier, where `factors` holds f, `[samples, classes]`.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn class_rows(&mut self, theta: &[f32], samples: &[usize], factors: &[f32]) -> Result<Rows, NetworkError> {
        self.check(theta)?;
        let classes = self.blueprint.classes();
        let mut rows = Rows::zeros(samples.len(), theta.len());
        for part in self.parts(samples, Limit::rows(CHUNK))? {
            let shape = [part.samples.len(), classes];
            let factors_of = |place: &usize| &factors[place * classes..(place + 1) * classes];
            let factors = part.places.iter().flat_map(factors_of).copied().collect::<Vec<f32>>();
            let inputs = vec![
                (WEIGHTS.to_owned(), Tensor::new(&shape, vec![0.0f32; factors.len()])?),
                (SIGNS.to_owned(), Tensor::new(&shape, factors)?),
            ];
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; part.samples.len()])?);
            let results = self.gradients(Kind::PerRow, &part.block, &stacked, &inputs)?;
            part.put_rows(&mut rows, &self.blueprint.layout.join_rows(&results[1..], part.samples.len())?);
        }
        Ok(rows)
    }

    /// Rows sum_t sum_k e_tk sqrt(p_tk) grad log p_tk of a language model, divided by the root of each sample's
    /// tokens; `signs` draws the e of one sample, `[tokens, vocabulary]`, each 1 or -1.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn token_rows(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        mut signs: impl FnMut(usize, &mut [i8]),
    ) -> Result<Rows, NetworkError> {
        self.check(theta)?;
        let vocabulary = self.blueprint.vocabulary;
        let chunk = (SIGN_BYTES / (vocabulary * self.max_tokens).max(1)).clamp(1, CHUNK);
        let mut rows = Rows::zeros(samples.len(), theta.len());
        for part in self.parts(samples, Limit::rows(chunk))? {
            let block = &part.block;
            let predicted = self.predicted(block);
            let mut all = vec![0i8; block.rows.len() * block.length * vocabulary];
            for (at, sample) in all.chunks_exact_mut(block.length * vocabulary).enumerate() {
                signs(part.samples[at], &mut sample[..predicted[at] * vocabulary]);
            }
            let inputs = vec![(SIGNS.to_owned(), Tensor::new(&[block.rows.len(), block.length, vocabulary], all)?)];
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; part.samples.len()])?);
            let results = self.gradients(Kind::TokenSigns, block, &stacked, &inputs)?;
            let mut found = self.blueprint.layout.join_rows(&results, part.samples.len())?;
            for (at, tokens) in predicted.into_iter().enumerate() {
                let over = 1.0 / (tokens.max(1) as f32).sqrt();
                found.row_mut(at).iter_mut().for_each(|x| *x *= over);
            }
            part.put_rows(&mut rows, &found);
        }
        Ok(rows)
    }

    /// The rows of pairs added to those of their texts: what flows through either belongs to the record.
    fn pairs_added(&self, mut rows: Rows, samples: usize) -> Rows {
        if self.task == Task::Embed && rows.rows == 2 * samples {
            let (own, pairs) = rows.data.split_at_mut(samples * rows.columns);
            own.iter_mut().zip(pairs).for_each(|(own, pair)| *own += *pair);
            rows.data.truncate(samples * rows.columns);
            rows.rows = samples;
        }
        rows
    }

    /// Log-probabilities (not of [`Kind::TokenSigns`]), then the gradient of each part.
    pub(super) fn gradients(
        &mut self,
        kind: Kind,
        block: &Block,
        theta: &[(String, Tensor)],
        objective: &[(String, Tensor)],
    ) -> Result<Vec<Tensor>, NetworkError> {
        let parts = self.blueprint.layout.parts();
        let names: Vec<String> = parts.iter().map(|part| compile::gradient(&part.input)).collect();
        let logs = (kind != Kind::TokenSigns).then_some(LOG_PROBABILITIES);
        let outputs: Vec<&str> = logs.into_iter().chain(names.iter().map(String::as_str)).collect();
        self.run(kind, block, theta, objective, &outputs)
    }
}
