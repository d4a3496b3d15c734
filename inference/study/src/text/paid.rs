//! What pays on texts: shares by the tables that a run carries, against Shapley values of contributors by real retraining.
//!
//! The truth is the mean over random orders of contributors of what each adds to the mean log-likelihood of the right answers. Orders come
//! in pairs, one and its reverse, whose errors partly cancel. What nodes pay by is another thing: the answers that were given, since
//! nobody knows the right ones when they are paid for. Both are held against the truth.

use std::collections::BTreeMap;

use datanet_training::attribution::audit::Progress;
use datanet_training::attribution::pay::{netted, of_odds};
use datanet_training::attribution::{Curvature, Model, Rows, gradients};
use datanet_training::network::Network;
use datanet_training::random::Stream;
use datanet_training::run::Following;
use serde::{Deserialize, Serialize};

use super::TextTask;
use crate::compare::{Again, retrained};
use crate::semivalues::{HALVES, positive};
use crate::{StudyError, losses};

/// What contributors are worth by real retraining.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapley {
    /// The Shapley value of each contributor.
    pub values: Vec<f64>,
    /// The same by the first half of the orders, and by the second: how far the truth is from itself.
    pub parts: [Vec<f64>; 2],
}

/// How far the shares that a rule pays are from the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paid {
    /// Table and rule.
    pub rule: String,
    /// Total variation distance of shares.
    pub distance: f64,
}

impl Shapley {
    /// How far both parts are from each other: of noise alone, and about twice what the whole is wrong by.
    pub fn noise(&self) -> f64 {
        distance(&positive(&self.parts[0]), &positive(&self.parts[1]))
    }
}

impl TextTask {
    /// The Shapley value of each contributor, over so many pairs of random orders.
    ///
    /// # Errors
    /// When a training fails, or `progress` ends it.
    pub fn shapley(&mut self, pairs: u64, progress: &mut Progress<'_>) -> Result<Shapley, StudyError> {
        let count = self.columns();
        let orders: Vec<Vec<usize>> = (0..pairs)
            .flat_map(|pair| {
                let order = Stream::new("order of contributors", self.course.recipe.seed, pair).permutation(count);
                let reverse = order.iter().rev().copied().collect();
                [order, reverse]
            })
            .collect();
        // Whoever is there, once: pairs meet in single contributors and in everybody.
        let mut groups: Vec<Vec<bool>> = orders.iter().flat_map(|order| beginnings(order, count)).collect();
        groups.sort_unstable();
        groups.dedup();
        let removed = |group: &Vec<bool>| self.contributors.iter().map(|one| !group[*one]).collect();
        let removed: Vec<Vec<bool>> = groups.iter().map(removed).collect();
        let shared = self.network.beside(1);
        let others = || -> Box<dyn Model + Send> { Box::new(shared.beside(1)) };
        let again = Again { course: &self.course, queries: &self.queries, others: Some(&others) };
        let found = retrained(&mut self.network, again, &removed, progress)?;
        let mut utility: BTreeMap<Vec<bool>, f64> =
            groups.into_iter().zip(&found).map(|(group, losses)| (group, -mean(losses))).collect();
        let nobody = losses(&mut self.network, &self.course.initial, &self.queries)?;
        utility.insert(vec![false; count], -mean(&nobody));
        let [first, second] = [0, 1].map(|half| {
            let own = orders.chunks(2).skip(half).step_by(2).flatten();
            added(own, &utility, count)
        });
        Ok(Shapley { values: added(orders.iter(), &utility, count), parts: [first, second] })
    }

    /// What the model answers, all data learnt: the likeliest class of each query.
    ///
    /// # Errors
    /// When a training fails.
    pub fn answered(&mut self) -> Result<Vec<usize>, StudyError> {
        let theta = self.course.train(&mut self.network, &[])?;
        let said = self.network.forward(&theta, &self.queries).map_err(datanet_training::run::TrainError::from)?;
        let likeliest = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or_default();
        Ok(said.log_probabilities.iter().map(likeliest).collect())
    }

    /// Every table and rule against the truth. `given` is the same network, whose queries have the answers that were given for labels.
    ///
    /// # Errors
    /// When a training fails.
    pub fn paid(
        &mut self,
        truth: &Shapley,
        curvature: Curvature,
        given: Option<&mut Network>,
    ) -> Result<Vec<Paid>, StudyError> {
        let column_of = self.contributors.iter().map(|one| Some(*one)).collect();
        let following = Following { column_of, columns: self.columns(), curvature, left_out: false };
        let followed = self.course.follow(&mut self.network, following.clone())?;
        let data = (0..following.columns).flat_map(|column| followed.replay.column(column)).collect();
        let full = Rows { rows: following.columns, columns: self.network.parameters(), data };
        let mut tables = vec![("all data".to_owned(), full)];
        let following = Following { left_out: true, ..following };
        for count in HALVES {
            tables.push((format!("{count} halves"), self.course.over_halves(&mut self.network, &following, count)?));
        }
        let asked = [("right answers", Some(&mut self.network)), ("answers as they were given", given)];
        let (truth, mut paid) = (positive(&truth.values), Vec::new());
        for (which, network) in asked {
            let Some(network) = network else { continue };
            let answers = gradients::all(network, &followed.theta, &self.queries)?;
            let losses = losses(network, &followed.theta, &self.queries)?;
            for (table, rows) in &tables {
                let by_loss = signed(&gradients::product(rows, &answers), |value, _| -value);
                let by_odds = signed(&by_loss, |value, answer| of_odds(value, losses[answer]));
                for (unit, values) in [("log-probability", by_loss), ("log-odds", by_odds)] {
                    let rule = format!("{table}, {which}, {unit}");
                    paid.push(Paid { rule, distance: distance(&netted(&values), &truth) });
                }
            }
        }
        Ok(paid)
    }

    fn columns(&self) -> usize {
        self.contributors.iter().max().map_or(0, |last| last + 1)
    }
}

/// Who is there after the first of an order, the first two, and so on.
fn beginnings(order: &[usize], count: usize) -> impl Iterator<Item = Vec<bool>> {
    order.iter().scan(vec![false; count], |there, one| {
        there[*one] = true;
        Some(there.clone())
    })
}

/// The mean over orders of what each contributor adds.
fn added<'a>(
    orders: impl Iterator<Item = &'a Vec<usize>>,
    utility: &BTreeMap<Vec<bool>, f64>,
    count: usize,
) -> Vec<f64> {
    let (mut sums, mut number) = (vec![0.0; count], 0.0);
    for order in orders {
        let mut before = utility[&vec![false; count]];
        for (one, there) in order.iter().zip(beginnings(order, count)) {
            let after = utility[&there];
            sums[*one] += after - before;
            before = after;
        }
        number += 1.0;
    }
    sums.iter_mut().for_each(|sum| *sum /= f64::max(number, 1.0));
    sums
}

fn signed(values: &Rows, of: impl Fn(f32, usize) -> f32) -> Rows {
    let data = values.iter().flat_map(|row| row.iter().enumerate().map(|(answer, value)| of(*value, answer)));
    Rows { rows: values.rows, columns: values.columns, data: data.collect() }
}

fn distance(shares: &[f64], truth: &[f64]) -> f64 {
    shares.iter().zip(truth).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

fn mean(losses: &[f32]) -> f64 {
    losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is worth 1, 2 and 4 alone, two of whom are worth 3 more together: each adds its own and half of that.
    #[test]
    fn a_shapley_value_is_the_mean_of_what_is_added() {
        let worth = |there: &[bool]| {
            let alone: f64 = there.iter().zip([1.0, 2.0, 4.0]).map(|(is, worth)| if *is { worth } else { 0.0 }).sum();
            alone + if there[0] && there[2] { 3.0 } else { 0.0 }
        };
        let orders: Vec<Vec<usize>> = vec![vec![0, 1, 2], vec![2, 1, 0]];
        let mut utility = BTreeMap::from([(vec![false; 3], 0.0)]);
        for there in orders.iter().flat_map(|order| beginnings(order, 3)) {
            utility.insert(there.clone(), worth(&there));
        }
        assert_eq!(added(orders.iter(), &utility, 3), [2.5, 2.0, 5.5]);
    }
}
