//! The node's blob store as its services use it: bytes in, bytes out, fetched from whoever has them, kept by tags.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use datanet_p2p::{
    BlobError, BlobReader, Blobs, FetchError, FetchRequest, HeldBlob, NetworkHandle, Share, Tag, TagKind,
};
use datanet_types::{BlobHash, ContributionId, NodeKey};
use futures::Stream;
use tokio::sync::oneshot;

use crate::error::{Code, ServiceError, ServiceResult};
use crate::group::Group;

/// Most receipts that are kept with one wait for the disk.
const RECEIPTS_AT_ONCE: usize = 256;

/// The blobs that are here, and the way to those that are elsewhere; clones are cheap.
#[derive(Clone)]
pub struct BlobStore {
    blobs: Blobs,
    network: NetworkHandle,
    /// Where files of our own lie for a moment.
    spool: PathBuf,
    /// Receipts that wait to be kept together.
    receipts: Group<Receipt>,
}

/// A receipt that is to be kept, and who waits for that.
struct Receipt {
    tag: Tag,
    bytes: Vec<u8>,
    kept: oneshot::Sender<ServiceResult<()>>,
}

impl BlobStore {
    /// The store of `network`; `spool` is a folder that is there.
    pub fn new(network: NetworkHandle, spool: PathBuf) -> Self {
        Self { blobs: network.blobs(), network, spool, receipts: Group::new(RECEIPTS_AT_ONCE) }
    }

    /// Has a blob here: at once if it is, else from the first of `providers`, or of the peers connected now, that gives
    /// it. `size` is refused if it is known and differs; more than `limit` bytes are never taken. As long as the result
    /// lives, the collector leaves the blob alone.
    ///
    /// # Errors
    /// When it is not here and nobody gives it, of that size and within the limit ([`Code::BlobUnavailable`]), or the
    /// blob store fails.
    pub async fn bring(
        &self,
        blob: &BlobHash,
        size: Option<u64>,
        limit: u64,
        providers: &[NodeKey],
    ) -> ServiceResult<HeldBlob> {
        self.bring_for(Share::OWN, blob, size, limit, providers).await
    }

    /// The same on behalf of somebody with whom others share what can be fetched at a time.
    ///
    /// # Errors
    /// As [`BlobStore::bring`].
    pub async fn bring_for(
        &self,
        share: Share,
        blob: &BlobHash,
        size: Option<u64>,
        limit: u64,
        providers: &[NodeKey],
    ) -> ServiceResult<HeldBlob> {
        if self.has(blob).await? {
            let held = self.hold(blob).await?;
            return self.fitting(blob, size, limit).await.map(|()| held);
        }
        let peers: Vec<[u8; 32]> = self.network.peers().iter().map(|peer| peer.node_key).collect();
        let mut from: Vec<[u8; 32]> = providers.iter().map(|node| node.0).collect();
        // Those that are there first: each that is not costs a timeout.
        from.sort_by_key(|key| !peers.contains(key));
        let others: Vec<[u8; 32]> = peers.into_iter().filter(|key| !from.contains(key)).collect();
        from.extend(others);
        let mut request = FetchRequest::new(blob.0, limit, &from, share);
        request.expected_size = size;
        self.blobs.fetch(request).await.map_err(|error| {
            let detail = match error {
                FetchError::NoProviders => format!("blob {blob} is not here, and no other node is known to hold it"),
                // This node's own trouble: others may well have it, and so will this node.
                FetchError::Store(_) | FetchError::Stopped => return blob_error(&error),
                error => format!("blob {blob} could not be fetched from {} nodes: {error}", from.len()),
            };
            ServiceError::new(Code::BlobUnavailable, detail)
        })
    }

    /// Refuses a blob that is here for what would keep it from being fetched, so that holders judge as others do.
    async fn fitting(&self, blob: &BlobHash, expected: Option<u64>, limit: u64) -> ServiceResult<()> {
        let Some(size) = self.size(blob).await? else { return Ok(()) };
        let refused = match expected {
            Some(expected) if expected != size => FetchError::SizeMismatch { expected, actual: size },
            _ if size > limit => FetchError::TooLarge { size, max: limit },
            _ => return Ok(()),
        };
        Err(ServiceError::new(Code::BlobUnavailable, format!("blob {blob}: {refused}")))
    }

    /// The nodes that are connected now.
    pub fn connected(&self) -> BTreeSet<NodeKey> {
        self.network.peers().iter().map(|peer| NodeKey(peer.node_key)).collect()
    }

    /// Whether all of a blob is here.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn has(&self, blob: &BlobHash) -> ServiceResult<bool> {
        self.blobs.has(blob.0).await.map_err(|error| blob_error(&error))
    }

    /// The size of a blob that is here, in bytes.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn size(&self, blob: &BlobHash) -> ServiceResult<Option<u64>> {
        self.blobs.size(blob.0).await.map_err(|error| blob_error(&error))
    }

    /// Keeps the collector off a blob that is here for as long as the result lives.
    ///
    /// # Errors
    /// When it is not here, or the blob store fails.
    pub async fn hold(&self, blob: &BlobHash) -> ServiceResult<HeldBlob> {
        self.blobs.hold(blob.0).await.map_err(|error| blob_error(&error))
    }

    /// All bytes of a local blob, up to `limit`.
    ///
    /// # Errors
    /// When it is not here or longer than `limit`, or the blob store fails.
    pub async fn read(&self, blob: &BlobHash, limit: u64) -> ServiceResult<Vec<u8>> {
        Ok(self.blobs.read_all(blob.0, limit).await.map_err(|error| blob_error(&error))?.to_vec())
    }

    /// Reads a local blob from beginning to end; hold it meanwhile.
    pub fn reader(&self, blob: &BlobHash) -> BlobReader {
        self.blobs.reader(blob.0)
    }

    /// Writes a local blob to a file.
    ///
    /// # Errors
    /// When it is not here, the file cannot be written, or the blob store fails.
    pub async fn export(&self, blob: &BlobHash, path: &Path) -> ServiceResult<()> {
        self.blobs.export(blob.0, path).await.map(|_| ()).map_err(|error| blob_error(&error))
    }

    /// A local blob as a file of our own, which disappears when it is closed.
    ///
    /// # Errors
    /// When it is not here, the file cannot be written, or the blob store fails.
    pub async fn export_file(&self, blob: &BlobHash) -> ServiceResult<std::fs::File> {
        let io = |error: std::io::Error| ServiceError::io("cannot read the blob", &error);
        let file = tempfile::NamedTempFile::new_in(&self.spool).map_err(io)?;
        self.export(blob, file.path()).await?;
        file.reopen().map_err(io)
    }

    /// A file of our own to write and read, which disappears when it is closed.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn spool_file(&self) -> ServiceResult<std::fs::File> {
        tempfile::tempfile_in(&self.spool).map_err(|error| ServiceError::io("cannot keep the upload", &error))
    }

    /// Stores bytes; they are held until they have a tag.
    ///
    /// # Errors
    /// When the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn add_bytes(&self, bytes: Vec<u8>) -> ServiceResult<HeldBlob> {
        self.blobs.add_bytes(bytes).await.map_err(|error| blob_error(&error))
    }

    /// Stores a file's bytes; they are held until they have a tag.
    ///
    /// # Errors
    /// When the file cannot be read, the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn add_path(&self, path: &Path) -> ServiceResult<HeldBlob> {
        self.blobs.add_path(path).await.map_err(|error| blob_error(&error))
    }

    /// Stores bytes as they come, `limit` at most; an error in the stream leaves nothing behind.
    ///
    /// # Errors
    /// The store's own, for the caller to tell a broken stream from a full disk.
    pub async fn add_stream<S>(&self, stream: S, limit: u64) -> Result<HeldBlob, BlobError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static,
    {
        self.blobs.add_stream(stream, limit).await
    }

    /// Keeps a blob that is here under `tag`.
    ///
    /// # Errors
    /// When it is not here, or the blob store fails.
    pub async fn keep(&self, tag: &Tag, blob: &BlobHash) -> ServiceResult<()> {
        self.blobs.tags().keep(tag, blob.0).await.map_err(|error| blob_error(&error))
    }

    /// The same for several, with one wait for the disk.
    ///
    /// # Errors
    /// As [`BlobStore::keep`]; some may be kept then.
    pub async fn keep_all(&self, names: &[(Tag, BlobHash)]) -> ServiceResult<()> {
        let names: Vec<_> = names.iter().map(|(tag, blob)| (tag.clone(), blob.0)).collect();
        self.blobs.tags().keep_all(&names).await.map_err(|error| blob_error(&error))
    }

    /// The same, unless it was kept before: keeping waits for the disk.
    ///
    /// # Errors
    /// As [`BlobStore::keep`].
    pub async fn keep_once(&self, tag: &Tag, blob: &BlobHash) -> ServiceResult<()> {
        if self.kept(tag).await? == Some(*blob) {
            return Ok(());
        }
        self.keep(tag, blob).await
    }

    /// Stores bytes as a blob and keeps it under `tag`; its hash.
    ///
    /// # Errors
    /// When the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn keep_bytes(&self, tag: &Tag, bytes: Vec<u8>) -> ServiceResult<BlobHash> {
        let held = self.add_bytes(bytes).await?;
        let blob = BlobHash(held.hash());
        self.keep(tag, &blob).await?;
        Ok(blob)
    }

    /// As [`BlobStore::keep_bytes`], with one wait for the disk for all receipts that are to be kept at the same time.
    ///
    /// # Errors
    /// When the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn keep_receipt(&self, tag: &Tag, bytes: Vec<u8>) -> ServiceResult<()> {
        let (kept, told) = oneshot::channel();
        let store = self.clone();
        let keep_all = move |receipts| {
            let store = store.clone();
            async move { store.keep_receipts(receipts).await }
        };
        self.receipts.join(Receipt { tag: tag.clone(), bytes, kept }, keep_all).await;
        told.await.map_err(|_| ServiceError::new(Code::ShuttingDown, "the node is shutting down"))?
    }

    async fn keep_receipts(&self, receipts: Vec<Receipt>) {
        let mut added = Vec::new();
        for Receipt { tag, bytes, kept } in receipts {
            match self.add_bytes(bytes).await {
                Ok(held) => added.push((tag, held, kept)),
                Err(error) => _ = kept.send(Err(error)),
            }
        }
        let names: Vec<_> = added.iter().map(|(tag, held, _)| (tag.clone(), held.hash())).collect();
        let outcome = self.blobs.tags().keep_all(&names).await.map_err(|error| blob_error(&error));
        // Whoever has left meanwhile is told nothing; what it kept is compared with what is wanted after the next start.
        added.into_iter().for_each(|(_, _, kept)| _ = kept.send(outcome.clone()));
    }

    /// From now on everybody may have a blob that was kept as [`TagKind::Pending`].
    pub fn serve(&self, blob: &BlobHash) {
        self.blobs.serve(blob.0);
    }

    /// What is kept under `tag`.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn kept(&self, tag: &Tag) -> ServiceResult<Option<BlobHash>> {
        Ok(self.blobs.tags().get(tag).await.map_err(|error| blob_error(&error))?.map(BlobHash))
    }

    /// Lets go of what is kept under `tag`; its bytes leave with the next collection, unless another tag keeps them.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn release(&self, tag: &Tag) -> ServiceResult<()> {
        self.blobs.tags().drop(tag).await.map(|_| ()).map_err(|error| blob_error(&error))
    }

    /// What is kept under the tags of a kind.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn list_kept(&self, kind: TagKind) -> ServiceResult<Vec<(Tag, BlobHash)>> {
        let kept = self.blobs.tags().list(kind).await.map_err(|error| blob_error(&error))?;
        Ok(kept.into_iter().map(|(tag, hash)| (tag, BlobHash(hash))).collect())
    }

    /// Lets go of what `keep` has no reason for among the tags of a kind; how many that were.
    ///
    /// # Errors
    /// When the blob store fails; some may be let go of then, and the next call lets go of the rest.
    pub async fn retain(&self, kind: TagKind, mut keep: impl FnMut(&Tag, &BlobHash) -> bool) -> ServiceResult<usize> {
        let dropped = self.blobs.tags().retain(kind, |tag, hash| keep(tag, &BlobHash(*hash))).await;
        Ok(dropped.map_err(|error| blob_error(&error))?.len())
    }

    /// Contributions whose bytes are here.
    pub async fn held_contributions(&self) -> u64 {
        self.blobs.tags().list(TagKind::Contribution).await.map_or(0, |kept| kept.len() as u64)
    }
}

/// The tag that keeps a contribution's bytes from being collected.
pub fn contribution_tag(id: &ContributionId) -> Tag {
    TagKind::Contribution.tag(id)
}

/// The tag that keeps a held-out set from being collected. It names the bytes, so that no other set can take its place.
pub fn holdout_tag(blob: &BlobHash) -> Tag {
    TagKind::Holdout.tag(blob)
}

/// A failure of the blob store, with a full disk told apart.
pub fn blob_error(error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let mut source = Some(error);
    while let Some(inner) = source {
        if let Some(closed @ BlobError::Closed(_)) = inner.downcast_ref::<BlobError>() {
            return ServiceError::new(Code::NotReady, closed.to_string());
        }
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return ServiceError::io("blob store", io);
        }
        source = inner.source();
    }
    ServiceError::new(Code::BlobStore, format!("the blob store failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_is_wrapped() {
        let full = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space");
        let wrapped = std::io::Error::other(full);
        let error = blob_error(&wrapped);
        assert_eq!(error.code, Code::DiskFull, "{error}");
        let other = blob_error(&std::io::Error::other("a bad sector"));
        assert_eq!(other.code, Code::Io);
    }
}
