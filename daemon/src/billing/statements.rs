//! Other nodes' statements: read within bounds, remembered, and what is wrong with one is its node's affair alone.
//!
//! Whoever settles names a blob and a root, and may have made up both. So a statement that does not give the root on the
//! ledger is remembered as bad for good, one that could not be had is asked for again later and ever more seldom, and few
//! are fetched at once, however many callers wait. What is wrong with one epoch is that epoch's affair: only a node that
//! fails again and again is left alone for a while with all of its own.

mod memory;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datanet_ledger::component::settlement::{self, Epoch};
use datanet_types::{Account, NodeKey};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::statement::{MAX_STATEMENT_BYTES, Statement};
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use memory::{Known, Memory};

/// Statements fetched at once, over all callers: those who ask for contributions' bytes need places too.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// How long one may take to come. The largest takes that long at 6 MiB a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a statement is not there to read.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    /// In words.
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
    /// A statement takes some hundred MiB while it is parsed: one after the other.
    parsing: Arc<Semaphore>,
}

impl Statements {
    pub(super) fn new(chain: Chain, blobs: BlobStore) -> Self {
        let (fetching, parsing) = (Arc::new(Semaphore::new(SIDE_BY_SIDE)), Arc::new(Semaphore::new(1)));
        Self { chain, blobs, memory: Arc::default(), fetching, parsing }
    }

    /// Whether reading it takes nobody else.
    pub(super) async fn is_here(&self, epoch: &Epoch) -> bool {
        self.known(epoch).is_some() || self.blobs.has(&epoch.statement).await.unwrap_or(false)
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

    /// The statement of an epoch, from here or from whoever should have it.
    pub(super) async fn read(&self, epoch: &Epoch) -> Result<Arc<Statement>, Unread> {
        if let Some(known) = self.known(epoch) {
            return known;
        }
        let _place = self.fetching.acquire().await.map_err(|error| unread(&error))?;
        // Another caller may have asked meanwhile.
        if let Some(known) = self.known(epoch) {
            return known;
        }
        let limit = MAX_STATEMENT_BYTES;
        let providers = self.providers(epoch);
        let fetched = timeout(PATIENCE, self.blobs.bring(&epoch.statement, None, limit, &providers)).await;
        let late =
            |_| ServiceError::new(Code::BlobUnavailable, format!("it did not come within {} s", PATIENCE.as_secs()));
        // Held until read, so that the collector leaves it alone.
        let read = match fetched.map_err(late).flatten() {
            Ok(_held) => self.parse(epoch).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(Ok((statement, size))) => {
                let statement = Arc::new(statement);
                self.remember(|memory| memory.good(epoch, statement.clone(), size));
                Ok(statement)
            }
            Ok(Err(reason)) => {
                self.remember(|memory| memory.bad(epoch, &reason, Instant::now()));
                Err(Unread { reason, remembered: false, bad: true, missing: false })
            }
            Err(error) => {
                self.remember(|memory| memory.unreachable(epoch, &error.detail, Instant::now()));
                Err(Unread { missing: error.code == Code::BlobUnavailable, ..unread(&error) })
            }
        }
    }

    /// Those who should have it: who wrote it, and who says that he keeps it.
    pub(super) fn providers(&self, epoch: &Epoch) -> Vec<NodeKey> {
        let kept =
            self.chain.reader().ok().and_then(|reader| settlement::keepers(&reader, &epoch.node, epoch.epoch).ok());
        std::iter::once(epoch.node).chain(kept.into_iter().flatten().map(|keeper| keeper.node)).collect()
    }

    /// Parses what is here, with its size in bytes; the inner error is the statement's fault.
    async fn parse(&self, epoch: &Epoch) -> ServiceResult<Result<(Statement, usize), String>> {
        let _turn = self.parsing.acquire().await.map_err(|error| ServiceError::caused(Code::Statement, error))?;
        let bytes = self.blobs.read(&epoch.statement, MAX_STATEMENT_BYTES).await?;
        let (chain_id, epoch) = (self.chain.id().to_owned(), epoch.clone());
        let parsed = tokio::task::spawn_blocking(move || {
            Statement::parse(&bytes, &chain_id, &epoch).map(|statement| (statement, bytes.len()))
        });
        parsed.await.map_err(|error| ServiceError::caused(Code::Statement, error))
    }

    fn known(&self, epoch: &Epoch) -> Option<Result<Arc<Statement>, Unread>> {
        let remembered = |reason, bad| Unread { reason, remembered: true, bad, missing: false };
        match self.remember(|memory| memory.known(epoch, Instant::now())) {
            Known::Good(statement) => Some(Ok(statement)),
            Known::Bad(reason) => Some(Err(remembered(reason, true))),
            Known::Unreachable { reason, again } => {
                let again = again.as_secs().saturating_add(1);
                Some(Err(remembered(format!("{reason}; it is asked again in {again} s at the earliest"), false)))
            }
            Known::Nothing => None,
        }
    }

    fn remember<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unread(error: &impl ToString) -> Unread {
    Unread { reason: error.to_string(), remembered: false, bad: false, missing: false }
}
