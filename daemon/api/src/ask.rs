//! Asking a datanet.

use datanet_types::quote::SignedQuote;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ContributionId, Ppm};
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
    /// This node's word on the price, from `/v1/quotes`: the answer costs no more, or is refused.
    #[schema(value_type = Option<Object>)]
    pub quote: Option<SignedQuote>,
}

/// An answer with its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The answer in words.
    pub answer: String,
    /// The label, for a passage.
    pub label: Option<String>,
    /// What it rests on, best first.
    pub passages: Vec<PassageView>,
    /// Base units charged.
    pub fee: Amount,
    /// The proof.
    pub receipt: ReceiptView,
}

/// A quoted record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassageView {
    /// Its contribution.
    #[schema(value_type = String)]
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0.
    pub record: u64,
    /// Its weight among the passages, in parts per million.
    #[schema(value_type = u64)]
    pub weight: Ppm,
    /// Its label, if records have one.
    pub label: Option<String>,
    /// Its words; `null` where they were taken back since, or cannot be had now.
    pub text: Option<String>,
}
