//! Retrainings beside each other: a step of a small network keeps one core busy, and hardly a second.
//!
//! ```text
//!  queue ──next──► worker 0      alone at first, until it has shown how much memory one of them takes
//!    │ ───────────► worker 1 ..   then as many as there is room for
//!    │                │
//!  told ◄──steps, losses          on the caller's own thread
//! ```
//!
//! What a retraining gives is its own affair: which worker makes it, beside how many others, and which of them ends first
//! changes nothing.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Messages that may wait for whoever hears them; workers wait beyond.
const MESSAGES: usize = 64;

/// Messages of the first worker after which it holds what it ever will, nearly: its graphs are loaded and its buffers grown.
const SETTLED: usize = 3;

/// Somebody who trains again.
pub trait Retrainer: Send {
    /// Why it could not.
    type Error: Send;

    /// Trains without the records that `removed` says, true at their index, as long as `goes_on` says so before each step; the
    /// losses of the held-out answers, or none where it was ended.
    ///
    /// # Errors
    /// When it cannot be trained.
    fn retrain(&mut self, removed: &[bool], goes_on: &mut dyn FnMut() -> bool)
    -> Result<Option<Vec<f32>>, Self::Error>;
}

/// Who retrains.
pub struct Crew<'a, R> {
    /// Makes another worker.
    pub hire: &'a mut dyn FnMut() -> R,
    /// How many may work at once; asked when the first has shown what one takes.
    pub most: &'a mut dyn FnMut() -> usize,
}

/// What is heard of the retrainings while they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// One takes another step.
    Step {
        /// Which, by its place.
        at: usize,
    },
    /// One is done.
    Done {
        /// Which, by its place.
        at: usize,
    },
}

/// Retrains without each of `removed`; the losses in the same order, or none where `told` ended it.
///
/// # Errors
/// That of the first retraining to fail, which ends the others.
pub fn beside<R: Retrainer>(
    removed: &[Vec<bool>],
    crew: Crew<'_, R>,
    told: &mut dyn FnMut(Heard) -> ControlFlow<()>,
) -> Result<Option<Vec<Vec<f32>>>, R::Error> {
    let queue = Queue { removed, next: AtomicUsize::new(0), stopped: AtomicBool::new(false) };
    let queue = &queue;
    let mut found: Vec<Option<Vec<f32>>> = vec![None; removed.len()];
    let mut failed = None;
    std::thread::scope(|scope| {
        // Made in here: should this thread panic, the workers find nobody listening, and end.
        let (sender, messages) = sync_channel(MESSAGES);
        let mut begin = || {
            let (worker, to) = ((crew.hire)(), sender.clone());
            scope.spawn(move || queue.work(worker, to));
        };
        begin();
        let (mut working, mut heard, mut alone) = (1, 0, true);
        while working > 0 {
            let Ok(said) = messages.recv() else { break };
            heard += 1;
            let news = match said {
                Said::Left => {
                    working -= 1;
                    continue;
                }
                Said::Failed(error) => {
                    failed.get_or_insert(error);
                    queue.stop();
                    continue;
                }
                Said::Step(at) => Heard::Step { at },
                Said::Done(at, losses) => {
                    found[at] = Some(losses);
                    Heard::Done { at }
                }
            };
            if queue.is_stopped() {
                continue;
            }
            if told(news).is_break() {
                queue.stop();
            } else if alone && heard > SETTLED {
                alone = false;
                let others = (crew.most)().min(removed.len()).saturating_sub(1);
                (0..others).for_each(|_| begin());
                working += others;
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None if queue.is_stopped() => Ok(None),
        None => Ok(found.into_iter().collect()),
    }
}

/// What is to be retrained, and whether it still is.
struct Queue<'a> {
    removed: &'a [Vec<bool>],
    next: AtomicUsize,
    stopped: AtomicBool,
}

/// What a worker says.
enum Said<E> {
    Step(usize),
    Done(usize, Vec<f32>),
    Failed(E),
    /// It works no more, for whatever reason: the last that it says.
    Left,
}

/// Says that a worker has left, even by a panic.
struct Leaving<E>(SyncSender<Said<E>>);

impl<E> Drop for Leaving<E> {
    fn drop(&mut self) {
        // Nobody listens where the one who listened has panicked.
        let _ = self.0.send(Said::Left);
    }
}

impl Queue<'_> {
    fn work<R: Retrainer>(&self, mut worker: R, to: SyncSender<Said<R::Error>>) {
        let to = Leaving(to);
        while let Some((at, removed)) = self.take() {
            let mut goes_on = || !self.is_stopped() && to.0.send(Said::Step(at)).is_ok();
            let said = match worker.retrain(removed, &mut goes_on) {
                Ok(Some(losses)) => Said::Done(at, losses),
                Ok(None) => return,
                Err(error) => Said::Failed(error),
            };
            if to.0.send(said).is_err() {
                return;
            }
        }
    }

    /// The next that nobody has taken.
    fn take(&self) -> Option<(usize, &[bool])> {
        if self.is_stopped() {
            return None;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        self.removed.get(at).map(|removed| (at, removed.as_slice()))
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Takes five steps and gives the places that are left out; fails at one of them, if that is wanted.
    struct Counter<'a> {
        working: &'a AtomicUsize,
        most: &'a AtomicUsize,
        fails_at: Option<usize>,
    }

    impl Retrainer for Counter<'_> {
        type Error = usize;

        fn retrain(
            &mut self,
            removed: &[bool],
            goes_on: &mut dyn FnMut() -> bool,
        ) -> Result<Option<Vec<f32>>, Self::Error> {
            let working = self.working.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(working, Ordering::SeqCst);
            let went_on = (0..5).all(|_| goes_on());
            self.working.fetch_sub(1, Ordering::SeqCst);
            let out: Vec<usize> = (0..removed.len()).filter(|at| removed[*at]).collect();
            match self.fails_at {
                Some(place) if out.contains(&place) => Err(place),
                _ => Ok(went_on.then(|| out.iter().map(|at| *at as f32).collect())),
            }
        }
    }

    /// What the losses are, or at which place one failed.
    type Found = Result<Option<Vec<Vec<f32>>>, usize>;

    /// What came of seven retrainings, and how many worked at once at most.
    fn retrain(
        at_once: usize,
        fails_at: Option<usize>,
        told: &mut dyn FnMut(Heard) -> ControlFlow<()>,
    ) -> (Found, usize) {
        let removed: Vec<Vec<bool>> = (0..7).map(|out| (0..7).map(|at| at == out).collect()).collect();
        let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let crew = Crew { hire: &mut || Counter { working: &working, most: &most, fails_at }, most: &mut || at_once };
        let found = beside(&removed, crew, told);
        assert_eq!(working.into_inner(), 0, "everybody has left");
        (found, most.into_inner())
    }

    #[test]
    fn losses_come_in_order_however_many_work_at_once() {
        for at_once in [0, 1, 2, 16] {
            let (mut steps, mut done) = (vec![0; 7], Vec::new());
            let (found, most) = retrain(at_once, None, &mut |heard| {
                match heard {
                    Heard::Step { at } => steps[at] += 1,
                    Heard::Done { at } => done.push(at),
                }
                ControlFlow::Continue(())
            });
            let expected: Vec<Vec<f32>> = (0..7).map(|at| vec![at as f32]).collect();
            assert_eq!(found, Ok(Some(expected)));
            assert_eq!(steps, [5; 7]);
            done.sort_unstable();
            assert_eq!(done, [0, 1, 2, 3, 4, 5, 6]);
            assert!(most <= at_once.max(1), "{most} of {at_once}");
        }
    }

    #[test]
    fn whoever_hears_of_it_ends_it_and_hears_no_more() {
        for at_once in [1, 4] {
            let mut heard = 0;
            let (found, _) = retrain(at_once, None, &mut |_| {
                heard += 1;
                if heard == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!((found, heard), (Ok(None), 9));
        }
    }

    #[test]
    fn a_failure_ends_the_others() {
        for at_once in [1, 4] {
            let (found, _) = retrain(at_once, Some(2), &mut |_| ControlFlow::Continue(()));
            assert_eq!(found, Err(2));
        }
    }

    #[test]
    fn nothing_to_retrain_is_done_at_once() {
        let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let crew = Crew { hire: &mut || Counter { working: &working, most: &most, fails_at: None }, most: &mut || 3 };
        assert_eq!(beside(&[], crew, &mut |_| ControlFlow::Continue(())), Ok(Some(Vec::new())));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_worker_that_panics_is_not_waited_for() {
        struct Panics;
        impl Retrainer for Panics {
            type Error = ();
            fn retrain(&mut self, _: &[bool], _: &mut dyn FnMut() -> bool) -> Result<Option<Vec<f32>>, ()> {
                panic!("as a test wants it")
            }
        }
        let crew = Crew { hire: &mut || Panics, most: &mut || 1 };
        let _ = beside(&[vec![false]], crew, &mut |_| ControlFlow::Continue(()));
    }
}
