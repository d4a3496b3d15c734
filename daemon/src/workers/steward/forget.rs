//! Letting go of what its giver took back: index, embeddings, judgement, bytes.

use datanet_ledger::component::contributions::Contribution;

use crate::error::ServiceResult;
use crate::intake::{blob_error, contribution_tag};
use crate::node::Core;

/// Forgets everything of a revoked contribution that this node keeps. The bytes leave the disk with the blob store's next
/// collection, unless somebody else gave the same ones. Done before, it does nothing: after a start all that was ever
/// revoked comes by here.
pub async fn forget(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    let tag = contribution_tag(&contribution.id);
    // Let go of last, so that a crash in between leads back here.
    if core.blobs().tags().get(&tag).await.map_err(|error| blob_error(&error))?.is_none() {
        return Ok(());
    }
    core.unindex_contribution(contribution).await?;
    core.forget_embeddings(&contribution.blob);
    core.local.forget_judgement(&contribution.id)?;
    core.blobs().tags().drop(&tag).await.map_err(|error| blob_error(&error))?;
    tracing::info!(contribution = %contribution.id, "revoked: its bytes are let go of");
    Ok(())
}
