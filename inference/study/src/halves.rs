//! Trainings on halves, and what they say of answers: each asked where it leads to, as nodes pay, or all of them where all
//! data leads to.

use datanet_training::attribution::pay::of_odds;
use datanet_training::attribution::{Model, Replay, Rows, gradients};
use datanet_training::network::Network;
use datanet_training::run::{Course, Following, TrainError};

use crate::{StudyError, losses};

/// Parameters that answers are asked at, and what columns did to them.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) theta: Vec<f32>,
    /// `[columns, P]`
    pub(crate) table: Rows,
}

impl Place {
    /// What the changes of an answer's log-probability and of its log-odds are, `[columns, answers]` each.
    fn values(&self, model: &mut dyn Model, answers: &[usize]) -> Result<[Rows; 2], StudyError> {
        let gradients = gradients::all(model, &self.theta, answers)?;
        let losses = losses(model, &self.theta, answers)?;
        let mut by_loss = gradients::product(&self.table, &gradients);
        by_loss.data.iter_mut().for_each(|value| *value = -*value);
        let mut by_odds = by_loss.clone();
        if !losses.is_empty() {
            let rows = by_odds.data.chunks_mut(losses.len());
            rows.for_each(|row| row.iter_mut().zip(&losses).for_each(|(value, loss)| *value = of_odds(*value, *loss)));
        }
        Ok([by_loss, by_odds])
    }
}

/// What was followed in `count` halves.
pub(crate) fn halves(
    course: &Course,
    model: &mut dyn Model,
    following: &Following,
    count: usize,
) -> Result<Vec<Place>, TrainError> {
    let mut places = Vec::with_capacity(count);
    course.each_half(model, following, count, &mut |half| {
        let found = half.replay.as_ref().map(|replay| table(replay, following));
        places.extend(found.map(|table| Place { theta: half.theta, table }));
    })?;
    Ok(places)
}

/// What columns did to the log-probability of answers and to their log-odds, in the mean over places: each asked at its own.
pub(crate) fn values(places: &[Place], model: &mut dyn Model, answers: &[usize]) -> Result<[Rows; 2], StudyError> {
    let mut sums = [Rows::none(0), Rows::none(0)];
    for place in places {
        sums.iter_mut().zip(place.values(model, answers)?).for_each(|(sum, values)| add(sum, &values));
    }
    let each = 1.0 / places.len().max(1) as f32;
    sums.iter_mut().for_each(|sum| sum.data.iter_mut().for_each(|value| *value *= each));
    Ok(sums)
}

/// The same of all that a classifier may answer, each label weighed by its probability in `said`, `[answers, labels]`.
pub(crate) fn expected(
    places: &[Place],
    network: &mut Network,
    answers: &[usize],
    said: &Rows,
) -> Result<[Rows; 2], StudyError> {
    let mut sums = [Rows::none(0), Rows::none(0)];
    for place in places {
        let here = network.forward(&place.theta, answers).map_err(TrainError::from)?.log_probabilities;
        let factor = |(said, log): (&f32, &f32)| said / (log / 2.0).exp().max(f32::MIN_POSITIVE);
        let factors: Vec<f32> = said.data.iter().zip(&here.data).map(factor).collect();
        let gradients = network.class_rows(&place.theta, answers, &factors).map_err(TrainError::from)?;
        let by_loss = gradients::product(&place.table, &gradients);
        let chance = |(said, here): (&[f32], &[f32])| said.iter().zip(here).map(|(q, log)| q * log.exp()).sum::<f32>();
        let chances: Vec<f32> = said.iter().zip(here.iter()).map(chance).collect();
        let mut by_odds = by_loss.clone();
        let rows = by_odds.data.chunks_mut(chances.len().max(1));
        rows.for_each(|row| row.iter_mut().zip(&chances).for_each(|(value, p)| *value = of_odds(*value, -p.ln())));
        sums.iter_mut().zip([by_loss, by_odds]).for_each(|(sum, values)| add(sum, &values));
    }
    let each = 1.0 / places.len().max(1) as f32;
    sums.iter_mut().for_each(|sum| sum.data.iter_mut().for_each(|value| *value *= each));
    Ok(sums)
}

/// The same, all of them asked at `theta`.
pub(crate) fn at_once(places: &[Place], theta: &[f32]) -> Place {
    let mut table = Rows::none(0);
    places.iter().for_each(|place| add(&mut table, &place.table));
    let each = 1.0 / places.len().max(1) as f32;
    table.data.iter_mut().for_each(|value| *value *= each);
    Place { theta: theta.to_vec(), table }
}

/// What was followed, `[columns, P]`.
pub(crate) fn table(replay: &Replay, following: &Following) -> Rows {
    let data: Vec<f32> = (0..following.columns).flat_map(|column| replay.column(column)).collect();
    Rows { rows: following.columns, columns: data.len() / following.columns.max(1), data }
}

/// Adds up tables of one size, from [`Rows::none`] on.
fn add(sum: &mut Rows, more: &Rows) {
    if sum.data.is_empty() {
        *sum = more.clone();
    } else {
        sum.data.iter_mut().zip(&more.data).for_each(|(sum, x)| *sum += x);
    }
}
