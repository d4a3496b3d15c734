//! What is known of statements: bounded, so that strangers who settle fill nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datanet_ledger::component::settlement::Epoch;
use datanet_types::{Account, NodeKey};

use crate::billing::statement::Statement;

/// Bytes of good statements kept, as they came; in memory they take a few times that.
const GOOD_BYTES: usize = 32 * 1024 * 1024;
/// Good statements kept at most.
const MAX_GOOD: usize = 1_024;
/// Bad statements, and epochs and nodes that could not be reached, kept at most of each.
const MAX_FAILURES: usize = 4_096;
/// Epochs remembered as done at most, over all accounts.
const MAX_DONE: usize = 65_536;
/// The first pause before something is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(600);
/// Failures in a row after which a node pauses with all its epochs. One alone may have lost one statement.
const STRIKES: u32 = 2;
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
    /// Epochs that could not be had. The node's others may be there.
    missing: BTreeMap<Key, Failure>,
    /// Nodes that gave nothing good since: a new epoch does not make one easier to reach.
    doubtful: BTreeMap<NodeKey, Failure>,
    /// Epochs that hold nothing more for an account, for good; and the order in which that was learnt.
    done: BTreeSet<(Account, Key)>,
    done_order: VecDeque<(Account, Key)>,
}

#[derive(Debug)]
struct Failure {
    reason: String,
    /// In a row.
    count: u32,
    pause: Duration,
    again: Instant,
}

impl Failure {
    fn new(now: Instant) -> Self {
        Self { reason: String::new(), count: 0, pause: Duration::ZERO, again: now }
    }

    /// One more; the pause begins with the one of this number, and doubles from there.
    fn strike(&mut self, reason: &str, first: u32, now: Instant) {
        (self.reason, self.count) = (short(reason), self.count.saturating_add(1));
        if self.count >= first {
            self.pause = self.pause.saturating_mul(2).clamp(FIRST_PAUSE, LAST_PAUSE);
            self.again = now + self.pause;
        }
    }
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
        let failures = [self.missing.get(&key), self.doubtful.get(&epoch.node)];
        match failures.into_iter().flatten().find(|failure| now < failure.again) {
            Some(failure) => Known::Unreachable { reason: failure.reason.clone(), again: failure.again - now },
            None => Known::Nothing,
        }
    }

    /// Whether the node gave nothing good since it was asked in vain.
    pub(super) fn is_doubtful(&self, node: &NodeKey) -> bool {
        self.doubtful.contains_key(node)
    }

    /// The epochs of a node that hold nothing more for `account`.
    pub(super) fn done_of(&self, account: &Account, node: &NodeKey) -> BTreeSet<u64> {
        let of_node = (*account, (*node, 0))..=(*account, (*node, u64::MAX));
        self.done.range(of_node).map(|(_, (_, epoch))| *epoch).collect()
    }

    /// An epoch holds nothing more for `account`.
    pub(super) fn done(&mut self, account: &Account, epoch: &Epoch) {
        let entry = (*account, key(epoch));
        if self.done.insert(entry) {
            self.done_order.push_back(entry);
        }
        while self.done.len() > MAX_DONE {
            let Some(oldest) = self.done_order.pop_front() else { return };
            self.done.remove(&oldest);
        }
    }

    /// It was read; `size` is in bytes.
    pub(super) fn good(&mut self, epoch: &Epoch, statement: Arc<Statement>, size: usize) {
        self.doubtful.remove(&epoch.node);
        self.missing.remove(&key(epoch));
        self.good.retain(|(other, ..)| *other != key(epoch));
        self.good.push_back((key(epoch), statement, size));
        let mut bytes: usize = self.good.iter().map(|(_, _, size)| size).sum();
        while bytes > GOOD_BYTES || self.good.len() > MAX_GOOD {
            let Some((_, _, size)) = self.good.pop_front() else { return };
            bytes = bytes.saturating_sub(size);
        }
    }

    /// It is not what the ledger says: hash and root are there for good, so it never will be.
    pub(super) fn bad(&mut self, epoch: &Epoch, reason: &str, now: Instant) {
        // It answered, so that it need not pause; but nobody has to wait for its next ones.
        strike(&mut self.doubtful, epoch.node, |node| *node, reason, u32::MAX, now);
        self.missing.remove(&key(epoch));
        make_room(&mut self.bad, |(node, _)| *node);
        self.bad.insert(key(epoch), short(reason));
    }

    /// Whether it could be had is asked anew.
    pub(super) fn forget_failures(&mut self, epoch: &Epoch) {
        self.missing.remove(&key(epoch));
        self.doubtful.remove(&epoch.node);
    }

    /// It could not be had.
    pub(super) fn unreachable(&mut self, epoch: &Epoch, reason: &str, now: Instant) {
        strike(&mut self.missing, key(epoch), |(node, _)| *node, reason, 1, now);
        strike(&mut self.doubtful, epoch.node, |node| *node, reason, STRIKES, now);
    }
}

fn strike<K: Ord + Copy>(
    failures: &mut BTreeMap<K, Failure>,
    key: K,
    node: impl Fn(&K) -> NodeKey,
    reason: &str,
    first: u32,
    now: Instant,
) {
    if !failures.contains_key(&key) {
        make_room(failures, node);
    }
    failures.entry(key).or_insert_with(|| Failure::new(now)).strike(reason, first, now);
}

/// Forgets one of the node that has most of them, where they are as many as are kept: it is learnt again, and no node's
/// failures push out another's.
fn make_room<K: Ord + Copy, V>(kept: &mut BTreeMap<K, V>, node: impl Fn(&K) -> NodeKey) {
    if kept.len() < MAX_FAILURES {
        return;
    }
    let mut counts: BTreeMap<NodeKey, (usize, K)> = BTreeMap::new();
    for key in kept.keys() {
        counts.entry(node(key)).or_insert((0, *key)).0 += 1;
    }
    if let Some((_, key)) = counts.into_values().max_by_key(|(count, _)| *count) {
        kept.remove(&key);
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
        Arc::new(Statement::of("c", NodeKey([1; 32]), &Settling { epoch: 1, shares: vec![] }))
    }

    #[test]
    fn a_bad_statement_stays_bad_and_says_nothing_of_the_next_one() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.bad(&epoch(1, 1), "it gives another root", now);
        let later = now + Duration::from_secs(1_000_000);
        assert!(matches!(memory.known(&epoch(1, 1), later), Known::Bad(reason) if reason.contains("root")));
        assert!(matches!(memory.known(&epoch(1, 2), now), Known::Nothing));
        assert!(memory.is_doubtful(&epoch(1, 2).node) && !memory.is_doubtful(&epoch(2, 1).node));
    }

    #[test]
    fn one_statement_that_is_lost_does_not_keep_the_others_of_its_node_from_being_asked_for() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.unreachable(&epoch(1, 1), "not found", now);
        assert!(matches!(memory.known(&epoch(1, 1), now), Known::Unreachable { .. }));
        assert!(matches!(memory.known(&epoch(1, 2), now), Known::Nothing));
        memory.good(&epoch(1, 2), statement(), 1);
        memory.unreachable(&epoch(1, 3), "not found", now);
        assert!(matches!(memory.known(&epoch(1, 4), now), Known::Nothing));
        memory.good(&epoch(1, 4), statement(), 1);
        assert!(!memory.is_doubtful(&epoch(1, 1).node));
    }

    #[test]
    fn a_silent_node_is_asked_ever_more_seldom_whatever_it_settles_and_at_once_after_an_answer() {
        let (mut memory, mut now) = (Memory::default(), Instant::now());
        let mut pauses = Vec::new();
        memory.unreachable(&epoch(1, 0), "silence", now);
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
            memory.bad(&epoch(node, 1), &"x".repeat(10_000), now);
            memory.unreachable(&epoch(node, 2), &"x".repeat(10_000), now);
            memory.good(&epoch(node, 3), statement(), 100_000);
        }
        assert!(memory.bad.len() <= MAX_FAILURES && memory.missing.len() <= MAX_FAILURES);
        assert!(memory.doubtful.len() <= MAX_FAILURES);
        assert!(memory.good.iter().map(|(_, _, size)| size).sum::<usize>() <= GOOD_BYTES);
        assert!(memory.bad.values().all(|reason| reason.len() <= MAX_REASON));
        memory.good(&epoch(1, 4), statement(), GOOD_BYTES + 1);
        assert!(memory.good.is_empty(), "one that is larger than all that is kept is not kept");
    }

    #[test]
    fn a_node_with_thousands_of_bad_epochs_pushes_out_what_is_known_of_itself_alone() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for node in 1..100 {
            memory.bad(&epoch(node, 1), "root", now);
        }
        for number in 0..5_000 {
            memory.bad(&epoch(0, number), "root", now);
        }
        assert_eq!(memory.bad.len(), MAX_FAILURES);
        assert!((1..100).all(|node| matches!(memory.known(&epoch(node, 1), now), Known::Bad(_))));
    }

    #[test]
    fn what_is_done_for_an_account_is_so_for_no_other_and_bounded() {
        let (mut memory, account) = (Memory::default(), Account::User(datanet_types::Address([1; 20])));
        memory.done(&account, &epoch(1, 7));
        assert_eq!(memory.done_of(&account, &epoch(1, 0).node), BTreeSet::from([7]));
        assert!(memory.done_of(&Account::User(datanet_types::Address([2; 20])), &epoch(1, 0).node).is_empty());
        assert!(memory.done_of(&account, &epoch(2, 0).node).is_empty());
        for number in 0..70_000 {
            memory.done(&account, &epoch(2, number));
        }
        assert_eq!((memory.done.len(), memory.done_order.len()), (MAX_DONE, MAX_DONE));
        assert!(memory.done_of(&account, &epoch(1, 0).node).is_empty(), "the oldest is learnt again");
    }
}
