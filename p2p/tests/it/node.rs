//! A node under test and what can be awaited of it.

use std::collections::BTreeSet;
use std::time::Duration;

use datanet_p2p::{GossipMessage, Network, NetworkConfig, NetworkError, NetworkEvent, NetworkHandle, NodeKey, Verdict};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, also on a busy machine with two cores.
pub const DEADLINE: Duration = Duration::from_secs(60);

const FREE_PORT: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

pub struct Node {
    pub handle: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
    pub config: NetworkConfig,
    /// `None` while somebody else keeps the folder for a restart.
    dir: Option<TempDir>,
    subscriptions: BTreeSet<(NodeKey, String)>,
}

/// The configuration of node `n`, with waits that suit a test.
pub fn config(n: u8, dir: &TempDir) -> NetworkConfig {
    let mut config = NetworkConfig::loopback([n; 32], dir.path());
    config.limits.redial_min = Duration::from_millis(100);
    config.limits.redial_max = Duration::from_millis(500);
    config
}

impl Node {
    pub async fn start(n: u8, bootstrap: &[&Node]) -> Self {
        Self::start_with(n, bootstrap, |_| {}).await
    }

    pub async fn start_with(n: u8, bootstrap: &[&Node], adjust: impl FnOnce(&mut NetworkConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = config(n, &dir);
        config.bootstrap = bootstrap.iter().map(|node| node.handle.listen_addrs()[0].clone()).collect();
        adjust(&mut config);
        Self::spawn(config, dir).await
    }

    pub async fn spawn(config: NetworkConfig, dir: TempDir) -> Self {
        let (handle, events) = loop {
            match Network::spawn(config.clone(), CancellationToken::new()).await {
                Ok(network) => break network,
                // A successor on the same port: the system may need a moment to free it.
                Err(NetworkError::Listen { .. }) if config.listen[0] != FREE_PORT => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        Self { handle, events, config, dir: Some(dir), subscriptions: BTreeSet::new() }
    }

    /// Stops the node and gives back what a successor needs; its ports become fixed, so that others find it again.
    pub async fn stop(mut self) -> (NetworkConfig, TempDir) {
        let mut config = self.config.clone();
        config.listen = self.handle.listen_addrs();
        for addr in &mut config.listen {
            if let Some(at) = addr.find("/p2p/") {
                addr.truncate(at);
            }
        }
        self.handle.shutdown().await;
        (config, self.dir.take().unwrap())
    }

    pub fn key(&self) -> NodeKey {
        self.handle.node_key()
    }

    /// The next event; remembers who subscribed to what.
    pub async fn event(&mut self) -> NetworkEvent {
        let event =
            tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("no event in time").expect("stopped");
        if let NetworkEvent::PeerSubscribed { node, topic } = &event {
            self.subscriptions.insert((*node, topic.clone()));
        }
        event
    }

    /// Waits until `other` is connected and its record known.
    pub async fn ready(&mut self, other: &Node) {
        let key = other.key();
        let known = |peers: &std::sync::Arc<Vec<datanet_p2p::PeerInfo>>| {
            peers.iter().any(|peer| peer.node_key == key && !peer.blob_addrs.is_empty())
        };
        tokio::time::timeout(DEADLINE, self.handle.watch_peers().wait_for(known)).await.expect("not ready").unwrap();
    }

    /// Waits until this many peers are connected.
    pub async fn peers(&self, count: usize) {
        let mut watch = self.handle.connected_count();
        tokio::time::timeout(DEADLINE, watch.wait_for(|n| *n == count)).await.expect("wrong peer count").unwrap();
    }

    /// Waits until `other` subscribes to a topic, as seen from here.
    pub async fn sees_subscribed(&mut self, other: &Node, topic: &str) {
        let wanted = (other.key(), topic.to_owned());
        while !self.subscriptions.contains(&wanted) {
            self.event().await;
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> GossipMessage {
        loop {
            if let NetworkEvent::Gossip(message) = self.event().await {
                return message;
            }
        }
    }

    /// The next message; its verdict is given, its payload returned.
    pub async fn judge(&mut self, verdict: Verdict) -> Vec<u8> {
        let message = self.message().await;
        self.handle.report(message.token, verdict).await;
        message.data.to_vec()
    }
}

/// Waits for something that is only counted, not announced.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !holds() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("did not come true in time");
}

/// Bytes that do not repeat or compress.
pub fn noise(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}
