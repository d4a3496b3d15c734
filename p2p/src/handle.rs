//! The cloneable handle of the network service, and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::blobs::{BlobService, Blobs};
use crate::metrics::{Counters, NetworkMetrics};
use crate::swarm::{self, Command};
use crate::{
    CollectorHealth, MAX_GOSSIP_BYTES, NetworkConfig, NetworkError, NodeKey, PublishError, node_key_of_secret,
};

/// Commands that may wait for the swarm task.
const COMMAND_QUEUE: usize = 256;

/// How long [`NetworkHandle::connect`] looks for a node.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The network service: [`Network::spawn`] starts it.
///
/// ```
/// use datanet_p2p::{Network, NetworkConfig, TagKind};
/// use tokio_util::sync::CancellationToken;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let config = NetworkConfig::loopback([1; 32], dir.path());
/// let (network, _events) = Network::spawn(config, CancellationToken::new()).await?;
/// assert!(network.listen_addrs()[0].starts_with("/ip4/127.0.0.1/udp/"));
///
/// let blobs = network.blobs();
/// let held = blobs.add_bytes("some records").await?;
/// blobs.tags().keep(&TagKind::Contribution.tag("its id"), held.hash()).await?;
/// network.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Binds every address, opens the blob store and starts the service.
    ///
    /// Returns once all listeners have their ports; bootstrap peers are dialled in the background. The service stops
    /// when `shutdown` is cancelled, by [`NetworkHandle::shutdown`], or when the last handle is dropped. The receiver must be drained: its queue is
    /// bounded, and a gossip message that finds it full is ignored.
    ///
    /// # Errors
    /// A setting that makes no sense, an address that cannot be bound, a store that cannot be opened.
    pub async fn spawn(
        config: NetworkConfig,
        shutdown: CancellationToken,
    ) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>), NetworkError> {
        let checked = config.check()?;
        // A child: stopping this service must not stop the caller's other tasks.
        let shutdown = shutdown.child_token();
        let tracker = TaskTracker::new();
        let counters = Arc::new(Counters::default());
        let (commands, command_rx) = mpsc::channel(COMMAND_QUEUE);
        let mut swarm = swarm::build(&config)?;
        swarm::listen(&mut swarm, &checked.listen).await?;
        let service = BlobService::open(&config, &commands, counters.clone(), shutdown.clone()).await?;
        let blobs = service.blobs();
        let blob_addrs = service.bound_addrs();
        let (worker, outputs) = swarm::Worker::new(swarm, &config, checked, &service, counters.clone(), command_rx);
        let token = shutdown.clone();
        tracker.spawn(async move {
            worker.run(token.clone()).await;
            // The swarm may also have ended because every handle is gone: then nobody can use the blobs either.
            token.cancel();
            service.close().await;
        });
        tracker.close();
        let inner = Inner {
            node_key: node_key_of_secret(&config.secret_key),
            commands,
            blobs,
            blob_addrs,
            listen: outputs.listen,
            peers: outputs.peers,
            connected: outputs.connected,
            counters,
            shutdown,
            tracker,
        };
        Ok((NetworkHandle { inner: Arc::new(inner) }, outputs.events))
    }
}

/// Talks to a running network service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node_key: NodeKey,
    commands: mpsc::Sender<Command>,
    blobs: Blobs,
    blob_addrs: Vec<SocketAddr>,
    listen: watch::Receiver<Vec<String>>,
    peers: watch::Receiver<Arc<Vec<PeerInfo>>>,
    connected: watch::Receiver<usize>,
    counters: Arc<Counters>,
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

impl NetworkHandle {
    /// This node's public key.
    #[must_use]
    pub fn node_key(&self) -> NodeKey {
        self.inner.node_key
    }

    /// What others put in `bootstrap`, with real ports and `/p2p/PEERID`, the likeliest to work first: the hosts that are
    /// announced, then the interfaces listened on; QUIC before TCP, loopback last.
    #[must_use]
    pub fn listen_addrs(&self) -> Vec<String> {
        self.inner.listen.borrow().clone()
    }

    /// The first socket address of the blob endpoint, with its real port.
    #[must_use]
    pub fn blob_addr(&self) -> Option<SocketAddr> {
        self.inner.blob_addrs.first().copied()
    }

    /// The connected peers, in the order of their keys.
    #[must_use]
    pub fn peers(&self) -> Arc<Vec<PeerInfo>> {
        self.inner.peers.borrow().clone()
    }

    /// Watches the connected peers.
    #[must_use]
    pub fn watch_peers(&self) -> watch::Receiver<Arc<Vec<PeerInfo>>> {
        self.inner.peers.clone()
    }

    /// Watches the number of connected peers.
    #[must_use]
    pub fn connected_count(&self) -> watch::Receiver<usize> {
        self.inner.connected.clone()
    }

    /// Connected peers that blobs can be fetched from: their record is known, and they did not fail to deliver when they
    /// were last asked. A node with peers and none of these gossips, but gets no byte.
    #[must_use]
    pub fn data_peers(&self) -> usize {
        let serves = |peer: &&PeerInfo| !peer.blob_addrs.is_empty() && !self.inner.blobs.failed_lately(&peer.node_key);
        self.inner.peers.borrow().iter().filter(serves).count()
    }

    /// Watches the collector of the blob store, which is also the first to notice when the store fails.
    #[must_use]
    pub fn collector(&self) -> watch::Receiver<CollectorHealth> {
        self.inner.blobs.collector()
    }

    /// Joins a topic: its messages arrive as [`NetworkEvent::Gossip`]. Joining twice changes nothing.
    ///
    /// # Errors
    /// The service has stopped.
    pub async fn subscribe(&self, topic: impl Into<String>) -> Result<(), NetworkError> {
        let topic = topic.into();
        self.ask(|reply| Command::Subscribe { topic, reply }).await
    }

    /// Leaves a topic.
    ///
    /// # Errors
    /// The service has stopped.
    pub async fn unsubscribe(&self, topic: impl Into<String>) -> Result<(), NetworkError> {
        let topic = topic.into();
        self.ask(|reply| Command::Unsubscribe { topic, reply }).await
    }

    /// Publishes a message, at most [`MAX_GOSSIP_BYTES`]. Messages are known by their content: the same bytes on the
    /// same topic within a minute are one message, and publishing them again succeeds without sending them again.
    ///
    /// # Errors
    /// No peer subscribes to the topic, the message is too large, all peers are busy, or the service has stopped.
    pub async fn publish(&self, topic: impl Into<String>, data: impl Into<Bytes>) -> Result<(), PublishError> {
        let (topic, data) = (topic.into(), data.into());
        if data.len() > MAX_GOSSIP_BYTES {
            return Err(PublishError::TooLarge { size: data.len(), max: MAX_GOSSIP_BYTES });
        }
        self.ask(|reply| Command::Publish { topic, data, reply }).await.map_err(|_| PublishError::Stopped)?
    }

    /// Answers for a message that arrived. Until then, and for at most some ten seconds, it is held back.
    pub async fn report(&self, token: VerdictToken, verdict: Verdict) {
        // A stopped service forwards nothing, so there is nobody left to tell.
        let _ = self.inner.commands.send(Command::Report { token, verdict }).await;
    }

    /// Connects to a node by its key, through the addresses that the network knows, and waits for its record.
    ///
    /// # Errors
    /// The node is not found or does not answer within ten seconds, or the service has stopped.
    pub async fn connect(&self, node: NodeKey) -> Result<(), NetworkError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.ask(|reply| Command::Connect { node, reply })).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if self.inner.shutdown.is_cancelled() => Err(NetworkError::Stopped),
            Ok(Err(_)) | Err(_) => Err(NetworkError::Unreachable(hex::encode(node))),
        }
    }

    /// The blob store and its downloads.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        self.inner.blobs.clone()
    }

    /// The counters since start.
    #[must_use]
    pub fn metrics(&self) -> NetworkMetrics {
        self.inner.counters.snapshot()
    }

    /// Stops the service and waits until connections are closed and the store is on disk.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        self.inner.tracker.wait().await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetworkError> {
        let (reply, answer) = oneshot::channel();
        self.inner.commands.send(command(reply)).await.map_err(|_| NetworkError::Stopped)?;
        answer.await.map_err(|_| NetworkError::Stopped)
    }
}

/// What the network tells its consumer. Only gossip matters for correctness; the others inform, and are dropped when
/// the queue is full ([`NetworkHandle::watch_peers`] always has the truth).
#[derive(Debug)]
pub enum NetworkEvent {
    /// A message on a subscribed topic; it waits for [`NetworkHandle::report`].
    Gossip(GossipMessage),
    /// A peer is connected and its record is known: blobs can be fetched from it by key.
    PeerReady(NodeKey),
    /// The last connection to a peer closed.
    PeerLost(NodeKey),
    /// A peer joined a topic.
    PeerSubscribed {
        /// The peer.
        node: NodeKey,
        /// The topic.
        topic: String,
    },
}

/// A gossip message that waits for a verdict.
#[derive(Debug)]
pub struct GossipMessage {
    /// The topic it came on.
    pub topic: String,
    /// The payload, at most [`MAX_GOSSIP_BYTES`].
    pub data: Bytes,
    /// The peer that forwarded it, which need not be its author: authorship belongs into the payload, signed.
    pub forwarder: NodeKey,
    /// To be given back with the verdict. Dropping it ignores the message.
    pub token: VerdictToken,
}

/// Names one delivery of one message: its content id and the peer that forwarded it.
#[must_use = "a message without a verdict is not forwarded; give the token to `NetworkHandle::report`"]
#[derive(Debug)]
pub struct VerdictToken {
    pub(crate) id: MessageId,
    pub(crate) forwarder: PeerId,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward it.
    Accept,
    /// Invalid for every honest node, whatever its state (garbage, bad signature): drop it, and hold it against the
    /// peer that forwarded it.
    Reject,
    /// Not useful here or not decidable yet: drop it, blame nobody.
    Ignore,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its public key.
    pub node_key: NodeKey,
    /// Its libp2p id, as text.
    pub peer_id: String,
    /// The multiaddrs it listens on, or the address of the connection before its record is known.
    pub addrs: Vec<String>,
    /// The socket addresses of its blob endpoint; empty before its record is known.
    pub blob_addrs: Vec<SocketAddr>,
    /// When the first of the present connections was made.
    pub connected_since: SystemTime,
    /// The name and version it gives itself; empty before it is identified. At most 64 characters.
    pub agent: String,
    /// The opaque application part of its record.
    pub app: Vec<u8>,
}
