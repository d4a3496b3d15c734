//! The collector: when its rounds are, what they spare, and what happens when it stops.
//!
//! The store runs the rounds; it asks through a callback before each, and that is all it says of itself. So the
//! callback waits here until a round is due, and its next call means that the round is over. If the store's loop ended
//! instead (one failed write ends it, and with it usually the whole store), the store is opened again: whatever was
//! named or held stays, since both are known outside of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use iroh_blobs::api::Store;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::fs::options::Options;
use iroh_blobs::store::{GcConfig, ProtectCb, ProtectOutcome};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::holds::Holds;
use super::store::Imports;
use crate::Hash;

/// The store's own pause between the end of a round and its next call: not ours, so next to nothing.
const PAUSE: Duration = Duration::from_millis(1);
/// How often a running round is looked after.
const LOOK: Duration = Duration::from_secs(1);
/// How often the store is looked after between rounds.
const CHECK: Duration = Duration::from_secs(5);
/// Waits between attempts to open the store again.
const REOPEN: Duration = Duration::from_secs(1);
const MAX_REOPEN: Duration = Duration::from_secs(5);

/// How the collector does, and the store with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorHealth {
    /// Rounds that are over. What nothing held or named when one began is gone when it is over.
    pub rounds: u64,
    /// Times that the store was opened again because the collector had stopped.
    pub restarts: u64,
    /// Why nothing is collected at present; usually the store can't be written either. `None` when all is well.
    pub stopped: Option<String>,
}

/// The store as it is now: it may be opened again. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct CurrentStore(Arc<RwLock<Store>>);

impl CurrentStore {
    fn new(store: Store) -> Self {
        Self(Arc::new(RwLock::new(store)))
    }

    pub(super) fn get(&self) -> Store {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, store: Store) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = store;
    }
}

/// A store's question whether a round may begin; the answer is what it must spare.
type Asked = oneshot::Sender<HashSet<iroh_blobs::Hash>>;

/// Owns the rounds of collection of a store.
#[derive(Debug)]
pub(super) struct Collector {
    dir: PathBuf,
    interval: Duration,
    store: CurrentStore,
    rounds: Rounds,
    holds: Holds,
    imports: Arc<Imports>,
    health: watch::Sender<CollectorHealth>,
    doubted: Arc<Notify>,
}

impl Collector {
    /// Opens the store in `dir`. Nothing is collected before [`Collector::run`].
    pub(super) async fn open(
        dir: PathBuf,
        interval: Duration,
        holds: Holds,
        imports: Arc<Imports>,
    ) -> Result<Self, String> {
        let (store, rounds) = open(&dir).await?;
        let (store, health) = (CurrentStore::new(store), watch::Sender::default());
        Ok(Self { dir, interval, store, rounds, holds, imports, health, doubted: Arc::default() })
    }

    /// Has the store looked after at once: something that it was asked for failed.
    pub(super) fn doubted(&self) -> Arc<Notify> {
        self.doubted.clone()
    }

    /// The store that it collects in.
    pub(super) fn store(&self) -> CurrentStore {
        self.store.clone()
    }

    /// Watches how it does.
    pub(super) fn health(&self) -> watch::Receiver<CollectorHealth> {
        self.health.subscribe()
    }

    /// Collects until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let _ = shutdown.run_until_cancelled(self.collect()).await;
        // Nobody would say any more that a round is over.
        self.holds.end_round();
    }

    async fn collect(&mut self) {
        let mut due = Instant::now() + self.interval;
        loop {
            let ended = match self.rounds.asked().await {
                Some(asked) => {
                    self.on_asked();
                    let waited = self.wait(due).await;
                    due = Instant::now() + self.interval;
                    match waited {
                        Ok(()) => self.begin(asked).await,
                        Err(reason) => Err(reason),
                    }
                }
                None => Err("the store's collector has ended; its log says why".to_owned()),
            };
            if let Err(reason) = ended {
                self.reopen(reason).await;
            }
        }
    }

    /// The store asks: it runs, and the round before is over.
    fn on_asked(&self) {
        let ran = self.holds.end_round();
        self.health.send_modify(|health| health.rounds += u64::from(ran));
    }

    /// Waits until a round is due, or the store cannot be written any more.
    async fn wait(&self, due: Instant) -> Result<(), String> {
        let look = async || {
            let _ = tokio::time::timeout(CHECK, self.doubted.notified()).await;
        };
        while tokio::time::timeout_at(due, look()).await.is_ok() {
            self.store.get().sync_db().await.map_err(|error| format!("it cannot be written: {error}"))?;
        }
        Ok(())
    }

    async fn begin(&self, asked: Asked) -> Result<(), String> {
        self.imports.sweep_if_idle();
        self.holds.begin_round();
        // The store reads them itself, but does not say which they are.
        match names(&self.store.get()).await {
            Ok(named) => self.holds.spare(named),
            Err(error) => return Err(format!("its names cannot be read: {error}")),
        }
        let spared = self.holds.spared().into_iter().map(iroh_blobs::Hash::from_bytes).collect();
        asked.send(spared).map_err(|_| "the store's collector went away".to_owned())
    }

    /// Opens the store again, as often as it takes.
    async fn reopen(&mut self, reason: String) {
        error!(%reason, "the blob store's collector stopped; the store is opened again");
        // No round runs any more.
        self.holds.end_round();
        self.health.send_modify(|health| health.stopped = Some(reason));
        // What is left of it must let go of its files; if it is gone altogether, it has.
        let _ = self.store.get().shutdown().await;
        let mut wait = REOPEN;
        let (store, rounds) = loop {
            match open(&self.dir).await {
                Ok(opened) => break opened,
                Err(reason) => {
                    warn!(%reason, "the blob store cannot be opened");
                    self.health.send_modify(|health| health.stopped = Some(reason));
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MAX_REOPEN);
        };
        self.store.replace(store);
        self.rounds = rounds;
        self.health.send_modify(|health| {
            health.stopped = None;
            health.restarts += 1;
        });
        info!("the blob store is open again");
    }
}

/// The rounds of one opened store.
#[derive(Debug)]
struct Rounds {
    asks: mpsc::Receiver<Asked>,
    /// The loop that asks owns a copy of the callback, and drops it when it ends, however it ends.
    callback: Weak<Callback>,
    /// Copies that there are while it runs.
    copies: usize,
}

/// What a [`ProtectCb`] points to.
type Callback = dyn for<'a> Fn(&'a mut HashSet<iroh_blobs::Hash>) -> Answer<'a> + Send + Sync;
type Answer<'a> = Pin<Box<dyn Future<Output = ProtectOutcome> + Send + Sync + 'a>>;

impl Rounds {
    /// The callback for a store, and its other end.
    fn new() -> (ProtectCb, Self) {
        let (sender, asks) = mpsc::channel::<Asked>(1);
        let callback: ProtectCb = Arc::new(move |spared| {
            let (asked, answer) = oneshot::channel();
            // It asks once a round and waits for the answer, so there is room.
            let sent = sender.try_send(asked);
            Box::pin(async move {
                if sent.is_ok()
                    && let Ok(spare) = answer.await
                {
                    spared.extend(spare);
                    return ProtectOutcome::Continue;
                }
                // Nobody says any more what is held: nothing may be deleted, and the store is about to go.
                std::future::pending().await
            })
        });
        let rounds = Self { asks, callback: Arc::downgrade(&callback), copies: 0 };
        (callback, rounds)
    }

    /// The next question; `None` when the loop that asks has ended.
    async fn asked(&mut self) -> Option<Asked> {
        loop {
            match tokio::time::timeout(LOOK, self.asks.recv()).await {
                Ok(asked) => {
                    self.copies = self.copies.max(self.callback.strong_count());
                    return asked;
                }
                Err(_) if self.callback.strong_count() < self.copies => return None,
                Err(_) => {}
            }
        }
    }
}

async fn open(dir: &Path) -> Result<(Store, Rounds), String> {
    tokio::fs::create_dir_all(dir).await.map_err(|error| error.to_string())?;
    let (callback, rounds) = Rounds::new();
    let mut options = Options::new(dir);
    options.gc = Some(GcConfig { interval: PAUSE, add_protected: Some(callback) });
    let store = FsStore::load_with_opts(dir.join("blobs.db"), options).await.map_err(|error| error.to_string())?;
    Ok((store.into(), rounds))
}

/// The hashes of everything that has a name.
async fn names(store: &Store) -> Result<Vec<Hash>, iroh_blobs::api::Error> {
    let mut tags = std::pin::pin!(store.tags().list().await?);
    let mut named = Vec::new();
    while let Some(tag) = tags.next().await {
        named.push(*tag?.hash.as_bytes());
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use iroh_blobs::HashAndFormat;
    use tempfile::TempDir;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    async fn until(health: &mut watch::Receiver<CollectorHealth>, wanted: impl FnMut(&CollectorHealth) -> bool) {
        tokio::time::timeout(DEADLINE, health.wait_for(wanted)).await.expect("not in time").unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_stopped_with_its_store_is_seen_and_starts_again() {
        let dir = TempDir::new().unwrap();
        let (holds, imports) = (Holds::default(), Arc::new(Imports::new(dir.path())));
        let interval = Duration::from_millis(20);
        let collector = Collector::open(dir.path().to_owned(), interval, holds.clone(), imports).await.unwrap();
        let (store, mut health) = (collector.store(), collector.health());
        let stop = CancellationToken::new();
        let running = tokio::spawn(collector.run(stop.clone()));
        let add = async |data: &'static [u8]| store.get().add_bytes(data).temp_tag().await.unwrap();
        let (named, held, loose) = (add(b"named").await, add(b"held").await, add(b"loose").await);
        store.get().tags().set("name", HashAndFormat::raw(named.hash())).await.unwrap();
        let hold = holds.take(*held.hash().as_bytes()).await;
        until(&mut health, |health| health.rounds >= 2).await;

        // What a failed write does to it: the part that writes ends, and with it all that it is asked.
        store.get().shutdown().await.unwrap();
        until(&mut health, |health| health.restarts == 1).await;
        let rounds = health.borrow().rounds;
        until(&mut health, |health| health.stopped.is_none() && health.rounds >= rounds + 2).await;
        let hashes = [named.hash(), held.hash(), loose.hash()];
        let store = store.get();
        let here = [
            store.has(hashes[0]).await.unwrap(),
            store.has(hashes[1]).await.unwrap(),
            store.has(hashes[2]).await.unwrap(),
        ];
        assert_eq!(here, [true, true, false], "named, held, neither");
        drop(hold);
        stop.cancel();
        running.await.unwrap();
        store.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_stores_own_loop_is_seen_from_outside() {
        let (callback, mut rounds) = Rounds::new();
        // The store keeps its settings, and with them a copy, as long as it is open.
        let _settings = callback.clone();
        let store = tokio::spawn(async move {
            let mut spared = HashSet::new();
            callback(&mut spared).await;
            spared
        });
        let asked = rounds.asked().await.unwrap();
        let spare = HashSet::from([iroh_blobs::Hash::from_bytes([7; 32])]);
        asked.send(spare.clone()).unwrap();
        assert_eq!(store.await.unwrap(), spare);
        assert!(rounds.asked().await.is_none());
    }
}
