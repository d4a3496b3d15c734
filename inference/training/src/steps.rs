//! How many steps a run takes, known before it: what a training is paid by.

use crate::job::{Job, Method};

/// Steps that the optimiser takes in a whole run of `job` on so many training records: those of the run, and as many again for each half of them
/// that pay is found by, since a half goes through the same batches with some records left out. Retrainings of an audit are not counted.
///
/// It is the schedule's number; a run that may end early takes fewer. More records never make fewer steps.
pub fn of(job: &Job, records: usize) -> u64 {
    let runs = match job.attribution.method {
        Method::None => 1,
        Method::Influence | Method::GaussNewton => 1 + job.attribution.halves as u64,
    };
    (job.recipe.steps(records) as u64).saturating_mul(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Task;
    use proptest::prelude::*;

    fn job(batch: usize, epochs: usize, method: Method, halves: usize) -> Job {
        let mut job = Job::new("m", Task::Classify);
        (job.recipe.batch, job.recipe.epochs) = (batch, epochs);
        (job.attribution.method, job.attribution.halves) = (method, halves);
        job
    }

    #[test]
    fn halves_take_the_steps_of_the_run_again() {
        assert_eq!(of(&job(16, 3, Method::None, 4), 100), 18);
        assert_eq!(of(&job(16, 3, Method::Influence, 4), 100), 5 * 18);
        assert_eq!(of(&job(16, 3, Method::GaussNewton, 2), 7), 3 * 3);
        assert_eq!(of(&job(16, 3, Method::Influence, 2), 0), 0);
    }

    proptest! {
        #[test]
        fn more_records_never_make_fewer_steps(batch in 1usize..64, records in 0usize..500, more in 0usize..500) {
            let job = job(batch, 2, Method::Influence, 2);
            prop_assert!(of(&job, records) <= of(&job, records + more));
        }
    }
}
