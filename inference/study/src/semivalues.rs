//! What pay is worth: shares by tables of forward replay against Shapley values of contributors, found by retraining;
//! and what more names bring.
//!
//! Digits on a tanh network whose weights are all trained, ten contributors of whom the first four may have 90, 60, 40
//! and 20 % random labels. The truth is the mean over random orders of contributors of what each adds to the mean
//! log-likelihood of what is asked. A rule's distance to it is the total variation of shares; and noise has a share
//! that it ought to have.

use datanet_training::attribution::{Belonging, Curvature, Rows, gradients, pay};
use datanet_training::random::Stream;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Course, Following, Gradient};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::halves::{self, Place};
use crate::network::Plain;
use crate::points::Points;
use crate::tanh::Tanh;
use crate::{StudyError, losses};

/// Contributors.
pub const CONTRIBUTORS: usize = 10;
/// The random labels of the first contributors, where they are noisy.
const NOISE: [f64; 4] = [0.9, 0.6, 0.4, 0.2];
/// Points that are asked about.
const QUERIES: usize = 400;
/// Units of the hidden layer.
const HIDDEN: usize = 32;
/// Numbers of halves that are tried.
pub const HALVES: [usize; 3] = [2, 4, 6];

/// What is learnt, by whom it was given, and what is asked.
#[derive(Clone, Debug)]
pub struct SemivalueTask {
    model: Plain<Tanh>,
    course: Course,
    contributors: Vec<usize>,
    queries: Vec<usize>,
    seed: u64,
}

/// How far a rule's shares are from the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleScore {
    /// Table and rule.
    pub rule: String,
    /// Total variation distance of shares.
    pub distance: f64,
    /// Share of the noisy contributors.
    pub noisy: f64,
}

impl SemivalueTask {
    /// Deals out `records` points, of which there are [`QUERIES`] more.
    pub fn new(points: &Points, records: usize, noisy: bool, bound: Option<f32>, seed: u64) -> Self {
        let points = points.shuffled(seed);
        let count = (records + QUERIES).min(points.len());
        let mut points = points.pick(&(0..count).collect::<Vec<_>>());
        let contributors: Vec<usize> = (0..records).map(|record| record * CONTRIBUTORS / records).collect();
        let mut dice = Stream::new("semivalue noise", seed, 0);
        for (record, contributor) in contributors.iter().enumerate() {
            if noisy && NOISE.get(*contributor).is_some_and(|share| dice.uniform() < *share) {
                points.labels[record] = dice.below(points.classes);
            }
        }
        let recipe =
            Recipe { learning_rate: 4e-3, epsilon: 1e-4, batch: 40, epochs: 8, warmup: 10, seed, ..Recipe::default() };
        let network = Tanh { inputs: points.features, hidden: HIDDEN, classes: points.classes };
        let course =
            Course { gradient: Gradient::ByRecord { bound }, ..Course::new(recipe, network.initial(seed), records) };
        let queries = (records..count).collect();
        Self { model: Plain { network, points }, course, contributors, queries, seed }
    }

    /// The Shapley value of each contributor, over so many random orders.
    ///
    /// # Errors
    /// When a training fails.
    pub fn truth(&self, orders: u64) -> Result<Vec<f64>, StudyError> {
        let utility = |present: &[bool]| -> Result<f64, StudyError> {
            let removed: Vec<bool> = self.contributors.iter().map(|one| !present[*one]).collect();
            let mut model = self.model.clone();
            let theta = self.course.train(&mut model, &removed)?;
            let losses = losses(&mut model, &theta, &self.queries)?;
            Ok(-mean(&losses))
        };
        let nobody = utility(&[false; CONTRIBUTORS])?;
        let added = (0..orders).into_par_iter().map(|order| {
            let mut present = [false; CONTRIBUTORS];
            let mut before = nobody;
            let mut added = vec![0.0; CONTRIBUTORS];
            for one in Stream::new("semivalue order", self.seed, order).permutation(CONTRIBUTORS) {
                present[one] = true;
                let after = utility(&present)?;
                (added[one], before) = (after - before, after);
            }
            Ok::<_, StudyError>(added)
        });
        let added: Vec<Vec<f64>> = added.collect::<Result<_, _>>()?;
        let mean = |one: usize| added.iter().map(|added| added[one]).sum::<f64>() / orders.max(1) as f64;
        Ok((0..CONTRIBUTORS).map(mean).collect())
    }

    /// Every rule against `truth`.
    ///
    /// # Errors
    /// When a training fails.
    pub fn rules(&mut self, truth: &[f64]) -> Result<Vec<RuleScore>, StudyError> {
        let truth = positive(truth);
        let score = |rule: String, shares: &[f64]| RuleScore {
            rule,
            distance: distance(shares, &truth),
            noisy: shares[..NOISE.len()].iter().sum(),
        };
        let answers = self.answers()?;
        let by_record: Vec<usize> = (0..self.contributors.len()).collect();
        let records = self.full(&answers, &by_record)?;
        let whole = Belonging::by_record(&self.contributors).by_contributors(&records);
        let mut scores = vec![
            score("truth".to_owned(), &truth),
            score("full data: positive part a record and answer, with standing".to_owned(), &self.by_record(&records)),
            score("full data: signed sum".to_owned(), &pay::netted(&whole)),
        ];
        let (contributors, theta) = (self.contributors.clone(), self.course.train(&mut self.model, &[])?);
        for count in HALVES {
            let places = self.halves(&contributors, count, true)?;
            let [at_once, _] = halves::values(&[halves::at_once(&places, &theta)], &mut self.model, &self.queries)?;
            scores.push(score(format!("{count} halves, asked of all data: signed sum"), &pay::netted(&at_once)));
            let [values, _] = halves::values(&places, &mut self.model, &self.queries)?;
            scores.push(score(format!("{count} halves: signed sum"), &pay::netted(&values)));
            scores.push(score(
                format!("{count} halves: positive part a contributor and answer"),
                &pay::by_answer(&values),
            ));
        }
        let inside = self.over_halves(&contributors, HALVES[2], false)?;
        scores
            .push(score(format!("{} halves, records that are in alone: signed sum", HALVES[2]), &pay::netted(&inside)));
        Ok(scores)
    }

    /// What a contributor gains whose records are spread at random over so many names, over `splits` draws: netted over
    /// all answers, and answer by answer; by the mean over halves, and by full data. The last contributor tries it.
    ///
    /// # Errors
    /// When a training fails.
    pub fn names(&mut self, halves: usize, names: &[usize], splits: u64) -> Result<Vec<NameGain>, StudyError> {
        let attacker = CONTRIBUTORS - 1;
        let own: Vec<usize> =
            (0..self.contributors.len()).filter(|record| self.contributors[*record] == attacker).collect();
        // A column for each of its records, which the names are sums of.
        let mut columns = self.contributors.clone();
        own.iter().enumerate().for_each(|(at, record)| columns[*record] = attacker + at);
        let answers = self.answers()?;
        let tables = [
            ("full data".to_owned(), self.full(&answers, &columns)?),
            (format!("{halves} halves"), self.over_halves(&columns, halves, true)?),
        ];
        let mut gains = Vec::new();
        for (table, values) in &tables {
            for count in names {
                let (mut netted, mut by_answer) = (Vec::new(), Vec::new());
                for split in 0..splits {
                    let mut order = Stream::new("semivalue split", self.seed, split).permutation(own.len());
                    order.iter_mut().for_each(|at| *at %= count);
                    netted.push(gain(pay::netted, values, attacker, &order));
                    by_answer.push(gain(pay::by_answer, values, attacker, &order));
                }
                let mean = |gains: &[f64]| gains.iter().sum::<f64>() / gains.len().max(1) as f64;
                let (netted, by_answer) = (mean(&netted), mean(&by_answer));
                gains.push(NameGain { table: table.clone(), names: *count, netted, by_answer });
            }
        }
        Ok(gains)
    }

    /// The gradients of what is asked, at the parameters that all data leads to.
    fn answers(&mut self) -> Result<Rows, StudyError> {
        let theta = self.course.train(&mut self.model, &[])?;
        Ok(gradients::all(&mut self.model, &theta, &self.queries)?)
    }

    fn following(&self, column_of: &[usize], left_out: bool) -> Following {
        let columns = column_of.iter().max().map_or(0, |last| last + 1);
        let column_of = column_of.iter().map(|column| Some(*column)).collect();
        Following { column_of, columns, curvature: Curvature::All, left_out }
    }

    /// Values `[columns, answers]` by the table of all data.
    fn full(&mut self, answers: &Rows, column_of: &[usize]) -> Result<Rows, StudyError> {
        let following = self.following(column_of, false);
        let followed = self.course.follow(&mut self.model, following.clone())?;
        Ok(values(&halves::table(&followed.replay, &following), answers))
    }

    /// The same by the mean over halves.
    fn over_halves(&mut self, column_of: &[usize], count: usize, left_out: bool) -> Result<Rows, StudyError> {
        let places = self.halves(column_of, count, left_out)?;
        let [values, _] = halves::values(&places, &mut self.model, &self.queries)?;
        Ok(values)
    }

    fn halves(&mut self, column_of: &[usize], count: usize, left_out: bool) -> Result<Vec<Place>, StudyError> {
        let following = self.following(column_of, left_out);
        Ok(halves::halves(&self.course, &mut self.model, &following, count)?)
    }

    /// What paid before: of each answer the positive part of every record's value that is positive in the mean.
    fn by_record(&self, values: &Rows) -> Vec<f64> {
        let standing: Vec<bool> = values.iter().map(|row| row.iter().sum::<f32>() > 0.0).collect();
        let mut shares = vec![0.0; CONTRIBUTORS];
        for answer in 0..values.columns {
            let earned =
                |record: usize| if standing[record] { f64::from(values.row(record)[answer].max(0.0)) } else { 0.0 };
            let total: f64 = (0..values.rows).map(earned).sum();
            if total > 0.0 {
                self.contributors.iter().enumerate().for_each(|(record, one)| shares[*one] += earned(record) / total);
            }
        }
        positive(&shares)
    }
}

/// What names gained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NameGain {
    /// The table.
    pub table: String,
    /// How many names.
    pub names: usize,
    /// The share under all of them over the share under one, netted over all answers.
    pub netted: f64,
    /// The same, answer by answer.
    pub by_answer: f64,
}

/// -d . g of each column and answer.
fn values(table: &Rows, answers: &Rows) -> Rows {
    let mut values = gradients::product(table, answers);
    values.data.iter_mut().for_each(|value| *value = -*value);
    values
}

/// The total variation distance of shares.
pub(crate) fn distance(shares: &[f64], truth: &[f64]) -> f64 {
    shares.iter().zip(truth).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

pub(crate) fn mean(losses: &[f32]) -> f64 {
    losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len().max(1) as f64
}

/// Shares of what is above zero.
pub(crate) fn positive(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().map(|value| value.max(0.0)).sum();
    values.iter().map(|value| value.max(0.0) / sum.max(f64::MIN_POSITIVE)).collect()
}

/// The gain of an attacker whose records are the columns from `attacker` on, each under the name that `name_of` says.
fn gain(rule: fn(&Rows) -> Vec<f64>, values: &Rows, attacker: usize, name_of: &[usize]) -> f64 {
    let share = |name_of: &dyn Fn(usize) -> usize| -> f64 {
        let of = |column: usize| if column < attacker { column } else { attacker + name_of(column - attacker) };
        let owners: Vec<usize> = (0..values.rows).map(of).collect();
        rule(&Belonging::by_record(&owners).by_contributors(values))[attacker..].iter().sum()
    };
    let (one, many) = (share(&|_| 0), share(&|record| name_of[record]));
    if one > 0.0 { many / one } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 records of ten contributors on clouds of points.
    fn task(noisy: bool) -> SemivalueTask {
        SemivalueTask::new(&Points::blobs(320, 8, 4, 1.5, 3), 200, noisy, None, 0)
    }

    #[test]
    fn the_mean_over_halves_pays_nearer_to_the_truth_than_full_data() {
        let mut task = task(true);
        let truth = task.truth(6).unwrap();
        let scores = task.rules(&truth).unwrap();
        let of = |rule: &str| scores.iter().find(|score| score.rule == rule).unwrap();
        assert!(of("4 halves: signed sum").distance < of("full data: signed sum").distance, "{scores:#?}");
        assert_eq!((of("truth").distance, scores.len()), (0.0, 13));
    }

    /// What the last contributor of clouds that lie close is worth is hardly above zero, so that random parts of it often lie below: netted sums
    /// cannot help that within one epoch, and debts that are carried on do.
    #[test]
    fn names_gain_by_netted_sums_what_their_parts_below_zero_owe_and_nothing_where_there_are_none() {
        let mut task = task(false);
        let (attacker, own) = (CONTRIBUTORS - 1, 20);
        let mut columns = task.contributors.clone();
        (0..own).for_each(|at| columns[200 - own + at] = attacker + at);
        let values = task.over_halves(&columns, 2, true).unwrap();
        let sums: Vec<f64> = values.iter().map(|row| row.iter().map(|value| f64::from(*value)).sum()).collect();
        let (others, all) = (sums[..attacker].iter().map(|sum| sum.max(0.0)).sum::<f64>(), &sums[attacker..]);
        let share = |sum: f64| sum / (others + sum);
        let mut without_harm = 0;
        for split in 0..200 {
            let order: Vec<usize> =
                Stream::new("semivalue split", 0, split).permutation(own).iter().map(|at| at % 2).collect();
            let part = |name| all.iter().zip(&order).filter(|(_, of)| **of == name).map(|(sum, _)| sum).sum::<f64>();
            let parts = [part(0), part(1)];
            let above: f64 = parts.iter().map(|part| part.max(0.0)).sum();
            let found = gain(pay::netted, &values, attacker, &order);
            let whole = parts[0] + parts[1];
            if whole > 0.0 {
                assert!((found - share(above) / share(whole)).abs() < 1e-2 * found, "{found} {parts:?}");
            }
            if parts.iter().all(|part| *part > 0.0) {
                assert!((found - 1.0).abs() < 1e-2, "{found} {parts:?}");
                without_harm += 1;
            }
        }
        assert!(without_harm > 0, "{parts:?}", parts = all);
    }

    #[test]
    fn names_do_not_change_what_their_records_sum_to() {
        let mut task = task(false);
        let (one, contributors) = (vec![0; 200], task.contributors.clone());
        let whole = task.over_halves(&one, 2, true).unwrap();
        let parts = task.over_halves(&contributors, 2, true).unwrap();
        let sums = Belonging::by_record(&[0; CONTRIBUTORS]).by_contributors(&parts);
        for (whole, sum) in whole.data.iter().zip(&sums.data) {
            assert!((whole - sum).abs() < 1e-3 * (1.0 + whole.abs()), "{whole} {sum}");
        }
    }
}
