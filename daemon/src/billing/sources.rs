//! Nodes that have settled, in the order in which it is worth asking them, and asking them within bounds.
//!
//! Anybody can register nodes and settle with himself. So what is here comes first, then who is connected, then where most
//! money lies unclaimed: to stand before an honest node, a stranger must lock more than it holds. And a caller waits for so
//! many silent nodes only, and for so long; who was not asked this time is asked the next time, because who was silent is
//! remembered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use datanet_ledger::component::settlement::{self, Epoch};
use datanet_ledger::component::{accounts, nodes};
use datanet_types::{Amount, NodeKey};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::Billing;
use super::statements::{SIDE_BY_SIDE, Unread};
use crate::error::ServiceResult;

/// How long all statements of one request may take.
pub(super) const IN_ALL: Duration = Duration::from_secs(40);
/// Nodes that one request waits for in vain at most.
const MAX_IN_VAIN: usize = 16;

/// An epoch to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub epoch: Epoch,
    /// What its node has settled and nobody has claimed, in base units.
    pub pool: Amount,
    /// Its statement is here.
    pub here: bool,
    /// Its node is connected now.
    pub connected: bool,
}

/// What is worth most comes first.
fn sort(sources: &mut [Source]) {
    sources.sort_by_key(|source| (!source.here, !source.connected, Reverse(source.pool), source.epoch.node));
}

impl Billing {
    /// The latest epochs of all nodes that have settled, in order.
    pub(super) async fn sources(&self) -> ServiceResult<Vec<Source>> {
        let connected = self.blobs.connected();
        let mut sources = Vec::new();
        for (epoch, pool) in self.settled()? {
            let (here, connected) = (self.statements.is_here(&epoch).await, connected.contains(&epoch.node));
            sources.push(Source { epoch, pool, here, connected });
        }
        sort(&mut sources);
        Ok(sources)
    }

    fn settled(&self) -> ServiceResult<Vec<(Epoch, Amount)>> {
        let reader = self.chain.reader()?;
        let mut settled = Vec::new();
        for node in nodes::list(&reader, None, usize::MAX)? {
            if let Some(settlement) = settlement::get(&reader, &node.node)? {
                let pool = accounts::balance(&reader, &settlement::pool_account(&node.node))?;
                settled.push((settlement.latest, pool));
            }
        }
        Ok(settled)
    }
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
    let not_asked = "it was not asked this time: too many other nodes did not answer; try again later".to_owned();
    let mut asked = Asked { good: Vec::new(), failed: BTreeMap::new() };
    for source in &sources {
        asked.failed.insert((source.epoch.node, source.epoch.epoch), not_asked.clone());
    }
    let one = |source: Source| {
        let result = read(source.epoch.clone());
        async move { (source, result.await) }
    };
    let mut results = std::pin::pin!(stream::iter(sources).map(one).buffer_unordered(SIDE_BY_SIDE));
    let mut in_vain = 0;
    while in_vain < MAX_IN_VAIN {
        let Ok(Some((source, result))) = timeout_at(deadline, results.next()).await else { break };
        let key = (source.epoch.node, source.epoch.epoch);
        match result {
            Ok(value) => {
                asked.failed.remove(&key);
                asked.good.push((source, value));
            }
            Err(unread) => {
                in_vain += usize::from(!unread.remembered);
                asked.failed.insert(key, unread.reason);
            }
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(node: u32, pool: Amount) -> Source {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&node.to_be_bytes());
        let epoch = Epoch { node: NodeKey(key), epoch: 1, ..Epoch::default() };
        Source { epoch, pool, here: false, connected: false }
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

    fn unread(remembered: bool) -> Unread {
        Unread { reason: "silence".into(), remembered }
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
