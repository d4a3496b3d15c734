//! The ledger as the rest of a node holds it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use datanet_types::Amount;
use datanet_types::tx::TxHash;
use tokio::sync::{broadcast, watch};

use crate::app::{
    AppError, Application, Block, CommitInfo, CommittedBlock, FinalizedBlock, InitChain, Started, TxOutcome, Verdict,
};
use crate::component::beacon::BeaconSigner;
use crate::component::migrations;
use crate::reader::LedgerReader;
use crate::store::{Store, TxRecord};

/// Committed blocks that a slow listener may lag behind before it misses some (and is told so).
const EVENTS_KEPT: usize = 1024;

/// One application, shared: engines drive it, everybody else watches commits and reads. Cheap to clone.
///
/// ```
/// use datanet_ledger::LedgerHandle;
/// use datanet_ledger::app::{Block, InitChain};
///
/// let dir = tempfile::tempdir()?;
/// let ledger = LedgerHandle::open(&dir.path().join("ledger.redb"))?;
/// ledger.init_chain(&InitChain { chain_id: "mine", initial_height: 1, app_state: br#"{"accounts": []}"# })?;
/// let block = ledger.finalize_block(&Block::alone(1, 1_000, [7; 32], &[]))?;
/// ledger.commit()?;
/// assert_eq!((ledger.reader().height(), ledger.reader().app_hash()), (1, block.app_hash));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LedgerHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    app: Application,
    commits: watch::Sender<CommitInfo>,
    events: broadcast::Sender<Arc<CommittedBlock>>,
}

impl LedgerHandle {
    /// Opens the ledger whose database is the file `path`, making it if it is not there.
    ///
    /// # Errors
    /// When the database cannot be opened or made (another process may hold it), or cannot be read.
    pub fn open(path: &Path) -> Result<Self, AppError> {
        Self::over(Store::open(path)?)
    }

    /// The same over a store that is open.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn over(store: Store) -> Result<Self, AppError> {
        Ok(Self::of(Application::new(store)?))
    }

    /// The same of a node that may validate: see [`Application::with_beacon`].
    ///
    /// # Errors
    /// As [`LedgerHandle::open`].
    pub fn open_with(path: &Path, beacon: Arc<dyn BeaconSigner>) -> Result<Self, AppError> {
        Self::open_knowing(path, beacon, migrations::LATEST)
    }

    /// The same of a program that knows these rules: see [`Application::knowing`].
    ///
    /// # Errors
    /// As [`LedgerHandle::open`].
    pub fn open_knowing(
        path: &Path,
        beacon: Arc<dyn BeaconSigner>,
        knows: impl Into<migrations::Rules>,
    ) -> Result<Self, AppError> {
        Ok(Self::of(Application::knowing(Store::open(path)?, knows)?.with_beacon(beacon)))
    }

    fn of(app: Application) -> Self {
        let (commits, _) = watch::channel(app.info());
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        Self { shared: Arc::new(Shared { app, commits, events }) }
    }

    /// The application itself.
    pub fn app(&self) -> &Application {
        &self.shared.app
    }

    /// The last commit, as it changes.
    pub fn commits(&self) -> watch::Receiver<CommitInfo> {
        self.shared.commits.subscribe()
    }

    /// Every block committed from now on. A receiver that lags more than 1,024 blocks is told that it did, and then
    /// reads the state instead.
    pub fn events(&self) -> broadcast::Receiver<Arc<CommittedBlock>> {
        self.shared.events.subscribe()
    }

    /// A consistent view of the committed state.
    pub fn reader(&self) -> LedgerReader {
        self.shared.app.reader()
    }

    /// The result of a transaction, if this node executed it in one of the last [`KEPT_RESULTS`](crate::store::KEPT_RESULTS) blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tx_result(&self, hash: &TxHash) -> Result<Option<TxRecord>, AppError> {
        self.shared.app.tx_result(hash)
    }

    /// See [`Application::info`].
    pub fn info(&self) -> CommitInfo {
        self.shared.app.info()
    }

    /// See [`Application::init_chain`].
    ///
    /// # Errors
    /// As [`Application::init_chain`].
    pub fn init_chain(&self, init: &InitChain<'_>) -> Result<Started, AppError> {
        self.shared.app.init_chain(init)
    }

    /// See [`Application::check_tx`].
    ///
    /// # Errors
    /// As [`Application::check_tx`].
    pub fn check_tx(&self, bytes: &[u8], recheck: bool) -> Result<TxOutcome, AppError> {
        self.shared.app.check_tx(bytes, recheck)
    }

    /// See [`Application::estimate`].
    ///
    /// # Errors
    /// As [`Application::estimate`].
    pub fn estimate(&self, bytes: &[u8]) -> Result<TxOutcome, AppError> {
        self.shared.app.estimate(bytes)
    }

    /// See [`Application::appraise`].
    ///
    /// # Errors
    /// As [`Application::appraise`].
    pub fn appraise(&self, bytes: &[u8]) -> Result<(TxOutcome, Amount), AppError> {
        self.shared.app.appraise(bytes)
    }

    /// See [`Application::simulate`].
    ///
    /// # Errors
    /// As [`Application::simulate`].
    pub fn simulate(&self, bytes: &[u8]) -> Result<TxOutcome, AppError> {
        self.shared.app.simulate(bytes)
    }

    /// See [`Application::prepare_proposal`].
    ///
    /// # Errors
    /// As [`Application::prepare_proposal`].
    pub fn prepare_proposal(&self, block: &Block<'_>, max_bytes: u64) -> Result<Vec<Bytes>, AppError> {
        self.shared.app.prepare_proposal(block, max_bytes)
    }

    /// See [`Application::process_proposal`].
    ///
    /// # Errors
    /// As [`Application::process_proposal`].
    pub fn process_proposal(&self, block: &Block<'_>) -> Result<Verdict, AppError> {
        self.shared.app.process_proposal(block)
    }

    /// See [`Application::finalize_block`].
    ///
    /// # Errors
    /// As [`Application::finalize_block`].
    pub fn finalize_block(&self, block: &Block<'_>) -> Result<FinalizedBlock, AppError> {
        self.shared.app.finalize_block(block)
    }

    /// See [`Application::commit`]; afterwards tells everybody who watches.
    ///
    /// # Errors
    /// As [`Application::commit`].
    pub fn commit(&self) -> Result<CommitInfo, AppError> {
        let committed = self.shared.app.commit()?;
        let info = committed.info();
        self.shared.commits.send_replace(info.clone());
        // Nobody listening is no fault.
        let _ = self.shared.events.send(Arc::new(committed));
        Ok(info)
    }
}
