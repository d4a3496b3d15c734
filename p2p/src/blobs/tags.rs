//! Named tags: what the garbage collector must leave alone.

use iroh_blobs::HashAndFormat;
use tokio_stream::StreamExt;

use super::{Blobs, failed};
use crate::{BlobError, Hash};

impl Blobs {
    /// Keeps a blob until `name` is released, over restarts. A name keeps one blob; a second call moves it. On return
    /// it is on disk.
    ///
    /// # Errors
    /// The blob is not completely here, or the store failed.
    pub async fn keep(&self, name: &str, hash: Hash) -> Result<(), BlobError> {
        // Held until the name is set, so that no collection comes in between.
        let _hold = self.hold(hash).await?;
        self.inner.store.tags().set(name, HashAndFormat::raw(hash.into())).await.map_err(failed)?;
        self.inner.store.sync_db().await.map_err(failed)
    }

    /// Gives a name up; `false` when there was none. Without another name, the next collection deletes the blob.
    ///
    /// # Errors
    /// The store failed.
    pub async fn release(&self, name: &str) -> Result<bool, BlobError> {
        let removed = self.inner.store.tags().delete(name).await.map_err(failed)?;
        self.inner.store.sync_db().await.map_err(failed)?;
        Ok(removed > 0)
    }

    /// The blob that a name keeps.
    ///
    /// # Errors
    /// The store failed.
    pub async fn kept(&self, name: &str) -> Result<Option<Hash>, BlobError> {
        let tag = self.inner.store.tags().get(name).await.map_err(failed)?;
        Ok(tag.map(|tag| *tag.hash.as_bytes()))
    }

    /// Names that start with `prefix`, and the blobs they keep, in the order of the names.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_kept(&self, prefix: &str) -> Result<Vec<(String, Hash)>, BlobError> {
        let mut tags = std::pin::pin!(self.inner.store.tags().list_prefix(prefix).await.map_err(failed)?);
        let mut kept = Vec::new();
        while let Some(tag) = tags.next().await {
            let tag = tag.map_err(failed)?;
            kept.push((String::from_utf8_lossy(tag.name.0.as_ref()).into_owned(), *tag.hash.as_bytes()));
        }
        Ok(kept)
    }
}
