//! Whose records moved an answer.

use datanet_types::{Address, ContributionId, Ppm, ReceiptId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::GateView;

/// A contribution's part in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// The contribution.
    #[schema(value_type = String)]
    pub contribution: ContributionId,
    /// Who gave it.
    #[schema(value_type = Option<String>)]
    pub contributor: Option<Address>,
    /// By how much the answer's loss would rise without it, in parts per billion; negative harmed. Method influence only.
    pub value: Option<i64>,
    /// What pays: by how much the answer's log-odds rise by it in the mean over random halves of the data, in parts per billion, with its sign. An epoch's
    /// pay follows from the sums of these, harm taken from help. Method influence only.
    #[serde(default)]
    pub worth: Option<i64>,
    /// Its share of the contributors' pay, in parts per million; by method influence, the share that is to be expected by this answer alone.
    #[schema(value_type = u64)]
    pub weight: Ppm,
}

/// A record, quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// Its contribution.
    #[schema(value_type = String)]
    pub contribution: ContributionId,
    /// Its position there, from 0.
    pub record: u64,
    /// What it did, in the method's own measure: parts per billion of the loss, or parts per million of the weight.
    pub value: i64,
    /// Its label.
    pub label: Option<String>,
    /// Its text.
    pub text: String,
}

/// The answer without one contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ablation {
    /// The contribution that was left out.
    pub contribution: ContributionId,
    /// Its credit in the full answer, in parts per million.
    pub weight: Ppm,
    /// What its absence costs, in parts per million: of the votes for a label, of the scores of what is quoted for a question.
    pub effect: Ppm,
    /// The label without it.
    pub label: Option<String>,
    /// Whether the answer in words is another without it.
    pub answer_changed: bool,
}

/// An answer explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attributed {
    /// The receipt.
    #[schema(value_type = String)]
    pub receipt: ReceiptId,
    /// `retrieval`, `influence`, `span`, or `none`: the model was trained without influence, or put up as it is.
    pub method: String,
    /// What this method proves, and what it does not.
    pub proves: String,
    /// Whether data behind the model that answered was taken back since, as the ledger says now.
    #[serde(default)]
    pub tainted: bool,
    /// What was asked.
    pub input: String,
    /// What was answered.
    pub answer: String,
    /// How faithful the method was found for this model by real retraining, as its release says.
    #[schema(value_type = Option<Object>)]
    pub gate: Option<GateView>,
    /// All contributions with a part in it, the most helpful first.
    pub contributions: Vec<Part>,
    /// Method retrieval: what the answer would have been without each contribution that it credits, asked again. Empty where
    /// that cannot be asked here any more, because something was revoked since for example.
    #[schema(value_type = Vec<Object>)]
    pub without: Vec<Ablation>,
    /// The records that helped most.
    pub helpful: Vec<Quote>,
    /// The records that harmed most.
    pub harmful: Vec<Quote>,
}
