//! What agents sell: asked by anybody, answered by the program that runs the agent.

use datanet_types::quote::SignedQuote;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{AgentId, Amount, Digest, ReceiptId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::receipts::ReceiptView;

/// What an agent sells at this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// The agent.
    #[schema(value_type = String)]
    pub agent: AgentId,
    /// Base units that an answer costs now.
    pub price: Amount,
    /// What it is, in its owner's words.
    pub description: String,
}

/// What is sold here now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceList {
    /// By agent.
    pub services: Vec<ServiceView>,
}

/// A question to an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAsk {
    /// The question.
    pub text: String,
    /// Pays: `{"channel", "cumulative", "signature"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub voucher: Option<SignedVoucher>,
    /// Pays instead of a voucher: an account of this node with an open channel to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// This node's word on the price, from `/v1/quotes`: the answer costs no more, or is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub quote: Option<SignedQuote>,
}

/// What an agent made, with its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceAnswer {
    /// The answer in words.
    pub answer: String,
    /// Base units charged.
    pub fee: Amount,
    /// The proof: in `sale` the agent, and the receipts of what it bought for this.
    pub receipt: ReceiptView,
}

/// An agent asks for the next call, and sells on these terms until it has not asked for a while.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextCall {
    /// Base units of an answer.
    pub price: Amount,
    /// What it sells, in at most 500 bytes.
    #[serde(default)]
    pub description: String,
    /// Whether it begins: what it had taken before and not answered is given to it again.
    #[serde(default)]
    pub anew: bool,
    /// Seconds to wait for a call, at most 30.
    #[serde(default)]
    pub wait_seconds: u64,
}

/// A question that an agent is to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Under which it buys what it needs: as `Idempotency-Key`, `sale-ORDER-STEP`, `STEP` being a word of its own for each.
    #[schema(value_type = String)]
    pub order: Digest,
    /// The question: a stranger's words.
    pub text: String,
    /// Base units that the caller pays.
    pub price: Amount,
}

/// The next call, if there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Called {
    /// None if none came in time: ask again.
    pub call: Option<CallView>,
}

/// What an agent says to a call: an answer, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallAnswer {
    /// The call's.
    #[schema(value_type = String)]
    pub order: Digest,
    /// The answer. Either this or `refusal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The receipts of what was bought for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub suppliers: Vec<ReceiptId>,
    /// Why there is none: told to the caller, who pays nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallOutcome {
    /// The receipt of what was sold.
    #[schema(value_type = Option<String>)]
    pub receipt: Option<ReceiptId>,
    /// Base units that the caller paid.
    pub fee: Amount,
    /// Why nothing was sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
