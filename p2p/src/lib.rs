//! The network of a node: who is out there, what they announce, and the bytes behind the announcements.
//!
//! One [`Network`] owns two endpoints that share one ed25519 node key, so that a libp2p `PeerId` and an iroh
//! `EndpointId` name the same machine:
//!
//! - a **libp2p swarm** ([`swarm`]) for everything small: gossip on topics, peer discovery, and the *node record* that
//!   tells a neighbour where this node's blob endpoint listens;
//! - an **iroh endpoint with a file-system store** ([`blobs`]) for everything large: content-addressed bytes, fetched
//!   with verified streaming from whoever holds them.
//!
//! ```text
//!   NetworkHandle ──commands──▶ Worker (swarm task) ──NetworkEvent──▶ consumer (validates off the swarm task)
//!        │                        │  node records                          │
//!        └─▶ Blobs ◀──addresses───┘             handle.report(token, Verdict) ◀┘
//! ```
//!
//! Nothing in this crate interprets what it carries: topics are strings, messages and blobs are bytes, nodes are
//! 32-byte keys. Nothing from the network is trusted before it is verified: a gossip message is forwarded only after
//! its consumer accepted it, a record is tied to the key of the connection it came over, and a blob's bytes are checked
//! against its BLAKE3 hash while they arrive.

#![deny(unreachable_pub)]

mod announce;
mod config;
mod error;
mod handle;
mod key;
mod metrics;

pub mod blobs;
pub mod swarm;

pub use blobs::{BlobReader, Blobs, CollectorHealth, FetchRequest, HeldBlob, Share, Tag, TagKind, Tags};
pub use config::{Limits, NetworkConfig};
pub use error::{BlobError, FetchError, NetworkError, ProviderError, PublishError};
pub use handle::{GossipMessage, Network, NetworkEvent, NetworkHandle, PeerInfo, Verdict, VerdictToken};
pub use key::{Hash, NodeKey, node_key_of_secret};
pub use metrics::NetworkMetrics;

/// Largest payload of one gossip message, in bytes. Announcements are a few hundred bytes; payloads belong in blobs.
pub const MAX_GOSSIP_BYTES: usize = 16 * 1024;

/// Largest application part of a node record, in bytes.
pub const MAX_APP_RECORD_BYTES: usize = 1024;
