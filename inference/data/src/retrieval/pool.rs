//! Many indexes on disk, few of them open.
//!
//! ```text
//! get ─► slot of the directory ─► open already: lent at once
//!                              └► else room is made: of those that nobody uses, the one unused for longest is closed
//! ```
//!
//! An open index costs two files, the maps of its segments, and no thread: all share the same lanes, and only what is
//! being written has a writer. One that nobody uses is closed once it has been idle for a while. Those in use are never
//! closed; when they are as many as may be open, the next caller waits, so hold one at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::lanes::Lanes;
use super::{DatanetIndex, IndexConfig, RetrievalError};

/// What a pool keeps open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most indexes that are open at a time, at least one.
    pub open: usize,
    /// How long an index stays open after its last use.
    pub idle: Duration,
}

impl Default for PoolLimits {
    /// 64 open, idle for a minute: what people use at a time, at some 50 KB and two files each.
    fn default() -> Self {
        Self { open: 64, idle: Duration::from_secs(60) }
    }
}

/// The indexes of a node. Clones share it; the last one to go closes what nobody uses.
#[derive(Debug, Clone)]
pub struct IndexPool {
    shared: Arc<Shared>,
    _sweeper: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    limits: PoolLimits,
    lanes: Lanes,
    /// A permit for each index that may be open.
    room: Arc<Semaphore>,
    slots: Mutex<BTreeMap<PathBuf, Arc<Slot>>>,
    /// Told whenever an index has one user less or was closed.
    released: Arc<Notify>,
}

/// The place of one directory: whoever opens or closes its index holds the lock.
#[derive(Debug)]
struct Slot {
    open: tokio::sync::Mutex<Option<Open>>,
    lent: AtomicUsize,
    used: Mutex<Instant>,
}

#[derive(Debug)]
struct Open {
    index: DatanetIndex,
    config: IndexConfig,
    _room: OwnedSemaphorePermit,
}

/// Held with an index out of a pool, and by each of its clones and uploads: as long as there is one, it stays open.
#[derive(Debug)]
pub(super) struct Lease {
    slot: Arc<Slot>,
    released: Arc<Notify>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        *lock(&self.slot.used) = Instant::now();
        self.slot.lent.fetch_sub(1, Ordering::AcqRel);
        self.released.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IndexPool {
    /// A pool with nothing open. Must be called within a runtime.
    pub fn new(limits: PoolLimits) -> Self {
        let shared = Arc::new(Shared {
            limits,
            lanes: Lanes::default(),
            room: Arc::new(Semaphore::new(limits.open.max(1))),
            slots: Mutex::default(),
            released: Arc::default(),
        });
        let sweeper = tokio::spawn(sweep(Arc::downgrade(&shared), limits.idle));
        Self { shared, _sweeper: Arc::new(AbortOnDropHandle::new(sweeper)) }
    }

    /// The index in `config`'s directory, which is opened or made if need be; where it wants to be rebuilt, it is made
    /// anew and empty. Drop it when it is not needed any more: then it can be closed.
    ///
    /// # Errors
    /// As [`DatanetIndex::open`], less what a rebuild mends.
    pub async fn get(&self, config: &IndexConfig) -> Result<DatanetIndex, RetrievalError> {
        let (shared, config) = (self.shared.clone(), config.clone());
        // A caller who goes away in between must not leave files locked that nobody knows of.
        let opened = tokio::spawn(async move {
            let slot = shared.slot(&config.directory);
            let index = shared.get(&slot, &config).await;
            if index.is_err() {
                shared.forget(&config.directory, &slot);
            }
            index
        });
        match opened.await {
            Ok(index) => index,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(RetrievalError::Closed),
        }
    }

    /// How many indexes are open.
    pub fn open(&self) -> usize {
        self.shared.limits.open.max(1) - self.shared.room.available_permits()
    }
}

impl Shared {
    fn slot(&self, directory: &Path) -> Arc<Slot> {
        let fresh = || Slot { open: Default::default(), lent: AtomicUsize::new(0), used: Mutex::new(Instant::now()) };
        lock(&self.slots).entry(directory.to_owned()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// Gives up the place of a directory whose index is closed, unless somebody is about to open it.
    fn forget(&self, directory: &Path, slot: &Arc<Slot>) {
        let mut slots = lock(&self.slots);
        // Clones are made under this lock only: these two are the map's and ours.
        if Arc::strong_count(slot) == 2 {
            slots.remove(directory);
        }
    }

    async fn get(&self, slot: &Arc<Slot>, config: &IndexConfig) -> Result<DatanetIndex, RetrievalError> {
        let mut place = slot.open.lock().await;
        // A failed disk closes an index, and another model wants another one.
        if place.as_ref().is_some_and(|open| open.index.is_closed() || open.config != *config) {
            self.close(&mut place).await;
        }
        let index = match &*place {
            Some(open) => open.index.clone(),
            None => {
                let room = self.make_room().await?;
                let (config, lanes) = (config.clone(), self.lanes.clone());
                let wanted = config.clone();
                let index = self.lanes.run(move || open_or_rebuild(&wanted, lanes)).await??;
                place.insert(Open { index, config, _room: room }).index.clone()
            }
        };
        slot.lent.fetch_add(1, Ordering::AcqRel);
        Ok(index.leased(Lease { slot: slot.clone(), released: self.released.clone() }))
    }

    /// Room for one more, once nobody uses one of those that have it.
    async fn make_room(&self) -> Result<OwnedSemaphorePermit, RetrievalError> {
        loop {
            let mut released = std::pin::pin!(self.released.notified());
            // From here on nothing is missed.
            released.as_mut().enable();
            if let Ok(room) = self.room.clone().try_acquire_owned() {
                return Ok(room);
            }
            if !self.close_one(|_| true).await {
                released.await;
            }
        }
    }

    /// Closes the index that has been unused for longest, of those that nobody uses and that `may` be closed.
    async fn close_one(&self, may: impl Fn(Instant) -> bool) -> bool {
        let mut slots: Vec<(Instant, PathBuf, Arc<Slot>)> = lock(&self.slots)
            .iter()
            .map(|(directory, slot)| (*lock(&slot.used), directory.clone(), slot.clone()))
            .filter(|(used, ..)| may(*used))
            .collect();
        slots.sort_by_key(|(used, ..)| *used);
        for (_, directory, slot) in slots {
            // Who holds the lock opens or closes this one just now.
            let Ok(mut place) = slot.open.try_lock() else { continue };
            if place.is_some() && slot.lent.load(Ordering::Acquire) == 0 {
                self.close(&mut place).await;
                drop(place);
                self.forget(&directory, &slot);
                return true;
            }
        }
        false
    }

    async fn close(&self, place: &mut Option<Open>) {
        if let Some(open) = place.take() {
            // One that is closed already has let go of its files.
            let _ = open.index.clone().close().await;
            drop(open);
            self.released.notify_waiters();
        }
    }
}

fn open_or_rebuild(config: &IndexConfig, lanes: Lanes) -> Result<DatanetIndex, RetrievalError> {
    match DatanetIndex::open_on(config, lanes.clone()) {
        Err(error) if error.wants_rebuild() => {
            tracing::warn!(%error, "the index is made anew");
            DatanetIndex::rebuild_on(config, lanes)
        }
        other => other,
    }
}

/// Closes what has been idle for so long, as long as there is a pool.
async fn sweep(pool: Weak<Shared>, idle: Duration) {
    loop {
        tokio::time::sleep(idle / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        while pool.close_one(|used| used.elapsed() >= idle).await {}
    }
}
