//! Keeping other nodes' statements for as long as somebody has something to claim by them, or as this node's word for it stands on the ledger: a node
//! that goes away for good takes nobody's earnings along.

use datanet_api::epochs::EpochId;
use datanet_ledger::component::settlement::{self, Epoch, Status, escrow};
use datanet_ledger::state::{StateError, StateRead};
use datanet_p2p::{Tag, TagKind};
use datanet_types::{Amount, NodeKey};

use super::Billing;
use super::statement::MAX_STATEMENT_BYTES;
use crate::error::{Code, ServiceError, ServiceResult};

/// Longest statement that is kept for another node, in bytes: some four thousand answers.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most of them. A stranger who fills them has locked a stake and paid a fee for each.
const MAX_KEPT: usize = 4_096;

/// Bytes of others' statements that a storage node keeps at most.
const ROOM: u64 = 16 << 30;
/// Once half of that is taken, a statement that is longer than this must be of an epoch with a base unit of fees for each so many bytes more: what is
/// stuffed for nothing must not keep out what people earned.
const ORDINARY_BYTES: u64 = 64 << 10;
const BYTES_FOR_A_UNIT: u64 = 64;

/// Whether an epoch's statement of so many bytes still goes to the `held` ones.
fn has_room(held: u64, size: u64, fees: Amount) -> bool {
    let wanted = if held < ROOM / 2 { 0 } else { size.saturating_sub(ORDINARY_BYTES) / BYTES_FOR_A_UNIT };
    held.saturating_add(size) <= ROOM && fees >= wanted
}

impl Billing {
    /// Has an epoch's statement here, whatever its length, as long as this node's word for it may stand on the ledger: on return it is on disk.
    ///
    /// # Errors
    /// When nobody gives it ([`Code::BlobUnavailable`]), it does not give the roots on the ledger ([`Code::Statement`]), there is no room for it
    /// ([`Code::DiskFull`]), or the blob store fails.
    pub async fn keep_statement(&self, epoch: &Epoch) -> ServiceResult<()> {
        self.statements.read(epoch).await.map_err(|unread| {
            let code = if unread.bad { Code::Statement } else { Code::BlobUnavailable };
            ServiceError::new(code, unread.reason)
        })?;
        let kept = self.blobs.list_kept(TagKind::Witnessed).await?;
        let own = tag(epoch.node, epoch.epoch);
        let mut held = 0u64;
        for (_, blob) in kept.iter().filter(|(tag, _)| *tag != own) {
            held = held.saturating_add(self.blobs.size(blob).await?.unwrap_or(0));
        }
        // It may have been collected since it was read.
        let (limit, from) = (MAX_STATEMENT_BYTES, self.statements.providers(epoch));
        let _held = self.blobs.bring(&epoch.statement, None, limit, &from).await?;
        let size = self.blobs.size(&epoch.statement).await?.unwrap_or(0);
        if !has_room(held, size, epoch.totals.fees) {
            let detail =
                format!("others' statements take {held} bytes here, and one of {size} bytes has no room beside them");
            return Err(ServiceError::new(Code::DiskFull, detail));
        }
        self.blobs.keep_once(&own, &epoch.statement).await
    }

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
        let mut unwanted = std::collections::BTreeSet::new();
        for (tag, _) in self.blobs.list_kept(TagKind::Witnessed).await? {
            let wanted = match tag.id().parse::<EpochId>() {
                Ok(id) => is_wanted(&reader, &id.node, id.epoch, &self.identity.node_key())?,
                Err(_) => false,
            };
            if !wanted {
                unwanted.insert(tag);
            }
        }
        // What is kept from now on was not looked at.
        self.blobs.retain(TagKind::Witnessed, |tag, _| !unwanted.contains(tag)).await
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

/// Whether a statement is to be kept at node `own`: somebody has something to claim by it, or `own` said that it keeps it, and it is not forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn is_wanted<S: StateRead>(state: &S, node: &NodeKey, number: u64, own: &NodeKey) -> Result<bool, StateError> {
    let attested = settlement::keepers(state, node, number)?.iter().any(|keeper| keeper.node == *own);
    let is_void = |epoch: Epoch| epoch.status() == Status::Void;
    Ok(is_owing(state, node, number)? || (attested && !settlement::epoch(state, node, number)?.is_some_and(is_void)))
}

fn tag(node: NodeKey, epoch: u64) -> Tag {
    TagKind::Witnessed.tag(EpochId { node, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stuffed_for_nothing_leaves_room_for_what_people_earned() {
        let (long, free) = (32 << 20, 100);
        assert!(has_room(0, long, free) && has_room(ROOM / 2 - 1, long, free));
        assert!(!has_room(ROOM / 2, long, free), "it may take half");
        assert!(has_room(ROOM / 2, ORDINARY_BYTES, free) && has_room(ROOM / 2, long, long / BYTES_FOR_A_UNIT));
        assert!(!has_room(ROOM, 1, u64::MAX) && !has_room(u64::MAX, u64::MAX, u64::MAX));
    }
}
