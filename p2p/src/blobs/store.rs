//! Opens, collects and closes the blob store and the endpoint that serves it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iroh::endpoint::{PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::protocol::Router;
use iroh::{Endpoint, RelayMode, SecretKey};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::api::Store;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::fs::options::Options;
use iroh_blobs::store::{GcConfig, ProtectOutcome};
use iroh_blobs::util::connection_pool::{self, ConnectionPool};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::fetch::Fetcher;
use super::{AddressBook, Blobs, Inner, OwnAddrs};
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
    addresses: Arc<AddressBook>,
}

impl BlobService {
    /// Opens the store in `data_dir/blobs` and binds the endpoint.
    pub async fn open(
        config: &NetworkConfig,
        commands: &mpsc::Sender<Command>,
        counters: Arc<Counters>,
        shutdown: CancellationToken,
    ) -> Result<Self, NetworkError> {
        let addresses = Arc::new(AddressBook::new());
        let dir = config.data_dir.join("blobs");
        let imports = Arc::new(Imports::new(&dir));
        let gc_rounds = watch::Sender::new(0u64);
        // The store first: it refuses a folder that another node uses.
        let store = open_store(&dir, config, imports.clone(), gc_rounds.clone()).await?;
        let endpoint = match bind(config, &addresses).await {
            Ok(endpoint) => endpoint,
            Err(error) => {
                let _ = store.shutdown().await;
                return Err(error);
            }
        };
        let router =
            Router::builder(endpoint.clone()).accept(iroh_blobs::ALPN, BlobsProtocol::new(&store, None)).spawn();
        let mut pool = connection_pool::Options::default();
        pool.connect_timeout = config.limits.connect_timeout;
        let pool = ConnectionPool::new(endpoint.clone(), iroh_blobs::ALPN, pool);
        let fetcher = Fetcher::new(endpoint.id(), pool, addresses.clone(), commands, &config.limits, counters);
        let inner = Inner { store, fetcher, imports, gc_rounds, shutdown, tasks: TaskTracker::new() };
        Ok(Self { blobs: Blobs { inner: Arc::new(inner) }, router, addresses })
    }

    pub fn blobs(&self) -> Blobs {
        self.blobs.clone()
    }

    pub fn addresses(&self) -> Arc<AddressBook> {
        self.addresses.clone()
    }

    pub fn own_addrs(&self) -> OwnAddrs {
        OwnAddrs(self.router.endpoint().clone())
    }

    pub fn bound_addrs(&self) -> Vec<SocketAddr> {
        self.router.endpoint().bound_sockets()
    }

    /// Lets running imports end, closes connections, and brings the store to disk.
    pub async fn close(self) {
        let tasks = &self.blobs.inner.tasks;
        tasks.close();
        tasks.wait().await;
        // The router shuts the store down as well.
        if let Err(error) = self.router.shutdown().await {
            warn!(%error, "the blob endpoint did not close cleanly");
        }
        debug!("blob store closed");
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

async fn open_store(
    dir: &Path,
    config: &NetworkConfig,
    imports: Arc<Imports>,
    rounds: watch::Sender<u64>,
) -> Result<Store, NetworkError> {
    let refused = |reason: String| NetworkError::BlobStore { path: dir.display().to_string(), reason };
    tokio::fs::create_dir_all(dir).await.map_err(|error| refused(error.to_string()))?;
    let mut options = Options::new(dir);
    options.gc = Some(GcConfig {
        interval: config.limits.gc_interval,
        // Protects nothing by itself: tags do. It is the place to notice that a round begins.
        add_protected: Some(Arc::new(move |_| {
            rounds.send_modify(|round| *round += 1);
            imports.sweep_if_idle();
            Box::pin(std::future::ready(ProtectOutcome::Continue))
        })),
    });
    let store =
        FsStore::load_with_opts(dir.join("blobs.db"), options).await.map_err(|error| refused(error.to_string()))?;
    Ok(store.into())
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
    fn new(dir: &Path) -> Self {
        Self { temp: dir.join("temp"), running: Arc::default() }
    }

    /// Marks an import as running for as long as the guard lives.
    pub async fn begin(&self) -> OwnedRwLockReadGuard<()> {
        self.running.clone().read_owned().await
    }

    /// Deletes the litter unless an import runs; after each failure, and with each collection for what a failure
    /// missed or a killed process left.
    pub fn sweep_if_idle(&self) {
        let Ok(_idle) = self.running.try_write() else { return };
        let Ok(entries) = std::fs::read_dir(&self.temp) else { return };
        for entry in entries.flatten() {
            if let Err(error) = std::fs::remove_file(entry.path()) {
                warn!(%error, path = %entry.path().display(), "cannot delete the rest of a failed import");
            }
        }
    }
}
