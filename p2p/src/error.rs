//! Every way the network can fail, one enum per kind of operation.

use std::io;

use crate::NodeKey;

/// Starting or talking to the service failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A setting makes no sense.
    #[error("network setting `{field}`: {reason}")]
    Config {
        /// The field of [`crate::NetworkConfig`].
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A listen address could not be bound.
    #[error("cannot listen on {addr}: {reason}; is the port taken by another node")]
    Listen {
        /// The multiaddr asked for.
        addr: String,
        /// What the transport said.
        reason: String,
    },
    /// The blob endpoint could not be bound.
    #[error("cannot bind the blob endpoint to {addr}: {reason}")]
    BlobEndpoint {
        /// The address asked for.
        addr: std::net::SocketAddr,
        /// What the endpoint said.
        reason: String,
    },
    /// The blob store could not be opened.
    #[error("cannot open the blob store in {path}: {reason}; is another node using this folder")]
    BlobStore {
        /// The folder.
        path: String,
        /// What the store said.
        reason: String,
    },
    /// A part of the swarm could not be built.
    #[error("cannot build the swarm: {0}")]
    Swarm(String),
    /// A node was not found, or does not answer.
    #[error("node {0} cannot be reached; is it running and connected to the network")]
    Unreachable(String),
    /// The service has stopped.
    #[error("the network service has stopped")]
    Stopped,
}

/// A message was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No connected peer subscribes to the topic: nobody received the message.
    #[error("no connected peer subscribes to this topic yet; try again when one does")]
    NoPeers,
    /// The message is larger than [`crate::MAX_GOSSIP_BYTES`].
    #[error("the message has {size} bytes, the limit is {max}; put the payload in a blob and announce its hash")]
    TooLarge {
        /// Size of the message in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The send queues of all peers are full.
    #[error("all peers are busy; try again in a moment")]
    Busy,
    /// The swarm refused the message for another reason.
    #[error("the swarm refused the message: {0}")]
    Refused(String),
    /// The service has stopped.
    #[error("the network service has stopped")]
    Stopped,
}

/// An operation on the local blob store failed. Only that operation: the store goes on.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The blob is not (completely) here.
    #[error("blob {0} is not in the store; fetch it first")]
    NotFound(String),
    /// The blob or stream is larger than the caller allows.
    #[error("the blob has more than {max} bytes, the limit asked for")]
    TooLarge {
        /// The limit in bytes.
        max: u64,
    },
    /// Reading or writing failed, for example because the disk is full.
    #[error("the blob store failed: {0}")]
    Io(#[from] io::Error),
    /// The store could not be written, and is not open again yet.
    #[error("the blob store is closed ({0}); it is opened again by itself: try again in a moment")]
    Closed(String),
    /// The service has stopped.
    #[error("the network service has stopped")]
    Stopped,
}

/// A blob could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The caller named no provider but this node itself.
    #[error("no provider to fetch from; name a node that holds the blob")]
    NoProviders,
    /// The blob is proven to be larger than the caller allows; nothing was downloaded.
    #[error("the blob has {size} bytes, the limit is {max}")]
    TooLarge {
        /// Size in bytes, proven by the hash or stated by the caller.
        size: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// The blob is proven to have another size than announced; nothing was downloaded.
    #[error("the blob has {actual} bytes but was announced with {expected}")]
    SizeMismatch {
        /// The size announced.
        expected: u64,
        /// The size that the hash proves.
        actual: u64,
    },
    /// Every provider failed; the reasons in the order tried.
    #[error("no provider delivered the blob: {}", list(.0))]
    AllFailed(Vec<(NodeKey, ProviderError)>),
    /// The local store failed, for example because the disk is full.
    #[error("the blob store failed: {0}")]
    Store(String),
    /// The service has stopped.
    #[error("the network service has stopped")]
    Stopped,
}

/// Why one provider did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No address is known for the node and none could be found.
    #[error("its address is unknown")]
    UnknownAddress,
    /// It could not be connected to.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// It does not have the blob, or does not give it to anybody yet.
    #[error("it does not have the blob, or does not give it yet")]
    NotFound,
    /// It sent bytes that do not belong to the hash. None of them were kept.
    #[error("it sent bytes that do not match the hash")]
    BadBytes,
    /// It stopped sending.
    #[error("it sent nothing for {0} s")]
    Stalled(u64),
    /// It sent so little that another is asked.
    #[error("it sends too slowly")]
    TooSlow,
    /// It failed a moment ago, and was not asked.
    #[error("it failed lately and is not asked for another {0} s")]
    FailedLately(u64),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl ProviderError {
    /// Whether it says something about the node, and not only about this blob.
    pub(crate) fn is_about_the_node(&self) -> bool {
        !matches!(self, Self::NotFound | Self::FailedLately(_))
    }
}

fn list(failures: &[(NodeKey, ProviderError)]) -> String {
    let line = |(key, error): &(NodeKey, ProviderError)| format!("{}: {error}", hex::encode(&key[..4]));
    failures.iter().map(line).collect::<Vec<_>>().join("; ")
}
