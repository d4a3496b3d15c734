//! Hidden judgements: scores and salt must survive a crash between commit and reveal, or the validator is punished
//! for an unrevealed commitment.

use datanet_types::{BlobHash, ContributionId, Digest, Scores};
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("judgements");

/// A judgement of this node, from before its commitment until the verdict.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredJudgement {
    /// The scores committed to; none where the bytes were not to be had.
    pub scores: Option<Scores>,
    /// The blob with the reasons.
    pub report: BlobHash,
    /// What hides the scores.
    pub salt: Digest,
    /// Which drawing of the committee it is for, from 0.
    pub round: u32,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

impl LocalStore {
    /// Remembers a judgement; call before its commitment is sent.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn put_judgement(&self, id: &ContributionId, judgement: &StoredJudgement) -> ServiceResult<()> {
        self.write(|tx| table::put(tx, TABLE, &id.0, judgement))
    }

    /// The judgement of `id`, if this node made one.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn judgement(&self, id: &ContributionId) -> ServiceResult<Option<StoredJudgement>> {
        self.read(|tx| table::get(tx, TABLE, &id.0))
    }

    /// Forgets the judgement of `id`, once the verdict is on the ledger.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn forget_judgement(&self, id: &ContributionId) -> ServiceResult<()> {
        // Most contributions were judged by others, and a write waits for the disk.
        if self.judgement(id)?.is_none() {
            return Ok(());
        }
        self.write(|tx| table::remove(tx, TABLE, &id.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local.redb");
        let id = ContributionId([1; 32]);
        let judgement = StoredJudgement {
            scores: Some(Scores { validity: 1, quality: 2, uniqueness: 3, usefulness: 4 }),
            report: BlobHash([2; 32]),
            salt: Digest([3; 32]),
            round: 0,
        };
        LocalStore::open(&path).unwrap().put_judgement(&id, &judgement).unwrap();
        let store = LocalStore::open(&path).unwrap();
        assert_eq!(store.judgement(&id).unwrap(), Some(judgement));
        store.forget_judgement(&id).unwrap();
        assert_eq!(store.judgement(&id).unwrap(), None);
    }
}
