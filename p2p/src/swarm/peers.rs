//! The table of connected peers, and the watches that show it to others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::watch;

use super::record::NodeRecord;
use crate::announce::ip_of;
use crate::{NodeKey, PeerInfo};

/// Characters of a peer's name for itself that are kept.
const MAX_AGENT_CHARS: usize = 64;

/// Who is connected. Every change is published.
#[derive(Debug)]
pub(super) struct Peers {
    entries: BTreeMap<PeerId, Entry>,
    infos: watch::Sender<Arc<Vec<PeerInfo>>>,
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Entry {
    info: PeerInfo,
    remote: Option<IpAddr>,
    has_record: bool,
    /// Requests for the record that failed since the last connection was made.
    failures: u32,
}

impl Peers {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), infos: watch::Sender::default(), count: watch::Sender::new(0) }
    }

    pub(super) fn watch(&self) -> (watch::Receiver<Arc<Vec<PeerInfo>>>, watch::Receiver<usize>) {
        (self.infos.subscribe(), self.count.subscribe())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_record(&self, peer: &PeerId) -> bool {
        self.entries.get(peer).is_some_and(|entry| entry.has_record)
    }

    /// Whether a peer is connected over loopback.
    pub(super) fn is_on_this_machine(&self, peer: &PeerId) -> bool {
        self.entries.get(peer).and_then(|entry| entry.remote).is_some_and(|ip| ip.is_loopback())
    }

    /// A connection was made, perhaps one of several with this peer.
    pub(super) fn connected(&mut self, peer: PeerId, node_key: NodeKey, remote: &Multiaddr) {
        let entry = self.entries.entry(peer).or_insert_with(|| Entry {
            info: PeerInfo {
                node_key,
                peer_id: peer.to_string(),
                addrs: Vec::new(),
                blob_addrs: Vec::new(),
                connected_since: SystemTime::now(),
                agent: String::new(),
                app: Vec::new(),
            },
            remote: None,
            has_record: false,
            failures: 0,
        });
        entry.failures = 0;
        entry.remote = ip_of(remote);
        if !entry.has_record {
            entry.info.addrs = vec![remote.to_string()];
        }
        self.publish();
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.entries.remove(peer);
        self.publish();
    }

    pub(super) fn identified(&mut self, peer: &PeerId, agent: &str) {
        if let Some(entry) = self.entries.get_mut(peer) {
            // The name goes to terminals and pages: no control characters, no novel.
            entry.info.agent = agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect();
            self.publish();
        }
    }

    /// Takes a record in; `None` when the peer is gone, else its key and blob addresses.
    pub(super) fn recorded(&mut self, peer: &PeerId, record: NodeRecord) -> Option<&PeerInfo> {
        let entry = self.entries.get_mut(peer)?;
        entry.info.blob_addrs = record.reachable_blob_addrs(entry.remote);
        entry.info.addrs = record.listen.iter().map(ToString::to_string).collect();
        entry.info.app = record.app;
        entry.has_record = true;
        self.publish();
        self.entries.get(peer).map(|entry| &entry.info)
    }

    /// Counts a failed request for a record; the number of failures since the last connection.
    pub(super) fn record_failed(&mut self, peer: &PeerId) -> Option<u32> {
        let entry = self.entries.get_mut(peer)?;
        entry.failures += 1;
        Some(entry.failures)
    }

    fn publish(&self) {
        let mut infos: Vec<_> = self.entries.values().map(|entry| entry.info.clone()).collect();
        infos.sort_by_key(|info| info.node_key);
        self.count.send_if_modified(|count| std::mem::replace(count, infos.len()) != infos.len());
        self.infos.send_replace(Arc::new(infos));
    }
}
