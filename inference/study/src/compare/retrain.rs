//! Retraining in a study: on its own model one after another, or on others beside each other.

use std::num::NonZero;
use std::ops::ControlFlow;

use datanet_training::attribution::audit::Progress;
use datanet_training::attribution::{Crew, Heard, Model, Retrainer, beside};
use datanet_training::run::Course;

use super::{StudyError, losses};

/// Makes another of a study's models, with the same samples: for a network that hardly gains by a second core.
pub type Others<'a> = dyn Fn() -> Box<dyn Model + Send> + 'a;

/// What is trained again, and asked.
#[derive(Clone, Copy)]
pub(crate) struct Again<'a> {
    pub(crate) course: &'a Course,
    pub(crate) queries: &'a [usize],
    /// None trains on the study's own model, one after another.
    pub(crate) others: Option<&'a Others<'a>>,
}

struct Worker<'a> {
    model: Box<dyn Model + Send>,
    course: &'a Course,
    queries: &'a [usize],
}

impl Retrainer for Worker<'_> {
    type Error = StudyError;

    fn retrain(&mut self, removed: &[bool], goes_on: &mut dyn FnMut() -> bool) -> Result<Option<Vec<f32>>, StudyError> {
        let Some(theta) = self.course.train_while(&mut *self.model, removed, goes_on)? else { return Ok(None) };
        Ok(Some(losses(&mut *self.model, &theta, self.queries)?))
    }
}

/// The losses of the queries after retraining without each of `removed`.
pub(crate) fn retrained(
    model: &mut dyn Model,
    Again { course, queries, others }: Again<'_>,
    removed: &[Vec<bool>],
    progress: &mut Progress<'_>,
) -> Result<Vec<Vec<f32>>, StudyError> {
    let all = removed.len();
    if let Some(others) = others {
        let mut done = 0;
        let hire = &mut || Worker { model: others(), course, queries };
        let most = &mut || std::thread::available_parallelism().map_or(1, NonZero::get);
        let found = beside(removed, Crew { hire, most }, &mut |heard| match heard {
            Heard::Step { .. } => ControlFlow::Continue(()),
            Heard::Done { .. } => {
                done += 1;
                progress(done, all)
            }
        })?;
        return found.ok_or(StudyError::Stopped);
    }
    let mut found = Vec::with_capacity(all);
    for removed in removed {
        let theta = course.train(model, removed)?;
        found.push(losses(model, &theta, queries)?);
        if progress(found.len(), all).is_break() {
            return Err(StudyError::Stopped);
        }
    }
    Ok(found)
}
