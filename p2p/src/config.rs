//! What a network service needs to start, and the bounds it keeps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;

use crate::announce::Host;
use crate::{MAX_APP_RECORD_BYTES, NetworkError};

/// Everything [`crate::Network::spawn`] needs.
#[derive(Clone)]
pub struct NetworkConfig {
    /// The node's ed25519 secret (the 32-byte seed). `PeerId` and iroh `EndpointId` both come from it.
    pub secret_key: [u8; 32],
    /// Folder that the blob store owns; created when missing. One process at a time.
    pub data_dir: PathBuf,
    /// Name of the network, usually the chain id (at most 64 bytes). Peers of another name are disconnected.
    pub network: String,
    /// Multiaddrs to listen on, e.g. `/ip4/127.0.0.1/udp/0/quic-v1`; port 0 picks a free one.
    pub listen: Vec<String>,
    /// UDP address of the blob endpoint; port 0 picks a free one.
    pub blob_bind: SocketAddr,
    /// Hosts that others dial this node by, IP addresses or DNS names, each on the ports listened on; empty for the
    /// addresses of its interfaces. Where a router or a container stands between, nobody else knows them.
    pub announce: Vec<String>,
    /// Multiaddrs to keep connected to, with or without `/p2p/PEERID`. They need not be up yet.
    pub bootstrap: Vec<String>,
    /// Opaque bytes shown to neighbours in the node record, at most [`MAX_APP_RECORD_BYTES`].
    pub app_record: Vec<u8>,
    /// Name and version shown to neighbours, e.g. `datanet/0.1.0`.
    pub agent: String,
    /// Bounds and periods.
    pub limits: Limits,
}

impl NetworkConfig {
    /// A node that listens on loopback only, on free ports, with no bootstrap peers.
    #[must_use]
    pub fn loopback(secret_key: [u8; 32], data_dir: impl Into<PathBuf>) -> Self {
        Self {
            secret_key,
            data_dir: data_dir.into(),
            network: "datanet".to_owned(),
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned(), "/ip4/127.0.0.1/tcp/0".to_owned()],
            blob_bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            announce: Vec::new(),
            bootstrap: Vec::new(),
            app_record: Vec::new(),
            agent: concat!("datanet/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: Limits::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<Checked, NetworkError> {
        let refuse = |field, reason: &str| Err(NetworkError::Config { field, reason: reason.to_owned() });
        if self.listen.is_empty() {
            return refuse("listen", "give at least one multiaddr, e.g. /ip4/127.0.0.1/udp/0/quic-v1");
        }
        if self.network.is_empty() || self.network.len() > 64 {
            return refuse("network", "give a name of 1 to 64 bytes");
        }
        if self.app_record.len() > MAX_APP_RECORD_BYTES {
            return refuse("app_record", "at most 1024 bytes fit a node record");
        }
        if self.limits.has_zeros() {
            return refuse("limits", "every size of a queue, number of slots, interval and timeout must be above zero");
        }
        let host =
            |text: &String| Host::parse(text).map_err(|reason| NetworkError::Config { field: "announce", reason });
        Ok(Checked {
            listen: parse("listen", &self.listen)?,
            announce: self.announce.iter().map(host).collect::<Result<_, _>>()?,
            bootstrap: parse("bootstrap", &self.bootstrap)?,
        })
    }
}

/// The parsed addresses of a configuration that passed its checks.
pub(crate) struct Checked {
    pub listen: Vec<Multiaddr>,
    pub announce: Vec<Host>,
    pub bootstrap: Vec<Multiaddr>,
}

fn parse(field: &'static str, addrs: &[String]) -> Result<Vec<Multiaddr>, NetworkError> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|error| NetworkError::Config { field, reason: format!("`{text}` is no multiaddr: {error}") })
    };
    addrs.iter().map(parse).collect()
}

/// Bounds and periods of a network service. The defaults suit a node on a small machine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most connections that others opened to this node.
    pub max_incoming: u32,
    /// Most connections that this node opened.
    pub max_outgoing: u32,
    /// Most connections with one peer: both sides may dial at once, and a restarted peer's old one may linger.
    pub max_per_peer: u32,
    /// Events that may wait for the consumer; a gossip message that finds no room is ignored, not forwarded.
    pub event_queue: usize,
    /// Downloads at a time; more wait their turn. A quarter is kept for those for whom none is under way.
    pub max_fetches: usize,
    /// Providers that are asked at a time whether they have a blob, shared alike. Each costs a connection at most.
    pub max_probes: usize,
    /// How often untagged blobs are collected.
    pub gc_interval: Duration,
    /// First wait before a bootstrap peer is dialled again; doubles up to `redial_max`.
    pub redial_min: Duration,
    /// Longest wait between two dials of a bootstrap peer.
    pub redial_max: Duration,
    /// How long a provider may take to answer a connection attempt.
    pub connect_timeout: Duration,
    /// How long a connected provider may take for its first answer about a blob.
    pub first_byte_timeout: Duration,
    /// How long a download may stand still before the next provider is tried; also how often it is looked at whether
    /// it keeps up, and whether others wait who have more right to go on.
    pub stall_timeout: Duration,
}

impl Limits {
    fn has_zeros(&self) -> bool {
        let sizes = [self.event_queue, self.max_fetches, self.max_probes];
        let times = [self.gc_interval, self.connect_timeout, self.first_byte_timeout, self.stall_timeout];
        sizes.contains(&0) || times.iter().any(Duration::is_zero)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_incoming: 128,
            max_outgoing: 64,
            max_per_peer: 4,
            event_queue: 1024,
            max_fetches: 16,
            max_probes: 64,
            gc_interval: Duration::from_secs(600),
            redial_min: Duration::from_millis(500),
            redial_max: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(3),
            first_byte_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
        }
    }
}
