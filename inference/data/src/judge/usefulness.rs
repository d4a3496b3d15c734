//! How much records help to classify what they have not seen.
//!
//! **Labelled datanets**: the exact Shapley value of each record for a 10-nearest-neighbour vote on each held-out text,
//! among all accepted records, the batch, and the other held-out texts (hard-label KNN-Shapley, MECHANISMS 2). These
//! last keep every neighbourhood populated: without them the first batches, of one class perhaps, would be neighbours of
//! everything, and right labels would look no better than wrong ones. The value of a batch says little by itself: it
//! grows with size and with how empty its neighbourhood is. So it is compared with what the **same texts** would be worth
//! under labels drawn at random with the frequencies of the held-out set, which no contributor can shift. The value is a
//! sum over records of a function of each one's own label, so mean and variance under random labels are known exactly,
//! without drawing any: with c_r = min(K, r)/(K r), and b_r the members of the batch ranked before r, a matching record at rank r adds
//! `[r is in the batch] c_r + (c_r - c_(r-1)) b_r` to the batch's value of that query.
//!
//! **Unlabelled datanets**: the share of records that lie as near to the held-out passages as three quarters of these
//! lie to each other.

use std::collections::BTreeMap;

use datanet_types::id::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::vector::cosine;

/// Neighbours that vote.
pub const NEIGHBOURS: usize = 10;
/// Held-out texts whose answers are kept at once: bounds the memory.
const BLOCK: usize = 64;
/// Score per standard deviation above what random labels give, in basis points: 7,500 is two of them.
const BPS_PER_SIGMA: f64 = 1_250.0;

/// A text with its class.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// Unit vector.
    pub embedding: &'a [f32],
    /// Its class.
    pub label: &'a str,
    /// Breaks ties of distance, the smaller first.
    pub leaf: Digest,
}

/// What the labels of a batch are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelValue {
    /// Value of each record of the batch, mean over the held-out texts; summed over all neighbours, the share of right
    /// votes.
    pub values: Vec<f64>,
    /// Their sum.
    pub total: f64,
    /// What the total would be on average under random labels.
    pub random_mean: f64,
    /// Its standard deviation under random labels.
    pub random_sd: f64,
}

impl LabelValue {
    /// Standard deviations above random labels; `None` if labels make no difference (a single class, nothing near).
    pub fn z(&self) -> Option<f64> {
        (self.random_sd > 1e-12).then(|| (self.total - self.random_mean) / self.random_sd)
    }

    /// 5,000 is what random labels give, 7,500 two standard deviations more; `None` as with [`LabelValue::z`].
    pub fn score(&self) -> Option<u32> {
        self.z().map(|z| (5_000.0 + BPS_PER_SIGMA * z).round().clamp(0.0, 10_000.0) as u32)
    }
}

/// The place of one record among the neighbours of a query.
#[derive(Clone, Copy)]
struct Ranked {
    is_match: bool,
    /// Index in the batch.
    batch: Option<usize>,
}

/// Values `batch` among `corpus`, itself and the other held-out texts on each of `held_out`; O(Q N (D + log N)) time for
/// Q held-out texts, N texts in all and D dimensions.
pub fn value_labels(corpus: &[Labelled<'_>], batch: &[Labelled<'_>], held_out: &[Labelled<'_>]) -> LabelValue {
    let classes = Classes::of(held_out);
    let queries = held_out.len().max(1) as f64;
    let mut sums = Sums::new(batch.len(), classes.len());
    let places: Vec<usize> = (0..held_out.len()).collect();
    for block in places.chunks(BLOCK) {
        let answers: Vec<Answer> = block.par_iter().map(|i| Answer::new(corpus, batch, held_out, *i)).collect();
        // Added up in one order, whatever the number of threads: floats are not associative.
        block.iter().zip(&answers).for_each(|(i, answer)| sums.add(classes.index(held_out[*i].label), answer));
    }
    let (mut mean, mut variance) = (sums.fixed, 0.0);
    for record in 0..batch.len() {
        let row = &sums.weights[record * classes.len()..(record + 1) * classes.len()];
        let expected: f64 = row.iter().zip(&classes.shares).map(|(weight, share)| weight * share).sum();
        mean += expected;
        variance +=
            row.iter().zip(&classes.shares).map(|(w, share)| share * (w - expected) * (w - expected)).sum::<f64>();
    }
    let values: Vec<f64> = sums.values.iter().map(|value| value / queries).collect();
    LabelValue { total: values.iter().sum(), values, random_mean: mean / queries, random_sd: variance.sqrt() / queries }
}

/// Everything added up over queries.
struct Sums {
    classes: usize,
    values: Vec<f64>,
    /// For each record of the batch and each class: what the batch's value gains if the record had that class.
    weights: Vec<f64>,
    /// What the corpus's labels, which are not drawn, contribute to the batch's value.
    fixed: f64,
}

impl Sums {
    fn new(batch: usize, classes: usize) -> Self {
        Self { classes, values: vec![0.0; batch], weights: vec![0.0; batch * classes], fixed: 0.0 }
    }

    fn add(&mut self, class: usize, answer: &Answer) {
        for (record, (value, weight)) in answer.values.iter().zip(&answer.weights).enumerate() {
            self.values[record] += value;
            self.weights[record * self.classes + class] += weight;
        }
        self.fixed += answer.fixed;
    }
}

/// What one held-out text adds to [`Sums`].
struct Answer {
    values: Vec<f64>,
    /// For each record of the batch: what the batch's value gains if the record has this text's class.
    weights: Vec<f64>,
    fixed: f64,
}

impl Answer {
    fn new(corpus: &[Labelled<'_>], batch: &[Labelled<'_>], held_out: &[Labelled<'_>], query: usize) -> Self {
        let others = corpus.iter().chain(&held_out[..query]).chain(&held_out[query + 1..]);
        let ranked = rank(others, batch, &held_out[query]);
        let mut answer = Self { values: vec![0.0; batch.len()], weights: vec![0.0; batch.len()], fixed: 0.0 };
        let (mut before, mut last) = (0.0, 0.0);
        for (i, (place, value)) in ranked.iter().zip(shapley(&ranked)).enumerate() {
            let share = rank_share(i + 1);
            // What a match here takes from, or gives to, the members of the batch that are nearer.
            let passed_on = if i == 0 { 0.0 } else { (share - last) * before };
            match place.batch {
                Some(record) => {
                    answer.values[record] = value;
                    answer.weights[record] = share + passed_on;
                    before += 1.0;
                }
                None if place.is_match => answer.fixed += passed_on,
                None => {}
            }
            last = share;
        }
        answer
    }
}

/// c_r = min(K, r)/(K r), for the 1-based rank r.
fn rank_share(rank: usize) -> f64 {
    rank.min(NEIGHBOURS) as f64 / (NEIGHBOURS * rank) as f64
}

/// The Shapley values of ranked records for one query, by the recursion from the farthest inwards.
fn shapley(ranked: &[Ranked]) -> Vec<f64> {
    let matches = |i: usize| if ranked[i].is_match { 1.0 } else { 0.0 };
    let mut values = vec![0.0; ranked.len()];
    for i in (0..ranked.len()).rev() {
        values[i] = if i + 1 == ranked.len() {
            matches(i) * rank_share(i + 1)
        } else {
            values[i + 1] + (matches(i) - matches(i + 1)) * rank_share(i + 1)
        };
    }
    values
}

/// The batch and the others by distance from the query, nearest first, ties by leaf.
fn rank<'a>(
    others: impl Iterator<Item = &'a Labelled<'a>>,
    batch: &'a [Labelled<'a>],
    query: &Labelled<'_>,
) -> Vec<Ranked> {
    let mut all: Vec<(f32, &Labelled<'_>, Option<usize>)> =
        others.map(|other| (cosine(other.embedding, query.embedding), other, None)).collect();
    all.extend(batch.iter().enumerate().map(|(i, other)| (cosine(other.embedding, query.embedding), other, Some(i))));
    all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.leaf.cmp(&b.1.leaf)).then_with(|| a.2.cmp(&b.2)));
    all.into_iter().map(|(_, other, batch)| Ranked { is_match: other.label == query.label, batch }).collect()
}

/// The classes of the held-out set and how often each occurs.
struct Classes<'a> {
    indices: BTreeMap<&'a str, usize>,
    shares: Vec<f64>,
}

impl<'a> Classes<'a> {
    fn of(texts: &[Labelled<'a>]) -> Self {
        let mut counts = BTreeMap::<&str, usize>::new();
        texts.iter().for_each(|text| *counts.entry(text.label).or_default() += 1);
        let total = counts.values().sum::<usize>().max(1) as f64;
        let shares = counts.values().map(|count| *count as f64 / total).collect();
        Self { indices: counts.into_keys().enumerate().map(|(i, label)| (label, i)).collect(), shares }
    }

    fn len(&self) -> usize {
        self.shares.len()
    }

    fn index(&self, label: &str) -> usize {
        // Every held-out label was counted.
        self.indices.get(label).copied().unwrap_or_default()
    }
}

/// How a batch without labels lies to the held-out passages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Share of records that lie near enough, 0 to 1.
    pub near: f64,
    /// The cosine that is near enough: three quarters of the held-out passages have another one that near.
    pub threshold: f32,
}

impl Coverage {
    /// Three quarters near, as among the held-out passages themselves, is full marks.
    pub fn score(&self) -> u32 {
        (self.near / 0.75 * 10_000.0).round().clamp(0.0, 10_000.0) as u32
    }
}

/// Compares a batch without labels with at least two held-out passages; `None` with fewer, or with no records.
pub fn cover<E: AsRef<[f32]> + Sync>(batch: &[&[f32]], held_out: &[E]) -> Option<Coverage> {
    if held_out.len() < 2 || batch.is_empty() {
        return None;
    }
    let nearest = |of: &[f32], but: Option<usize>| {
        let others = held_out.iter().enumerate().filter(|(i, _)| Some(*i) != but);
        others.map(|(_, other)| cosine(of, other.as_ref())).fold(f32::NEG_INFINITY, f32::max)
    };
    let mut own: Vec<f32> =
        held_out.par_iter().enumerate().map(|(i, passage)| nearest(passage.as_ref(), Some(i))).collect();
    own.sort_unstable_by(f32::total_cmp);
    let threshold = own[own.len() / 4];
    let near = batch.par_iter().filter(|record| nearest(record, None) >= threshold).count();
    Some(Coverage { near: near as f64 / batch.len() as f64, threshold })
}

#[cfg(test)]
mod tests;
