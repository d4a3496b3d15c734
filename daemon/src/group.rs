//! What is asked for at the same time is done together: one wait for the disk for all that came while the one before lasted.
//!
//! Nobody owns it: whoever comes does what waits, for itself and for the others, in a task of its own, so that a caller that gives up
//! takes nobody's work along.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Jobs that wait for their turn; clones share them. A job brings along whoever is told of its end.
pub(crate) struct Group<J> {
    waiting: Arc<Mutex<VecDeque<J>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Most jobs that are done at a time.
    most: usize,
}

impl<J> Clone for Group<J> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone(), turn: self.turn.clone(), most: self.most }
    }
}

impl<J: Send + 'static> Group<J> {
    /// Nothing waits; up to `most` jobs are done at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: Arc::default(), turn: Arc::default(), most: most.max(1) }
    }

    /// Adds a job, and once it is this caller's turn does all that wait by then with `work`. On return the job is done or about to be:
    /// its own end is waited for by what it brought along.
    pub(crate) async fn join<F>(&self, job: J, work: impl Fn(Vec<J>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        let turn = self.turn.clone().lock_owned().await;
        let group = self.clone();
        tokio::spawn(async move {
            loop {
                let jobs = group.next();
                if jobs.is_empty() {
                    break;
                }
                work(jobs).await;
            }
            drop(turn);
        });
    }

    fn next(&self) -> Vec<J> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(self.most);
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_comes_while_something_is_done_is_done_together_and_nothing_is_left() {
        let group = Group::new(64);
        let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
        let one = |number: usize| {
            let (group, sizes) = (group.clone(), sizes.clone());
            async move {
                let (done, told) = oneshot::channel();
                group
                    .join((number, done), move |jobs: Vec<(usize, oneshot::Sender<usize>)>| {
                        let sizes = sizes.clone();
                        async move {
                            sizes.lock().unwrap().push(jobs.len());
                            tokio::task::yield_now().await;
                            jobs.into_iter().for_each(|(number, done)| _ = done.send(number));
                        }
                    })
                    .await;
                told.await.unwrap()
            }
        };
        let all = join_all((0..100).map(one)).await;
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let sizes = sizes.lock().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 100);
        assert!(sizes.len() < 10 && sizes.iter().all(|size| *size <= 64), "{sizes:?}");
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_the_others_work_to_the_others() {
        let group: Group<oneshot::Sender<()>> = Group::new(1);
        let work = |jobs: Vec<oneshot::Sender<()>>| async move { jobs.into_iter().for_each(|done| _ = done.send(())) };
        let held = group.turn.clone().lock_owned().await;
        let (gone, _) = oneshot::channel();
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, group.join(gone, work)).await;
        assert!(given_up.is_err());
        let (done, told) = oneshot::channel();
        let patient = tokio::spawn({
            let group = group.clone();
            async move { group.join(done, work).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        patient.await.unwrap();
        told.await.unwrap();
    }
}
