//! The iroh side: content-addressed bytes on disk, served to everyone (but for what is [withheld](TagKind::Pending)) and
//! fetched from anyone.
//!
//! A blob lives as long as something holds it: a [`HeldBlob`] (in memory, for the time between arriving and being
//! named) or a [`Tag`] (on disk, over restarts; see [`Blobs::tags`]). Everything else is garbage and is collected every
//! [`crate::Limits::gc_interval`].

mod addresses;
mod collector;
mod fetch;
mod holds;
mod store;
mod tags;
mod withheld;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use iroh_blobs::api::TempTag;
use iroh_blobs::api::blobs::{BlobStatus, EncodedItem};
use iroh_blobs::protocol::ChunkRanges;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::addresses::AddressBook;
pub(crate) use self::addresses::OwnAddrs;
pub use self::collector::CollectorHealth;
use self::collector::CurrentStore;
use self::fetch::Fetcher;
pub use self::fetch::{FetchRequest, Share};
use self::holds::{Hold, Holds};
pub(crate) use self::store::BlobService;
use self::store::Imports;
pub use self::tags::{Tag, TagKind, Tags};
use self::withheld::Withheld;
use crate::{BlobError, Hash};

/// Pieces of an imported stream that may wait for the disk.
const IMPORT_QUEUE: usize = 16;

/// Reads a blob from the local store from its beginning; `AsyncRead` and `AsyncBufRead`.
pub type BlobReader = StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>;

/// The blob store and its downloads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    store: CurrentStore,
    fetcher: Fetcher,
    imports: Arc<Imports>,
    holds: Holds,
    withheld: Withheld,
    health: watch::Receiver<CollectorHealth>,
    doubted: Arc<Notify>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// A complete blob that the garbage collector leaves alone as long as this value (or a clone) lives. Give it a name with
/// [`Tags::keep`] before dropping it.
#[derive(Clone, Debug)]
pub struct HeldBlob {
    hash: Hash,
    size: u64,
    _hold: Arc<Hold>,
}

impl HeldBlob {
    /// BLAKE3 of the bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Blobs {
    /// Imports a file: shares its blocks where the file system can (reflink), else copies it, with flat memory.
    ///
    /// # Errors
    /// The file cannot be read, or the store cannot be written.
    pub async fn add_path(&self, path: impl AsRef<Path>) -> Result<HeldBlob, BlobError> {
        let path = std::path::absolute(path)?;
        let store = self.inner.store.get();
        self.import(async move { store.add_path(path).temp_tag().await.map_err(failed) }).await
    }

    /// Imports bytes.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn add_bytes(&self, data: impl Into<Bytes>) -> Result<HeldBlob, BlobError> {
        let (store, data) = (self.inner.store.get(), data.into());
        self.import(async move { store.add_bytes(data).temp_tag().await.map_err(failed) }).await
    }

    /// Imports a stream of at most `max_size` bytes, with flat memory; one write to disk. When the stream fails, exceeds
    /// the limit or is dropped half-way, nothing is kept.
    ///
    /// # Errors
    /// More bytes than allowed, an error of the stream, or the store cannot be written.
    pub async fn add_stream<S>(&self, stream: S, max_size: u64) -> Result<HeldBlob, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        // The store wants a stream that it may keep and share; the caller's is neither, so its pieces are passed on.
        let (sender, receiver) = mpsc::channel(IMPORT_QUEUE);
        // A stream that is cut off must not look like one that ended, and the store cannot be handed an error: so it is
        // left waiting, and this tells the import to let go of it.
        let complete = CancellationToken::new();
        let cut_off = CancellationToken::new();
        let pieces = pieces(receiver, complete.clone(), cut_off.clone());
        let (store, shutdown) = (self.inner.store.get(), self.inner.shutdown.clone());
        let import = self.import(async move {
            tokio::select! {
                tag = async { store.add_stream(pieces).await.temp_tag().await } => tag.map_err(failed),
                () = cut_off.cancelled() => Err(BlobError::Io(io::ErrorKind::UnexpectedEof.into())),
                // Its stream may stand still for ever.
                () = shutdown.cancelled() => Err(BlobError::Stopped),
            }
        });
        let (pumped, imported) = tokio::join!(pump(stream, sender, complete, max_size), import);
        // What broke the stream says more than that it was cut off.
        pumped?;
        imported
    }

    /// Whether the whole blob is here.
    ///
    /// # Errors
    /// The store failed.
    pub async fn has(&self, hash: Hash) -> Result<bool, BlobError> {
        Ok(self.size(hash).await?.is_some())
    }

    /// Size in bytes of a blob that is completely here; `None` otherwise.
    ///
    /// # Errors
    /// The store failed.
    pub async fn size(&self, hash: Hash) -> Result<Option<u64>, BlobError> {
        match self.inner.store.get().status(hash).await.map_err(failed)? {
            BlobStatus::Complete { size } => Ok(Some(size)),
            BlobStatus::Partial { .. } | BlobStatus::NotFound => Ok(None),
        }
    }

    /// Holds a blob that is completely here. While the collector deletes, what it may delete is waited for: what is
    /// here then stays.
    ///
    /// # Errors
    /// The blob is not here, or the store failed.
    pub async fn hold(&self, hash: Hash) -> Result<HeldBlob, BlobError> {
        // Else every question for a blob that is not here would wait.
        self.complete(hash).await?;
        let hold = self.inner.holds.take(hash).await;
        self.held_blob(hash, hold).await
    }

    /// A blob that is held already, if it is completely here.
    async fn held_blob(&self, hash: Hash, hold: Hold) -> Result<HeldBlob, BlobError> {
        let size = self.complete(hash).await?;
        Ok(HeldBlob { hash, size, _hold: Arc::new(hold) })
    }

    async fn complete(&self, hash: Hash) -> Result<u64, BlobError> {
        self.size(hash).await?.ok_or_else(|| BlobError::NotFound(hex::encode(hash)))
    }

    /// Reads a whole blob of at most `max_len` bytes into memory.
    ///
    /// # Errors
    /// The blob is not here, is larger, or the store failed.
    pub async fn read_all(&self, hash: Hash, max_len: u64) -> Result<Bytes, BlobError> {
        let held = self.hold(hash).await?;
        if held.size > max_len {
            return Err(BlobError::TooLarge { max: max_len });
        }
        self.inner.store.get().get_bytes(hash).await.map_err(failed)
    }

    /// Reads a blob piece by piece, each checked against the hash once more, so that a rotten disk is noticed. Reading
    /// a blob that is not here fails; [`Blobs::hold`] it first to be sure, and for as long as you read.
    #[must_use]
    pub fn reader(&self, hash: Hash) -> BlobReader {
        // The store's own seekable reader passes every KiB through a channel; this export goes in pieces of 16 KiB.
        let items = self.inner.store.get().export_bao(hash, ChunkRanges::all()).stream();
        let pieces = items.filter_map(|item| async move {
            match item {
                EncodedItem::Leaf(leaf) => Some(Ok(leaf.data)),
                EncodedItem::Error(error) => Some(Err(error.into())),
                EncodedItem::Size(_) | EncodedItem::Parent(_) | EncodedItem::Done => None,
            }
        });
        StreamReader::new(pieces.boxed())
    }

    /// Writes a blob to a file; its size in bytes.
    ///
    /// # Errors
    /// The blob is not here, or the file cannot be written.
    pub async fn export(&self, hash: Hash, path: impl AsRef<Path>) -> Result<u64, BlobError> {
        let held = self.hold(hash).await?;
        self.inner.store.get().export(hash, std::path::absolute(path)?).finish().await.map_err(failed)?;
        Ok(held.size)
    }

    /// From now on everybody may have a blob that was kept as [`TagKind::Pending`].
    pub fn serve(&self, hash: Hash) {
        self.inner.withheld.remove(&hash);
    }

    /// Watches the garbage collector, which is also the first to notice when the store fails. What nothing held or named
    /// when a round began is gone when it is over, and `rounds` counts it.
    #[must_use]
    pub fn collector(&self) -> watch::Receiver<CollectorHealth> {
        self.inner.health.clone()
    }

    /// Runs an import to its end in a task of its own, so that a caller that gives up leaves nothing half done.
    async fn import(
        &self,
        add: impl Future<Output = Result<TempTag, BlobError>> + Send + 'static,
    ) -> Result<HeldBlob, BlobError> {
        if self.inner.shutdown.is_cancelled() {
            return Err(BlobError::Stopped);
        }
        if let Some(reason) = self.inner.health.borrow().stopped.clone() {
            return Err(BlobError::Closed(reason));
        }
        let (imports, holds) = (self.inner.imports.clone(), self.inner.holds.clone());
        let (dir, doubted) = (self.inner.dir.clone(), self.inner.doubted.clone());
        let task = async move {
            let running = imports.begin().await;
            let result = add.await.map_err(|error| told_full(error, &dir));
            drop(running);
            if result.is_err() {
                imports.sweep_if_idle();
                doubted.notify_one();
            }
            result.map(|tag| (*tag.hash().as_bytes(), holds.adopt(tag)))
        };
        let (hash, hold) = self.inner.tasks.spawn(task).await.map_err(|_| BlobError::Stopped)??;
        self.held_blob(hash, hold).await
    }
}

/// Passes a stream on; marks it as `complete` when it ended by itself within `max` bytes.
async fn pump<S>(stream: S, pieces: mpsc::Sender<Bytes>, complete: CancellationToken, max: u64) -> Result<(), BlobError>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let mut stream = std::pin::pin!(stream);
    let mut size = 0u64;
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        size = size.saturating_add(piece.len() as u64);
        if size > max {
            return Err(BlobError::TooLarge { max });
        }
        if pieces.send(piece).await.is_err() {
            // The store gave up, and says why itself.
            return Ok(());
        }
    }
    complete.cancel();
    Ok(())
}

/// The other end of [`pump`]: ends when the stream was `complete`, else reports it as `cut_off` and waits for ever.
fn pieces(
    mut received: mpsc::Receiver<Bytes>,
    complete: CancellationToken,
    cut_off: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    futures::stream::poll_fn(move |cx| match received.poll_recv(cx) {
        Poll::Ready(Some(piece)) => Poll::Ready(Some(Ok(piece))),
        // The sender goes after the mark is set, so that the mark is seen here.
        Poll::Ready(None) if complete.is_cancelled() => Poll::Ready(None),
        Poll::Ready(None) => {
            cut_off.cancel();
            Poll::Pending
        }
        Poll::Pending => Poll::Pending,
    })
}

/// The store's errors nest several layers deep: all are kept, for the innermost says whether the disk is full.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> BlobError {
    BlobError::Io(io::Error::other(error))
}

/// Free bytes without which a disk is as good as full: the store's database grows in large steps.
const ROOM: u64 = 4 << 20;

/// A full disk ends the part of the store that writes, and the store does not say why: what is asked for then fails with
/// words about its insides. So it is looked for here.
fn told_full(error: BlobError, dir: &Path) -> BlobError {
    let full = matches!(&error, BlobError::Io(_)) && fs4::available_space(dir).is_ok_and(|free| free < ROOM);
    if full { BlobError::Io(io::Error::new(io::ErrorKind::StorageFull, error)) } else { error }
}
