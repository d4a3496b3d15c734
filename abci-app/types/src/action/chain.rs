//! What the chain's authority does: the account that genesis names for it, until it is retired.

use crate::{Address, Amount, Digest};

/// Most bytes of [`SetParams::changes`].
pub const MAX_PARAM_CHANGES: usize = 8 * 1024;

/// Announces a payment out of the treasury. It is made after the chain's delay, unless it is cancelled before.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SpendTreasury {
    /// Who is paid.
    #[prost(message, required, tag = "1")]
    pub to: Address,
    /// Base units, more than zero.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
    /// SHA-256 of the text that says what for, which is published elsewhere.
    #[prost(message, required, tag = "3")]
    pub reason: Digest,
}

/// Takes an announced payment back.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CancelSpend {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub spend: u64,
}

/// Announces other parameters. They hold from the first block on whose time is the chain's delay later. Said again before, the new
/// announcement takes the place of the old one, and the delay begins anew.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SetParams {
    /// What changes, as JSON: `{"min_fee": 2000}`. Everything else stays as it is now. At most [`MAX_PARAM_CHANGES`] bytes.
    #[prost(string, tag = "1")]
    pub changes: String,
}

/// Takes announced parameters back.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CancelParams {}

/// Lets a component of the ledger run again that stands still since the ledger contradicted itself there.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ResetComponent {
    /// Its name.
    #[prost(string, tag = "1")]
    pub component: String,
}
