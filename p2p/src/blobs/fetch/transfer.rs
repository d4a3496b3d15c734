//! One provider: what it says the size is, and its bytes.
//!
//! A provider is believed nothing. First it must prove the blob's size: the last chunk, whose hash path only fits the
//! true size. Only then are the bytes requested, and each chunk is checked against the hash before it is written. So a
//! liar can neither fill the disk nor leave a wrong byte; what an honest but dying provider delivered is used, and the
//! next one is asked for the rest only.

use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::HashAndFormat;
use iroh_blobs::api::Store;
use iroh_blobs::api::remote::GetProgressItem;
use iroh_blobs::get::GetError;
use iroh_blobs::get::fsm::{AtBlobHeaderNextError, DecodeError};
use iroh_blobs::get::request::get_verified_size;
use iroh_blobs::util::connection_pool::{ConnectionRef, PoolConnectError};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval_at, timeout};
use tokio_stream::StreamExt;
use tracing::debug;

use super::{Fetcher, Report, Turn, store_failed};
use crate::swarm::Command;
use crate::{FetchError, NodeKey, ProviderError};

/// What a provider must deliver, in bytes a second.
const LEAST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Why an attempt with one provider ended.
pub(super) enum Attempt {
    /// This provider failed; another may do better.
    Provider(ProviderError),
    /// No provider can do better.
    Final(FetchError),
}

impl From<ProviderError> for Attempt {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

/// How a turn at transferring ended.
pub(super) enum Transfer {
    /// All bytes are here.
    Done,
    /// Others wait. What came so far stays.
    GaveWay,
}

impl Fetcher {
    /// Asks a provider for the verified size of a blob, in bytes.
    pub(super) async fn probe(
        &self,
        provider: NodeKey,
        id: EndpointId,
        hash: iroh_blobs::Hash,
    ) -> Result<u64, Attempt> {
        self.find(provider, id).await?;
        match self.ask_size(id, hash).await? {
            Asked::Size(size) => Ok(size),
            // Perhaps it was made before the provider restarted: only a new one tells whether it is there.
            Asked::ConnectionLost => match self.ask_size(id, hash).await? {
                Asked::Size(size) => Ok(size),
                Asked::ConnectionLost => Err(ProviderError::Broken("the connection was lost".to_owned()).into()),
            },
        }
    }

    /// Asks for the verified size of a blob, over the pool's connection to the provider or a new one.
    async fn ask_size(&self, id: EndpointId, hash: iroh_blobs::Hash) -> Result<Asked, Attempt> {
        let connection = self.connection(id).await?;
        match timeout(self.first_byte_timeout, get_verified_size(&connection, &hash)).await {
            Ok(Ok((size, _))) => Ok(Asked::Size(size)),
            // The stream may learn of the loss a little before the connection says so.
            Ok(Err(error)) if connection.close_reason().is_some() || is_connection_lost(&error) => {
                // The pool lets go of it in its own time; the next try must not get it again.
                let _ = self.pool.close(id).await;
                Ok(Asked::ConnectionLost)
            }
            Ok(Err(error)) => Err(judge(error, &connection)),
            Err(_) => Err(silent(self.first_byte_timeout).into()),
        }
    }

    async fn connection(&self, id: EndpointId) -> Result<ConnectionRef, Attempt> {
        self.pool.get_or_connect(id).await.map_err(|error| match error {
            PoolConnectError::Shutdown { .. } => Attempt::Final(FetchError::Stopped),
            error => ProviderError::Unreachable(error.to_string()).into(),
        })
    }

    /// Downloads what is missing of a blob, as long as the provider keeps up and nobody else has more right to it.
    pub(super) async fn transfer(
        &self,
        store: &Store,
        id: EndpointId,
        content: HashAndFormat,
        turn: &Turn<'_>,
        report: &mut Report<'_>,
    ) -> Result<Transfer, Attempt> {
        let connection = self.connection(id).await?;
        let mut items = std::pin::pin!(store.remote().fetch((*connection).clone(), content).stream());
        let mut look = interval_at(Instant::now() + self.stall_timeout, self.stall_timeout);
        let (mut received, mut before) = (0, 0);
        loop {
            tokio::select! {
                item = items.next() => match item {
                    Some(GetProgressItem::Progress(bytes)) => {
                        received = bytes;
                        report.show(bytes);
                    }
                    Some(GetProgressItem::Done(_)) => return Ok(Transfer::Done),
                    Some(GetProgressItem::Error(error)) => return Err(judge(error, &connection)),
                    None => return Err(ProviderError::Broken("the download ended early".to_owned()).into()),
                },
                _ = look.tick() => {
                    self.keeps_up(received - before)?;
                    before = received;
                    if turn.is_wanted() {
                        return Ok(Transfer::GaveWay);
                    }
                }
            }
        }
    }

    /// Whether so many bytes are enough for the time between two looks.
    fn keeps_up(&self, bytes: u64) -> Result<(), ProviderError> {
        let least = LEAST_BYTES_PER_SECOND as f64 * self.stall_timeout.as_secs_f64();
        match bytes {
            0 => Err(silent(self.stall_timeout)),
            few if (few as f64) < least => Err(ProviderError::TooSlow),
            _ => Ok(()),
        }
    }

    /// Makes sure that an address of the node is known, asking the swarm to find the node if need be.
    async fn find(&self, node: NodeKey, id: EndpointId) -> Result<(), ProviderError> {
        if self.addresses.knows(id) {
            return Ok(());
        }
        debug!(node = %hex::encode(&node[..4]), "looking for a provider");
        let (reply, found) = oneshot::channel();
        let commands = self.commands.upgrade().ok_or(ProviderError::UnknownAddress)?;
        let search = async { commands.send(Command::Connect { node, reply }).await.is_ok() && found.await.is_ok() };
        match timeout(self.connect_timeout, search).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(ProviderError::UnknownAddress),
        }
    }
}

/// What came of asking for a size.
enum Asked {
    /// The size in bytes.
    Size(u64),
    /// The other end is gone, or knows nothing of this connection any more.
    ConnectionLost,
}

fn silent(time: Duration) -> ProviderError {
    ProviderError::Stalled(time.as_secs())
}

/// What iroh answers with when it is not to give what it is asked for (yet), and when it cannot read it: usually it has no such
/// blob.
const RESET_NOT_GIVEN: [u64; 2] = [1, 3];

/// Whose fault an error is: the bytes', the connection's or the local store's.
fn judge(error: GetError, connection: &Connection) -> Attempt {
    if was_reset(&error) {
        return ProviderError::NotFound.into();
    }
    let broken = |error: &GetError| Attempt::Provider(ProviderError::Broken(error.to_string()));
    match &error {
        GetError::Decode { source, .. } => match source {
            DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => {
                ProviderError::BadBytes.into()
            }
            DecodeError::ChunkNotFound { .. }
            | DecodeError::ParentNotFound { .. }
            | DecodeError::LeafNotFound { .. } => ProviderError::NotFound.into(),
            DecodeError::Write { source, .. } => Attempt::Final(store_failed(source)),
            _ => broken(&error),
        },
        GetError::AtBlobHeaderNext { source: AtBlobHeaderNextError::NotFound { .. }, .. } => {
            ProviderError::NotFound.into()
        }
        // The library also calls it a local failure when a closed connection opens no stream.
        GetError::LocalFailure { .. } | GetError::IrpcSend { .. } if connection.close_reason().is_none() => {
            Attempt::Final(store_failed(&error))
        }
        _ => broken(&error),
    }
}

/// Whether the provider reset the stream because it cannot read the blob, or gives it to nobody.
fn was_reset(error: &GetError) -> bool {
    matches!(read_error(error), Some(ReadError::Reset(code)) if RESET_NOT_GIVEN.contains(&code.into_inner()))
}

/// Whether the connection went away while the stream was read.
fn is_connection_lost(error: &GetError) -> bool {
    matches!(read_error(error), Some(ReadError::ConnectionLost(_)))
}

/// What reading the stream failed with, wherever the library wraps it.
fn read_error(error: &GetError) -> Option<&ReadError> {
    let read = match error {
        GetError::AtBlobHeaderNext { source: AtBlobHeaderNextError::Read { source, .. }, .. }
        | GetError::Decode { source: DecodeError::Read { source, .. }, .. } => Some(source),
        _ => error.remote_read(),
    };
    read.and_then(|io| io.get_ref()).and_then(|cause| cause.downcast_ref::<ReadError>())
}
