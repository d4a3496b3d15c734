//! Keeping other nodes' statements for as long as somebody has something to claim by them, or as this node's word for it stands on the ledger: a node
//! that goes away for good takes nobody's earnings along.

use std::collections::{BTreeMap, BTreeSet};

use datanet_api::epochs::EpochId;
use datanet_ledger::component::settlement::{self, Epoch, Status, escrow};
use datanet_ledger::state::{StateError, StateRead};
use datanet_p2p::{Tag, TagKind};
use datanet_types::{Amount, BlobHash, NodeKey};

use super::Billing;
use super::statement::Index;
use crate::error::{Code, ServiceError, ServiceResult};

/// Longest statement that is kept for another node without a word for it on the ledger, in bytes of index and pages: some four thousand answers.
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
    /// Has an epoch's statement here, whatever its length, as long as this node's word for it may stand on the ledger: on return index and pages are
    /// on disk, each held against the roots on the ledger.
    ///
    /// # Errors
    /// When nobody gives it ([`Code::BlobUnavailable`]), it does not give the roots on the ledger ([`Code::Statement`]), there is no room for it
    /// ([`Code::DiskFull`]), or the blob store fails.
    pub async fn keep_statement(&self, epoch: &Epoch) -> ServiceResult<()> {
        let refused = |unread: super::statements::Unread| {
            let code = if unread.bad { Code::Statement } else { Code::BlobUnavailable };
            ServiceError::new(code, unread.reason)
        };
        // Before its pages come: the index says how long they are.
        let size = self.statements.index(epoch).await.map_err(refused)?.total_bytes();
        let held = self.held_of_others(epoch).await?;
        if !has_room(held, size, epoch.totals.fees) {
            let detail =
                format!("others' statements take {held} bytes here, and one of {size} bytes has no room beside them");
            return Err(ServiceError::new(Code::DiskFull, detail));
        }
        let whole = self.statements.whole(epoch).await.map_err(refused)?;
        self.keep_whole(epoch, &whole.index).await
    }

    /// Keeps an epoch's statement, which is here, if it is of a usual length and there is room.
    ///
    /// # Errors
    /// When the blob store fails.
    pub async fn witness(&self, epoch: &Epoch) -> ServiceResult<bool> {
        let kept = self.blobs.list_kept(TagKind::Witnessed).await?.len();
        // It was read a moment ago, so that nobody is asked for it.
        let Ok(index) = self.statements.index(epoch).await else { return Ok(false) };
        if kept >= MAX_KEPT || index.total_bytes() > MAX_BYTES {
            return Ok(false);
        }
        let mut held = Vec::new();
        for blob in index.pages().map(|page| page.blob).chain([epoch.statement]) {
            // What the collector took since is not asked for again.
            if !self.blobs.has(&blob).await? {
                return Ok(false);
            }
            held.push(self.blobs.hold(&blob).await?);
        }
        self.keep_whole(epoch, &index).await.map(|()| true)
    }

    /// Keeps index and pages, which are held, with one wait for the disk.
    async fn keep_whole(&self, epoch: &Epoch, index: &Index) -> ServiceResult<()> {
        let own = tag(epoch.node, epoch.epoch);
        if self.blobs.kept(&own).await? == Some(epoch.statement) {
            return Ok(());
        }
        let page = |number, blob| (TagKind::WitnessedPage.tag(format!("{}/{number}", own.id())), blob);
        let mut names: Vec<(Tag, BlobHash)> =
            index.pages().enumerate().map(|(number, name)| page(number, name.blob)).collect();
        // Last: where it is, all is.
        names.push((own.clone(), epoch.statement));
        self.blobs.keep_all(&names).await
    }

    /// Bytes of others' statements here, without this one: what two of them say alike counts once.
    async fn held_of_others(&self, epoch: &Epoch) -> ServiceResult<u64> {
        let (own, mut blobs) = (tag(epoch.node, epoch.epoch), BTreeSet::new());
        for kind in [TagKind::Witnessed, TagKind::WitnessedPage] {
            let kept = self.blobs.list_kept(kind).await?;
            blobs.extend(kept.into_iter().filter(|(tag, _)| of_epoch(tag) != own.id()).map(|(_, blob)| blob));
        }
        let mut held = 0u64;
        for blob in blobs {
            held = held.saturating_add(self.blobs.size(&blob).await?.unwrap_or(0));
        }
        Ok(held)
    }

    /// Lets go of statements by which nobody has anything to claim any more, of each with all its pages. Gives how many.
    ///
    /// # Errors
    /// When the ledger or the blob store fails.
    pub async fn let_witnessed_go(&self) -> ServiceResult<usize> {
        let (reader, own) = (self.chain.reader()?, self.identity.node_key());
        let (mut wanted, mut gone) = (BTreeMap::<String, bool>::new(), 0);
        for kind in [TagKind::Witnessed, TagKind::WitnessedPage] {
            let mut unwanted = BTreeSet::new();
            for (tag, _) in self.blobs.list_kept(kind).await? {
                let is_wanted = match (wanted.get(of_epoch(&tag)), of_epoch(&tag).parse::<EpochId>()) {
                    (Some(known), _) => *known,
                    (None, Ok(id)) => is_wanted(&reader, &id.node, id.epoch, &own)?,
                    (None, Err(_)) => false,
                };
                wanted.insert(of_epoch(&tag).to_owned(), is_wanted);
                if !is_wanted {
                    unwanted.insert(tag);
                }
            }
            // What is kept from now on was not looked at.
            let dropped = self.blobs.retain(kind, |tag, _| !unwanted.contains(tag)).await?;
            if kind == TagKind::Witnessed {
                gone = dropped;
            }
        }
        Ok(gone)
    }
}

/// The epoch of an index or of a page, as it is called: they are kept and let go of together.
pub fn of_epoch(tag: &Tag) -> &str {
    tag.id().split_once('/').map_or(tag.id(), |(epoch, _)| epoch)
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
