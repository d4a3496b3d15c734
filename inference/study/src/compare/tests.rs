use datanet_training::attribution::{Replay, ReplayStep};
use datanet_training::optimiser::{AdamW, Update};
use datanet_training::recipe::Recipe;
use datanet_training::run::Gradient;

use super::*;
use crate::{Logistic, Plain, Points, TanhLora, gauss_newton};

/// A small network on clouds of points: 60 records of 6 contributors, 30 queries.
fn clouds() -> (Plain<TanhLora>, Course, Vec<usize>, Vec<usize>) {
    let points = Points::blobs(90, 6, 3, 2.0, 5);
    let network = TanhLora::random(&[6, 10, 3], 2, 2.0, 0);
    let recipe = Recipe { batch: 10, epochs: 5, warmup: 4, learning_rate: 5e-3, ..Recipe::default() };
    let course = Course::new(recipe, network.initial(0), 60);
    let contributors = (0..60).map(|record| record / 10).collect();
    (Plain { network, points }, course, contributors, (60..90).collect())
}

fn every_record(curvature: Curvature) -> Following {
    Following { column_of: (0..60).map(Some).collect(), columns: 60, curvature, left_out: false }
}

/// The reverse sweep: the same linear steps, transposed and run backwards from one query's gradient. Gives the value of
/// every record for that query.
fn reverse(model: &mut dyn Model, course: &Course, query: &[f32]) -> Vec<f64> {
    struct Step {
        gradients: Rows,
        rows: Rows,
        g: Vec<f32>,
        m: Vec<f32>,
        v: Vec<f32>,
        update: Update,
    }
    let recipe = &course.recipe;
    let mut theta = course.initial.clone();
    let mut optimiser = AdamW::new(theta.len());
    let mut steps = Vec::new();
    for (t, batch) in course.schedule.iter().enumerate() {
        let gradients = model.loss_gradients(&theta, batch).unwrap().1;
        let rows = model.curvature_rows(&theta, batch, Curvature::All, 0).unwrap();
        let g = gradients.mean(batch.len());
        let update = optimiser.step(recipe, t, course.schedule.len(), &mut theta, &g);
        steps.push(Step { gradients, rows, g, m: optimiser.m.clone(), v: optimiser.v.clone(), update });
    }
    let size = theta.len();
    let (mut to_theta, mut to_m, mut to_v) =
        (query.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), vec![0.0; size], vec![0.0; size]);
    let mut values = vec![0.0; 60];
    let (b1, b2) = (f64::from(recipe.beta1), f64::from(recipe.beta2));
    for (step, batch) in steps.iter().zip(&course.schedule).rev() {
        let (eta, k1, k2) = (f64::from(step.update.eta), f64::from(step.update.k1), f64::from(step.update.k2));
        let mut to_g = vec![0.0; size];
        for p in 0..size {
            let (g, m, v) = (f64::from(step.g[p]), f64::from(step.m[p]), f64::from(step.v[p]));
            // A record moves a parameter by ten times the rate at most.
            let alone = step.gradients.iter().map(|row| f64::from(row[p]).powi(2)).sum::<f64>();
            let least = 1e-2 * alone / (step.gradients.rows as f64).powi(2);
            let d = ((v / k2).max(least) + f64::from(recipe.epsilon).powi(2)).sqrt();
            to_m[p] -= to_theta[p] * eta / (k1 * d);
            to_v[p] += to_theta[p] * eta * (m / k1) / (2.0 * d.powi(3) * k2);
            to_theta[p] *= 1.0 - eta * f64::from(recipe.weight_decay);
            to_g[p] = (1.0 - b1) * to_m[p] + 2.0 * (1.0 - b2) * g * to_v[p];
            to_m[p] *= b1;
            to_v[p] *= b2;
        }
        let along = |row: &[f32]| row.iter().zip(&to_g).map(|(x, y)| f64::from(*x) * y).sum::<f64>();
        let count = batch.len() as f64;
        batch.iter().zip(step.gradients.iter()).for_each(|(record, row)| values[*record] -= along(row) / count);
        for row in step.rows.iter() {
            let factor = along(row) / count;
            to_theta.iter_mut().zip(row).for_each(|(to, x)| *to += factor * f64::from(*x));
        }
    }
    values
}

#[test]
fn forward_replay_equals_the_reverse_sweep_for_any_query() {
    let (mut model, course, _, queries) = clouds();
    let followed = course.follow(&mut model, every_record(Curvature::All)).unwrap();
    let answers = gradients::all(&mut model, &followed.theta, &queries).unwrap();
    for query in [0, 7, 29] {
        let backward = reverse(&mut model, &course, answers.row(query));
        let largest = backward.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        for (record, expected) in backward.iter().enumerate() {
            let column = followed.replay.column(record);
            let value = -column.iter().zip(answers.row(query)).map(|(d, g)| f64::from(d * g)).sum::<f64>();
            assert!((value - expected).abs() < 1e-5 * largest, "{value} {expected}");
        }
    }
}

#[test]
fn following_a_training_does_not_change_it() {
    let (mut model, mut course, _, _) = clouds();
    for bound in [None, Some(1.5)] {
        course.gradient = Gradient::ByRecord { bound };
        let plain = course.train(&mut model, &[]).unwrap();
        for kind in [Curvature::All, Curvature::TrueLabel, Curvature::Signs(2), Curvature::None] {
            let followed = course.follow(&mut model, every_record(kind)).unwrap();
            assert!(plain.iter().zip(&followed.theta).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}

#[test]
fn first_order_misses_less_with_the_curvature_than_without() {
    let (mut model, course, _, _) = clouds();
    let mut missed = |kind| {
        let found = course.follow(&mut model, every_record(kind)).unwrap().first_order;
        assert_eq!(found.looks, 6);
        found.error().unwrap()
    };
    let (with, without) = (missed(Curvature::All), missed(Curvature::None));
    assert!(with > 0.0 && with < without, "{with} {without}");
}

#[test]
fn a_course_is_the_same_on_one_thread_and_on_two() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut model, course, _, _) = clouds();
            let followed = course.follow(&mut model, every_record(Curvature::Signs(2))).unwrap();
            followed.replay.to_bytes()
        })
    };
    assert!(on(1) == on(2));
}

/// In logistic regression Gauss-Newton is the exact Hessian, so dtheta must be the true derivative of the training.
#[test]
fn the_derivative_is_the_true_one_where_the_model_is_linear() {
    let points = Points::blobs(40, 4, 3, 1.5, 9);
    let mut model = Plain { network: Logistic { features: 4, classes: 3 }, points };
    let recipe = Recipe { batch: 8, epochs: 4, warmup: 3, learning_rate: 2e-2, epsilon: 1e-3, ..Recipe::default() };
    let course = Course::new(recipe, vec![0.02; 15], 40);
    let columns: Vec<Option<usize>> = (0..40).map(|record| Some(usize::from(record >= 10))).collect();
    let following = Following { column_of: columns, columns: 2, curvature: Curvature::All, left_out: false };
    let followed = course.follow(&mut model, following).unwrap();
    let mut weighted = |weight: f32| {
        let mut theta = course.initial.clone();
        let mut optimiser = AdamW::new(15);
        for (t, batch) in course.schedule.iter().enumerate() {
            let mut rows = model.loss_gradients(&theta, batch).unwrap().1;
            for (at, record) in batch.iter().enumerate().filter(|(_, record)| **record < 10) {
                let _ = record;
                rows.row_mut(at).iter_mut().for_each(|x| *x *= weight);
            }
            optimiser.step(&course.recipe, t, course.schedule.len(), &mut theta, &rows.mean(batch.len()));
        }
        theta
    };
    let (up, down) = (weighted(1.02), weighted(0.98));
    let column = followed.replay.column(0);
    let largest = column.iter().fold(0.0f32, |a, x| a.max(x.abs()));
    for (p, found) in column.iter().enumerate() {
        let expected = (up[p] - down[p]) / 0.04;
        assert!((found - expected).abs() < 0.01 * largest, "{found} {expected}");
    }
}

#[test]
fn a_step_without_a_record_leaves_its_column_to_the_curvature() {
    let recipe = Recipe::default();
    let gradients = Rows { rows: 1, columns: 2, data: vec![1.0, -1.0] };
    let none = Rows::none(2);
    let mut replay = Replay::new(2, 1).unwrap();
    let step = ReplayStep {
        gradients: &gradients,
        columns: &[None],
        curvature: &none,
        batch: 1,
        mean: &[1.0, -1.0],
        m: &[0.1, -0.1],
        v: &[0.01, 0.01],
        update: Update::of(&recipe, 0, 10),
        recipe: &recipe,
    };
    replay.step(step).unwrap();
    assert_eq!(replay.column(0), [0.0, 0.0]);
}

#[test]
fn forward_replay_is_the_most_faithful_on_clouds() {
    let (mut model, course, contributors, queries) = clouds();
    let vectors = |range: std::ops::Range<usize>| {
        let places: Vec<usize> = range.collect();
        similarity::unit(&Rows { rows: places.len(), columns: 6, data: model.points.pick(&places).vectors })
    };
    let (records, answers) = (vectors(0..60), vectors(60..90));
    let labels = model.points.labels.clone();
    let study = Study {
        course: &course,
        contributors: &contributors,
        queries: &queries,
        curvatures: &[Curvature::All, Curvature::TrueLabel, Curvature::Signs(2)],
        dampings: &gauss_newton::DAMPINGS,
        gauss_newton_rows: Curvature::All,
        vectors: Some(Vectors {
            records: &records,
            labels: &labels[..60],
            answers: &answers,
            answer_labels: &labels[60..],
        }),
        peers: None,
        others: None,
        plan: &AuditPlan::default(),
    };
    let report = run(&mut model, &study, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let lds = |method: &str| {
        report.rows.iter().find(|row| row.method.starts_with(method)).and_then(|row| row.faithfulness.lds).unwrap()
    };
    let replay = lds("forward replay, all rows");
    assert!(replay > 0.9, "{report:#?}");
    for other in ["Grad-Dot", "DataInf", "KNN-Shapley", "embedding cosine"] {
        assert!(lds(other) < replay, "{report:#?}");
    }
    assert_eq!((report.rows.len(), report.steps), (10, 30));
    let told = |figure: fn(&MethodScores) -> Option<f32>| report.rows.iter().filter_map(figure).count();
    assert_eq!((told(|row| row.qld), told(|row| row.first_order)), (10, 3));
    assert!(report.qld_by_chance.is_some());
    assert!(serde_json::to_string(&report).unwrap().contains("\"lds\""));
}

#[test]
fn retraining_beside_each_other_finds_the_same() {
    let (mut model, course, contributors, queries) = clouds();
    let copy = model.clone();
    let others = || -> Box<dyn Model + Send> { Box::new(copy.clone()) };
    let plan = AuditPlan { subsets: 6, contributors: 6, ..AuditPlan::default() };
    let mut study = Study {
        course: &course,
        contributors: &contributors,
        queries: &queries,
        curvatures: &[Curvature::TrueLabel],
        dampings: &[0.1],
        gauss_newton_rows: Curvature::All,
        vectors: None,
        peers: None,
        others: None,
        plan: &plan,
    };
    let mut told = Vec::new();
    let mut found = |study: &Study<'_>| {
        let report = run(&mut model, study, &mut |done, all| {
            told.push((done, all));
            std::ops::ControlFlow::Continue(())
        });
        report.unwrap().rows.into_iter().map(|row| (row.faithfulness, row.qld)).collect::<Vec<_>>()
    };
    let alone = found(&study);
    study.others = Some(&others);
    assert_eq!(found(&study), alone);
    // Nothing, 6 subsets and 6 contributors; the tops of 4 methods, and 4 draws.
    let once: Vec<(usize, usize)> = (1..=21).map(|done| (done, 21)).collect();
    assert_eq!(told, [once.clone(), once].concat());
}
