//! Opens and closes the blob store and the endpoint that serves it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iroh::endpoint::{Connection, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::protocol::{AcceptError, ProtocolHandler, Router};
use iroh::{Endpoint, RelayMode, SecretKey};
use iroh_blobs::BlobsProtocol;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::collector::{Collector, CurrentStore};
use super::fetch::Fetcher;
use super::holds::Holds;
use super::tags::kept;
use super::withheld::Withheld;
use super::{AddressBook, Blobs, Inner, OwnAddrs, TagKind};
use crate::metrics::Counters;
use crate::swarm::Command;
use crate::{NetworkConfig, NetworkError};

/// Milliseconds without a sign of life after which a connection is lost: two heartbeats of iroh's. Its default of half
/// a minute is as long as a restarted node would be asked over connections that it does not know any more.
const SILENCE: VarInt = VarInt::from_u32(10_000);

/// The blob endpoint and its store, owned by the network service.
#[derive(Debug)]
pub(crate) struct BlobService {
    blobs: Blobs,
    router: Router,
    collector: JoinHandle<()>,
}

impl BlobService {
    /// Opens the store in `data_dir/blobs` and binds the endpoint.
    pub(crate) async fn open(
        config: &NetworkConfig,
        commands: &mpsc::Sender<Command>,
        counters: Arc<Counters>,
        shutdown: CancellationToken,
    ) -> Result<Self, NetworkError> {
        let addresses = Arc::new(AddressBook::new());
        let dir = config.data_dir.join("blobs");
        let (imports, holds) = (Arc::new(Imports::new(&dir)), Holds::default());
        // The store first: it refuses a folder that another node uses.
        let refused = |reason: String| NetworkError::BlobStore { path: dir.display().to_string(), reason };
        let collector = Collector::open(dir.clone(), config.limits.gc_interval, holds.clone(), imports.clone());
        let collector = collector.await.map_err(refused)?;
        let (store, health, doubted) = (collector.store(), collector.health(), collector.doubted());
        let opened = async {
            let pending = kept(&store.get(), TagKind::Pending).await.map_err(|error| refused(error.to_string()))?;
            Ok((pending, bind(config, &addresses).await?))
        };
        let (pending, endpoint) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                let _ = store.get().shutdown().await;
                return Err(error);
            }
        };
        let withheld = Withheld::default();
        pending.into_iter().for_each(|(_, hash)| withheld.add(hash));
        let serve = Serve { store: store.clone(), withheld: withheld.clone() };
        let router = Router::builder(endpoint.clone()).accept(iroh_blobs::ALPN, serve).spawn();
        let fetcher = Fetcher::new(&endpoint, addresses, commands, &config.limits, counters);
        let collector = tokio::spawn(collector.run(shutdown.clone()));
        let tasks = TaskTracker::new();
        let inner = Inner { dir, store, fetcher, imports, holds, withheld, health, doubted, shutdown, tasks };
        Ok(Self { blobs: Blobs { inner: Arc::new(inner) }, router, collector })
    }

    pub(crate) fn blobs(&self) -> Blobs {
        self.blobs.clone()
    }

    pub(crate) fn own_addrs(&self) -> OwnAddrs {
        OwnAddrs { endpoint: self.router.endpoint().clone() }
    }

    pub(crate) fn bound_addrs(&self) -> Vec<SocketAddr> {
        self.router.endpoint().bound_sockets()
    }

    /// Lets running imports end, closes connections, and brings the store to disk.
    pub(crate) async fn close(self) {
        let tasks = &self.blobs.inner.tasks;
        tasks.close();
        tasks.wait().await;
        if let Err(error) = self.collector.await {
            warn!(%error, "the collector broke off");
        }
        // The router shuts the store down as well.
        if let Err(error) = self.router.shutdown().await {
            warn!(%error, "the blob endpoint did not close cleanly");
        }
        debug!("blob store closed");
    }
}

/// Serves from the store as it is when a connection comes in, but for what is withheld when it is asked for.
#[derive(Debug, Clone)]
struct Serve {
    store: CurrentStore,
    withheld: Withheld,
}

impl ProtocolHandler for Serve {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let (asker, asked) = Withheld::asker();
        let served = async { BlobsProtocol::new(&self.store.get(), Some(asker)).accept(connection).await };
        // Answers for as long as anything of the connection can ask: the asker goes with the last of it.
        let (served, ()) = tokio::join!(served, self.withheld.answer(asked));
        served
    }

    async fn shutdown(&self) {
        BlobsProtocol::new(&self.store.get(), None).shutdown().await;
    }
}

async fn bind(config: &NetworkConfig, addresses: &AddressBook) -> Result<Endpoint, NetworkError> {
    let refused = |reason: String| NetworkError::BlobEndpoint { addr: config.blob_bind, reason };
    let transport = QuicTransportConfig::builder().max_idle_timeout(Some(SILENCE.into())).build();
    Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&config.secret_key))
        .transport_config(transport)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        // Addresses come from node records over the swarm, and from nowhere else.
        .address_lookup(addresses.lookup())
        .clear_ip_transports()
        .bind_addr(config.blob_bind)
        .map_err(|error| refused(error.to_string()))?
        .bind()
        .await
        .map_err(|error| refused(error.to_string()))
}

/// Keeps count of running imports, so that what failed ones left behind can be deleted.
///
/// The store imports through files in its `temp` folder and leaves them there when an import fails half-way (a client
/// that hangs up, a body over the limit, a full disk). All imports of the process come through here, so while none runs
/// everything in that folder is litter.
#[derive(Debug)]
pub(super) struct Imports {
    temp: PathBuf,
    running: Arc<RwLock<()>>,
}

impl Imports {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { temp: dir.join("temp"), running: Arc::default() }
    }

    /// Marks an import as running for as long as the guard lives.
    pub(crate) async fn begin(&self) -> OwnedRwLockReadGuard<()> {
        self.running.clone().read_owned().await
    }

    /// Deletes the litter unless an import runs; after each failure, and with each collection for what a failure
    /// missed or a killed process left.
    pub(crate) fn sweep_if_idle(&self) {
        let Ok(_idle) = self.running.try_write() else { return };
        let Ok(entries) = std::fs::read_dir(&self.temp) else { return };
        for entry in entries.flatten() {
            if let Err(error) = std::fs::remove_file(entry.path()) {
                warn!(%error, path = %entry.path().display(), "cannot delete the rest of a failed import");
            }
        }
    }
}
