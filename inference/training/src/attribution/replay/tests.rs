mod numbers;

use proptest::prelude::*;

use self::numbers::{Numbers, numbers};
use super::*;

/// The formulas one column and one number at a time, in f64.
fn naive(recipe: &Recipe, steps: &[Numbers], parameters: usize, columns: usize) -> Vec<Vec<f64>> {
    let zero = || vec![vec![0.0f64; parameters]; columns];
    let (mut theta, mut dm, mut dv) = (zero(), zero(), zero());
    let (b1, b2) = (f64::from(recipe.beta1), f64::from(recipe.beta2));
    for (t, step) in steps.iter().enumerate() {
        let batch = step.gradients.rows as f64;
        let update = Update::of(recipe, t, 20);
        let (eta, k1, k2) = (f64::from(update.eta), f64::from(update.k1), f64::from(update.k2));
        for c in 0..columns {
            let mut dg = vec![0.0; parameters];
            for row in step.curvature.iter() {
                let along: f64 = row.iter().zip(&theta[c]).map(|(m, d)| f64::from(*m) * d).sum();
                dg.iter_mut().zip(row).for_each(|(dg, m)| *dg += f64::from(*m) * along / batch);
            }
            for (row, _) in step.gradients.iter().zip(&step.columns).filter(|(_, column)| **column == Some(c)) {
                dg.iter_mut().zip(row).for_each(|(dg, g)| *dg += f64::from(*g) / batch);
            }
            for p in 0..parameters {
                let (g, m, v) = (f64::from(step.mean[p]), f64::from(step.m[p]), f64::from(step.v[p]));
                let d = (v / k2 + f64::from(recipe.epsilon).powi(2)).sqrt();
                dm[c][p] = b1 * dm[c][p] + (1.0 - b1) * dg[p];
                dv[c][p] = b2 * dv[c][p] + 2.0 * (1.0 - b2) * g * dg[p];
                theta[c][p] = (1.0 - eta * f64::from(recipe.weight_decay)) * theta[c][p] - eta * dm[c][p] / (k1 * d)
                    + eta * (m / k1) * dv[c][p] / (2.0 * d.powi(3) * k2);
            }
        }
    }
    theta
}

fn replayed(recipe: &Recipe, steps: &[Numbers], parameters: usize, columns: usize) -> Replay {
    let mut replay = Replay::new(parameters, columns).unwrap();
    steps.iter().enumerate().for_each(|(t, step)| replay.step(step.step(recipe, t)).unwrap());
    replay
}

#[test]
fn a_step_follows_the_formulas() {
    let recipe = Recipe::default();
    for (parameters, columns, rows) in [(7, 3, 4), (BLOCK + 3, 2, 9), (2 * BLOCK, 9, 0)] {
        let steps: Vec<Numbers> = (0..6).map(|seed| numbers(seed, parameters, columns, 8, rows)).collect();
        let replay = replayed(&recipe, &steps, parameters, columns);
        for (c, expected) in naive(&recipe, &steps, parameters, columns).iter().enumerate() {
            let largest = expected.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            for (found, expected) in replay.column(c).iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 2e-6 * largest, "{found} {expected}");
            }
        }
    }
}

#[test]
fn the_bytes_are_the_same_on_one_thread_and_on_many() {
    let recipe = Recipe::default();
    let steps: Vec<Numbers> = (0..3).map(|seed| numbers(seed, 5 * BLOCK + 17, 40, 16, 30)).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| replayed(&recipe, &steps, 5 * BLOCK + 17, 40).to_bytes())
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
}

#[test]
fn a_replay_goes_on_from_its_bytes_as_if_nothing_had_happened() {
    let recipe = Recipe::default();
    let steps: Vec<Numbers> = (0..6).map(|seed| numbers(seed, BLOCK + 5, 3, 8, 4)).collect();
    let whole = replayed(&recipe, &steps, BLOCK + 5, 3);
    let mut resumed = Replay::from_bytes(&replayed(&recipe, &steps[..3], BLOCK + 5, 3).to_bytes()).unwrap();
    steps.iter().enumerate().skip(3).for_each(|(t, step)| resumed.step(step.step(&recipe, t)).unwrap());
    assert_eq!(whole.to_bytes(), resumed.to_bytes());
    assert_eq!(resumed.steps(), 6);
}

#[test]
fn columns_of_records_add_up_to_the_column_of_their_contributor() {
    let recipe = Recipe::default();
    let records: Vec<Numbers> = (0..4).map(|seed| numbers(seed, 30, 6, 8, 5)).collect();
    let mut grouped: Vec<Numbers> = (0..4).map(|seed| numbers(seed, 30, 6, 8, 5)).collect();
    for step in &mut grouped {
        step.columns.iter_mut().flatten().for_each(|column| *column /= 3);
    }
    let (records, grouped) = (replayed(&recipe, &records, 30, 6), replayed(&recipe, &grouped, 30, 2));
    for (p, expected) in grouped.column(1).iter().enumerate() {
        let sum: f32 = (3..6).map(|c| records.column(c)[p]).sum();
        assert!((sum - expected).abs() < 1e-5 * (1.0 + expected.abs()));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let recipe = Recipe::default();
    let mut replay = Replay::new(10, 2).unwrap();
    let good = numbers(0, 10, 2, 4, 2);
    let short = numbers(0, 9, 2, 4, 2);
    assert!(matches!(replay.step(short.step(&recipe, 0)), Err(ReplayError::Shape { .. })));
    let columns = [Some(2); 4];
    let step = ReplayStep { columns: &columns, ..good.step(&recipe, 0) };
    assert_eq!(replay.step(step), Err(ReplayError::Column { column: 2, columns: 2 }));
    let step = ReplayStep { columns: &columns[..3], ..good.step(&recipe, 0) };
    assert!(matches!(replay.step(step), Err(ReplayError::Shape { .. })));
    assert!(matches!(Replay::new(usize::MAX / 2, 3), Err(ReplayError::TooLarge { .. })));
    assert!(replay.table(vec!["one".into()]).is_err());
}

#[test]
fn a_derivative_that_explodes_is_an_error() {
    let recipe = Recipe::default();
    let mut replay = Replay::new(4, 1).unwrap();
    let mut step = numbers(0, 4, 1, 4, 1);
    step.curvature.data.fill(1e18);
    let outcomes: Vec<_> = (0..3).map(|t| replay.step(step.step(&recipe, t))).collect();
    assert!(outcomes.contains(&Err(ReplayError::Diverged)), "{outcomes:?}");
}

proptest! {
    #[test]
    fn garbage_is_never_a_replay(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), with_magic: bool) {
        if with_magic {
            bytes.splice(..bytes.len().min(8), *MAGIC);
        }
        prop_assert!(Replay::from_bytes(&bytes).is_err() || bytes.len() == HEADER);
    }

    #[test]
    fn a_truncated_state_is_refused(cut in 0usize..1000) {
        let bytes = replayed(&Recipe::default(), &[numbers(0, 20, 2, 4, 2)], 20, 2).to_bytes();
        prop_assume!(cut < bytes.len());
        prop_assert!(Replay::from_bytes(&bytes[..cut]).is_err());
    }
}
