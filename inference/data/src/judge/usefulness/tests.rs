//! The values against their definition, and honest labels against random ones.

use proptest::prelude::*;

use super::*;
use crate::judge::words::mix;

/// A vector near the centre of its class: 16 dimensions, noise from a fixed sequence.
fn near(class: usize, seed: u64, noise: f32) -> Vec<f32> {
    let uniform = |i: u64| (mix(seed.wrapping_mul(1_000_003) + i) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
    let mut vector: Vec<f32> = (0..16).map(|i| f32::from(u8::from(i == class)) + noise * uniform(i as u64)).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

struct Set(Vec<(Vec<f32>, &'static str, Digest)>);

impl Set {
    fn new(n: usize, seed: u64, label: impl Fn(usize) -> usize) -> Self {
        let member = |i: usize| {
            let leaf = Digest(*blake3::hash(&(seed + i as u64).to_le_bytes()).as_bytes());
            (near(i % 6, seed + i as u64, 1.6), NAMES[label(i)], leaf)
        };
        Self((0..n).map(member).collect())
    }

    fn all(&self) -> Vec<Labelled<'_>> {
        self.0.iter().map(|(embedding, label, leaf)| Labelled { embedding, label, leaf: *leaf }).collect()
    }
}

fn random(i: usize) -> usize {
    (mix(i as u64 + 77) % 6) as usize
}

/// The share of right votes of the nearest of `chosen`: what the values divide up.
fn utility(ranked: &[Ranked], chosen: u32) -> f64 {
    let nearest = ranked.iter().enumerate().filter(|(i, _)| chosen & (1 << i) != 0).take(NEIGHBOURS);
    nearest.filter(|(_, place)| place.is_match).count() as f64 / NEIGHBOURS as f64
}

/// The definition: the mean gain over all orders of arrival.
fn brute_force(ranked: &[Ranked]) -> Vec<f64> {
    let n = ranked.len() as u32;
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let gain = |i: u32| {
        let without = (0u32..1 << n).filter(|set| set & (1 << i) == 0);
        let weighted = without.map(|set| {
            let k = set.count_ones();
            let weight = factorial(k) * factorial(n - k - 1) / factorial(n);
            weight * (utility(ranked, set | (1 << i)) - utility(ranked, set))
        });
        weighted.sum::<f64>()
    };
    (0..n).map(gain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn values_equal_the_brute_force_shapley_value(matches in prop::collection::vec(any::<bool>(), 1..14)) {
        let ranked: Vec<Ranked> = matches.into_iter().map(|is_match| Ranked { is_match, batch: None }).collect();
        for (ours, exact) in shapley(&ranked).into_iter().zip(brute_force(&ranked)) {
            prop_assert!((ours - exact).abs() < 1e-12, "{ours} {exact}");
        }
    }

    #[test]
    fn values_add_up_to_the_share_of_right_votes(matches in prop::collection::vec(any::<bool>(), 1..200)) {
        let ranked: Vec<Ranked> = matches.iter().map(|is_match| Ranked { is_match: *is_match, batch: None }).collect();
        let right = matches.iter().take(NEIGHBOURS).filter(|m| **m).count() as f64 / NEIGHBOURS as f64;
        prop_assert!((shapley(&ranked).iter().sum::<f64>() - right).abs() < 1e-9);
    }

    #[test]
    fn the_moments_are_those_of_drawn_labels(seed in 0u64..1_000) {
        let (corpus, batch, held_out) = (Set::new(30, seed, |i| i % 3), Set::new(8, seed + 500, |i| i % 3), Set::new(12, seed + 900, |i| i % 3));
        let exact = value_labels(&corpus.all(), &batch.all(), &held_out.all());
        let draws = 3_000;
        let totals: Vec<f64> = (0..draws).map(|draw| {
            let (corpus, batch, held_out) = (corpus.all(), batch.all(), held_out.all());
            let ranked = held_out.iter().enumerate().map(|(i, query)| {
                let others = corpus.iter().chain(&held_out[..i]).chain(&held_out[i + 1..]);
                let mut ranked = rank(others, &batch, query);
                for place in &mut ranked {
                    if let Some(record) = place.batch {
                        place.is_match = NAMES[(mix(mix(draw) ^ record as u64) % 3) as usize] == query.label;
                    }
                }
                shapley(&ranked).iter().zip(&ranked).filter(|(_, p)| p.batch.is_some()).map(|(v, _)| v).sum::<f64>()
            }).sum::<f64>();
            ranked / 12.0
        }).collect();
        let mean = totals.iter().sum::<f64>() / draws as f64;
        let sd = (totals.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / draws as f64).sqrt();
        prop_assert!((mean - exact.random_mean).abs() < 5.0 * exact.random_sd / (draws as f64).sqrt() + 0.003, "{mean} {exact:?}");
        prop_assert!((sd / exact.random_sd - 1.0).abs() < 0.1, "{sd} {exact:?}");
    }
}

#[test]
fn honest_labels_are_told_from_random_ones() {
    let (corpus, held_out) = (Set::new(400, 10_000, |i| i % 6), Set::new(150, 20_000, |i| i % 6));
    for seed in 0..5 {
        let honest = value_labels(&corpus.all(), &Set::new(60, 1_000 * seed, |i| i % 6).all(), &held_out.all());
        let shuffled = value_labels(&corpus.all(), &Set::new(60, 1_000 * seed, random).all(), &held_out.all());
        let (honest_z, shuffled_z) = (honest.z().unwrap(), shuffled.z().unwrap());
        assert!(honest_z > 4.0 && honest.score().unwrap() == 10_000, "honest {honest_z}");
        assert!(shuffled_z.abs() < 2.0, "shuffled {shuffled_z}");
    }
}

#[test]
fn a_single_class_leaves_nothing_to_measure() {
    let set = Set::new(20, 1, |_| 0);
    assert_eq!(value_labels(&set.all(), &set.all(), &set.all()).score(), None);
    assert_eq!(value_labels(&[], &[], &[]).score(), None);
}

#[test]
fn unlabelled_records_are_useful_if_they_lie_near_the_held_out_passages() {
    let held_out: Vec<Vec<f32>> = (0..60).map(|i| near((i % 3) as usize, i, 0.8)).collect();
    let score = |class: usize| {
        let batch: Vec<Vec<f32>> = (0..30).map(|i| near(class, 500 + i, 0.8)).collect();
        let views: Vec<&[f32]> = batch.iter().map(Vec::as_slice).collect();
        cover(&views, &held_out).unwrap().score()
    };
    assert!(score(0) > 7_000, "{}", score(0));
    assert!(score(9) < 1_000, "{}", score(9));
}

#[test]
fn right_labels_of_a_single_class_are_told_from_random_ones_even_with_nothing_accepted() {
    let held_out = Set::new(150, 20_000, |i| i % 6);
    // Every sixth text belongs to class 2.
    let of_one_class = |seed: u64, label: &dyn Fn(usize) -> usize| {
        Set(Set::new(360, seed, |i| i % 6)
            .0
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i % 6 == 2)
            .map(|(i, (v, _, d))| (v, NAMES[label(i)], d))
            .collect())
    };
    let honest = value_labels(&[], &of_one_class(1, &|_| 2).all(), &held_out.all());
    let shuffled = value_labels(&[], &of_one_class(1, &random).all(), &held_out.all());
    assert!(honest.z().unwrap() > 4.0, "{:?}", honest.z());
    assert!(shuffled.z().unwrap().abs() < 2.5, "{:?}", shuffled.z());
}
