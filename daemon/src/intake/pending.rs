//! Bytes of contributions that are on their way to the ledger: kept, and given to nobody before they are there.
//!
//! Everybody reads a transaction before it is in a block, and with it the bytes' hash. Whoever could fetch them by it then
//! might be on the ledger first, and be taken for the one who had them.

use datanet_ledger::component::contributions::{self, Status};
use datanet_p2p::{Tag, TagKind};
use datanet_types::{BlobHash, ContributionId};

use crate::blobs::{BlobStore, contribution_tag};
use crate::chain::Chain;
use crate::error::ServiceResult;

/// What is on its way; clones are cheap.
#[derive(Clone)]
pub struct PendingUploads {
    chain: Chain,
    blobs: BlobStore,
}

fn tag(id: &ContributionId) -> Tag {
    TagKind::Pending.tag(id)
}

impl PendingUploads {
    /// Those of a node.
    pub fn new(chain: Chain, blobs: BlobStore) -> Self {
        Self { chain, blobs }
    }

    /// Keeps the bytes of what is about to be given, over restarts, and withholds them from now on.
    ///
    /// # Errors
    /// When they are not here, or the blob store fails.
    pub async fn keep(&self, id: &ContributionId, blob: &BlobHash) -> ServiceResult<()> {
        self.blobs.keep(&tag(id), blob).await
    }

    /// It is on the ledger: everybody may have the bytes.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn publish(&self, id: &ContributionId, blob: &BlobHash) -> ServiceResult<()> {
        self.blobs.keep_once(&contribution_tag(id), blob).await?;
        self.blobs.serve(blob);
        self.blobs.release(&tag(id)).await
    }

    /// It will never be on the ledger. Its bytes are withheld until they are collected, unless somebody has already shown
    /// there that he had them too.
    ///
    /// # Errors
    /// When the ledger cannot be read, or the blob store fails.
    pub async fn let_go(&self, id: &ContributionId, blob: &BlobHash) -> ServiceResult<()> {
        self.blobs.release(&tag(id)).await?;
        let kept = self.blobs.list_kept(TagKind::Contribution).await?;
        let reader = self.chain.reader()?;
        for (other, _) in kept.iter().filter(|(_, kept)| kept == blob) {
            let Ok(other) = other.id().parse() else { continue };
            let known = contributions::get(&reader, &other)?;
            if known.is_some_and(|known| known.status() == Status::Final) {
                self.blobs.serve(blob);
            }
        }
        Ok(())
    }

    /// Publishes whatever is on the ledger by now: whoever gave it may not have waited, or this node stopped meanwhile.
    ///
    /// # Errors
    /// When the ledger cannot be read, or the blob store fails.
    pub async fn publish_given(&self) -> ServiceResult<()> {
        for (tag, blob) in self.blobs.list_kept(TagKind::Pending).await? {
            let Ok(id) = tag.id().parse() else { continue };
            let known = contributions::get(&self.chain.reader()?, &id)?;
            match known
                .filter(|known| known.status() != Status::Refused || known.is_refused_for_good())
                .map(|known| known.status())
            {
                Some(Status::Storing | Status::Judging | Status::Final) => self.publish(&id, &blob).await?,
                // Judged and done with while this node was away.
                Some(Status::Refused | Status::Revoked) => self.let_go(&id, &blob).await?,
                // Nobody knows yet, or a second committee may judge what the first refused.
                None => {}
            }
        }
        Ok(())
    }
}
