use super::*;
use crate::attribution::{Curvature, Model, ModelError, Rows};
use crate::recipe::Recipe;
use crate::run::{Course, Following, Gradient, Rhythm};

/// Least squares on a line: small, but a real model whose gradients are exact. Record `poison` has no finite loss.
struct Line {
    points: Vec<(f32, f32)>,
    poison: Option<usize>,
    held_out: Vec<f64>,
}

impl Line {
    fn new(count: usize) -> Self {
        let points = (0..count).map(|n| n as f32 / count as f32).map(|x| (x, 3.0 * x - 1.0)).collect();
        Self { points, poison: None, held_out: Vec::new() }
    }
}

impl Model for Line {
    fn parameters(&self) -> usize {
        2
    }

    fn losses(&mut self, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(self.loss_gradients(theta, samples)?.0)
    }

    fn loss_gradients(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), ModelError> {
        let (mut losses, mut rows) = (Vec::new(), Rows::none(2));
        for &sample in samples {
            let (x, y) = self.points[sample];
            let error = theta[0] * x + theta[1] - y;
            losses.push(if self.poison == Some(sample) { f32::NAN } else { error * error / 2.0 });
            rows.append(Rows { rows: 1, columns: 2, data: vec![error * x, error] });
        }
        Ok((losses, rows))
    }

    fn curvature_rows(&mut self, _: &[f32], samples: &[usize], _: Curvature, _: u64) -> Result<Rows, ModelError> {
        let data = samples.iter().flat_map(|&sample| [self.points[sample].0, 1.0]).collect();
        Ok(Rows { rows: samples.len(), columns: 2, data })
    }

    fn accuracy(&mut self, _: &[f32], _: &[usize]) -> Result<Option<f32>, ModelError> {
        Ok(None)
    }

    fn held_out_loss(&mut self, theta: &[f32]) -> Result<f64, ModelError> {
        // A written course of losses, where a test wants one.
        if let Some(loss) = self.held_out.pop() {
            return Ok(loss);
        }
        let all: Vec<usize> = (0..self.points.len()).collect();
        Ok(self.losses(theta, &all)?.iter().map(|&loss| f64::from(loss)).sum())
    }
}

fn recipe() -> Recipe {
    Recipe { learning_rate: 0.2, epochs: 6, batch: 4, warmup: 1, ..Recipe::default() }
}

fn following(samples: usize) -> Following {
    let column_of = (0..samples).map(|record| Some(record % 3)).collect();
    Following { column_of, columns: 3, curvature: Curvature::All, left_out: false }
}

/// 24 steps over 16 records, shortened where that is long.
fn course() -> Course {
    Course {
        gradient: Gradient::ByRecord { bound: Some(2.0) },
        rhythm: Rhythm { evaluate: 4, patience: 0, checkpoint: 5 },
        ..Course::new(recipe(), vec![0.0; 2], 16)
    }
}

fn run(folder: &std::path::Path, stop_at: Option<usize>) -> Result<Ended, TrainError> {
    let mut line = Line::new(16);
    let course = course();
    let mut trainer = Trainer::new(&mut line, &course, Some(following(16))).unwrap();
    let checkpoints = Checkpoints::open(folder, "line".to_owned()).unwrap();
    resume(&mut trainer, &checkpoints)?;
    drive(&mut trainer, &checkpoints, &mut |event| match event {
        Event::Step { step, .. } if Some(step) == stop_at => Control::Stop,
        _ => Control::Continue,
    })
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = run(whole.path(), None).unwrap();
    assert!(matches!(run(parts.path(), Some(7)), Err(TrainError::Stopped { step: 7 })));
    assert!(matches!(run(parts.path(), Some(13)), Err(TrainError::Stopped { step: 13 })));
    let ended = run(parts.path(), None).unwrap();
    assert_eq!((ended.step, &ended.theta, &ended.replay), (24, &expected.theta, &expected.replay));
    let bytes = |folder: &std::path::Path| std::fs::read(folder.join("000024.safetensors")).unwrap();
    assert_eq!(bytes(whole.path()), bytes(parts.path()));
}

#[test]
fn the_line_is_learnt_and_losses_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), None).unwrap();
    let state = Checkpoints::open(folder.path(), "line".to_owned()).unwrap().newest(false).unwrap().unwrap().state;
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    assert!(state.losses.len() == 24 && mean(&state.losses[16..]) < mean(&state.losses[..4]), "{:?}", state.losses);
    assert_eq!(state.held_out.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 8, 12, 16, 20, 24]);
}

#[test]
fn a_loss_that_is_no_number_stops_keeps_the_last_good_state_and_names_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let course = Course { gradient: Gradient::Summed, ..course() };
    let poison = course.schedule[2][1];
    let mut line = Line { poison: Some(poison), ..Line::new(16) };
    let mut trainer = Trainer::new(&mut line, &course, None).unwrap();
    let checkpoints = Checkpoints::open(folder.path(), "line".to_owned()).unwrap();
    let error = drive(&mut trainer, &checkpoints, &mut |_| Control::Continue).unwrap_err();
    let TrainError::NotFinite { what: "loss", step: 2, records } = error else { panic!("{error}") };
    assert!(records.contains(&poison));
    let kept = checkpoints.newest(false).unwrap().unwrap().state;
    assert!(kept.step == 2 && kept.theta.iter().all(|x| x.is_finite()));
}

#[test]
fn training_ends_early_with_the_best_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line { held_out: vec![9.0, 8.0, 7.0, 1.0, 2.0], ..Line::new(16) };
    let course = Course { rhythm: Rhythm { evaluate: 4, patience: 2, checkpoint: 0 }, ..course() };
    let mut trainer = Trainer::new(&mut line, &course, Some(following(16))).unwrap();
    let checkpoints = Checkpoints::open(folder.path(), "line".to_owned()).unwrap();
    let ended = drive(&mut trainer, &checkpoints, &mut |_| Control::Continue).unwrap();
    assert_eq!((ended.step, ended.replay.unwrap().steps()), (8, 8));
    assert_eq!(trainer.state.step, 16);
    let mut again = Line::new(16);
    let mut trainer = Trainer::new(&mut again, &course, Some(following(16))).unwrap();
    assert_eq!(resume(&mut trainer, &checkpoints).unwrap(), 16);
    let resumed = drive(&mut trainer, &checkpoints, &mut |_| Control::Continue).unwrap();
    assert_eq!((resumed.step, resumed.theta), (8, ended.theta));
}

/// What an audit retrains is what was trained: with both kinds of shortening, ended early, and nothing left out.
#[test]
fn a_retraining_without_leaving_anything_out_gives_the_run_itself() {
    let written = || Line { held_out: vec![9.0, 8.0, 7.0, 1.0, 2.0], ..Line::new(16) };
    for gradient in [Gradient::Summed, Gradient::ByRecord { bound: None }, Gradient::ByRecord { bound: Some(1.1) }] {
        let course = Course {
            recipe: Recipe { clip: Some(0.2), ..recipe() },
            gradient,
            rhythm: Rhythm { evaluate: 4, patience: 2, checkpoint: 0 },
            ..course()
        };
        let (folder, mut line) = (tempfile::tempdir().unwrap(), written());
        let checkpoints = Checkpoints::open(folder.path(), "line".to_owned()).unwrap();
        let following = (gradient != Gradient::Summed).then(|| following(16));
        let mut trainer = Trainer::new(&mut line, &course, following).unwrap();
        let ended = drive(&mut trainer, &checkpoints, &mut |_| Control::Continue).unwrap();
        assert_eq!(ended.step, 8);
        assert_eq!(course.train(&mut written(), &[false; 16]).unwrap(), ended.theta);
        let unclipped = Course { recipe: recipe(), ..course.clone() };
        assert_ne!(unclipped.train(&mut written(), &[]).unwrap(), ended.theta);
        let patient = Course { rhythm: Rhythm::default(), ..course.clone() };
        assert_ne!(patient.train(&mut written(), &[]).unwrap(), ended.theta);
    }
}

#[test]
fn who_is_left_out_is_missing_from_its_batch_and_nothing_else_changes() {
    let course = course();
    let mut removed = [false; 16];
    removed[5] = true;
    let found = course.train(&mut Line::new(16), &removed).unwrap();
    let without_bound = Course { gradient: Gradient::ByRecord { bound: None }, ..course.clone() };
    let mut theta = vec![0.0; 2];
    let mut optimiser = crate::optimiser::AdamW::new(2);
    for (at, batch) in without_bound.schedule.iter().enumerate() {
        let kept: Vec<usize> = batch.iter().copied().filter(|record| *record != 5).collect();
        let sum = Line::new(16).loss_gradients(&theta, &kept).unwrap().1.sum();
        let mean = crate::attribution::model::mean(sum, batch.len());
        optimiser.step(&without_bound.recipe, at, without_bound.schedule.len(), &mut theta, &mean);
    }
    assert_eq!(without_bound.train(&mut Line::new(16), &removed).unwrap(), theta);
    assert_ne!(found, course.train(&mut Line::new(16), &[]).unwrap());
}

#[test]
fn a_training_without_any_records_only_decays() {
    let course = Course { initial: vec![1.0, -1.0], ..course() };
    let theta = course.train(&mut Line::new(16), &[true; 16]).unwrap();
    assert!(theta[0] < 1.0 && theta[0] > 0.9 && theta[1] == -theta[0], "{theta:?}");
}

/// Where the model is linear its Gauss-Newton rows are exact, so a column is the true derivative: of a record that is
/// in by its weight at one, of one that is out by its weight at nothing.
#[test]
fn records_that_are_out_are_followed_at_the_weight_of_nothing() {
    let recipe = Recipe { learning_rate: 2e-2, epsilon: 1e-2, warmup: 3, ..recipe() };
    let course = Course::new(recipe, vec![0.1, -0.2], 16);
    let removed: Vec<bool> = (0..16).map(|record| record % 3 == 0).collect();
    let column_of = (0..16).map(Some).collect();
    let following = Following { column_of, columns: 16, curvature: Curvature::All, left_out: true };
    let mut line = Line::new(16);
    let mut trainer = Trainer::new(&mut line, &course, Some(following.clone())).unwrap().without(&removed);
    trainer.finish().unwrap();
    let ended = trainer.end();
    assert_eq!(ended.theta, course.train(&mut Line::new(16), &removed).unwrap(), "following changes no training");
    let replay = ended.replay.unwrap();
    let weighted = |weights: &[f32]| {
        let (mut theta, mut optimiser) = (course.initial.clone(), crate::optimiser::AdamW::new(2));
        for (at, batch) in course.schedule.iter().enumerate() {
            let mut rows = Line::new(16).loss_gradients(&theta, batch).unwrap().1;
            for (row, record) in batch.iter().enumerate() {
                rows.row_mut(row).iter_mut().for_each(|x| *x *= weights[*record]);
            }
            optimiser.step(&course.recipe, at, course.schedule.len(), &mut theta, &rows.mean(batch.len()));
        }
        theta
    };
    let weights: Vec<f32> = removed.iter().map(|out| if *out { 0.0 } else { 1.0 }).collect();
    for record in [0, 1, 3, 15] {
        let moved = |by: f32| {
            let mut weights = weights.clone();
            weights[record] += by;
            weighted(&weights)
        };
        let (up, down, column) = (moved(0.02), moved(-0.02), replay.column(record));
        let largest = column.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        for (p, found) in column.iter().enumerate() {
            let expected = (up[p] - down[p]) / 0.04;
            assert!((found - expected).abs() < 0.03 * largest, "record {record}: {found} {expected}");
        }
    }
    let unfollowed = Following { left_out: false, ..following };
    let mut line = Line::new(16);
    let mut trainer = Trainer::new(&mut line, &course, Some(unfollowed)).unwrap().without(&removed);
    trainer.finish().unwrap();
    assert_eq!(trainer.end().replay.unwrap().column(0), [0.0, 0.0]);
}

#[test]
fn a_training_without_any_records_still_says_what_they_would_have_done() {
    let (course, removed) = (course(), [true; 16]);
    let following = Following { left_out: true, ..following(16) };
    let mut line = Line::new(16);
    let mut trainer = Trainer::new(&mut line, &course, Some(following)).unwrap().without(&removed);
    trainer.step().unwrap();
    assert!(trainer.replay.as_ref().unwrap().column(0).iter().all(|x| x.is_finite()));
}
