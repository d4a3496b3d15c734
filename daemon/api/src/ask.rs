//! Asking a datanet.

use datanet_types::Amount;
use datanet_types::receipt::Passage;
use datanet_types::voucher::SignedVoucher;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::receipts::ReceiptView;

/// A question, or a passage to classify.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// Id or name.
    pub datanet: String,
    /// A question: answered with passages. Either this or `text`.
    pub question: Option<String>,
    /// A passage: answered with a label. Either this or `question`.
    pub text: Option<String>,
    /// Passages the answer rests on, at most 100. 0 or not given: what measured best (30 for a label, 5 for a question).
    pub neighbours: Option<u32>,
    /// Pays: `{"channel", "cumulative", "signature"}`.
    #[schema(value_type = Option<Object>)]
    pub voucher: Option<SignedVoucher>,
    /// Pays instead of a voucher: an account of this node with an open channel to it.
    pub account: Option<String>,
}

/// An answer with its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The answer in words.
    pub answer: String,
    /// The label, for a passage.
    pub label: Option<String>,
    /// What it rests on, best first.
    #[schema(value_type = Vec<Object>)]
    pub passages: Vec<Passage>,
    /// Base units charged.
    pub fee: Amount,
    /// The proof.
    pub receipt: ReceiptView,
}
