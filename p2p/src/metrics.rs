//! Counters of the service.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of the counters since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkMetrics {
    /// Gossip messages published by this node.
    pub gossip_published: u64,
    /// Gossip messages that the consumer accepted, and that were forwarded.
    pub gossip_accepted: u64,
    /// Gossip messages that were refused, at a cost to the peer that forwarded them.
    pub gossip_rejected: u64,
    /// Gossip messages that were neither forwarded nor held against anyone.
    pub gossip_ignored: u64,
    /// Gossip messages ignored because the consumer's queue was full (part of `gossip_ignored`).
    pub gossip_overflowed: u64,
    /// Peers connected now.
    pub peers: u64,
    /// Payload bytes downloaded from other nodes.
    pub bytes_fetched: u64,
    /// Blobs downloaded completely.
    pub blobs_fetched: u64,
    /// Providers that failed to deliver a blob.
    pub provider_failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub gossip_published: AtomicU64,
    pub gossip_accepted: AtomicU64,
    pub gossip_rejected: AtomicU64,
    pub gossip_ignored: AtomicU64,
    pub gossip_overflowed: AtomicU64,
    pub peers: AtomicU64,
    pub bytes_fetched: AtomicU64,
    pub blobs_fetched: AtomicU64,
    pub provider_failures: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> NetworkMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NetworkMetrics {
            gossip_published: read(&self.gossip_published),
            gossip_accepted: read(&self.gossip_accepted),
            gossip_rejected: read(&self.gossip_rejected),
            gossip_ignored: read(&self.gossip_ignored),
            gossip_overflowed: read(&self.gossip_overflowed),
            peers: read(&self.peers),
            bytes_fetched: read(&self.bytes_fetched),
            blobs_fetched: read(&self.blobs_fetched),
            provider_failures: read(&self.provider_failures),
        }
    }
}

/// Adds to a counter; counters only inform, so no ordering is needed.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
