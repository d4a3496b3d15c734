//! What goes into an index, and what an answer may rest on.

use datanet_types::{ContributionId, Digest, merkle};

use crate::Embedding;

/// One record as the index holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The contribution it belongs to.
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0. Records are added in ascending order; there may be gaps.
    pub record: u64,
    /// What is searched and quoted.
    pub text: String,
    /// Its label, where the datanet's records have one.
    pub label: Option<String>,
    /// The model's vector of `text`, of unit length.
    pub embedding: Embedding,
}

/// The contributions that were final at a height of the ledger: the ground an answer stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The height.
    pub height: u64,
    /// The contributions, in the order in which the ledger lists them.
    pub contributions: Vec<ContributionId>,
}

impl Snapshot {
    /// What a receipt names: the Merkle root over the contributions' ids in ledger order.
    pub fn root(&self) -> Digest {
        let mut tree = merkle::MerkleAccumulator::default();
        for contribution in &self.contributions {
            tree.push(merkle::leaf_hash(contribution.as_bytes()));
        }
        tree.root()
    }
}
