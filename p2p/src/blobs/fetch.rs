//! Downloads: providers in turn, the size proven before the bytes come, every byte verified on arrival.
//!
//! A provider is believed nothing. First it must prove the blob's size: the last chunk, whose hash path only fits the
//! true size. Only then are the bytes requested, and each chunk is checked against the hash before it is written. So a
//! liar can neither fill the disk nor leave a wrong byte; what an honest but dying provider delivered is used, and the
//! next one is asked for the rest only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::HashAndFormat;
use iroh_blobs::api::Store;
use iroh_blobs::api::remote::GetProgressItem;
use iroh_blobs::get::fsm::{AtBlobHeaderNextError, DecodeError};
use iroh_blobs::get::request::get_verified_size;
use iroh_blobs::get::{GetError, Stats};
use iroh_blobs::util::connection_pool::{ConnectionPool, ConnectionRef};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::StreamExt;
use tracing::{debug, info};

use super::{AddressBook, Blobs, HeldBlob};
use crate::metrics::{Counters, add};
use crate::swarm::Command;
use crate::{BlobError, FetchError, Hash, Limits, NodeKey, ProviderError};

/// What a provider must deliver on average, in bytes a second.
const LEAST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// What downloads need beside the store.
#[derive(Debug)]
pub(super) struct Fetcher {
    own: EndpointId,
    pool: ConnectionPool,
    addresses: Arc<AddressBook>,
    /// Weak: the swarm stops when the last handle goes, and this is not one.
    commands: mpsc::WeakSender<Command>,
    slots: Semaphore,
    /// One lock for each blob on its way, so that two callers do not download it twice.
    in_flight: Mutex<HashMap<Hash, Weak<tokio::sync::Mutex<()>>>>,
    connect_timeout: Duration,
    stall_timeout: Duration,
    counters: Arc<Counters>,
}

/// Why an attempt with one provider ended.
enum Attempt {
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

/// What the caller allows.
#[derive(Clone, Copy)]
struct Bounds {
    expected: Option<u64>,
    max: u64,
}

impl Bounds {
    fn check(self, size: u64) -> Result<(), FetchError> {
        match self.expected {
            Some(expected) if expected != size => Err(FetchError::SizeMismatch { expected, actual: size }),
            _ if size > self.max => Err(FetchError::TooLarge { size, max: self.max }),
            _ => Ok(()),
        }
    }
}

impl Blobs {
    /// Downloads a blob from the first of `providers` that delivers it, and holds it; at once when it is here already.
    ///
    /// Providers are node keys: their addresses come from node records, or are looked up. `expected_size` (bytes) is
    /// the announced size; `max_size` (bytes) is what the caller is willing to store. Both are checked before the
    /// bytes come. `progress` is set to the payload bytes received from the present provider.
    ///
    /// # Errors
    /// The size is not the announced one or too large, every provider failed (each with its reason), or the store
    /// failed. What was received is then not held, and the next collection deletes it.
    pub async fn fetch(
        &self,
        hash: Hash,
        expected_size: Option<u64>,
        max_size: u64,
        providers: &[NodeKey],
        progress: Option<&watch::Sender<u64>>,
    ) -> Result<HeldBlob, FetchError> {
        let bounds = Bounds { expected: expected_size, max: max_size };
        if let Some(size) = expected_size {
            bounds.check(size)?;
        }
        let fetch = self.fetch_bounded(hash, bounds, providers, progress);
        tokio::select! {
            result = fetch => result,
            () = self.inner.shutdown.cancelled() => Err(FetchError::Stopped),
        }
    }

    async fn fetch_bounded(
        &self,
        hash: Hash,
        bounds: Bounds,
        providers: &[NodeKey],
        progress: Option<&watch::Sender<u64>>,
    ) -> Result<HeldBlob, FetchError> {
        if let Some(held) = self.held(hash, bounds).await? {
            return Ok(held);
        }
        let fetcher = &self.inner.fetcher;
        let lock = fetcher.lock_of(hash);
        let _turn = lock.lock().await;
        let _slot = fetcher.slots.acquire().await.map_err(|_| FetchError::Stopped)?;
        // Held from the first byte on: a collection in between would take what has arrived.
        let content = HashAndFormat::raw(hash.into());
        let _hold = self.inner.holds.take(hash).await;
        let mut failures = Vec::new();
        for provider in providers.iter().filter(|provider| *provider != fetcher.own.as_bytes()) {
            // Another caller may have brought it while this one waited for its turn.
            if let Some(held) = self.held(hash, bounds).await? {
                return Ok(held);
            }
            match fetcher.try_provider(&self.inner.store.get(), *provider, content, bounds, progress).await {
                Ok(stats) => {
                    add(&fetcher.counters.bytes_fetched, stats.payload_bytes_read);
                    add(&fetcher.counters.blobs_fetched, 1);
                    break;
                }
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Provider(error)) => {
                    info!(blob = %hex::encode(&hash[..4]), provider = %hex::encode(&provider[..4]), %error, "provider failed");
                    add(&fetcher.counters.provider_failures, 1);
                    failures.push((*provider, error));
                }
            }
        }
        match self.held(hash, bounds).await? {
            Some(held) => Ok(held),
            None if failures.is_empty() => Err(FetchError::NoProviders),
            None => Err(FetchError::AllFailed(failures)),
        }
    }

    /// The blob if it is completely here, and of the right size.
    async fn held(&self, hash: Hash, bounds: Bounds) -> Result<Option<HeldBlob>, FetchError> {
        match self.hold(hash).await {
            Ok(held) => bounds.check(held.size()).map(|()| Some(held)),
            Err(BlobError::NotFound(_)) => Ok(None),
            Err(error) => Err(store_failed(error)),
        }
    }
}

impl Fetcher {
    pub fn new(
        own: EndpointId,
        pool: ConnectionPool,
        addresses: Arc<AddressBook>,
        commands: &mpsc::Sender<Command>,
        limits: &Limits,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            own,
            pool,
            addresses,
            commands: commands.downgrade(),
            slots: Semaphore::new(limits.max_fetches),
            in_flight: Mutex::default(),
            connect_timeout: limits.connect_timeout,
            stall_timeout: limits.stall_timeout,
            counters,
        }
    }

    fn lock_of(&self, hash: Hash) -> Arc<tokio::sync::Mutex<()>> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = in_flight.get(&hash).and_then(Weak::upgrade) {
            return lock;
        }
        in_flight.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        in_flight.insert(hash, Arc::downgrade(&lock));
        lock
    }

    async fn try_provider(
        &self,
        store: &Store,
        provider: NodeKey,
        content: HashAndFormat,
        bounds: Bounds,
        progress: Option<&watch::Sender<u64>>,
    ) -> Result<Stats, Attempt> {
        let id = EndpointId::from_bytes(&provider).map_err(|_| ProviderError::UnknownAddress)?;
        self.find(provider, id).await?;
        let (connection, size) = match self.ask_size(id, content.hash).await? {
            Asked::Size(connection, size) => (connection, size),
            // Perhaps it was made before the provider restarted: only a new one tells whether it is there.
            Asked::ConnectionLost => match self.ask_size(id, content.hash).await? {
                Asked::Size(connection, size) => (connection, size),
                Asked::ConnectionLost => return Err(ProviderError::Broken("the connection was lost".to_owned()).into()),
            },
        };
        bounds.check(size).map_err(Attempt::Final)?;
        // Else one that sends a byte now and then would keep others from being asked.
        let deadline = Instant::now() + self.stall_timeout + Duration::from_secs(size / LEAST_BYTES_PER_SECOND);
        let mut items = std::pin::pin!(store.remote().fetch((*connection).clone(), content).stream());
        loop {
            match timeout_at(deadline.min(Instant::now() + self.stall_timeout), items.next()).await {
                Ok(Some(GetProgressItem::Progress(bytes))) => {
                    if let Some(progress) = progress {
                        progress.send_replace(bytes);
                    }
                }
                Ok(Some(GetProgressItem::Done(stats))) => return Ok(stats),
                Ok(Some(GetProgressItem::Error(error))) => return Err(judge(error, &connection)),
                Ok(None) => return Err(ProviderError::Broken("the download ended early".to_owned()).into()),
                Err(_) if Instant::now() >= deadline => return Err(ProviderError::TooSlow.into()),
                Err(_) => return Err(self.stalled().into()),
            }
        }
    }

    /// Asks for the verified size of a blob, over the pool's connection to the provider or a new one.
    async fn ask_size(&self, id: EndpointId, hash: iroh_blobs::Hash) -> Result<Asked, Attempt> {
        let connection = self.pool.get_or_connect(id).await.map_err(|e| ProviderError::Unreachable(e.to_string()))?;
        match timeout(self.stall_timeout, get_verified_size(&connection, &hash)).await {
            Ok(Ok((size, _))) => Ok(Asked::Size(connection, size)),
            // The stream may learn of the loss a little before the connection says so.
            Ok(Err(error)) if connection.close_reason().is_some() || is_connection_lost(&error) => {
                // The pool lets go of it in its own time; the next try must not get it again.
                let _ = self.pool.close(id).await;
                Ok(Asked::ConnectionLost)
            }
            Ok(Err(error)) => Err(judge(error, &connection)),
            Err(_) => Err(self.stalled().into()),
        }
    }

    fn stalled(&self) -> ProviderError {
        ProviderError::Stalled(self.stall_timeout.as_secs())
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
    /// The size in bytes, and the connection that brought it.
    Size(ConnectionRef, u64),
    /// The other end is gone, or knows nothing of this connection any more.
    ConnectionLost,
}

/// What iroh answers with when it cannot read what it is asked for: usually it has no such blob.
const RESET_NOT_READABLE: u64 = 3;

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

/// Whether the provider reset the stream because it cannot read the blob.
fn was_reset(error: &GetError) -> bool {
    matches!(read_error(error), Some(ReadError::Reset(code)) if code.into_inner() == RESET_NOT_READABLE)
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

fn store_failed(error: impl std::fmt::Display) -> FetchError {
    FetchError::Store(error.to_string())
}
