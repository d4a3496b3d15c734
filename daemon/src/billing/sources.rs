//! Epochs to read, in the order in which it is worth asking for them, and asking within bounds.
//!
//! Anybody can register nodes, settle with himself and make up what he settles, as often as he likes. So nodes take turns:
//! no node's second epoch is asked for before every other node's first. In a turn what is here comes first, then who is
//! connected, then where most money lies unclaimed: to stand before an honest node, a stranger must lock more than it
//! holds. Who did not answer of late, or answered with something else, waits until all others had all their turns. And a
//! caller waits for so many silent nodes only, for a few epochs of each, and for so long; what was not asked for this time
//! is asked for the next time, because what was in vain is remembered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datanet_ledger::LedgerReader;
use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::escrow::{self, OpenEpoch};
use datanet_ledger::component::settlement::{self, Epoch};
use datanet_types::{Account, Amount, NodeKey};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::Billing;
use super::statements::{Purpose, SIDE_BY_SIDE, Unread};
use crate::error::ServiceResult;

/// How long all statements of one request may take.
pub(super) const IN_ALL: Duration = Duration::from_secs(40);
/// Epochs that one request waits for in vain at most.
const MAX_IN_VAIN: usize = 16;
/// Epochs of one node that one request waits for in vain at most, those in flight left out.
const MAX_IN_VAIN_OF_NODE: usize = 4;
/// Epochs of one node that one request reads at most: those with most money.
const MAX_OF_NODE: usize = 1_024;
/// Epochs that one request reads at most.
const MAX_SOURCES: usize = 4_096;
/// How far behind a node's latest epoch is looked for money. Settling every ten minutes, that is a year and a quarter.
const REACH: u64 = 65_536;

/// An epoch to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub epoch: Epoch,
    /// Base units that nobody has claimed.
    pub left: Amount,
    /// How many epochs of its node come before it.
    pub turn: usize,
    /// What is wanted of its statement is here.
    pub here: bool,
    /// Its node is connected now.
    pub connected: bool,
    /// Its node was asked in vain of late.
    pub doubtful: bool,
}

impl Source {
    fn key(&self) -> (NodeKey, u64) {
        (self.epoch.node, self.epoch.epoch)
    }
}

/// What is worth most comes first, by turns.
pub(super) fn sort(sources: &mut [Source]) {
    sources.sort_by_key(|source| {
        let place = (!source.here, source.doubtful && !source.here, source.turn, !source.connected);
        (place, Reverse(source.left), source.epoch.node)
    });
}

impl Billing {
    /// The epochs with money left of all nodes, in order. Of those that are known to hold nothing more to claim for any of `accounts`, none are named to claim.
    pub(super) async fn sources(&self, accounts: &[Account], purpose: Purpose) -> ServiceResult<Vec<Source>> {
        let connected = self.blobs.connected();
        let mut sources = Vec::new();
        for (turn, epoch, left) in self.open_epochs(accounts, purpose)? {
            let here = self.statements.is_here(&epoch, accounts, purpose).await;
            let connected = connected.contains(&epoch.node);
            let doubtful = self.statements.is_doubtful(&epoch.node);
            sources.push(Source { epoch, left, turn, here, connected, doubtful });
        }
        sort(&mut sources);
        Ok(sources)
    }

    fn open_epochs(&self, accounts: &[Account], purpose: Purpose) -> ServiceResult<Vec<(usize, Epoch, Amount)>> {
        let reader = self.chain.reader()?;
        let mut open = Vec::new();
        for node in nodes::list(&reader, None, usize::MAX)? {
            let node = node.node;
            let mut of_each = accounts
                .iter()
                .filter(|_| purpose == Purpose::Claim)
                .map(|account| self.statements.done(account, &node));
            let first = of_each.next().unwrap_or_default();
            let done = of_each.fold(first, |all, done| all.intersection(&done).copied().collect());
            let of_node = open_of_node(&reader, &node, &done)?;
            open.extend(
                of_node.into_iter().enumerate().map(|(turn, open)| (turn, Reverse(open.left), node, open.epoch)),
            );
        }
        open.sort();
        open.truncate(MAX_SOURCES);
        let mut epochs = Vec::new();
        for (turn, Reverse(left), node, number) in open {
            epochs.extend(settlement::epoch(&reader, &node, number)?.map(|epoch| (turn, epoch, left)));
        }
        Ok(epochs)
    }
}

/// A node's epochs with money left but for those that are `done`, most money first.
fn open_of_node(reader: &LedgerReader, node: &NodeKey, done: &BTreeSet<u64>) -> ServiceResult<Vec<OpenEpoch>> {
    let Some(settlement) = settlement::get(reader, node)? else { return Ok(Vec::new()) };
    let after = settlement.latest.epoch.checked_sub(REACH);
    let mut open = escrow::list(reader, node, after, usize::MAX)?;
    open.retain(|open| !done.contains(&open.epoch));
    open.sort_by_key(|open| (Reverse(open.left), open.epoch));
    open.truncate(MAX_OF_NODE);
    Ok(open)
}

/// What came of asking.
pub(super) struct Asked<T> {
    /// In no order.
    pub good: Vec<(Source, T)>,
    /// Why not, by node and epoch.
    pub failed: BTreeMap<(NodeKey, u64), String>,
}

/// Reads `sources` with `read`, a few at a time, until all are read, it is `deadline`, or too many have failed.
pub(super) async fn ask<T, F: Future<Output = Result<T, Unread>>>(
    sources: Vec<Source>,
    deadline: Instant,
    read: impl Fn(Epoch) -> F,
) -> Asked<T> {
    let not_asked = "it was not asked this time: too many others did not answer; try again later".to_owned();
    let mut asked = Asked { good: Vec::new(), failed: BTreeMap::new() };
    for source in &sources {
        asked.failed.insert(source.key(), not_asked.clone());
    }
    let in_vain: Mutex<BTreeMap<NodeKey, usize>> = Mutex::default();
    let of_node = |node: &NodeKey| in_vain.lock().unwrap_or_else(PoisonError::into_inner).get(node).copied();
    let one = |source: Source| {
        let wanted = of_node(&source.epoch.node).unwrap_or_default() < MAX_IN_VAIN_OF_NODE;
        let result = wanted.then(|| read(source.epoch.clone()));
        async move {
            match result {
                Some(result) => Some((source, result.await)),
                None => None,
            }
        }
    };
    let mut results = std::pin::pin!(stream::iter(sources).map(one).buffer_unordered(SIDE_BY_SIDE));
    let mut all_in_vain = 0;
    while all_in_vain < MAX_IN_VAIN {
        let Ok(Some(result)) = timeout_at(deadline, results.next()).await else { break };
        let Some((source, result)) = result else { continue };
        match result {
            Ok(value) => {
                asked.failed.remove(&source.key());
                asked.good.push((source, value));
            }
            Err(unread) => {
                if !unread.remembered {
                    all_in_vain += 1;
                    let mut in_vain = in_vain.lock().unwrap_or_else(PoisonError::into_inner);
                    *in_vain.entry(source.epoch.node).or_default() += 1;
                }
                asked.failed.insert(source.key(), unread.reason);
            }
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(node: u32, left: Amount) -> Source {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&node.to_be_bytes());
        let epoch = Epoch { node: NodeKey(key), epoch: 1, ..Epoch::default() };
        Source { epoch, left, turn: 0, here: false, connected: false, doubtful: false }
    }

    /// Many epochs of one node.
    fn many(node: u32, count: usize) -> Vec<Source> {
        let one = |turn: usize| {
            let source = source(node, 1_000_000);
            Source { epoch: Epoch { epoch: turn as u64 + 1, ..source.epoch.clone() }, turn, ..source }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn money_that_lies_there_comes_before_names_that_cost_nothing() {
        let mut sources: Vec<Source> = (0..1_000).map(|node| source(node, 1)).collect();
        let honest = [
            Source { here: true, ..source(2_000, 5) },
            Source { connected: true, ..source(2_001, 5) },
            source(2_002, 5),
        ];
        sources.extend(honest.clone());
        sort(&mut sources);
        for (place, one) in honest.iter().enumerate() {
            assert_eq!(sources[place].epoch, one.epoch);
        }
    }

    #[test]
    fn no_node_has_a_second_turn_before_all_others_had_one_and_who_failed_comes_last() {
        let mut sources = many(1, 5_000);
        sources.extend((2..10).map(|node| source(node, 1)));
        sources.push(Source { doubtful: true, connected: true, ..source(10, 1_000_000_000) });
        sort(&mut sources);
        let nodes: BTreeSet<NodeKey> = sources[..9].iter().map(|source| source.epoch.node).collect();
        assert_eq!(nodes.len(), 9);
        assert!(sources.last().unwrap().doubtful);
    }

    fn unread(remembered: bool) -> Unread {
        Unread { reason: "silence".into(), remembered, bad: false, missing: !remembered }
    }

    #[tokio::test]
    async fn so_many_silent_nodes_are_waited_for_and_no_more_and_those_before_them_are_read() {
        let deadline = Instant::now() + IN_ALL;
        let sources: Vec<Source> = (0..1_000).map(|node| source(node, 1)).collect();
        let honest = sources[3].epoch.node;
        let asked_for = std::sync::atomic::AtomicUsize::new(0);
        let asked = ask(sources, deadline, |epoch| {
            asked_for.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { if epoch.node == honest { Ok(()) } else { Err(unread(false)) } }
        })
        .await;
        assert_eq!((asked.good.len(), asked.failed.len()), (1, 999));
        assert!(asked_for.into_inner() <= MAX_IN_VAIN + SIDE_BY_SIDE + 1);
        assert!(asked.failed.values().any(|reason| reason.contains("not asked this time")));
    }

    #[tokio::test]
    async fn a_node_with_thousands_of_epochs_that_fail_keeps_nobody_else_from_being_asked() {
        let deadline = Instant::now() + IN_ALL;
        let mut sources = many(1, 5_000);
        sources.push(source(2, 1));
        let honest = sources.last().unwrap().epoch.node;
        let asked_for = std::sync::atomic::AtomicUsize::new(0);
        let asked = ask(sources, deadline, |epoch| {
            asked_for.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { if epoch.node == honest { Ok(()) } else { Err(unread(false)) } }
        })
        .await;
        assert_eq!((asked.good.len(), asked.failed.len()), (1, 5_000));
        assert!(asked_for.into_inner() <= MAX_IN_VAIN_OF_NODE + SIDE_BY_SIDE + 1);
    }

    #[tokio::test]
    async fn what_is_remembered_of_nodes_keeps_nobody_from_being_asked() {
        let deadline = Instant::now() + IN_ALL;
        let sources: Vec<Source> = (0..1_000).map(|node| source(node, 1)).collect();
        let last = sources[999].epoch.node;
        let read = |epoch: Epoch| std::future::ready(if epoch.node == last { Ok(()) } else { Err(unread(true)) });
        assert_eq!(ask(sources, deadline, read).await.good.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_beyond_the_deadline() {
        let deadline = Instant::now() + IN_ALL;
        let sources: Vec<Source> = (0..10).map(|node| source(node, 1)).collect();
        let asked = ask(sources, deadline, async move |epoch| {
            if epoch.node != NodeKey([0; 32]) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
        .await;
        assert_eq!((asked.good.len(), asked.failed.len(), Instant::now()), (1, 9, deadline));
    }
}
