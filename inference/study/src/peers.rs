//! Other people's software in a study: it values the same records at the same parameters, and is judged by the same
//! retraining.

use datanet_training::attribution::{Model, Rows};
use datanet_training::run::{Course, TrainError, Trainer};

use crate::StudyError;

/// Parameters on the way of a training: for the methods that look at more than its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The parameters after so many steps.
    pub theta: Vec<f32>,
    /// The learning rate of the step that led there.
    pub rate: f32,
}

/// What a method of a peer says.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerValues {
    /// Whose method, and which.
    pub method: String,
    /// [n, Q], positive where the record helped.
    pub values: Rows,
    /// Time it took.
    pub seconds: f32,
}

/// Whoever values the study's records for its queries.
pub trait Peers {
    /// What each method says that can run here; those that cannot are told of and missing. The last checkpoint is the
    /// training's end, where the queries have these `losses`.
    ///
    /// # Errors
    /// When none can run, or the peer's network is not this one.
    fn values(&self, checkpoints: &[Checkpoint], losses: &[f32]) -> Result<Vec<PeerValues>, StudyError>;
}

/// `count` checkpoints of a training, evenly spread, the last of them its end.
///
/// # Errors
/// As [`Course::train`].
pub fn checkpoints(model: &mut dyn Model, course: &Course, count: usize) -> Result<Vec<Checkpoint>, TrainError> {
    let mut trainer = Trainer::new(model, course, None)?;
    let steps = trainer.steps();
    let due: Vec<usize> = (1..=count).map(|at| steps * at / count).collect();
    let mut checkpoints = Vec::with_capacity(count);
    while trainer.unfinished() {
        let rate = trainer.rate();
        trainer.step()?;
        if due.contains(&trainer.state.step) {
            checkpoints.push(Checkpoint { theta: trainer.state.theta.clone(), rate });
        }
    }
    Ok(checkpoints)
}

#[cfg(test)]
mod tests {
    use datanet_training::recipe::Recipe;

    use super::*;
    use crate::{Logistic, Plain, Points};

    #[test]
    fn checkpoints_lie_on_the_training_and_end_with_it() {
        let points = Points::blobs(60, 4, 3, 2.0, 1);
        let network = Logistic { features: points.features, classes: points.classes };
        let mut model = Plain { network, points };
        let recipe = Recipe { epochs: 5, batch: 12, ..Recipe::default() };
        let course = Course::new(recipe, vec![0.0; 15], 60);
        let found = checkpoints(&mut model, &course, 4).unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[3].theta, course.train(&mut model, &[]).unwrap());
        assert!(found.windows(2).all(|pair| pair[0].theta != pair[1].theta));
        assert!(found.iter().all(|checkpoint| checkpoint.rate > 0.0));
    }
}
