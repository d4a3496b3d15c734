//! Every method on one task, held against real retraining: what `bench attribution` prints.
//!
//! The task is anything that is a [`Model`]: the digits or clouds of points on small networks in plain Rust, or texts
//! on a transformer.

mod foretold;
mod retrain;

use std::time::{Duration, Instant};

use datanet_training::attribution::audit::Progress;
use datanet_training::attribution::rank::spearman;
use datanet_training::attribution::replay::ReplayError;
use datanet_training::attribution::table::TableError;
use datanet_training::attribution::{
    AuditPlan, Belonging, Curvature, Faithfulness, Ground, Model, ModelError, Rows, Table, curvature, gradients,
};
use datanet_training::run::{Course, Following, TrainError};
use serde::{Deserialize, Serialize};

use crate::gauss_newton::{GaussNewton, GaussNewtonError};
use crate::peers::{self, PeerValues, Peers};
use crate::{baselines, qld, similarity};

pub use foretold::{Correlation, Foretold, correlation, foretold};
pub use retrain::Others;
pub(crate) use retrain::{Again, retrained};

/// Held-out samples whose losses are asked for at a time.
const BATCH: usize = 64;
/// Checkpoints that peers are given.
const CHECKPOINTS: usize = 5;

/// What to compare.
#[derive(Clone)]
pub struct Study<'a> {
    /// The training.
    pub course: &'a Course,
    /// The contributor of each training record: records are samples 0, 1, ...
    pub contributors: &'a [usize],
    /// The samples that are asked about.
    pub queries: &'a [usize],
    /// Forward replay with each of these; `All` first where there are classes.
    pub curvatures: &'a [Curvature],
    /// Gauss-Newton influence with each of these dampings, from rows of `gauss_newton_rows`.
    pub dampings: &'a [f32],
    /// Rows that Gauss-Newton influence takes its curvature from.
    pub gauss_newton_rows: Curvature,
    /// Vectors of records and answers with their labels, for the methods that do not look at the model.
    pub vectors: Option<Vectors<'a>>,
    /// Other people's software that is asked as well.
    pub peers: Option<&'a dyn Peers>,
    /// Makes models for retrainings beside each other; one after another, on the study's own, where there is none.
    pub others: Option<&'a Others<'a>>,
    /// What is really removed.
    pub plan: &'a AuditPlan,
}

impl<'a> Study<'a> {
    fn again(&self) -> Again<'a> {
        Again { course: self.course, queries: self.queries, others: self.others }
    }
}

/// What [`similarity`] looks at.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    /// [n, D]
    pub records: &'a Rows,
    /// Class of each.
    pub labels: &'a [usize],
    /// [Q, D]
    pub answers: &'a Rows,
    /// Class of each.
    pub answer_labels: &'a [usize],
}

/// What a method scored, for a study's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodScores {
    /// What it is called.
    pub method: String,
    /// How faithful it is.
    #[serde(flatten)]
    pub faithfulness: Faithfulness,
    /// By how much the queries' mean loss rises without the hundredth of the records that it values highest, in nats.
    pub qld: Option<f32>,
    /// For forward replay, its first-order error along the run, which no retraining is needed for.
    pub first_order: Option<f32>,
    /// Time it took beside the training itself.
    pub seconds: f32,
}

impl MethodScores {
    /// The scores of a method that took `time`.
    pub fn new(method: impl Into<String>, faithfulness: Faithfulness, time: Duration) -> Self {
        let (qld, first_order) = (None, None);
        Self { method: method.into(), faithfulness, qld, first_order, seconds: time.as_secs_f32() }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Every method, in the order measured.
    pub rows: Vec<MethodScores>,
    /// Share of the queries whose label is the most probable one.
    pub accuracy: Option<f32>,
    /// Mean loss of the queries.
    pub loss: f32,
    /// P.
    pub parameters: usize,
    /// T.
    pub steps: usize,
    /// Time of one plain training.
    pub training_seconds: f32,
    /// How well actual pay agrees with itself between two halves of the queries.
    pub pay_agreement: Option<f32>,
    /// As [`MethodScores::qld`], without as many records drawn by chance: the mean of a few draws.
    pub qld_by_chance: Option<f32>,
}

/// Why a study ended early.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Gauss-Newton influence failed.
    #[error(transparent)]
    GaussNewton(#[from] GaussNewtonError),
    /// A table could not be made.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A table could not be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Whoever heard of its progress ended it.
    #[error("it was stopped")]
    Stopped,
    /// A record does not read.
    #[error("a record does not read: {0}")]
    Record(String),
    /// Other people's software does not run.
    #[error("a peer does not run: {0}")]
    Peer(String),
}

/// Values of one method, with its name and time.
struct Valued {
    method: String,
    values: Rows,
    first_order: Option<f32>,
    time: Duration,
}

impl Valued {
    fn new(method: impl Into<String>, started: Instant, values: Rows) -> Self {
        Self { method: method.into(), values, first_order: None, time: started.elapsed() }
    }
}

impl From<PeerValues> for Valued {
    fn from(peer: PeerValues) -> Self {
        let time = Duration::from_secs_f32(peer.seconds);
        Self { method: peer.method, values: peer.values, first_order: None, time }
    }
}

/// What a curvature is called in tables.
pub fn replay_name(curvature: Curvature) -> String {
    match curvature {
        Curvature::All => "forward replay, all rows".into(),
        Curvature::TrueLabel => "forward replay, true label only".into(),
        Curvature::Signs(count) => format!("forward replay, {count} random combinations"),
        Curvature::None => "forward replay, no curvature".into(),
    }
}

/// Trains, values every record for every query by each method, and retrains for the audit. `progress` hears of
/// retrainings done, and of all of them.
///
/// # Errors
/// When the network cannot run, or something diverges.
pub fn run(model: &mut dyn Model, study: &Study<'_>, progress: &mut Progress<'_>) -> Result<Report, StudyError> {
    let course = study.course;
    let started = Instant::now();
    let theta = course.train(model, &[])?;
    let training_seconds = started.elapsed().as_secs_f32();
    let losses = losses(model, &theta, study.queries)?;
    let accuracy = model.accuracy(&theta, study.queries)?;
    let answers = gradients::all(model, &theta, study.queries)?;
    let mut all = replays(model, study, &answers)?;
    all.extend(by_gradients(model, study, &theta, &answers)?);
    all.extend(by_vectors(study));
    if let Some(peers) = study.peers {
        let checkpoints = peers::checkpoints(model, course, CHECKPOINTS)?;
        all.extend(peers.values(&checkpoints, &losses)?.into_iter().map(Valued::from));
    }
    let belonging = Belonging::by_record(study.contributors);
    let retrainings = study.plan.retrainings(&belonging);
    let audited = retrainings.removed().len();
    let tops: Vec<Vec<bool>> = all.iter().map(|one| qld::top(&one.values)).collect();
    let chance = qld::by_chance(study.contributors.len(), study.plan.seed);
    let removed = [retrainings.removed(), tops.as_slice(), chance.as_slice()].concat();
    let after = retrained(model, study.again(), &removed, progress)?;
    let (audited, left_out) = after.split_at(audited);
    let (tops, chance) = left_out.split_at(all.len());
    // With nothing left out, which comes first.
    let base = audited.first().cloned().unwrap_or_default();
    let ground = retrainings.ground(audited);
    let score = |(one, after): (Valued, &Vec<f32>)| MethodScores {
        qld: Some(qld::rise(after, &base)),
        first_order: one.first_order,
        ..MethodScores::new(one.method, ground.judge(&belonging, &one.values), one.time)
    };
    Ok(Report {
        rows: all.into_iter().zip(tops).map(score).collect(),
        qld_by_chance: mean(chance.iter().map(|after| qld::rise(after, &base))),
        accuracy,
        loss: losses.iter().sum::<f32>() / losses.len().max(1) as f32,
        parameters: theta.len(),
        steps: course.schedule.len(),
        training_seconds,
        pay_agreement: pay_agreement(&ground),
    })
}

fn mean(numbers: impl ExactSizeIterator<Item = f32>) -> Option<f32> {
    let count = numbers.len();
    (count > 0).then(|| numbers.sum::<f32>() / count as f32)
}

/// How well actual pay agrees with itself between two halves of the answers: no method can be expected to agree
/// with it much better.
fn pay_agreement(ground: &Ground) -> Option<f32> {
    let half = ground.contributor_rises.columns / 2;
    let mean = |row: &[f32]| row.iter().sum::<f32>() / row.len().max(1) as f32;
    let first: Vec<f32> = ground.contributor_rises.iter().map(|row| mean(&row[..half])).collect();
    let second: Vec<f32> = ground.contributor_rises.iter().map(|row| mean(&row[half..])).collect();
    spearman(&first, &second).map(|rho| rho as f32)
}

/// The losses of any number of samples.
///
/// # Errors
/// When the network cannot run.
pub fn losses(model: &mut dyn Model, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError> {
    let mut losses = Vec::with_capacity(samples.len());
    for batch in samples.chunks(BATCH) {
        losses.extend(model.losses(theta, batch)?);
    }
    Ok(losses)
}

/// Each curvature by itself, so that its time is its own.
fn replays(model: &mut dyn Model, study: &Study<'_>, answers: &Rows) -> Result<Vec<Valued>, StudyError> {
    let records = study.contributors.len();
    let mut all = Vec::new();
    for curvature in study.curvatures {
        let started = Instant::now();
        // Through the table, because that is what a release ships.
        let names = (0..records).map(|record| record.to_string()).collect();
        let followed = study.course.follow(model, by_record(study, *curvature))?;
        let values = values(&followed.replay.table(names)?, answers)?;
        let valued = Valued::new(replay_name(*curvature), started, values);
        all.push(Valued { first_order: followed.first_order.error(), ..valued });
    }
    Ok(all)
}

/// A column for each of the study's records.
fn by_record(study: &Study<'_>, curvature: Curvature) -> Following {
    let records = study.contributors.len();
    Following { column_of: (0..records).map(Some).collect(), columns: records, curvature, left_out: false }
}

/// What a table says of answers with these gradients, [columns, Q].
fn values(table: &Table, answers: &Rows) -> Result<Rows, TableError> {
    let mut values = Rows::zeros(table.columns(), answers.rows);
    for (query, gradient) in answers.iter().enumerate() {
        for (column, value) in table.values(gradient)?.into_iter().enumerate() {
            values.row_mut(column)[query] = value;
        }
    }
    Ok(values)
}

fn by_gradients(
    model: &mut dyn Model,
    study: &Study<'_>,
    theta: &[f32],
    answers: &Rows,
) -> Result<Vec<Valued>, StudyError> {
    let samples: Vec<usize> = (0..study.contributors.len()).collect();
    let started = Instant::now();
    let records = gradients::all(model, theta, &samples)?;
    let mut all = vec![Valued::new("Grad-Dot", started, baselines::grad_dot(&records, answers))];
    all.push(Valued::new("DataInf", started, baselines::data_inf(&records, answers, &model.layers())));
    if study.dampings.is_empty() {
        return Ok(all);
    }
    let started = Instant::now();
    let rows = curvature::all(model, theta, &samples, study.gauss_newton_rows, study.course.recipe.seed)?;
    let influence = GaussNewton::new(rows, &records, answers)?;
    for damping in study.dampings {
        let name = format!("Gauss-Newton influence, damping {damping}");
        all.push(Valued::new(name, started, influence.values(*damping)?));
    }
    Ok(all)
}

fn by_vectors(study: &Study<'_>) -> Vec<Valued> {
    let Some(vectors) = &study.vectors else { return Vec::new() };
    let started = Instant::now();
    let knn = similarity::knn(vectors.records, vectors.labels, vectors.answers, vectors.answer_labels);
    let knn = Valued::new("KNN-Shapley", started, knn);
    let started = Instant::now();
    vec![knn, Valued::new("embedding cosine", started, similarity::cosine(vectors.records, vectors.answers))]
}

#[cfg(test)]
mod tests;
