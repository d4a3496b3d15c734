//! The public account book of a serving node: for each epoch what everybody earned and why, as a blob that the
//! settlement on the ledger names by hash.

use datanet_types::epoch::{EpochLeaf, EpochTotals};
use datanet_types::merkle::{self, MerkleProof};
use datanet_types::{Address, Amount, Digest, NodeKey};

use crate::db::accruals::EarningLine;
use crate::db::settling::Settling;
use crate::error::{Code, ServiceError, ServiceResult};

/// Longest statement read, in bytes: about 300,000 lines.
pub const MAX_STATEMENT_BYTES: u64 = 64 * 1024 * 1024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Statement {
    /// Format, now 1.
    pub version: u32,
    /// The chain.
    pub chain_id: String,
    /// The serving node.
    pub node: NodeKey,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The epoch's sums.
    pub totals: EpochTotals,
    /// Cumulative earnings with this node, ordered by account: the leaves of the root on the ledger.
    pub leaves: Vec<EpochLeaf>,
    /// Why: what each account earned in this epoch, by role, datanet and contribution.
    pub lines: Vec<EarningLine>,
}

impl Statement {
    /// The statement of a settlement.
    pub fn of(chain_id: &str, node: NodeKey, settling: &Settling) -> Self {
        let leaves = settling
            .leaves
            .iter()
            .map(|(account, cumulative)| EpochLeaf { account: *account, cumulative: *cumulative });
        Self {
            version: 1,
            chain_id: chain_id.to_owned(),
            node,
            epoch: settling.epoch,
            totals: settling.totals(),
            leaves: leaves.collect(),
            lines: settling.lines(),
        }
    }

    /// The bytes stored as a blob.
    ///
    /// # Errors
    /// When it cannot be written as JSON ([`Code::Statement`]).
    pub fn to_bytes(&self) -> ServiceResult<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| ServiceError::caused(Code::Statement, error))
    }

    /// Reads a statement and checks that it is the one meant: chain, node, and the root that the ledger holds.
    ///
    /// # Errors
    /// When the bytes are no statement of a known version, or it is another chain's or node's, its leaves are out of
    /// order, or they do not give `root`: which of it, in words.
    pub fn parse(bytes: &[u8], chain_id: &str, node: &NodeKey, root: &Digest) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(bytes).map_err(|error| format!("not a statement: {error}"))?;
        if statement.version != 1 {
            return Err(format!("statement version {} is not known; update this node", statement.version));
        }
        if statement.chain_id != chain_id || statement.node != *node {
            return Err("the statement is of another chain or node".into());
        }
        if !statement.leaves.is_sorted_by(|a, b| a.account < b.account) {
            return Err("the statement's leaves are not ordered".into());
        }
        if statement.root() != *root {
            return Err("the statement does not give the root on the ledger".into());
        }
        Ok(statement)
    }

    fn hashes(&self) -> Vec<Digest> {
        self.leaves.iter().map(|leaf| leaf.hash(&self.chain_id, &self.node)).collect()
    }

    /// The Merkle root over the leaves.
    pub fn root(&self) -> Digest {
        merkle::root(&self.hashes())
    }

    /// An account's cumulative earnings.
    pub fn cumulative(&self, account: &Address) -> Amount {
        self.place(account).and_then(|index| self.leaves.get(index)).map_or(0, |leaf| leaf.cumulative)
    }

    /// An account's cumulative earnings with their proof.
    pub fn prove(&self, account: &Address) -> Option<(Amount, MerkleProof)> {
        let index = self.place(account)?;
        Some((self.leaves.get(index)?.cumulative, merkle::prove(&self.hashes(), index)?))
    }

    fn place(&self, account: &Address) -> Option<usize> {
        self.leaves.binary_search_by(|leaf| leaf.account.cmp(account)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        let leaves = (1..6u8).map(|n| (Address([n; 20]), u64::from(n))).collect();
        let settling = Settling { epoch: 1, shares: vec![], leaves };
        Statement::of("c", NodeKey([1; 32]), &settling)
    }

    #[test]
    fn every_account_can_prove_its_leaf() {
        let statement = statement();
        let root = statement.root();
        for leaf in &statement.leaves {
            let (cumulative, proof) = statement.prove(&leaf.account).unwrap();
            assert_eq!(cumulative, leaf.cumulative);
            assert!(proof.verify(leaf.hash("c", &NodeKey([1; 32])), &root));
        }
        assert!(statement.prove(&Address([9; 20])).is_none());
    }

    #[test]
    fn a_statement_that_is_not_the_settled_one_is_refused() {
        let bytes = statement().to_bytes().unwrap();
        let root = statement().root();
        assert!(Statement::parse(&bytes, "c", &NodeKey([1; 32]), &root).is_ok());
        assert!(Statement::parse(&bytes, "c", &NodeKey([1; 32]), &Digest([1; 32])).is_err());
        assert!(Statement::parse(&bytes, "d", &NodeKey([1; 32]), &root).is_err());
        assert!(Statement::parse(b"garbage", "c", &NodeKey([1; 32]), &root).is_err());
    }
}
