//! Keeping other nodes' statements for as long as somebody has something to claim by them: a node that goes away for good takes nobody's
//! earnings along.

use datanet_api::epochs::EpochId;
use datanet_ledger::component::settlement::{self, Epoch, Status, escrow};
use datanet_ledger::state::{StateError, StateRead};
use datanet_p2p::{Tag, TagKind};
use datanet_types::NodeKey;

use super::Billing;
use crate::error::ServiceResult;

/// Longest statement that is kept for another node, in bytes: some four thousand answers.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most of them. A stranger who fills them has locked a stake and paid a fee for each.
const MAX_KEPT: usize = 4_096;

impl Billing {
    /// Keeps an epoch's statement, which is here, if it is of a usual length and there is room.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn witness(&self, epoch: &Epoch) -> ServiceResult<bool> {
        let kept = self.blobs.list_kept(TagKind::Witnessed).await?.len();
        if kept >= MAX_KEPT || self.blobs.size(&epoch.statement).await?.is_none_or(|size| size > MAX_BYTES) {
            return Ok(false);
        }
        self.blobs.keep(&tag(epoch.node, epoch.epoch), &epoch.statement).await?;
        Ok(true)
    }

    /// Lets go of statements by which nobody has anything to claim any more. Gives how many.
    ///
    /// # Errors
    /// When the ledger or the blob store fails.
    pub async fn let_witnessed_go(&self) -> ServiceResult<usize> {
        let reader = self.chain.reader()?;
        let mut wanted = std::collections::BTreeSet::new();
        for (tag, _) in self.blobs.list_kept(TagKind::Witnessed).await? {
            if let Ok(id) = tag.id().parse::<EpochId>()
                && is_owing(&reader, &id.node, id.epoch)?
            {
                wanted.insert(tag);
            }
        }
        self.blobs.retain(TagKind::Witnessed, |tag, _| wanted.contains(tag)).await
    }
}

/// Whether somebody has, or may come to have, something to claim of an epoch.
///
/// # Errors
/// When the store cannot be read.
pub fn is_owing<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<bool, StateError> {
    let Some(epoch) = settlement::epoch(state, node, number)? else { return Ok(false) };
    Ok(match epoch.status() {
        Status::Open | Status::Audited => true,
        Status::Final => escrow::open(state, node, number)?.is_some(),
        Status::Void => false,
    })
}

fn tag(node: NodeKey, epoch: u64) -> Tag {
    TagKind::Witnessed.tag(EpochId { node, epoch })
}
