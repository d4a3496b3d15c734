//! What hides an auditor's finding until all of its committee have one: the commitment.

use crate::action::Finding;
use crate::id::{Digest, tagged_hash};
use crate::{Address, NodeKey};

/// What a commitment binds.
#[derive(Debug, Clone, Copy)]
pub struct FindingCommitment<'a> {
    /// The chain.
    pub chain_id: &'a str,
    /// Whose epoch.
    pub node: &'a NodeKey,
    /// Its number.
    pub epoch: u64,
    /// What the committee was drawn from: another for each challenge and each of its rounds, so that what was shown in one says nothing in
    /// the next.
    pub committee: &'a Digest,
    /// Who audits: whoever copies another's commitment can never show what is behind it.
    pub auditor: &'a Address,
    /// What it found.
    pub finding: Finding,
    /// 32 random bytes: there are four findings, which anybody could try.
    pub salt: &'a Digest,
}

impl FindingCommitment<'_> {
    /// The 32 bytes put on the ledger before anybody reveals.
    pub fn digest(&self) -> Digest {
        Digest(tagged_hash(
            "datanet/finding-commitment/v1",
            &[
                self.chain_id.as_bytes(),
                &self.node.0,
                &self.epoch.to_le_bytes(),
                &self.committee.0,
                &self.auditor.0,
                &(self.finding as i32).to_le_bytes(),
                &self.salt.0,
            ],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_belongs_to_one_auditor_on_one_committee_and_says_one_thing() {
        let base = FindingCommitment {
            chain_id: "c",
            node: &NodeKey([1; 32]),
            epoch: 2,
            committee: &Digest([3; 32]),
            auditor: &Address([4; 20]),
            finding: Finding::Correct,
            salt: &Digest([5; 32]),
        };
        let others = [
            FindingCommitment { chain_id: "d", ..base },
            FindingCommitment { node: &NodeKey([9; 32]), ..base },
            FindingCommitment { epoch: 3, ..base },
            FindingCommitment { committee: &Digest([9; 32]), ..base },
            FindingCommitment { auditor: &Address([9; 20]), ..base },
            FindingCommitment { finding: Finding::False, ..base },
            FindingCommitment { salt: &Digest([9; 32]), ..base },
        ];
        for other in others {
            assert_ne!(base.digest(), other.digest(), "{other:?}");
        }
    }
}
