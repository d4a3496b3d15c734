//! Downloads: providers in turn, and fairness among those who want them.
//!
//! A blob that is here needs nothing of this. Else each provider is first asked for the size, which costs little: many
//! may be asked at a time, and one that says nothing is given up soon and left alone for a while ([`standing`]). Only
//! what is really there takes one of the few slots for transfers ([`slots`]), as long as its provider keeps up; when
//! others wait who have less, it gives way and goes on later from where it was.
//!
//! Everything that a download occupies goes back when its future is dropped.

mod slots;
mod standing;
mod transfer;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use iroh::{Endpoint, EndpointId};
use iroh_blobs::HashAndFormat;
use iroh_blobs::util::connection_pool::{self, ConnectionPool};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::info;

pub use self::slots::Share;
use self::slots::{Slot, Slots};
use self::standing::Standing;
use self::transfer::{Attempt, Transfer};
use super::{AddressBook, Blobs, HeldBlob};
use crate::metrics::{Counters, add};
use crate::swarm::Command;
use crate::{BlobError, FetchError, Hash, Limits, NodeKey, ProviderError};

/// What to download, from whom, and for whom.
///
/// ```
/// use datanet_p2p::{FetchRequest, Share};
///
/// let providers = [[1; 32], [2; 32]];
/// let request = FetchRequest::new([7; 32], 1 << 20, &providers, Share::OWN).sized(4096);
/// assert_eq!((request.expected_size, request.max_size), (Some(4096), 1 << 20));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// BLAKE3 of the bytes.
    pub hash: Hash,
    /// The size that was announced, in bytes; another is refused before the bytes come.
    pub expected_size: Option<u64>,
    /// The most that the caller is willing to store, in bytes.
    pub max_size: u64,
    /// Nodes to ask, the likeliest first. Their addresses come from node records, or are looked up.
    pub providers: &'a [NodeKey],
    /// For whom: slots are shared fairly by this.
    pub share: Share,
    /// Is set to the payload bytes received from the present provider.
    pub progress: Option<&'a watch::Sender<u64>>,
}

impl<'a> FetchRequest<'a> {
    /// A blob of at most `max_size` bytes from the first of `providers` that delivers it.
    #[must_use]
    pub fn new(hash: Hash, max_size: u64, providers: &'a [NodeKey], share: Share) -> Self {
        Self { hash, expected_size: None, max_size, providers, share, progress: None }
    }

    /// Refuses another size than this one, in bytes.
    #[must_use]
    pub fn sized(mut self, size: u64) -> Self {
        self.expected_size = Some(size);
        self
    }

    /// Shows its progress.
    #[must_use]
    pub fn shown(mut self, progress: &'a watch::Sender<u64>) -> Self {
        self.progress = Some(progress);
        self
    }

    fn check(&self, size: u64) -> Result<(), FetchError> {
        match self.expected_size {
            Some(expected) if expected != size => Err(FetchError::SizeMismatch { expected, actual: size }),
            _ if size > self.max_size => Err(FetchError::TooLarge { size, max: self.max_size }),
            _ => Ok(()),
        }
    }
}

impl Blobs {
    /// Downloads a blob from the first provider that delivers it, and holds it; at once when it is here already.
    ///
    /// Providers that failed lately are asked last, and not at all for a while. Dropping the future ends the download;
    /// what came so far is used by the next one, unless the collector comes first.
    ///
    /// # Errors
    /// The size is not the announced one or too large, every provider failed (each with its reason), or the store
    /// failed. What was received is then not held, and the next collection deletes it.
    pub async fn fetch(&self, request: FetchRequest<'_>) -> Result<HeldBlob, FetchError> {
        if let Some(size) = request.expected_size {
            request.check(size)?;
        }
        tokio::select! {
            result = self.fetch_here(&request) => result,
            () = self.inner.shutdown.cancelled() => Err(FetchError::Stopped),
        }
    }

    async fn fetch_here(&self, request: &FetchRequest<'_>) -> Result<HeldBlob, FetchError> {
        if let Some(held) = self.held(request).await? {
            return Ok(held);
        }
        // Whatever arrives is held from the first byte on: else a collection in between would take it.
        let _hold = self.inner.holds.take(request.hash).await;
        let fetcher = &self.inner.fetcher;
        let mut failures = Vec::new();
        for provider in fetcher.in_order(request.providers) {
            let asked = Instant::now();
            let error = match self.fetch_from(request, provider).await {
                Ok(held) => {
                    fetcher.standing().forgive(&provider);
                    return Ok(held);
                }
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Provider(error)) => error,
            };
            info!(blob = %hex::encode(&request.hash[..4]), provider = %hex::encode(&provider[..4]), %error, "provider failed");
            add(&fetcher.counters.provider_failures, 1);
            if error.is_about_the_node() {
                fetcher.standing().failed(provider, asked, Instant::now());
            }
            failures.push((provider, error));
        }
        // Another caller may have brought it meanwhile.
        match self.held(request).await? {
            Some(held) => Ok(held),
            None if failures.is_empty() => Err(FetchError::NoProviders),
            None => Err(FetchError::AllFailed(failures)),
        }
    }

    /// The blob, by means of one provider. While it waits for its turns, another caller may bring it.
    async fn fetch_from(&self, request: &FetchRequest<'_>, provider: NodeKey) -> Result<HeldBlob, Attempt> {
        let fetcher = &self.inner.fetcher;
        let id = EndpointId::from_bytes(&provider).map_err(|_| ProviderError::UnknownAddress)?;
        let content = HashAndFormat::raw(request.hash.into());
        fetcher.may_be_asked(&provider)?;
        let probe = fetcher.probes.take(request.share).await;
        // It may have failed others while this one waited.
        fetcher.may_be_asked(&provider)?;
        let size = fetcher.probe(provider, id, content.hash).await?;
        drop(probe);
        request.check(size).map_err(Attempt::Final)?;
        let (one_by_one, mut report) = (fetcher.one_by_one(request.hash), Report::to(request.progress));
        loop {
            let turn = one_by_one.turn(fetcher.transfers.take(request.share).await).await;
            if let Some(held) = self.held(request).await.map_err(Attempt::Final)? {
                return Ok(held);
            }
            let transfer = fetcher.transfer(&self.inner.store.get(), id, content, &turn, &mut report).await;
            add(&fetcher.counters.bytes_fetched, report.rest());
            if let Transfer::Done = transfer? {
                add(&fetcher.counters.blobs_fetched, 1);
                let held = self.held(request).await.map_err(Attempt::Final)?;
                return held.ok_or_else(|| ProviderError::Broken("the download was not complete".to_owned()).into());
            }
        }
    }

    /// The blob if it is completely here, and of the right size.
    async fn held(&self, request: &FetchRequest<'_>) -> Result<Option<HeldBlob>, FetchError> {
        match self.hold(request.hash).await {
            Ok(held) => request.check(held.size()).map(|()| Some(held)),
            Err(BlobError::NotFound(_)) => Ok(None),
            Err(error) => Err(store_failed(error)),
        }
    }

    /// Whether a node did not deliver when it was last asked.
    pub(crate) fn failed_lately(&self, node: &NodeKey) -> bool {
        self.inner.fetcher.standing().failures(node) > 0
    }

    /// A node has come to the network, or come back: this is where it serves blobs, and what it failed to do before says
    /// nothing any more.
    pub(crate) fn met(&self, node: &NodeKey, addrs: &[SocketAddr]) {
        self.inner.fetcher.addresses.set(node, addrs);
        self.inner.fetcher.standing().forgive(node);
    }
}

/// What downloads need beside the store.
#[derive(Debug)]
pub(super) struct Fetcher {
    own: NodeKey,
    pool: ConnectionPool,
    addresses: Arc<AddressBook>,
    /// Weak: the swarm stops when the last handle goes, and this is not one.
    commands: mpsc::WeakSender<Command>,
    /// Providers that are asked for a size at a time.
    probes: Slots,
    /// Blobs on their way at a time.
    transfers: Slots,
    standing: Mutex<Standing>,
    /// Each blob on its way, so that two callers do not download it twice.
    in_flight: Mutex<HashMap<Hash, Weak<OneByOne>>>,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    stall_timeout: Duration,
    counters: Arc<Counters>,
}

impl Fetcher {
    pub(super) fn new(
        endpoint: &Endpoint,
        addresses: Arc<AddressBook>,
        commands: &mpsc::Sender<Command>,
        limits: &Limits,
        counters: Arc<Counters>,
    ) -> Self {
        let mut options = connection_pool::Options::default();
        options.connect_timeout = limits.connect_timeout;
        // The slots are the bound. Attempts whose caller gave up linger until they time out, and take no slot.
        options.max_pending_connections = options.max_connections;
        Self {
            own: *endpoint.id().as_bytes(),
            pool: ConnectionPool::new(endpoint.clone(), iroh_blobs::ALPN, options),
            addresses,
            commands: commands.downgrade(),
            probes: Slots::new(limits.max_probes),
            transfers: Slots::new(limits.max_fetches),
            standing: Mutex::default(),
            in_flight: Mutex::default(),
            connect_timeout: limits.connect_timeout,
            first_byte_timeout: limits.first_byte_timeout,
            stall_timeout: limits.stall_timeout,
            counters,
        }
    }

    /// The providers without this node, each once; those that failed lately last.
    fn in_order(&self, providers: &[NodeKey]) -> Vec<NodeKey> {
        let mut order = Vec::new();
        for provider in providers {
            if *provider != self.own && !order.contains(provider) {
                order.push(*provider);
            }
        }
        let standing = self.standing();
        order.sort_by_key(|provider| standing.failures(provider));
        order
    }

    fn may_be_asked(&self, provider: &NodeKey) -> Result<(), ProviderError> {
        match self.standing().wait(provider, Instant::now()) {
            Some(wait) => Err(ProviderError::FailedLately(wait.as_secs() + 1)),
            None => Ok(()),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_by_one(&self, hash: Hash) -> Arc<OneByOne> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one_by_one) = in_flight.get(&hash).and_then(Weak::upgrade) {
            return one_by_one;
        }
        in_flight.retain(|_, one_by_one| one_by_one.strong_count() > 0);
        let one_by_one = Arc::default();
        in_flight.insert(hash, Arc::downgrade(&one_by_one));
        one_by_one
    }
}

/// Lets those who want the same blob transfer one after the other.
#[derive(Debug, Default)]
struct OneByOne {
    lock: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

impl OneByOne {
    /// Waits until no other transfers this blob. The slot is taken before: who has none must not keep others waiting.
    async fn turn(&self, slot: Option<Slot>) -> Turn<'_> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        Turn { _lock: self.lock.lock().await, waiting: &self.waiting, slot }
    }
}

/// The right to transfer one blob, until it is dropped.
struct Turn<'a> {
    _lock: tokio::sync::MutexGuard<'a, ()>,
    waiting: &'a AtomicUsize,
    slot: Option<Slot>,
}

impl Turn<'_> {
    /// Whether somebody waits who has more right to go on: for the slot, or for the same blob from another provider.
    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.slot.as_ref().is_some_and(Slot::is_wanted)
    }
}

/// Shows what one provider has delivered, over all its turns.
struct Report<'a> {
    progress: Option<&'a watch::Sender<u64>>,
    turns_before: u64,
    turn: u64,
}

impl<'a> Report<'a> {
    fn to(progress: Option<&'a watch::Sender<u64>>) -> Self {
        Self { progress, turns_before: 0, turn: 0 }
    }

    /// Payload bytes of this turn.
    fn show(&mut self, bytes: u64) {
        self.turn = bytes;
        if let Some(progress) = self.progress {
            progress.send_replace(self.turns_before + bytes);
        }
    }

    /// Ends the turn; what it brought.
    fn rest(&mut self) -> u64 {
        self.turns_before += self.turn;
        std::mem::take(&mut self.turn)
    }
}

fn store_failed(error: impl std::fmt::Display) -> FetchError {
    FetchError::Store(error.to_string())
}
