//! Settling on request.

use datanet_types::epoch::EpochTotals;
use datanet_types::{BlobHash, Digest, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An epoch settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettledEpoch {
    /// Its number on this node.
    pub epoch: u64,
    /// Root of the tree of what accounts earned in this epoch.
    #[schema(value_type = String)]
    pub root: Digest,
    /// Who got how much, summed.
    #[schema(value_type = Object)]
    pub totals: EpochTotals,
    /// The blob that says who earned what and why.
    #[schema(value_type = String)]
    pub statement: BlobHash,
    /// The transaction.
    #[schema(value_type = Option<String>)]
    pub tx: Option<TxHash>,
}
