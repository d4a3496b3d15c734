//! What this node still has to do for one contribution: a pure decision over what the ledger says and what is done.

use std::time::{Duration, Instant};

use datanet_types::{Address, ContributionId};

/// Failures in a row after which others do not wait for it any more.
const VAIN_FAILURES: u32 = 2;
/// Failures in a row, and the time since the first of them, after which a contribution is taken for one that cannot be had:
/// long enough for a peer to be started again.
const HOPELESS_FAILURES: u32 = 3;
const HOPELESS_AFTER: Duration = Duration::from_secs(60);

/// Something to do for a contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Get its bytes from somebody who has them, and check them.
    Fetch,
    /// Tell the ledger that they are here.
    Attest,
    /// Judge it and commit to the scores.
    Judge,
    /// Commit to there being nothing to judge.
    GiveUp,
    /// Reveal the scores committed to.
    Reveal,
    /// Put it into the datanet's index.
    Index,
    /// Drop its bytes and everything made of them: it was revoked.
    Forget,
}

/// What the ledger says that matters for the decision.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LedgerSide {
    /// It was refused, for good.
    pub refused: bool,
    /// It was refused, and a second committee may still judge it: its bytes stay where they are.
    pub disputed: bool,
    /// Its giver took it back.
    pub revoked: bool,
    /// It is final, and no second committee is at it.
    pub is_final: bool,
    /// This node has attested that it holds it.
    pub attested: bool,
    /// This node is to commit scores now.
    pub may_commit: bool,
    /// The time for that is nearly over.
    pub commit_is_urgent: bool,
    /// This node has committed and is to reveal now.
    pub may_reveal: bool,
}

/// What this node is and wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duties {
    /// Attests storage: it has the role, and the stake for it.
    pub storage: bool,
    /// Judges automatically.
    pub judging: bool,
    /// Has a model to index with.
    pub indexing: bool,
}

/// What a contribution still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing, ever: it can be forgotten.
    Settled,
    /// Nothing until the ledger moves on.
    Waiting,
    /// This step.
    Do(Step),
}

/// A contribution being followed.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Which one.
    pub id: ContributionId,
    /// Who gave it.
    pub contributor: Address,
    /// Its bytes are here and are what the ledger says.
    pub held: bool,
    /// It is in the index.
    pub indexed: bool,
    /// It was revoked, and nothing of it is here any more.
    pub forgotten: bool,
    /// Its bytes are not what the ledger says: never to be attested, but to be judged.
    pub unfit: bool,
    /// The step under way.
    pub busy: Option<Step>,
    /// What the ledger said of it, at which height: it can't say anything else before the next block.
    pub side: Option<(u64, LedgerSide)>,
    /// Steps that failed in a row.
    failures: u32,
    /// When the first of them did.
    failing_since: Option<Instant>,
    /// Which step is tried again, and not before when. Other steps need not wait for that.
    retry: Option<(Step, Instant)>,
}

impl Track {
    /// A contribution just seen on the ledger.
    pub(super) fn new(id: ContributionId, contributor: Address) -> Self {
        Self {
            id,
            contributor,
            held: false,
            indexed: false,
            forgotten: false,
            unfit: false,
            busy: None,
            side: None,
            failures: 0,
            failing_since: None,
            retry: None,
        }
    }

    /// Whether others need not wait for its bytes: they are here, or were asked for in vain.
    pub(super) fn was_tried(&self) -> bool {
        self.held || self.failures >= VAIN_FAILURES
    }

    /// Whether it has been tried in vain for so long that nothing waits for it any more.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        let since = self.failing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.failures >= HOPELESS_FAILURES && since >= HOPELESS_AFTER
    }

    /// The decision.
    pub(super) fn need(&self, ledger: &LedgerSide, duties: &Duties) -> Need {
        if ledger.refused {
            return Need::Settled;
        }
        if ledger.revoked {
            return if self.forgotten { Need::Settled } else { Need::Do(Step::Forget) };
        }
        // Revealing first: it is cheap, others wait for it, and missing the deadline costs reputation.
        if ledger.may_reveal {
            return Need::Do(Step::Reveal);
        }
        if ledger.disputed && !ledger.may_commit {
            return Need::Waiting;
        }
        if !self.held {
            let in_vain = ledger.may_commit && ledger.commit_is_urgent && self.was_tried();
            return Need::Do(if in_vain && duties.judging { Step::GiveUp } else { Step::Fetch });
        }
        if duties.storage && !ledger.attested && !ledger.disputed && !self.unfit {
            return Need::Do(Step::Attest);
        }
        if duties.judging && ledger.may_commit {
            return Need::Do(Step::Judge);
        }
        match (ledger.is_final, duties.indexing, self.indexed) {
            (true, true, false) => Need::Do(Step::Index),
            (true, _, _) => Need::Settled,
            (false, _, _) => Need::Waiting,
        }
    }

    /// Whether a step may start now.
    pub(super) fn ready(&self, step: Step, now: Instant) -> bool {
        self.busy.is_none() && self.retry.is_none_or(|(failed, at)| failed != step || now >= at)
    }

    /// A step has ended well.
    pub(super) fn succeeded(&mut self, step: Step) {
        self.busy = None;
        // That it was given up, or said so, brings no bytes nearer.
        let still_missing = !self.held && matches!(step, Step::GiveUp | Step::Reveal);
        if !still_missing {
            self.failures = 0;
            self.failing_since = None;
            self.retry = None;
        }
        match step {
            Step::Fetch => self.held = true,
            Step::Index => self.indexed = true,
            Step::Forget => self.forgotten = true,
            Step::Attest | Step::Judge | Step::GiveUp | Step::Reveal => {}
        }
    }

    /// A step has failed: it is tried again, each time after a longer pause, up to a minute.
    pub(super) fn failed(&mut self, step: Step, now: Instant) -> Duration {
        self.busy = None;
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let pause = Duration::from_millis(500).saturating_mul(1 << self.failures.min(7)).min(Duration::from_secs(60));
        self.retry = Some((step, now + pause));
        pause
    }

    /// Whether the last step failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// A new provider: worth a try at once, if it is bytes that are missing.
    pub(super) fn nudge(&mut self) {
        if !self.held {
            self.retry = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Duties = Duties { storage: true, judging: true, indexing: true };

    fn track(held: bool) -> Track {
        Track { held, ..Track::new(ContributionId::ZERO, Address([0; 20])) }
    }

    #[test]
    fn bytes_come_before_everything() {
        let ledger = LedgerSide { may_commit: true, ..LedgerSide::default() };
        assert_eq!(track(false).need(&ledger, &ALL), Need::Do(Step::Fetch));
        assert_eq!(track(true).need(&ledger, &ALL), Need::Do(Step::Attest));
    }

    #[test]
    fn what_is_asked_for_in_vain_is_given_up_when_time_runs_out_and_not_before() {
        let (mut track, now) = (track(false), Instant::now());
        let urgent = LedgerSide { may_commit: true, commit_is_urgent: true, ..LedgerSide::default() };
        assert_eq!(track.need(&urgent, &ALL), Need::Do(Step::Fetch), "not asked for yet");
        track.failed(Step::Fetch, now);
        track.failed(Step::Fetch, now);
        assert_eq!(track.need(&LedgerSide { commit_is_urgent: false, ..urgent }, &ALL), Need::Do(Step::Fetch));
        assert_eq!(track.need(&urgent, &ALL), Need::Do(Step::GiveUp));
        assert_eq!(track.need(&urgent, &Duties { judging: false, ..ALL }), Need::Do(Step::Fetch));
        assert!(!track.ready(Step::Fetch, now) && track.ready(Step::GiveUp, now), "a pause is for what failed");
        track.succeeded(Step::GiveUp);
        assert!(track.was_tried() && !track.ready(Step::Fetch, now));
        let revealing = LedgerSide { may_reveal: true, ..LedgerSide::default() };
        assert_eq!(track.need(&revealing, &ALL), Need::Do(Step::Reveal), "what was committed to needs no bytes");
    }

    #[test]
    fn what_cannot_be_attested_is_judged_all_the_same() {
        let ledger = LedgerSide { may_commit: true, ..LedgerSide::default() };
        let track = Track { unfit: true, ..track(true) };
        assert_eq!(track.need(&ledger, &ALL), Need::Do(Step::Judge));
    }

    #[test]
    fn what_was_tried_in_vain_holds_nobody_up_and_after_a_while_is_given_up() {
        let (mut track, now) = (track(false), Instant::now());
        assert!(!track.was_tried());
        track.failed(Step::Fetch, now);
        assert!(!track.was_tried(), "once may be chance");
        track.failed(Step::Fetch, now);
        assert!(track.was_tried() && !track.is_hopeless(now + HOPELESS_AFTER));
        track.failed(Step::Fetch, now);
        assert!(!track.is_hopeless(now) && track.is_hopeless(now + HOPELESS_AFTER));
        track.succeeded(Step::Fetch);
        assert!(track.was_tried() && !track.is_hopeless(now + HOPELESS_AFTER));
    }

    #[test]
    fn a_reveal_waits_for_nothing() {
        let ledger = LedgerSide { may_reveal: true, ..LedgerSide::default() };
        assert_eq!(track(true).need(&ledger, &ALL), Need::Do(Step::Reveal));
    }

    #[test]
    fn a_final_contribution_is_settled_once_indexed() {
        let ledger = LedgerSide { is_final: true, attested: true, ..LedgerSide::default() };
        let mut track = track(true);
        assert_eq!(track.need(&ledger, &ALL), Need::Do(Step::Index));
        track.succeeded(Step::Index);
        assert_eq!(track.need(&ledger, &ALL), Need::Settled);
    }

    #[test]
    fn a_refused_contribution_is_let_go() {
        let ledger = LedgerSide { refused: true, ..LedgerSide::default() };
        assert_eq!(track(false).need(&ledger, &ALL), Need::Settled);
    }

    #[test]
    fn what_was_refused_and_may_be_judged_again_is_kept_and_not_attested() {
        let ledger = LedgerSide { disputed: true, ..LedgerSide::default() };
        assert_eq!(track(true).need(&ledger, &ALL), Need::Waiting);
        assert_eq!(track(false).need(&ledger, &ALL), Need::Waiting, "nor fetched");
        let drawn = LedgerSide { may_commit: true, ..ledger };
        assert_eq!(track(false).need(&drawn, &ALL), Need::Do(Step::Fetch));
        assert_eq!(track(true).need(&drawn, &ALL), Need::Do(Step::Judge));
    }

    #[test]
    fn a_revoked_contribution_is_forgotten_and_never_fetched() {
        let ledger = LedgerSide { revoked: true, attested: true, ..LedgerSide::default() };
        let mut track = track(false);
        assert_eq!(track.need(&ledger, &ALL), Need::Do(Step::Forget));
        track.succeeded(Step::Forget);
        assert_eq!(track.need(&ledger, &ALL), Need::Settled);
    }

    #[test]
    fn failures_are_retried_ever_later_and_news_at_once() {
        let (mut track, now) = (track(false), Instant::now());
        let first = track.failed(Step::Fetch, now);
        assert!(!track.ready(Step::Fetch, now) && track.ready(Step::Fetch, now + first));
        assert!(track.failed(Step::Fetch, now) > first);
        track.nudge();
        assert!(track.ready(Step::Fetch, now));
        track.succeeded(Step::Fetch);
        track.failed(Step::Attest, now);
        track.nudge();
        assert!(!track.ready(Step::Attest, now), "who announces must not make other steps run");
    }
}
