//! Letting go of what its giver took back: index, embeddings, judgement, bytes.

use datanet_ledger::component::contributions::Contribution;

use crate::error::ServiceResult;
use crate::intake::{blob_error, contribution_tag};
use crate::node::Core;

/// Forgets everything of a revoked contribution that this node keeps. The bytes leave the disk with the blob store's next
/// collection, unless somebody else gave the same ones. Done before, it does nothing.
pub async fn forget(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    core.unindex_contribution(contribution).await?;
    core.forget_embeddings(&contribution.blob);
    core.local.forget_judgement(&contribution.id)?;
    let released = core.blobs().release(&contribution_tag(&contribution.id)).await;
    if released.map_err(|error| blob_error(&error))? {
        tracing::info!(contribution = %contribution.id, "revoked: its bytes are let go of");
    }
    Ok(())
}
