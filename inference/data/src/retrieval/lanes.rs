//! Where indexes work: on the runtime's blocking threads, and on a bounded number of them, however many indexes share it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::RetrievalError;

/// Lanes beside one for each processor: work that waits for the disk needs none.
const SPARE: usize = 2;

/// The right to work on a few threads; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<Semaphore>);

impl Default for Lanes {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors + SPARE)))
    }
}

impl Lanes {
    /// Runs `work` where blocking is allowed, once a lane is free. It runs to its end even if nobody waits any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RetrievalError> {
        let lane = self.0.clone().acquire_owned().await.map_err(|_| RetrievalError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(lane);
            outcome
        });
        match task.await {
            Ok(outcome) => Ok(outcome),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(RetrievalError::Closed),
        }
    }
}
