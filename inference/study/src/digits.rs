//! The digits task: handwritten digits of twenty contributors on a small tanh network with adapters in every layer.

use datanet_training::attribution::audit::{AuditPlan, Progress};
use datanet_training::attribution::{Curvature, Model, Rows};
use datanet_training::random::Stream;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Course, TrainError};

use crate::gauss_newton::DAMPINGS;
use crate::network::Plain;
use crate::points::Points;
use crate::similarity::unit;
use crate::small::TanhLora;
use crate::{Report, Study, StudyError, Vectors, run};

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

    /// Compares the methods, with every kind of curvature and damping.
    ///
    /// # Errors
    /// [`StudyError`].
    pub fn run(&mut self, plan: &AuditPlan, progress: &mut Progress<'_>) -> Result<Report, StudyError> {
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
            plan,
        };
        run(&mut self.model, &study, progress)
    }
}

#[cfg(test)]
mod tests {
    use datanet_training::run::Gradient;

    use super::*;
    use crate::{Logistic, convex};

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

    fn print(title: &str, report: &Report) {
        println!(
            "{title}: accuracy {:?}, loss {:.3}, P {}, {} steps, a training {:.2} s, pay agrees with itself {:?}",
            report.accuracy,
            report.loss,
            report.parameters,
            report.steps,
            report.training_seconds,
            report.pay_agreement
        );
        for row in &report.rows {
            let [lds, rank, pay] = [row.faithfulness.lds, row.faithfulness.leave_one_out, row.faithfulness.pay]
                .map(|x| x.map_or("-".into(), |x| format!("{x:.3}")));
            println!("  {:<42} {lds:>7} {rank:>7} {pay:>7} {:>7.2} s", row.method, row.seconds);
        }
    }

    #[test]
    #[ignore = "DATANET_DIGITS must name scikit-learn's digits.csv, unpacked"]
    fn what_clipping_costs() {
        let path = std::env::var("DATANET_DIGITS").expect("DATANET_DIGITS names digits.csv");
        let points = Points::digits(&std::fs::read(path).unwrap()).unwrap();
        for noisy in [false, true] {
            for clip in [None, Some(2.0), Some(3.0), Some(4.0)] {
                let (mut accuracy, mut loss) = (Vec::new(), 0.0);
                for seed in 0..10 {
                    let mut task = DigitsTask::new(&points, noisy, seed).unwrap();
                    task.course.gradient = Gradient::ByRecord { bound: clip };
                    let theta = task.course.train(&mut task.model, &[]).unwrap();
                    accuracy.extend(task.model.accuracy(&theta, &task.queries).unwrap());
                    let losses = task.model.losses(&theta, &task.queries).unwrap();
                    loss += losses.iter().sum::<f32>() / losses.len() as f32 / 10.0;
                }
                let mean = accuracy.iter().sum::<f32>() / accuracy.len() as f32;
                println!("noisy {noisy}, clip {clip:?}: accuracy {mean:.4}, loss {loss:.4}, each {accuracy:.3?}");
            }
        }
    }

    #[test]
    #[ignore = "minutes, and DATANET_DIGITS must name scikit-learn's digits.csv, unpacked"]
    fn the_real_digits() {
        let path = std::env::var("DATANET_DIGITS").expect("DATANET_DIGITS names digits.csv");
        let points = Points::digits(&std::fs::read(path).unwrap()).unwrap();
        let mut logistic = Plain { network: Logistic { features: 64, classes: 10 }, points: points.shuffled(0) };
        let samples: Vec<usize> = (0..1400).collect();
        let subsets = AuditPlan { subsets: 20, ..AuditPlan::default() }.draw_subsets(1400);
        let queries: Vec<usize> = (1400..1500).collect();
        let lds = convex::check(&mut logistic, &samples, &queries, 1e-2, &subsets).unwrap();
        println!("convex check: LDS {lds:.4}");
        for noisy in [false, true] {
            for removed in [0.01, 0.1, 0.5] {
                let mut task = DigitsTask::new(&points, noisy, 0).unwrap();
                let plan = AuditPlan { subsets: 30, removed, contributors: 20, seed: 0 };
                let report = task.run(&plan, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
                print(&format!("{} digits, {removed} removed", if noisy { "noisy" } else { "clean" }), &report);
            }
        }
    }
}
