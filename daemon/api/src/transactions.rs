//! Transactions: submit signed bytes, follow them; and the everyday one, a transfer.

use datanet_types::{Amount, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTransfer {
    /// Name of the paying account on this node.
    pub from: String,
    /// Who receives: an address, or the name of an account on this node.
    pub to: String,
    /// Base units.
    pub amount: Amount,
}

/// A transaction sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// Its hash.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// The block it is in.
    pub height: u64,
}

/// A transaction taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Its hash, by which it is followed.
    #[schema(value_type = String)]
    pub hash: TxHash,
}

/// A signed transaction in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Encoded {
    /// Its bytes in base64.
    pub tx: String,
}

/// A transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TxView {
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: TxHash,
    /// The block.
    pub height: u64,
    /// The part of the ledger that refused it, within which `code` is a number; empty if it did what it said.
    pub codespace: String,
    /// Zero if it did what it said.
    pub code: u32,
    /// Why not.
    pub log: String,
    /// What happened.
    #[schema(value_type = Vec<Object>)]
    pub events: serde_json::Value,
    /// The gas that it took.
    #[serde(default)]
    pub gas_used: u64,
}

/// What a transaction would do if it were next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// The gas that it would take now. State may change before its block: sign with more, what is not taken is not paid.
    pub gas_used: u64,
    /// What it would cost with that gas as its limit, in base units.
    pub fee: Amount,
    /// What would happen.
    #[schema(value_type = Vec<Object>)]
    pub events: serde_json::Value,
}
