//! Receipts: read, verify, recompute.

use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Receipt};
use datanet_types::{Address, Amount, Ppm, ReceiptId, Signature};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::GateView;

/// A receipt with its id and signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// Its id: the hash of the answer record.
    #[schema(value_type = String)]
    pub id: ReceiptId,
    /// What the node claims.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub receipt: Receipt,
    /// The node's signature.
    #[schema(value_type = String)]
    pub signature: Signature,
}

impl From<AnswerRecord> for ReceiptView {
    fn from(record: AnswerRecord) -> Self {
        Self { id: record.id(), receipt: record.receipt, signature: record.signature }
    }
}

/// A receipt with the question and answer it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerRecordView {
    /// The receipt.
    pub receipt: ReceiptView,
    /// What was asked.
    #[schema(value_type = Object)]
    pub input: AskInput,
    /// What was answered.
    #[schema(value_type = Object)]
    pub output: AskOutput,
    /// The words of the output's passages, in their order, read where they lie: a receipt holds their hashes alone. `null` where
    /// they were taken back since, or cannot be had now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotes: Vec<Option<String>>,
    /// How the credits were found: `retrieval`, `span`, `influence`, or `none` where nobody is credited because the model was
    /// trained without influence or put up as it is.
    #[serde(default)]
    pub attribution: String,
    /// Method influence: the method that the model's release ships, its figures, and why it was chosen; absent where the
    /// release cannot be had now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub gate: Option<GateView>,
    /// Whether data behind the model that answered was taken back since, as the ledger says now.
    #[serde(default)]
    pub tainted: bool,
    /// The whole record as stored, hexadecimal: what `POST /v1/receipts/check` takes (as bytes).
    pub record: String,
}

/// A receipt issued here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedReceipt {
    /// Its number on this node.
    pub sequence: u64,
    /// Its id.
    #[schema(value_type = String)]
    pub id: ReceiptId,
    /// Base units that the answer cost.
    pub fee: Amount,
    /// Whose channel paid; none if it was free.
    #[schema(value_type = Option<String>)]
    pub payer: Option<Address>,
}

/// Receipts issued here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedReceipts {
    /// Newest first.
    pub receipts: Vec<IssuedReceipt>,
}

/// What checking found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// `match` (equal to the bit), `within` (the tolerance), `mismatch`, `incomplete`: right for what it rests on, but it
    /// leaves out contributions that this node has, or `unverifiable`: everything that can still be checked holds, but what
    /// the answer rests on was revoked since.
    pub verdict: String,
    /// Weight that lies elsewhere, in parts per million.
    #[schema(value_type = u64)]
    pub difference_ppm: Ppm,
    /// How much may.
    #[schema(value_type = u64)]
    pub tolerance_ppm: Ppm,
    /// What does not hold; empty if everything does.
    pub details: String,
    /// Each check.
    pub checks: Vec<Check>,
}

impl Verification {
    /// Whether the receipt stands: computed again it is equal, or within the tolerance.
    pub fn stands(&self) -> bool {
        matches!(self.verdict.as_str(), "match" | "within")
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// In words.
    pub detail: String,
}
