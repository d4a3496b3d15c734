//! What is known of statements: bounded, so that strangers who settle fill nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datanet_ledger::component::settlement::Epoch;
use datanet_types::NodeKey;

use crate::billing::statement::Statement;

/// Bytes of good statements kept, as they came; in memory they take a few times that.
const GOOD_BYTES: usize = 32 * 1024 * 1024;
/// Good statements kept at most.
const MAX_GOOD: usize = 1_024;
/// Bad statements, and nodes that could not be reached, kept at most of each.
const MAX_FAILURES: usize = 4_096;
/// The first pause before a node is asked again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(600);
/// Characters of a reason that are kept: parts of it are a stranger's words.
const MAX_REASON: usize = 300;

type Key = (NodeKey, u64);

/// What is known of one.
#[derive(Debug)]
pub(super) enum Known {
    /// It can be read.
    Good(Arc<Statement>),
    /// It is not what the ledger says, and never will be.
    Bad(String),
    /// Its node was asked a moment ago.
    Unreachable {
        /// What came of it.
        reason: String,
        /// How long to wait before it is asked again.
        again: Duration,
    },
    /// Nobody has asked yet, or long ago.
    Nothing,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Used last last.
    good: VecDeque<(Key, Arc<Statement>, usize)>,
    bad: BTreeMap<Key, String>,
    /// By node, not by epoch: a new epoch does not make it easier to reach.
    unreachable: BTreeMap<NodeKey, Failure>,
}

#[derive(Debug)]
struct Failure {
    reason: String,
    pause: Duration,
    again: Instant,
}

impl Memory {
    /// What is known of an epoch's statement.
    pub(super) fn known(&mut self, epoch: &Epoch, now: Instant) -> Known {
        let key = key(epoch);
        if let Some(found) = self.good.iter().position(|(other, ..)| *other == key).and_then(|at| self.good.remove(at))
        {
            let statement = found.1.clone();
            self.good.push_back(found);
            return Known::Good(statement);
        }
        if let Some(reason) = self.bad.get(&key) {
            return Known::Bad(reason.clone());
        }
        match self.unreachable.get(&epoch.node).filter(|failure| now < failure.again) {
            Some(failure) => Known::Unreachable { reason: failure.reason.clone(), again: failure.again - now },
            None => Known::Nothing,
        }
    }

    /// It was read; `size` is in bytes.
    pub(super) fn good(&mut self, epoch: &Epoch, statement: Arc<Statement>, size: usize) {
        self.unreachable.remove(&epoch.node);
        self.good.retain(|(other, ..)| *other != key(epoch));
        self.good.push_back((key(epoch), statement, size));
        let mut bytes: usize = self.good.iter().map(|(_, _, size)| size).sum();
        while bytes > GOOD_BYTES || self.good.len() > MAX_GOOD {
            let Some((_, _, size)) = self.good.pop_front() else { return };
            bytes = bytes.saturating_sub(size);
        }
    }

    /// It is not what the ledger says: hash and root are there for good, so it never will be.
    pub(super) fn bad(&mut self, epoch: &Epoch, reason: &str) {
        self.unreachable.remove(&epoch.node);
        // Which one is forgotten does not matter: it is found to be bad again.
        while self.bad.len() >= MAX_FAILURES {
            self.bad.pop_first();
        }
        self.bad.insert(key(epoch), short(reason));
    }

    /// It could not be had.
    pub(super) fn unreachable(&mut self, epoch: &Epoch, reason: &str, now: Instant) {
        let last = self.unreachable.get(&epoch.node).map_or(Duration::ZERO, |failure| failure.pause);
        let pause = last.saturating_mul(2).clamp(FIRST_PAUSE, LAST_PAUSE);
        if self.unreachable.len() >= MAX_FAILURES && !self.unreachable.contains_key(&epoch.node) {
            let soonest = self.unreachable.iter().min_by_key(|(_, failure)| failure.again).map(|(node, _)| *node);
            soonest.and_then(|node| self.unreachable.remove(&node));
        }
        let failure = Failure { reason: short(reason), pause, again: now + pause };
        self.unreachable.insert(epoch.node, failure);
    }
}

fn key(epoch: &Epoch) -> Key {
    (epoch.node, epoch.epoch)
}

fn short(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::settling::Settling;

    fn epoch(node: u32, number: u64) -> Epoch {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&node.to_be_bytes());
        Epoch { node: NodeKey(key), epoch: number, ..Epoch::default() }
    }

    fn statement() -> Arc<Statement> {
        let settling = Settling { epoch: 1, shares: vec![], leaves: vec![] };
        Arc::new(Statement::of("c", NodeKey([1; 32]), &settling))
    }

    #[test]
    fn a_bad_statement_stays_bad_and_says_nothing_of_the_next_one() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.bad(&epoch(1, 1), "it gives another root");
        let later = now + Duration::from_secs(1_000_000);
        assert!(matches!(memory.known(&epoch(1, 1), later), Known::Bad(reason) if reason.contains("root")));
        assert!(matches!(memory.known(&epoch(1, 2), now), Known::Nothing));
    }

    #[test]
    fn a_silent_node_is_asked_ever_more_seldom_whatever_it_settles_and_at_once_after_an_answer() {
        let (mut memory, mut now) = (Memory::default(), Instant::now());
        let mut pauses = Vec::new();
        for number in 1..20 {
            memory.unreachable(&epoch(1, number), "silence", now);
            let Known::Unreachable { again, .. } = memory.known(&epoch(1, number + 1), now) else { panic!("{number}") };
            pauses.push(again);
            now += again;
            assert!(matches!(memory.known(&epoch(1, number + 1), now), Known::Nothing));
        }
        assert!(pauses.is_sorted() && pauses[0] < pauses[1], "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LAST_PAUSE));
        memory.good(&epoch(1, 20), statement(), 1);
        assert!(matches!(memory.known(&epoch(1, 20), now), Known::Good(_)));
        assert!(matches!(memory.known(&epoch(1, 21), now), Known::Nothing));
    }

    #[test]
    fn what_strangers_settle_fills_nothing() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for node in 0..5_000 {
            memory.bad(&epoch(node, 1), &"x".repeat(10_000));
            memory.unreachable(&epoch(node, 2), &"x".repeat(10_000), now);
            memory.good(&epoch(node, 3), statement(), 100_000);
        }
        assert!(memory.bad.len() <= MAX_FAILURES && memory.unreachable.len() <= MAX_FAILURES);
        assert!(memory.good.iter().map(|(_, _, size)| size).sum::<usize>() <= GOOD_BYTES);
        assert!(memory.bad.values().all(|reason| reason.len() <= MAX_REASON));
        memory.good(&epoch(1, 4), statement(), GOOD_BYTES + 1);
        assert!(memory.good.is_empty(), "one that is larger than all that is kept is not kept");
    }
}
