//! The digits task: handwritten digits of twenty contributors on a small tanh network with adapters in every layer.

use std::ops::ControlFlow;

use datanet_training::attribution::audit::{AuditPlan, Progress};
use datanet_training::attribution::{Curvature, Model, Rows};
use datanet_training::random::Stream;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Course, TrainError};

use crate::gauss_newton::DAMPINGS;
use crate::network::Plain;
use crate::peers::Peers;
use crate::points::Points;
use crate::similarity::unit;
use crate::small::TanhLora;
use crate::{Foretold, Report, Study, StudyError, Vectors, foretold, run};

/// Contributors of the task.
pub const CONTRIBUTORS: usize = 20;
/// Records that the base has seen, before anybody contributed.
const BASE: usize = 297;
/// Points that are asked about.
const QUERIES: usize = 300;
/// Rank of the adapters.
const RANK: usize = 4;
/// What an adapter's product is multiplied with.
const SCALE: f32 = 2.0;

/// A task that is ready to be studied.
#[derive(Clone, Debug)]
pub struct DigitsTask {
    /// The network with its points: records first, queries after.
    pub model: Plain<TanhLora>,
    /// The training: 200 steps or nearly so.
    pub course: Course,
    /// The contributor of each record.
    pub contributors: Vec<usize>,
    /// The samples that are asked about.
    pub queries: Vec<usize>,
}

impl DigitsTask {
    /// Deals points (of any kind, 600 at least) to [`CONTRIBUTORS`]: some become a base that is trained once and
    /// stays, some are held out, the rest is contributed. With `noisy`, eight contributors have 10 to 90 % random
    /// labels.
    ///
    /// # Errors
    /// Never, for points that have a shape.
    pub fn new(points: &Points, noisy: bool, seed: u64) -> Result<Self, TrainError> {
        let points = points.shuffled(seed);
        let base = BASE.min(points.len() / 4);
        let queries = QUERIES.min(points.len() / 4);
        let records = (points.len() - base - queries) / CONTRIBUTORS * CONTRIBUTORS;
        let part = |start: usize, count: usize| points.pick(&(start..start + count).collect::<Vec<_>>());
        let network = pretrained(part(0, base), seed)?;
        let mut own = part(base, records + queries);
        let contributors: Vec<usize> = (0..records).map(|record| record % CONTRIBUTORS).collect();
        if noisy {
            disturb(&mut own, &contributors, seed);
        }
        let recipe = Recipe { epochs: (200 * 32usize).div_ceil(records.max(1)), seed, ..Recipe::default() };
        let course = Course::new(recipe, network.initial(seed), records);
        Ok(Self {
            model: Plain { network, points: own },
            course,
            contributors,
            queries: (records..records + queries).collect(),
        })
    }
}

/// A network that has learnt from `points`, as a base model has from what the world knows.
fn pretrained(points: Points, seed: u64) -> Result<TanhLora, TrainError> {
    let network = TanhLora::random(&[points.features, 64, 64, points.classes], RANK, SCALE, seed);
    let recipe = Recipe { epochs: 8, learning_rate: 5e-3, ..Recipe::default() };
    let course = Course::new(recipe, network.initial(seed ^ 1), points.len());
    let mut model = Plain { network, points };
    let theta = course.train(&mut model, &[])?;
    Ok(model.network.merged(&theta))
}

/// Random labels for 10, 21, ... 90 % of the records of the first eight contributors.
fn disturb(points: &mut Points, contributors: &[usize], seed: u64) {
    let mut dice = Stream::new("digits noise", seed, 0);
    for (record, contributor) in contributors.iter().enumerate() {
        let share = 0.1 + 0.8 * *contributor as f64 / 7.0;
        if *contributor < 8 && dice.uniform() < share {
            points.labels[record] = dice.below(points.classes);
        }
    }
}

impl DigitsTask {
    /// P.
    pub fn parameters(&self) -> usize {
        self.model.parameters()
    }

    /// Compares the methods, with every kind of curvature and damping, and with `peers` where there are any.
    ///
    /// # Errors
    /// [`StudyError`].
    pub fn run(
        &mut self,
        plan: &AuditPlan,
        peers: Option<&dyn Peers>,
        progress: &mut Progress<'_>,
    ) -> Result<Report, StudyError> {
        let (count, queries, columns) = (self.contributors.len(), self.queries.len(), self.model.points.features);
        let vectors = |from: usize, rows: usize| {
            let places: Vec<usize> = (from..from + rows).collect();
            unit(&Rows { rows, columns, data: self.model.points.pick(&places).vectors })
        };
        let (records, answers) = (vectors(0, count), vectors(count, queries));
        let labels = self.model.points.labels.clone();
        let study = Study {
            course: &self.course,
            contributors: &self.contributors,
            queries: &self.queries,
            curvatures: &[Curvature::All, Curvature::TrueLabel, Curvature::Signs(2)],
            dampings: &DAMPINGS,
            gauss_newton_rows: Curvature::All,
            vectors: Some(Vectors {
                records: &records,
                labels: &labels[..count],
                answers: &answers,
                answer_labels: &labels[count..],
            }),
            peers,
            // These networks share out a batch over all cores by themselves.
            others: None,
            plan,
        };
        run(&mut self.model, &study, progress)
    }
}

impl DigitsTask {
    /// What runs at this rate foretell of their own error, with all rows and with the true labels', beside what retraining
    /// finds.
    ///
    /// # Errors
    /// [`StudyError`].
    pub fn foretold(&mut self, rate: f32, plan: &AuditPlan) -> Result<Vec<Foretold>, StudyError> {
        let course = self.at(rate);
        let study = Study {
            course: &course,
            contributors: &self.contributors,
            queries: &self.queries,
            curvatures: &[Curvature::All, Curvature::TrueLabel],
            dampings: &[],
            gauss_newton_rows: Curvature::All,
            vectors: None,
            peers: None,
            others: None,
            plan,
        };
        foretold(&mut self.model, &study, &mut |_, _| ControlFlow::Continue(()))
    }

    /// The training at another rate.
    fn at(&self, rate: f32) -> Course {
        let recipe = Recipe { learning_rate: rate, ..self.course.recipe.clone() };
        Course { recipe, ..self.course.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_dealt_out() {
        let points = Points::blobs(800, 16, 10, 3.0, 0);
        let task = DigitsTask::new(&points, false, 0).unwrap();
        assert_eq!((task.contributors.len(), task.queries.len()), (400, 200));
        assert_eq!(task.model.points.len(), 600);
        assert!((180..=220).contains(&task.course.schedule.len()), "{}", task.course.schedule.len());
        let noisy = DigitsTask::new(&points, true, 0).unwrap();
        let changed = |contributor: usize| {
            let own = (0..400).filter(|record| task.contributors[*record] == contributor);
            own.filter(|record| task.model.points.labels[*record] != noisy.model.points.labels[*record]).count()
        };
        assert!(changed(7) > 10 && changed(8) == 0);
    }

    #[test]
    fn a_hotter_run_foretells_a_larger_error() {
        let mut task = DigitsTask::new(&Points::blobs(600, 8, 4, 3.0, 0), false, 0).unwrap();
        let plan = AuditPlan { subsets: 4, contributors: 0, ..AuditPlan::default() };
        let mut first_order = |rate: f32| {
            let found = task.foretold(rate, &plan).unwrap();
            assert!(found.len() == 2 && found.iter().all(|one| one.by_answers.is_some() && one.missing.is_some()));
            found[0].first_order.unwrap()
        };
        let (gentle, hot) = (first_order(2e-4), first_order(2e-2));
        assert!(gentle < hot, "{gentle} {hot}");
    }
}
