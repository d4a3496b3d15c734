//! What is known of statements: bounded, so that strangers who settle fill nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datanet_ledger::component::settlement::Epoch;
use datanet_types::{Account, BlobHash, NodeKey};

use super::recent::Recent;
use crate::billing::statement::Index;

/// Bytes of good indexes kept, as they came; in memory they take a little more.
const INDEX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of pages kept.
const PAGE_BYTES: usize = 32 * 1024 * 1024;
/// Indexes, and pages, kept at most of each.
const MAX_GOOD: usize = 1_024;
/// Bad indexes and pages, and epochs and nodes that could not be reached, kept at most of each.
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

type EpochKey = (NodeKey, u64);
type Key = (NodeKey, u64, Piece);

/// What can be wrong with a statement, each by itself: who earned on one page need not care for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// Its index.
    Index,
    /// One of its pages.
    Page(BlobHash),
    /// All of it together.
    Whole,
}

/// What is known of a piece that could not be read.
#[derive(Debug)]
pub(super) enum Known {
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
#[derive(Debug)]
pub(super) struct Memory {
    indexes: Recent<EpochKey, Arc<Index>>,
    /// Whatever epochs they are of.
    pages: Recent<BlobHash, Bytes>,
    bad: BTreeMap<Key, String>,
    /// What could not be had. The node's others may be there.
    missing: BTreeMap<Key, Failure>,
    /// Nodes that gave nothing good since: a new epoch does not make one easier to reach.
    doubtful: BTreeMap<NodeKey, Failure>,
    /// Epochs that hold nothing more for an account, for good; and the order in which that was learnt.
    done: BTreeSet<(Account, EpochKey)>,
    done_order: VecDeque<(Account, EpochKey)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            indexes: Recent::new(MAX_GOOD, INDEX_BYTES),
            pages: Recent::new(MAX_GOOD, PAGE_BYTES),
            bad: BTreeMap::new(),
            missing: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            done: BTreeSet::new(),
            done_order: VecDeque::new(),
        }
    }
}

#[derive(Debug)]
struct Failure {
    /// The epoch that it was of the last time.
    epoch: u64,
    reason: String,
    /// In a row.
    count: u32,
    pause: Duration,
    again: Instant,
}

impl Failure {
    fn new(now: Instant) -> Self {
        Self { epoch: 0, reason: String::new(), count: 0, pause: Duration::ZERO, again: now }
    }

    /// One more; the pause begins with the one of this number, and doubles from there.
    fn strike(&mut self, epoch: u64, reason: &str, first: u32, now: Instant) {
        (self.epoch, self.reason, self.count) = (epoch, short(reason), self.count.saturating_add(1));
        if self.count >= first {
            self.pause = self.pause.saturating_mul(2).clamp(FIRST_PAUSE, LAST_PAUSE);
            self.again = now + self.pause;
        }
    }
}

impl Memory {
    /// An epoch's index, if it was read of late.
    pub(super) fn index(&mut self, epoch: &Epoch) -> Option<Arc<Index>> {
        self.indexes.get(&of(epoch))
    }

    /// A page, if it was read of late.
    pub(super) fn page(&mut self, blob: &BlobHash) -> Option<Bytes> {
        self.pages.get(blob)
    }

    /// Whether a page was read of late.
    pub(super) fn has_page(&self, blob: &BlobHash) -> bool {
        self.pages.has(blob)
    }

    /// What is known of a piece that was not read.
    pub(super) fn known(&self, epoch: &Epoch, piece: Piece, now: Instant) -> Known {
        let key = key(epoch, piece);
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
        let entry = (*account, of(epoch));
        if self.done.insert(entry) {
            self.done_order.push_back(entry);
        }
        while self.done.len() > MAX_DONE {
            let Some(oldest) = self.done_order.pop_front() else { return };
            self.done.remove(&oldest);
        }
    }

    /// An index was read, of so many bytes.
    pub(super) fn put_index(&mut self, epoch: &Epoch, index: Arc<Index>, bytes: usize) {
        self.missing.remove(&key(epoch, Piece::Index));
        self.indexes.put(of(epoch), index, bytes);
    }

    /// A page was read.
    pub(super) fn put_page(&mut self, blob: BlobHash, page: Bytes) {
        let bytes = page.len();
        self.pages.put(blob, page, bytes);
    }

    /// A piece was read, whether or not it is remembered.
    pub(super) fn had(&mut self, epoch: &Epoch, piece: Piece) {
        self.missing.remove(&key(epoch, piece));
    }

    /// All that was wanted of a statement was read. Its index alone would not do: a node that shows indexes and no pages is no good.
    pub(super) fn good(&mut self, epoch: &Epoch) {
        self.doubtful.remove(&epoch.node);
    }

    /// It is not what the ledger says: hash and root are there for good, so it never will be.
    pub(super) fn bad(&mut self, epoch: &Epoch, piece: Piece, reason: &str, now: Instant) {
        // It answered, so that it need not pause; but nobody has to wait for its next ones.
        strike(&mut self.doubtful, epoch.node, |node| *node, (epoch.epoch, reason), u32::MAX, now);
        self.missing.remove(&key(epoch, piece));
        make_room(&mut self.bad, |(node, ..)| *node);
        self.bad.insert(key(epoch, piece), short(reason));
    }

    /// Whether it could be had is asked anew.
    pub(super) fn forget_failures(&mut self, epoch: &Epoch) {
        self.missing.retain(|(node, number, _), _| (*node, *number) != of(epoch));
        self.doubtful.remove(&epoch.node);
    }

    /// It could not be had. Of several pages of one epoch that are asked for at once, the node has one failure.
    pub(super) fn unreachable(&mut self, epoch: &Epoch, piece: Piece, reason: &str, now: Instant) {
        strike(&mut self.missing, key(epoch, piece), |(node, ..)| *node, (epoch.epoch, reason), 1, now);
        let is_another = self.doubtful.get(&epoch.node).is_none_or(|last| last.epoch != epoch.epoch);
        if is_another || piece == Piece::Index {
            strike(&mut self.doubtful, epoch.node, |node| *node, (epoch.epoch, reason), STRIKES, now);
        }
    }
}

fn strike<K: Ord + Copy>(
    failures: &mut BTreeMap<K, Failure>,
    key: K,
    node: impl Fn(&K) -> NodeKey,
    (epoch, reason): (u64, &str),
    first: u32,
    now: Instant,
) {
    if !failures.contains_key(&key) {
        make_room(failures, node);
    }
    failures.entry(key).or_insert_with(|| Failure::new(now)).strike(epoch, reason, first, now);
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

fn of(epoch: &Epoch) -> EpochKey {
    (epoch.node, epoch.epoch)
}

fn key(epoch: &Epoch, piece: Piece) -> Key {
    (epoch.node, epoch.epoch, piece)
}

fn short(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::Piece::{Index as TheIndex, Page, Whole};
    use super::*;
    use crate::billing::statement::{Closing, Statement};
    use crate::db::settling::Settling;

    fn epoch(node: u32, number: u64) -> Epoch {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&node.to_be_bytes());
        Epoch { node: NodeKey(key), epoch: number, ..Epoch::default() }
    }

    fn index() -> Arc<Index> {
        let node = NodeKey([1; 32]);
        let paged =
            Statement::of("c", node, &Settling { epoch: 1, shares: vec![] }, Closing::default()).paged().unwrap();
        let epoch = Epoch { node, epoch: 1, statement: paged.hash(), ..Epoch::default() };
        Arc::new(Index::parse(&paged.index, "c", &epoch).unwrap())
    }

    fn page(at: u32) -> Piece {
        let mut hash = [7; 32];
        hash[..4].copy_from_slice(&at.to_be_bytes());
        Page(BlobHash(hash))
    }

    #[test]
    fn a_bad_statement_stays_bad_and_says_nothing_of_the_next_one() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.bad(&epoch(1, 1), TheIndex, "it gives another root", now);
        let later = now + Duration::from_secs(1_000_000);
        assert!(matches!(memory.known(&epoch(1, 1), TheIndex, later), Known::Bad(reason) if reason.contains("root")));
        assert!(matches!(memory.known(&epoch(1, 2), TheIndex, now), Known::Nothing));
        assert!(memory.is_doubtful(&epoch(1, 2).node) && !memory.is_doubtful(&epoch(2, 1).node));
    }

    #[test]
    fn one_statement_that_is_lost_does_not_keep_the_others_of_its_node_from_being_asked_for() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.unreachable(&epoch(1, 1), TheIndex, "not found", now);
        assert!(matches!(memory.known(&epoch(1, 1), TheIndex, now), Known::Unreachable { .. }));
        assert!(matches!(memory.known(&epoch(1, 2), TheIndex, now), Known::Nothing));
        memory.good(&epoch(1, 2));
        memory.unreachable(&epoch(1, 3), TheIndex, "not found", now);
        assert!(matches!(memory.known(&epoch(1, 4), TheIndex, now), Known::Nothing));
        memory.good(&epoch(1, 4));
        assert!(!memory.is_doubtful(&epoch(1, 1).node));
    }

    #[test]
    fn a_silent_node_is_asked_ever_more_seldom_whatever_it_settles_and_at_once_after_an_answer() {
        let (mut memory, mut now) = (Memory::default(), Instant::now());
        let mut pauses = Vec::new();
        memory.unreachable(&epoch(1, 0), TheIndex, "silence", now);
        for number in 1..20 {
            memory.unreachable(&epoch(1, number), TheIndex, "silence", now);
            let Known::Unreachable { again, .. } = memory.known(&epoch(1, number + 1), TheIndex, now) else {
                panic!("{number}")
            };
            pauses.push(again);
            now += again;
            assert!(matches!(memory.known(&epoch(1, number + 1), TheIndex, now), Known::Nothing));
        }
        assert!(pauses.is_sorted() && pauses[0] < pauses[1], "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LAST_PAUSE));
        memory.good(&epoch(1, 20));
        assert!(matches!(memory.known(&epoch(1, 21), TheIndex, now), Known::Nothing));
    }

    #[test]
    fn what_strangers_settle_fills_nothing() {
        let (mut memory, now, index) = (Memory::default(), Instant::now(), index());
        for node in 0..5_000 {
            memory.bad(&epoch(node, 1), TheIndex, &"x".repeat(10_000), now);
            memory.unreachable(&epoch(node, 2), TheIndex, &"x".repeat(10_000), now);
            memory.put_index(&epoch(node, 3), index.clone(), 100_000);
            memory.put_page(BlobHash(*blake3::hash(&node.to_be_bytes()).as_bytes()), Bytes::from(vec![0; 100_000]));
        }
        assert!(memory.bad.len() <= MAX_FAILURES && memory.missing.len() <= MAX_FAILURES);
        assert!(memory.doubtful.len() <= MAX_FAILURES);
        let newest = BlobHash(*blake3::hash(&4_999u32.to_be_bytes()).as_bytes());
        assert!(memory.index(&epoch(4_999, 3)).is_some() && memory.page(&newest).is_some());
        let oldest = BlobHash(*blake3::hash(&0u32.to_be_bytes()).as_bytes());
        assert!(memory.index(&epoch(0, 3)).is_none() && !memory.has_page(&oldest), "16 and 32 MiB hold no more");
        assert!(memory.bad.values().all(|reason| reason.len() <= MAX_REASON));
    }

    #[test]
    fn a_node_with_thousands_of_bad_epochs_pushes_out_what_is_known_of_itself_alone() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for node in 1..100 {
            memory.bad(&epoch(node, 1), TheIndex, "root", now);
        }
        for number in 0..5_000 {
            memory.bad(&epoch(0, number), TheIndex, "root", now);
        }
        assert_eq!(memory.bad.len(), MAX_FAILURES);
        assert!((1..100).all(|node| matches!(memory.known(&epoch(node, 1), TheIndex, now), Known::Bad(_))));
    }

    #[test]
    fn what_is_wrong_with_one_page_is_that_pages_affair_and_a_node_without_pages_is_no_good() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.bad(&epoch(1, 1), page(1), "its entries are not ordered", now);
        (2..50).for_each(|at| memory.unreachable(&epoch(1, 1), page(at), "not found", now));
        assert!(matches!(memory.known(&epoch(1, 1), page(1), now), Known::Bad(_)));
        assert!(matches!(memory.known(&epoch(1, 1), page(2), now), Known::Unreachable { .. }));
        assert!(matches!(memory.known(&epoch(1, 1), page(99), now), Known::Nothing), "pages of one epoch, one failure");
        assert!(matches!(memory.known(&epoch(1, 1), Whole, now), Known::Nothing));
        assert!(matches!(memory.known(&epoch(1, 2), page(1), now), Known::Nothing), "nor any of another epoch");
        memory.put_index(&epoch(1, 2), index(), 1);
        assert!(memory.is_doubtful(&epoch(1, 2).node), "an index is not yet what was wanted");
        memory.unreachable(&epoch(1, 2), page(7), "not found", now);
        assert!(matches!(memory.known(&epoch(1, 3), TheIndex, now), Known::Unreachable { .. }), "it pauses");
        memory.forget_failures(&epoch(1, 1));
        assert!(matches!(memory.known(&epoch(1, 1), page(2), now), Known::Nothing));
        memory.good(&epoch(1, 2));
        assert!(!memory.is_doubtful(&epoch(1, 2).node));
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
