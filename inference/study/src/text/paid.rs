//! What pays on texts: shares by the tables that a run carries, against what contributors are worth by real retraining.
//!
//! There are two truths, both of the mean log-likelihood of the right answers. The *semivalue at one half* is what each contributor adds to
//! random halves of the others, which is what the tables estimate: by least squares over trainings on random halves of the contributors. The
//! *Shapley value* is the mean over random orders of what each adds to those before it: much of it is what a contributor does to a few others or to
//! none, which differs a lot from one order to the next. Halves and orders come in pairs, one and its reverse, whose errors partly cancel.
//!
//! What nodes pay by is another thing again: the answers that were given, since nobody knows the right ones when they are paid for.

use std::collections::BTreeMap;

use datanet_training::attribution::audit::Progress;
use datanet_training::attribution::cholesky::Cholesky;
use datanet_training::attribution::pay::netted;
use datanet_training::attribution::{Curvature, Model, Rows};
use datanet_training::network::Network;
use datanet_training::random::Stream;
use datanet_training::run::{Following, TrainError};
use serde::{Deserialize, Serialize};

use super::TextTask;
use crate::compare::{Again, retrained};
use crate::gauss_newton::GaussNewtonError;
use crate::halves::{self, Place};
use crate::semivalues::{HALVES, distance, mean, positive};
use crate::{StudyError, losses};

/// Who is there, by contributor.
type Group = Vec<bool>;

/// What contributors are worth by real retraining.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// Of each contributor, in nats.
    pub values: Vec<f64>,
    /// The same by the first half of the trainings, and by the second: how far the truth is from itself.
    pub parts: [Vec<f64>; 2],
}

/// Both truths.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// The semivalue at one half.
    pub half: Worth,
    /// The Shapley value.
    pub shapley: Worth,
}

/// How far the shares that a rule pays are from the truth: total variation distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paid {
    /// Table and rule.
    pub rule: String,
    /// From the semivalue at one half.
    pub half: f64,
    /// From the Shapley value.
    pub shapley: f64,
}

impl Worth {
    /// How far both parts are from each other: of noise alone, and about twice what the whole is wrong by.
    pub fn noise(&self) -> f64 {
        distance(&positive(&self.parts[0]), &positive(&self.parts[1]))
    }
}

impl TextTask {
    /// What each contributor is worth, over so many pairs of random halves and of random orders of contributors.
    ///
    /// # Errors
    /// When a training fails, or `progress` ends it.
    pub fn truth(&mut self, halves: u64, orders: u64, progress: &mut Progress<'_>) -> Result<Truth, StudyError> {
        let (count, seed) = (self.columns(), self.course.recipe.seed);
        let orders: Vec<Vec<usize>> = (0..orders)
            .flat_map(|pair| {
                let order = Stream::new("order of contributors", seed, pair).permutation(count);
                let reverse = order.iter().rev().copied().collect();
                [order, reverse]
            })
            .collect();
        let halves: Vec<Group> = (0..halves)
            .flat_map(|pair| {
                let coins = Stream::new("half of the contributors", seed, pair).signs(count);
                [1.0, -1.0].map(|side| coins.iter().map(|coin| *coin == side).collect())
            })
            .collect();
        let groups = orders.iter().flat_map(|order| beginnings(order, count)).chain(halves.iter().cloned());
        let utility = self.utilities(groups.collect(), progress)?;
        let adding = |orders: &mut dyn Iterator<Item = &Vec<usize>>| added(orders, &utility, count);
        let pairs = |half: usize| orders.chunks(2).skip(half).step_by(2).flatten();
        let parts = [adding(&mut pairs(0)), adding(&mut pairs(1))];
        let shapley = Worth { values: adding(&mut orders.iter()), parts };
        let (first, second) = halves.split_at(halves.len() / 4 * 2);
        let fit = |halves: &[Group]| fitted(halves, &utility, count);
        let half = Worth { values: fit(&halves)?, parts: [fit(first)?, fit(second)?] };
        Ok(Truth { half, shapley })
    }

    /// The mean log-likelihood of what is asked, after training on what each of these groups gave.
    fn utilities(
        &mut self,
        mut groups: Vec<Group>,
        progress: &mut Progress<'_>,
    ) -> Result<BTreeMap<Group, f64>, StudyError> {
        // Some are met twice: single contributors, and everybody.
        groups.sort_unstable();
        groups.dedup();
        groups.retain(|group| group.contains(&true));
        let removed = |group: &Group| self.contributors.iter().map(|one| !group[*one]).collect();
        let removed: Vec<Vec<bool>> = groups.iter().map(removed).collect();
        let shared = self.network.beside(1);
        let others = || -> Box<dyn Model + Send> { Box::new(shared.beside(1)) };
        let again = Again { course: &self.course, queries: &self.queries, others: Some(&others) };
        let found = retrained(&mut self.network, again, &removed, progress)?;
        let nobody = losses(&mut self.network, &self.course.initial, &self.queries)?;
        let of_nobody = (vec![false; self.columns()], -mean(&nobody));
        Ok(groups.into_iter().zip(found.iter().map(|losses| -mean(losses))).chain([of_nobody]).collect())
    }

    /// What the model answers, all data learnt: the likeliest class of each query.
    ///
    /// # Errors
    /// When a training fails.
    pub fn answered(&mut self) -> Result<Vec<usize>, StudyError> {
        let theta = self.course.train(&mut self.network, &[])?;
        let said = self.network.forward(&theta, &self.queries).map_err(TrainError::from)?;
        let likeliest = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or_default();
        Ok(said.log_probabilities.iter().map(likeliest).collect())
    }

    /// Every table and rule against the truth. `given` is the same network, whose queries have the answers that were given for labels.
    ///
    /// # Errors
    /// When a training fails.
    pub fn paid(
        &mut self,
        truth: &Truth,
        curvature: Curvature,
        given: Option<&mut Network>,
    ) -> Result<Vec<Paid>, StudyError> {
        let tables = self.tables(curvature)?;
        let (half, shapley, mut paid) = (positive(&truth.half.values), positive(&truth.shapley.values), Vec::new());
        if let (true, Some((_, all))) = (given.is_some(), tables.first()) {
            let mut said =
                self.network.forward(&all[0].theta, &self.queries).map_err(TrainError::from)?.log_probabilities;
            said.data.iter_mut().for_each(|log| *log = log.exp());
            for (table, places) in &tables {
                let values = halves::expected(places, &mut self.network, &self.queries, &said)?;
                paid.extend(scored(&format!("{table}, all answers by their probabilities"), &values, &half, &shapley));
            }
        }
        let asked = [("right answers", Some(&mut self.network)), ("answers as they were given", given)];
        for (which, network) in asked {
            let Some(network) = network else { continue };
            for (table, places) in &tables {
                let values = halves::values(places, network, &self.queries)?;
                paid.extend(scored(&format!("{table}, {which}"), &values, &half, &shapley));
            }
        }
        Ok(paid)
    }

    /// That of all data; and for each number of halves their mean, with answers' gradients where all data leads to, and each half's own, with answers'
    /// gradients where it leads to.
    fn tables(&mut self, curvature: Curvature) -> Result<Vec<(String, Vec<Place>)>, StudyError> {
        let column_of = self.contributors.iter().map(|one| Some(*one)).collect();
        let mut following = Following { column_of, columns: self.columns(), curvature, left_out: false };
        let followed = self.course.follow(&mut self.network, following.clone())?;
        let table = halves::table(&followed.replay, &following);
        let mut tables = vec![("all data".to_owned(), vec![Place { theta: followed.theta.clone(), table }])];
        following.left_out = true;
        for count in HALVES {
            let own = halves::halves(&self.course, &mut self.network, &following, count)?;
            let mean = halves::at_once(&own, &followed.theta);
            tables.push((format!("{count} halves, asked of all data"), vec![mean]));
            tables.push((format!("{count} halves"), own));
        }
        Ok(tables)
    }

    fn columns(&self) -> usize {
        self.contributors.iter().max().map_or(0, |last| last + 1)
    }
}

/// How far the shares by these values are from both truths, by log-probability and by log-odds.
fn scored(rule: &str, values: &[Rows; 2], half: &[f64], shapley: &[f64]) -> [Paid; 2] {
    let of = |unit: &str, values: &Rows| {
        let (rule, shares) = (format!("{rule}, {unit}"), netted(values));
        Paid { rule, half: distance(&shares, half), shapley: distance(&shares, shapley) }
    };
    [of("log-probability", &values[0]), of("log-odds", &values[1])]
}

/// Who is there after the first of an order, the first two, and so on.
fn beginnings(order: &[usize], count: usize) -> impl Iterator<Item = Group> {
    order.iter().scan(vec![false; count], |there, one| {
        there[*one] = true;
        Some(there.clone())
    })
}

/// The mean over orders of what each contributor adds.
fn added(orders: &mut dyn Iterator<Item = &Vec<usize>>, utility: &BTreeMap<Group, f64>, count: usize) -> Vec<f64> {
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

/// What each contributor adds, by least squares over groups that come in pairs, one and who is not in it: these need no constant, since the mean of each
/// pair is taken off.
fn fitted(halves: &[Group], utility: &BTreeMap<Group, f64>, count: usize) -> Result<Vec<f64>, StudyError> {
    let (mut matrix, mut right) = (vec![0.0; count * count], vec![0.0; count]);
    for pair in halves.chunks_exact(2) {
        let half = (utility[&pair[0]] - utility[&pair[1]]) / 2.0;
        let sides: Vec<f64> = pair[0].iter().map(|is| if *is { 0.5 } else { -0.5 }).collect();
        for (row, side) in sides.iter().enumerate() {
            right[row] += side * half;
            sides.iter().enumerate().for_each(|(column, other)| matrix[row * count + column] += side * other);
        }
    }
    Cholesky::new(matrix, count).map_err(GaussNewtonError::from)?.solve(&mut right, 1);
    Ok(right)
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
        assert_eq!(added(&mut orders.iter(), &utility, 3), [2.5, 2.0, 5.5]);
    }

    #[test]
    fn a_semivalue_at_one_half_is_fitted_through_pairs_of_halves() {
        let halves: Vec<Group> = (0..8u8)
            .flat_map(|bits| [bits, 7 - bits])
            .map(|bits| (0..3).map(|at| bits >> at & 1 == 1).collect())
            .collect();
        let worth = |there: &Group| {
            let alone: f64 = there.iter().zip([1.0, 2.0, 4.0]).map(|(is, worth)| if *is { worth } else { 0.0 }).sum();
            alone + if there[0] && there[2] { 3.0 } else { 0.0 }
        };
        let utility = halves.iter().map(|half| (half.clone(), worth(half))).collect();
        let found = fitted(&halves, &utility, 3).unwrap();
        // Half of the others' halves have the one that it is worth more with.
        assert!(found.iter().zip([2.5, 2.0, 5.5]).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }
}
