//! What this node found as an auditor: finding and salt must survive a crash between commit and reveal, or a seat is punished for saying
//! nothing.

use datanet_types::action::Finding;
use datanet_types::{Digest, NodeKey};
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("findings");

/// What was found of an epoch, from before its commitment until the audit is over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredFinding {
    /// Whose epoch.
    pub node: NodeKey,
    /// Its number.
    pub epoch: u64,
    /// What the committee was drawn from: which one this was found for.
    pub committee: Digest,
    /// What was found.
    pub finding: Finding,
    /// What hides it.
    pub salt: Digest,
}

impl StoredFinding {
    fn key(node: &NodeKey, epoch: u64) -> Vec<u8> {
        [&node.0[..], &epoch.to_be_bytes()].concat()
    }
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

impl LocalStore {
    /// Remembers what was found, in the place of what was found of that epoch before; call before its commitment is sent.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn put_finding(&self, found: &StoredFinding) -> ServiceResult<()> {
        self.write(|tx| table::put(tx, TABLE, &StoredFinding::key(&found.node, found.epoch), found))
    }

    /// What this node found of an epoch for this committee, if it did.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn finding(&self, node: &NodeKey, epoch: u64, committee: &Digest) -> ServiceResult<Option<StoredFinding>> {
        let found: Option<StoredFinding> = self.read(|tx| table::get(tx, TABLE, &StoredFinding::key(node, epoch)))?;
        Ok(found.filter(|found| found.committee == *committee))
    }

    /// Forgets what was found of epochs that are audited no more: those that `goes_on` is false for.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn forget_findings(&self, goes_on: impl Fn(&NodeKey, u64) -> bool) -> ServiceResult<()> {
        let mut over: Vec<(Vec<u8>, StoredFinding)> = self.read(|tx| table::all(tx, TABLE))?;
        over.retain(|(_, found)| !goes_on(&found.node, found.epoch));
        if over.is_empty() {
            return Ok(());
        }
        self.write(|tx| over.iter().try_for_each(|(key, _)| table::remove(tx, TABLE, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_a_restart_is_one_committees_and_goes_once_that_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local.redb");
        let found = |epoch| StoredFinding {
            node: NodeKey([1; 32]),
            epoch,
            committee: Digest([2; 32]),
            finding: Finding::False,
            salt: Digest([3; 32]),
        };
        let store = LocalStore::open(&path).unwrap();
        for epoch in [1, 2] {
            store.put_finding(&found(epoch)).unwrap();
        }
        drop(store);
        let store = LocalStore::open(&path).unwrap();
        let get = |epoch, committee| store.finding(&NodeKey([1; 32]), epoch, &Digest([committee; 32])).unwrap();
        assert_eq!(get(1, 2), Some(found(1)));
        assert_eq!(get(1, 9), None, "another committee's");
        store.forget_findings(|_, epoch| epoch == 2).unwrap();
        assert_eq!((get(1, 2), get(2, 2)), (None, Some(found(2))));
    }
}
