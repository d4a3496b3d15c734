//! What waits, and which of it runs next.

use std::collections::VecDeque;

/// An entry of a queue.
pub(crate) trait Queued {
    /// Tokens of its text.
    fn tokens(&self) -> usize;
    /// Whether somebody waits for it now.
    fn urgent(&self) -> bool;
    /// Whether nobody waits for it any more.
    fn abandoned(&self) -> bool;
}

/// Every so many batches the background goes first, so that steady requests cannot starve it.
const BACKGROUND_EVERY: u64 = 4;

/// Bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) tokens: usize,
    pub(crate) texts: usize,
}

/// The texts that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Waiting<J> {
    urgent: VecDeque<J>,
    background: VecDeque<J>,
    batches: u64,
}

impl<J> Default for Waiting<J> {
    fn default() -> Self {
        Self { urgent: VecDeque::new(), background: VecDeque::new(), batches: 0 }
    }
}

impl<J: Queued> Waiting<J> {
    pub(crate) fn push(&mut self, job: J) {
        if job.urgent() { self.urgent.push_back(job) } else { self.background.push_back(job) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.background.is_empty()
    }

    /// The oldest text that anybody still waits for, with others that `padded` pads to the same length and `admit`
    /// lets in, up to the limits; at least one text, unless none waits. `admit` is asked in the order of the batch,
    /// and for a text that is taken only; it must let the first one in.
    pub(crate) fn next_batch(
        &mut self,
        limits: BatchLimits,
        padded: impl Fn(usize) -> usize,
        mut admit: impl FnMut(&J) -> bool,
    ) -> Vec<J> {
        self.urgent.retain(|job| !job.abandoned());
        self.background.retain(|job| !job.abandoned());
        self.batches += 1;
        let queues = if self.batches.is_multiple_of(BACKGROUND_EVERY) {
            [&mut self.background, &mut self.urgent]
        } else {
            [&mut self.urgent, &mut self.background]
        };
        let Some(oldest) = queues.iter().find_map(|queue| queue.front()) else { return Vec::new() };
        let length = padded(oldest.tokens());
        let room = (limits.tokens / length.max(1)).clamp(1, limits.texts.max(1));
        let mut batch = Vec::new();
        for queue in queues {
            take_matching(queue, room, &mut batch, |job| padded(job.tokens()) == length && admit(job));
        }
        batch
    }
}

/// Moves the first matching jobs into `batch` until it has `room` of them; the others keep their order.
fn take_matching<J>(queue: &mut VecDeque<J>, room: usize, batch: &mut Vec<J>, mut matches: impl FnMut(&J) -> bool) {
    let mut rest = VecDeque::with_capacity(queue.len());
    for job in queue.drain(..) {
        if batch.len() < room && matches(&job) {
            batch.push(job);
        } else {
            rest.push_back(job);
        }
    }
    *queue = rest;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot;

    use super::*;

    type Reply = oneshot::Receiver<()>;

    /// A text of so many tokens.
    struct Job {
        length: usize,
        urgent: bool,
        reply: oneshot::Sender<()>,
    }

    impl Queued for Job {
        fn tokens(&self) -> usize {
            self.length
        }

        fn urgent(&self) -> bool {
            self.urgent
        }

        fn abandoned(&self) -> bool {
            self.reply.is_closed()
        }
    }

    fn job(length: usize, urgent: bool) -> (Job, Reply) {
        let (reply, receiver) = oneshot::channel();
        (Job { length, urgent, reply }, receiver)
    }

    fn lengths(batch: &[Job]) -> Vec<usize> {
        batch.iter().map(|job| job.length).collect()
    }

    const LIMITS: BatchLimits = BatchLimits { tokens: 20, texts: 3 };

    #[test]
    fn a_batch_has_one_length_and_keeps_to_its_budget() {
        let (mut waiting, mut replies) = (Waiting::default(), Vec::new());
        for length in [5, 9, 5, 5, 5, 9] {
            let (job, reply) = job(length, true);
            waiting.push(job);
            replies.push(reply);
        }
        let mut next = || lengths(&waiting.next_batch(LIMITS, |tokens| tokens, |_| true));
        assert_eq!(next(), [5, 5, 5]);
        assert_eq!(next(), [9, 9]);
        assert_eq!(next(), [5]);
        assert!(next().is_empty());
    }

    #[test]
    fn a_text_over_the_budget_still_runs_alone() {
        let mut waiting = Waiting::default();
        let (job, _reply) = job(100, true);
        waiting.push(job);
        assert_eq!(lengths(&waiting.next_batch(LIMITS, |tokens| tokens, |_| true)), [100]);
    }

    #[test]
    fn texts_whose_caller_left_are_dropped() {
        let mut waiting = Waiting::default();
        let (gone, reply) = job(5, true);
        drop(reply);
        waiting.push(gone);
        assert!(waiting.next_batch(LIMITS, |tokens| tokens, |_| true).is_empty());
        assert!(waiting.is_empty());
    }

    #[test]
    fn urgent_texts_overtake_the_background_but_never_starve_it() {
        let (mut waiting, mut replies) = (Waiting::default(), Vec::new());
        let mut push = |waiting: &mut Waiting<Job>, length, urgent| {
            let (job, reply) = job(length, urgent);
            waiting.push(job);
            replies.push(reply);
        };
        push(&mut waiting, 7, false);
        let mut order = Vec::new();
        for length in 10..16 {
            push(&mut waiting, length, true);
            order.extend(lengths(&waiting.next_batch(LIMITS, |tokens| tokens, |_| true)));
        }
        assert_eq!(order, [10, 11, 12, 7, 13, 14]);
    }

    proptest! {
        #[test]
        fn every_text_runs_exactly_once(jobs in proptest::collection::vec((1usize..40, any::<bool>()), 0..60)) {
            let (mut waiting, mut replies) = (Waiting::default(), Vec::new());
            for &(length, urgent) in &jobs {
                let (job, reply) = job(length, urgent);
                waiting.push(job);
                replies.push(reply);
            }
            let mut seen = Vec::new();
            while !waiting.is_empty() {
                let batch = lengths(&waiting.next_batch(LIMITS, |tokens| tokens.next_multiple_of(4), |_| true));
                prop_assert!(!batch.is_empty() && batch.len() <= LIMITS.texts);
                let padded = batch[0].next_multiple_of(4);
                prop_assert!(batch.iter().all(|length| length.next_multiple_of(4) == padded));
                prop_assert!(batch.len() == 1 || batch.len() * padded <= LIMITS.tokens);
                seen.extend(batch);
            }
            let mut expected: Vec<usize> = jobs.iter().map(|job| job.0).collect();
            expected.sort_unstable();
            seen.sort_unstable();
            prop_assert_eq!(seen, expected);
        }
    }
}
