//! Classification by released models.

use datanet_types::quote::SignedQuote;
use datanet_types::receipt::Influence;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Address, Amount, ContributionId, ModelId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::embeddings::UsageView;
use crate::generate::OneOrMany;
use crate::receipts::ReceiptView;

/// Passages to classify.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassifyRequest {
    /// A deployed model: its id, or a name that leads to it.
    pub model: String,
    /// A passage or a list of up to 256. Each is an answer of its own, with its own price and receipt.
    pub input: OneOrMany,
    /// Whether to tell what each contributor did to the answer, and the most helpful and harmful training records.
    #[serde(default)]
    pub explain: bool,
    /// Whether to tell what the answer would have been without each contributor.
    #[serde(default)]
    pub counterfactual: bool,
    /// Pays for one passage: `{"channel", "cumulative", "signature"}`.
    #[schema(value_type = Option<Object>)]
    pub voucher: Option<SignedVoucher>,
    /// Pays instead of a voucher: an account of this node with an open channel to it.
    pub account: Option<String>,
    /// This node's word on the price, from `/v1/quotes`: the answer costs no more, or is refused.
    #[schema(value_type = Option<Object>)]
    pub quote: Option<SignedQuote>,
}

/// All answers, in the order of the passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Classifications {
    /// Always `list`.
    pub object: String,
    /// The model as it was named.
    pub model: String,
    /// What it leads to.
    #[schema(value_type = String)]
    pub model_id: ModelId,
    /// One for each passage.
    pub data: Vec<ClassificationView>,
    /// Tokens read.
    pub usage: UsageView,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassificationView {
    /// Always `classification`.
    pub object: String,
    /// The passage's place, from 0.
    pub index: usize,
    /// The likeliest label.
    pub label: String,
    /// Every label with its probability.
    pub probabilities: Vec<Probability>,
    /// Base units charged.
    pub fee: Amount,
    /// The proof.
    pub receipt: ReceiptView,
    /// `influence`, or `none` where the model was trained without it or put up as it is.
    pub attribution: String,
    /// Whether something that the model was trained on was revoked since.
    pub tainted: bool,
    /// What each contribution did: parts per billion of the answer's loss, harm included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub influence: Option<Vec<Influence>>,
    /// The answer without each contributor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<Vec<Without>>,
}

/// A label's probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Probability {
    /// The label.
    pub label: String,
    /// From 0 to 1.
    pub probability: f64,
}

/// What the model would have said without a contributor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Without {
    /// Whose records are left out.
    #[schema(value_type = String)]
    pub contributor: Address,
    /// Those records' contributions.
    #[schema(value_type = Vec<String>)]
    pub contributions: Vec<ContributionId>,
    /// The likeliest label then.
    pub label: String,
    /// Every label with its probability then.
    pub probabilities: Vec<Probability>,
}
