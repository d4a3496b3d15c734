//! Passes without gradients: what a network says, for one theta or for several at once.

use datanet_inference::runtime::Tensor;

use super::buckets::Limit;
use super::compile::Kind;
use super::objective::{LOG_PROBABILITIES, POOLED};
use super::part::SamplePart;
use super::{CHUNK, Network, NetworkError, owned};
use crate::attribution::Rows;
use crate::data::Task;

/// What a forward pass tells about samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The loss of each sample: mean over its tokens for a language model.
    pub losses: Vec<f32>,
    /// Log-probabilities: of the classes, of the batch's pairs, or one for each next token, `[n, ..]`; rows of a
    /// language model are padded with 0.
    pub log_probabilities: Rows,
    /// Mean hidden state of each sample, `[n, hidden]`; no rows for a language model.
    pub pooled: Rows,
    /// Mean hidden state of each sample's pair.
    pub pairs: Rows,
    /// Tokens predicted in each sample of a language model.
    pub predicted: Vec<usize>,
}

impl Network {
    /// Losses and what they come from, without gradients. Sentence embeddings contrast with at most 31 others.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn forward(&mut self, theta: &[f32], samples: &[usize]) -> Result<Forward, NetworkError> {
        self.forward_telling(theta, samples, &mut |_| {})
    }

    /// Like [`Network::forward`]; `asked` hears after each part how many samples it had.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn forward_telling(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        asked: &mut dyn FnMut(usize),
    ) -> Result<Forward, NetworkError> {
        self.check(theta)?;
        let (mut all, mut order) = (None::<Forward>, Vec::with_capacity(samples.len()));
        for part in self.parts(samples, Limit::rows(CHUNK))? {
            let found = self.forward_part(theta, &part)?;
            match &mut all {
                None => all = Some(found),
                Some(all) => all.append(found),
            }
            asked(part.places.len());
            order.extend(part.places);
        }
        Ok(all.map_or_else(Forward::empty, |all| all.placed(&order)))
    }

    fn forward_part(&mut self, theta: &[f32], part: &SamplePart) -> Result<Forward, NetworkError> {
        let SamplePart { samples, block, .. } = part;
        let weights = self.weights(block, samples, &vec![0.0; samples.len()])?;
        let pooled = self.task != Task::Generate;
        let outputs: &[&str] = if pooled { &[LOG_PROBABILITIES, POOLED] } else { &[LOG_PROBABILITIES] };
        let theta = self.blueprint.layout.shared(theta)?;
        let theta: Vec<(String, Tensor)> = owned(theta);
        let results = self.run(Kind::Forward, block, &theta, &weights, outputs)?;
        let logs = results[0].floats()?;
        let losses = self.losses_of(block, samples, logs);
        let hidden = self.blueprint.hidden;
        let (mut own, mut pairs) = (Rows::none(hidden), Rows::none(hidden));
        if let Some(vectors) = results.get(1) {
            let (first, second) = vectors.floats()?.split_at(samples.len() * hidden);
            own = Rows { rows: samples.len(), columns: hidden, data: first.to_vec() };
            pairs = Rows { rows: second.len() / hidden, columns: hidden, data: second.to_vec() };
        }
        let columns = logs.len() / samples.len().max(1);
        let log_probabilities = Rows { rows: samples.len(), columns, data: logs.to_vec() };
        let predicted = self.predicted(block);
        Ok(Forward { losses, log_probabilities, pooled: own, pairs, predicted })
    }

    /// What networks of different thetas say about one sample, in one mixed batch: losses and log-probabilities, one
    /// row a theta.
    ///
    /// # Errors
    /// [`NetworkError`]; sentence embeddings have no such answer.
    pub fn mixed(&mut self, thetas: &[&[f32]], sample: usize) -> Result<(Vec<f32>, Rows), NetworkError> {
        if self.task == Task::Embed {
            return Err(NetworkError::Graph("a sentence embedding alone has no loss".to_owned()));
        }
        thetas.iter().try_for_each(|theta| self.check(theta))?;
        let (mut losses, mut rows) = (Vec::new(), Rows::default());
        for thetas in thetas.chunks(CHUNK) {
            let samples = vec![sample; thetas.len()];
            let block = self.block(&samples)?;
            let weights = self.weights(&block, &samples, &vec![0.0; samples.len()])?;
            let stacked = owned(self.blueprint.layout.stacked(thetas)?);
            let results = self.run(Kind::PerRow, &block, &stacked, &weights, &[LOG_PROBABILITIES])?;
            let logs = results[0].floats()?;
            losses.extend(self.losses_of(&block, &samples, logs));
            rows.columns = logs.len() / thetas.len();
            rows.append(Rows { rows: thetas.len(), columns: rows.columns, data: logs.to_vec() });
        }
        Ok((losses, rows))
    }
}

impl Forward {
    fn empty() -> Self {
        let none = Rows::default;
        Self { losses: Vec::new(), log_probabilities: none(), pooled: none(), pairs: none(), predicted: Vec::new() }
    }

    /// What was found for sample i, at place `order[i]`.
    fn placed(self, order: &[usize]) -> Self {
        let mut from = vec![0; order.len()];
        order.iter().enumerate().for_each(|(found, &place)| from[place] = found);
        let rows = |rows: Rows| if rows.rows == from.len() { rows.picked(&from) } else { rows };
        Self {
            losses: from.iter().map(|at| self.losses[*at]).collect(),
            log_probabilities: rows(self.log_probabilities),
            pooled: rows(self.pooled),
            pairs: rows(self.pairs),
            predicted: from.iter().filter_map(|at| self.predicted.get(*at)).copied().collect(),
        }
    }

    fn append(&mut self, other: Self) {
        self.losses.extend(other.losses);
        self.predicted.extend(other.predicted);
        self.log_probabilities = wider(std::mem::take(&mut self.log_probabilities), other.log_probabilities);
        self.pooled.append(other.pooled);
        self.pairs.append(other.pairs);
    }
}

/// One below the other, both padded with zeros to the wider one's width.
fn wider(above: Rows, below: Rows) -> Rows {
    let columns = above.columns.max(below.columns);
    let mut all = Rows::zeros(above.rows + below.rows, columns);
    for (at, row) in above.iter().chain(below.iter()).enumerate() {
        all.row_mut(at)[..row.len()].copy_from_slice(row);
    }
    all
}
