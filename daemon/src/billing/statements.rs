//! Other nodes' statements: read within bounds, remembered, and what is wrong with one is its node's affair alone.
//!
//! - [`debts`]: what an epoch begins with, of a statement that may be long forgotten on the ledger.
//! - [`lookup`]: what one wants to know of some accounts: the index, and the pages that it names for them.
//! - [`whole`]: all pages, for those who keep or audit an epoch: a few at a time, each held against index and roots.
//!
//! Whoever settles names a blob and a root, and may have made up both. So a statement that does not give the root on the
//! ledger is remembered as bad for good, one that could not be had is asked for again later and ever more seldom, and few
//! are fetched at once, however many callers wait. What is wrong with one epoch is that epoch's affair, and what is wrong with a page is that
//! page's: only a node that fails again and again is left alone for a while with all of its own.

mod debts;
mod lookup;
mod memory;
mod recent;
mod whole;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datanet_ledger::component::settlement::{self, Epoch};
use datanet_p2p::HeldBlob;
use datanet_types::{Account, BlobHash, NodeKey};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::statement::{Entry, Index, MAX_INDEX_BYTES, PageName, max_page_bytes};
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
pub(super) use lookup::Purpose;
use memory::{Known, Memory, Piece};

/// Indexes and pages that are looked up at once, over all callers: those who ask for contributions' bytes need places too.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// Statements that are read whole at once; they wait for nobody who looks something up, nor the other way round.
const WHOLE_AT_ONCE: usize = 4;
/// Pages of one statement on their way at once, for a lookup or for all of it: under 150 KiB each.
const PAGES_AT_ONCE: usize = 4;
/// How long an index or a page may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// What all of a statement may take beyond that: a second for each so many bytes.
const BYTES_A_SECOND: u64 = 2 << 20;

/// Why a statement is not there to read.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    /// In words; of a page, which.
    pub reason: String,
    /// Nobody was asked now: it is known to be bad, or was asked for a moment ago.
    pub remembered: bool,
    /// It is there, and not what the ledger says.
    pub bad: bool,
    /// It was asked for now, and nobody gave it.
    pub missing: bool,
}

/// Reads statements; clones share what is known.
#[derive(Clone)]
pub(super) struct Statements {
    chain: Chain,
    blobs: BlobStore,
    memory: Arc<Mutex<Memory>>,
    fetching: Arc<Semaphore>,
    wholes: Arc<Semaphore>,
}

impl Statements {
    pub(super) fn new(chain: Chain, blobs: BlobStore) -> Self {
        let (fetching, wholes) = (Arc::new(Semaphore::new(SIDE_BY_SIDE)), Arc::new(Semaphore::new(WHOLE_AT_ONCE)));
        Self { chain, blobs, memory: Arc::default(), fetching, wholes }
    }

    /// Whether the node was asked in vain and gave nothing good since.
    pub(super) fn is_doubtful(&self, node: &NodeKey) -> bool {
        self.remember(|memory| memory.is_doubtful(node))
    }

    /// The epochs of a node that are known to hold nothing more for `account`.
    pub(super) fn done(&self, account: &Account, node: &NodeKey) -> BTreeSet<u64> {
        self.remember(|memory| memory.done_of(account, node))
    }

    /// Remembers that an epoch holds nothing more for `account`: it has no leaf there, or was paid.
    pub(super) fn set_done(&self, account: &Account, epoch: &Epoch) {
        self.remember(|memory| memory.done(account, epoch));
    }

    /// Lets an epoch that could not be had be asked for at once.
    pub(super) fn forget_failures(&self, epoch: &Epoch) {
        self.remember(|memory| memory.forget_failures(epoch));
    }

    /// The index of an epoch's statement, from here or from whoever should have it.
    pub(super) async fn index(&self, epoch: &Epoch) -> Result<Arc<Index>, Unread> {
        if let Some(known) = self.known_index(epoch) {
            return known;
        }
        let _place = self.fetching.acquire().await.map_err(|error| unread(&error))?;
        // Another caller may have asked meanwhile.
        if let Some(known) = self.known_index(epoch) {
            return known;
        }
        let brought = self.bring(epoch, &epoch.statement, None, MAX_INDEX_BYTES).await;
        let (bytes, _held) =
            brought.map_err(|error| self.not_had(epoch, Piece::Index, &error, error.detail.clone()))?;
        let size = bytes.len();
        let (chain_id, of) = (self.chain.id().to_owned(), epoch.clone());
        let parsed = tokio::task::spawn_blocking(move || Index::parse(&bytes, &chain_id, &of)).await;
        let index =
            Arc::new(parsed.map_err(|error| unread(&error))?.map_err(|reason| self.bad(epoch, Piece::Index, reason))?);
        self.remember(|memory| memory.put_index(epoch, index.clone(), size));
        Ok(index)
    }

    fn known_index(&self, epoch: &Epoch) -> Option<Result<Arc<Index>, Unread>> {
        if let Some(index) = self.remember(|memory| memory.index(epoch)) {
            return Some(Ok(index));
        }
        self.known(epoch, Piece::Index).map(Err)
    }

    /// Why a piece is not worth asking for now, if it is not.
    fn known(&self, epoch: &Epoch, piece: Piece) -> Option<Unread> {
        let remembered = |reason, bad| Unread { reason, remembered: true, bad, missing: false };
        match self.remember(|memory| memory.known(epoch, piece, Instant::now())) {
            Known::Bad(reason) => Some(remembered(reason, true)),
            Known::Unreachable { reason, again } => {
                let again = again.as_secs().saturating_add(1);
                Some(remembered(format!("{reason}; it is asked again in {again} s at the earliest"), false))
            }
            Known::Nothing => None,
        }
    }

    /// A blob of an epoch's statement, from here or from whoever should have it. Held, so that the collector leaves it alone.
    async fn bring(
        &self,
        epoch: &Epoch,
        blob: &BlobHash,
        size: Option<u64>,
        limit: u64,
    ) -> ServiceResult<(Vec<u8>, HeldBlob)> {
        let providers = self.providers(epoch);
        let late =
            |_| ServiceError::new(Code::BlobUnavailable, format!("it did not come within {} s", PATIENCE.as_secs()));
        let fetched = timeout(PATIENCE, self.blobs.bring(blob, size, limit, &providers)).await;
        let held = fetched.map_err(late).flatten()?;
        Ok((self.blobs.read(blob, limit).await?, held))
    }

    /// A page that is not remembered, held.
    async fn bring_page<E: Entry>(&self, epoch: &Epoch, page: &PageName) -> Result<(Vec<u8>, HeldBlob), Unread> {
        let piece = Piece::Page(page.blob);
        if let Some(unread) = self.known(epoch, piece) {
            return Err(unread);
        }
        let brought = self.bring(epoch, &page.blob, Some(page.bytes), max_page_bytes::<E>()).await;
        let brought = brought
            .map_err(|error| self.not_had(epoch, piece, &error, format!("{page} cannot be had: {}", error.detail)))?;
        self.remember(|memory| memory.had(epoch, piece));
        Ok(brought)
    }

    /// Reads a page's bytes, which must be what index and roots say.
    async fn read_page<E: Entry>(
        &self,
        epoch: &Epoch,
        index: &Arc<Index>,
        page: &PageName,
        bytes: Vec<u8>,
    ) -> Result<Vec<E>, Unread> {
        let (of, number) = (index.clone(), page.number);
        // A thousand hashes take a moment.
        let read = tokio::task::spawn_blocking(move || of.read::<E>(number, &bytes)).await;
        let read = read.map_err(|error| unread(&error))?;
        read.map_err(|reason| self.bad(epoch, Piece::Page(page.blob), format!("{page} is not the one meant: {reason}")))
    }

    /// Those who should have it: who wrote it, and who says that he keeps it.
    pub(super) fn providers(&self, epoch: &Epoch) -> Vec<NodeKey> {
        let kept =
            self.chain.reader().ok().and_then(|reader| settlement::keepers(&reader, &epoch.node, epoch.epoch).ok());
        std::iter::once(epoch.node).chain(kept.into_iter().flatten().map(|keeper| keeper.node)).collect()
    }

    /// Remembers that nobody gave it.
    fn not_had(&self, epoch: &Epoch, piece: Piece, error: &ServiceError, reason: String) -> Unread {
        self.remember(|memory| memory.unreachable(epoch, piece, &reason, Instant::now()));
        Unread { reason, remembered: false, bad: false, missing: error.code == Code::BlobUnavailable }
    }

    /// Remembers that it is not what the ledger says.
    fn bad(&self, epoch: &Epoch, piece: Piece, reason: String) -> Unread {
        self.remember(|memory| memory.bad(epoch, piece, &reason, Instant::now()));
        Unread { reason, remembered: false, bad: true, missing: false }
    }

    fn remember<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unread(error: &impl ToString) -> Unread {
    Unread { reason: error.to_string(), remembered: false, bad: false, missing: false }
}
