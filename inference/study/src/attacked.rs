//! Points as a corpus that can be attacked, and their pay.

use datanet_training::attribution::{Curvature, Model, Rows, clip, pay};
use datanet_training::job::HALVES;
use datanet_training::random::Stream;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Course, Following, Gradient};

use crate::attacks::Corpus;
use crate::clusters::Clusters;
use crate::network::{Classifier, Plain};
use crate::points::Points;
use crate::{StudyError, halves};

/// Records of points with their contributors.
#[derive(Clone, Debug)]
pub struct PointCorpus {
    points: Points,
    contributors: Vec<usize>,
    /// How far apart near-duplicates may lie.
    near: f32,
    /// The usual length of a step from one record to another, by which a copy or an outlier is measured.
    spread: f32,
}

impl PointCorpus {
    /// Points that are all records; those nearer to each other than a tenth of the usual distance are duplicates.
    pub fn new(points: Points, contributors: Vec<usize>) -> Self {
        let count = points.len().min(64);
        let mut distances: Vec<f32> = (0..count)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .map(|(a, b)| {
                let pairs = points.vector(a).iter().zip(points.vector(b));
                pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
            })
            .collect();
        distances.sort_unstable_by(f32::total_cmp);
        let spread = distances.get(distances.len() / 2).copied().unwrap_or_default();
        Self { points, contributors, near: spread / 10.0, spread }
    }

    /// The near-duplicates that a network would find.
    pub fn clusters(&self) -> Clusters {
        let (rows, columns) = (self.points.len(), self.points.features);
        Clusters::by_distance(&Rows { rows, columns, data: self.points.vectors.clone() }, self.near)
    }

    /// What is held against the corpus: the pay of every contributor for `queries`, with duplicates and outliers
    /// dealt with as `defence` says.
    ///
    /// # Errors
    /// When the replay is no longer finite.
    pub fn pay<N: Classifier + Clone>(
        &self,
        network: &N,
        initial: &[f32],
        recipe: &Recipe,
        queries: &Points,
        defence: Defence,
    ) -> Result<Vec<f64>, StudyError> {
        Ok(pay::netted(&self.values(network, initial, recipe, queries, defence)?))
    }

    /// What every contributor did for each of the `queries`, with its sign: what [`PointCorpus::pay`] follows from.
    fn values<N: Classifier + Clone>(
        &self,
        network: &N,
        initial: &[f32],
        recipe: &Recipe,
        queries: &Points,
        defence: Defence,
    ) -> Result<Rows, StudyError> {
        let clusters = if defence.clusters { self.clusters() } else { Clusters::single(self.points.len()) };
        let chosen = clusters.representatives();
        let owners: Vec<usize> = chosen.iter().map(|record| self.contributors[*record]).collect();
        let mut points = self.points.pick(&chosen);
        (0..queries.len()).for_each(|at| points.push(queries.vector(at), queries.labels[at]));
        let places: Vec<usize> = (chosen.len()..points.len()).collect();
        let mut model = Plain { network: network.clone(), points };
        let mut course = Course::new(recipe.clone(), initial.to_vec(), chosen.len());
        course.gradient = Gradient::ByRecord { bound: defence.clip };
        let following = following(owners.iter().map(|owner| Some(*owner)).collect(), Curvature::All);
        values(&course, &mut model, &following, &places)
    }
}

/// A column for each name, in the mean over halves.
pub(super) fn following(column_of: Vec<Option<usize>>, curvature: Curvature) -> Following {
    let columns = column_of.iter().flatten().max().map_or(0, |last| last + 1);
    Following { column_of, columns, curvature, left_out: true }
}

/// Every name's share, as answers to all `queries` together pay: signed sums by the mean over as many halves as jobs
/// have.
pub(super) fn paid(
    course: &Course,
    model: &mut dyn Model,
    following: &Following,
    queries: &[usize],
) -> Result<Vec<f64>, StudyError> {
    Ok(pay::netted(&values(course, model, following, queries)?))
}

/// What every name's records did for each of the `queries`, with its sign, in the mean over the halves.
fn values(
    course: &Course,
    model: &mut dyn Model,
    following: &Following,
    queries: &[usize],
) -> Result<Rows, StudyError> {
    let places = halves::halves(course, model, following, HALVES)?;
    let [values, _] = halves::values(&places, model, queries)?;
    Ok(values)
}

/// What is done against attacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defence {
    /// Near-duplicates count once.
    pub clusters: bool,
    /// Gradients are shortened to this multiple of their batch's median.
    pub clip: Option<f32>,
}

impl Default for Defence {
    fn default() -> Self {
        Self { clusters: true, clip: Some(clip::ORDINARY) }
    }
}

impl Corpus for PointCorpus {
    fn contributors(&self) -> &[usize] {
        &self.contributors
    }

    fn rename(&mut self, record: usize, contributor: usize) {
        self.contributors[record] = contributor;
    }

    fn copy(&mut self, record: usize, contributor: usize, near: bool, dice: &mut Stream) {
        let size = if near { self.near / 2.0 / (self.points.features as f32).sqrt() } else { 0.0 };
        let vector: Vec<f32> = self.points.vector(record).iter().map(|x| x + size * dice.normal()).collect();
        self.points.push(&vector, self.points.labels[record]);
        self.contributors.push(contributor);
    }

    fn distort(&mut self, record: usize, dice: &mut Stream) {
        let size = 3.0 * self.spread / (self.points.features as f32).sqrt();
        let start = record * self.points.features;
        for x in &mut self.points.vectors[start..start + self.points.features] {
            *x = 3.0 * *x + size * dice.normal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TanhLora;
    use crate::attacks::{ALL, Attack, gain, mount};

    /// 120 records of 6 contributors, and 60 queries.
    fn corpus() -> (PointCorpus, Points, TanhLora, Recipe) {
        let points = Points::blobs(180, 8, 4, 2.5, 11);
        let records: Vec<usize> = (0..120).collect();
        let queries: Vec<usize> = (120..180).collect();
        let corpus = PointCorpus::new(points.pick(&records), records.iter().map(|record| record % 6).collect());
        let recipe = Recipe { batch: 12, epochs: 4, warmup: 4, learning_rate: 5e-3, ..Recipe::default() };
        (corpus, points.pick(&queries), TanhLora::random(&[8, 12, 4], 3, 2.0, 0), recipe)
    }

    #[test]
    fn no_attack_pays() {
        let (corpus, queries, network, recipe) = corpus();
        let initial = network.initial(0);
        let mut measure = |corpus: &PointCorpus| corpus.pay(&network, &initial, &recipe, &queries, Defence::default());
        let before = measure(&corpus).unwrap();
        for attack in ALL {
            let mean = (0..6)
                .map(|attacker| gain(&corpus, &before, attacker, attack, 1, &mut measure).unwrap().gain)
                .sum::<f64>()
                / 6.0;
            // Names gain what their parts below zero owe within one epoch, which on few records is a little. That they gain nothing else is below.
            let most = match attack {
                Attack::Outlier => 1.1,
                Attack::Split { .. } => 1.001,
                _ => 1.0 + 1e-9,
            };
            assert!(mean <= most, "{attack:?} gains {mean}");
        }
    }

    /// So that what names gain within an epoch is what their parts below zero owe, and is paid off in the next.
    #[test]
    fn records_are_worth_the_same_under_one_name_and_under_four() {
        let (corpus, queries, network, recipe) = corpus();
        let initial = network.initial(0);
        let measure = |corpus: &PointCorpus| corpus.values(&network, &initial, &recipe, &queries, Defence::default());
        let worth = |values: &Rows, names: &[usize]| -> f64 {
            names.iter().flat_map(|name| values.row(*name)).map(|value| f64::from(*value)).sum()
        };
        let before = measure(&corpus).unwrap();
        let size = before.data.iter().map(|value| f64::from(value.abs())).sum::<f64>() / before.rows as f64;
        for attacker in 0..6 {
            let mounted = mount(&corpus, attacker, 0, Attack::Split { names: 4 }, 1);
            let after = measure(&mounted.corpus).unwrap();
            let (one, four) = (worth(&before, &[attacker]), worth(&after, &mounted.names));
            assert!((one - four).abs() < 1e-3 * size, "{attacker}: {one} {four}");
        }
    }

    #[test]
    fn without_clusters_copying_would_pay() {
        let (corpus, queries, network, recipe) = corpus();
        let initial = network.initial(0);
        let open = Defence { clusters: false, ..Defence::default() };
        let mut measure = |corpus: &PointCorpus| corpus.pay(&network, &initial, &recipe, &queries, open);
        let before = measure(&corpus).unwrap();
        let copied = gain(&corpus, &before, 0, Attack::Copy { times: 3 }, 1, &mut measure).unwrap();
        assert!(copied.gain > 1.5, "{copied:?}");
    }

    #[test]
    fn attacks_do_what_they_say() {
        let (corpus, ..) = corpus();
        let split = mount(&corpus, 2, 0, Attack::Split { names: 3 }, 0);
        assert_eq!((split.names.clone(), split.corpus.contributors().len()), (vec![2, 6, 7], 120));
        let copied = mount(&corpus, 2, 0, Attack::Copy { times: 2 }, 0);
        assert_eq!(copied.corpus.contributors().len(), 160);
        assert_eq!(copied.corpus.clusters().representatives().len(), corpus.clusters().representatives().len());
        let near = mount(&corpus, 2, 0, Attack::NearCopy { times: 2 }, 0);
        assert_eq!(near.corpus.clusters().representatives().len(), corpus.clusters().representatives().len());
        assert_ne!(near.corpus.points.vector(130), copied.corpus.points.vector(130));
        assert_eq!(mount(&corpus, 2, 0, Attack::Steal, 0).corpus.contributors()[120], 6);
        assert_ne!(mount(&corpus, 2, 0, Attack::Outlier, 0).corpus.points, corpus.points);
    }
}
