//! What those who paid say of sellers.

use datanet_types::{Address, AgentId, Amount, NodeKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account that has sold or bought answers. All amounts halve every ninety days, at the same moments for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SellerView {
    /// Whose node sold; what is said belongs to the account, whatever node it has.
    #[schema(value_type = String)]
    pub account: Address,
    /// The agent whose account it is, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    /// How good it is, from 0 to 10,000, weighed by what counts; none where nothing counts.
    pub score_bps: Option<u32>,
    /// Base units of payments with which it was rated and that count.
    pub counted: Amount,
    /// Of all payments with which it was rated, counted or not.
    pub rated: Amount,
    /// Of its own owner's, which do not count.
    pub own: Amount,
    /// Of what may have come back to who paid, which does not count.
    pub circular: Amount,
    /// How often it was rated.
    pub ratings: u64,
    /// Base units that it was paid for answers, rated or not, as far as they were settled.
    pub earned: Amount,
    /// Base units that it paid for answers itself.
    pub paid: Amount,
}

/// Several sellers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sellers {
    /// Up to 1,000 that were paid something, those first of whom most counts; on the public face the first 100 of them.
    pub sellers: Vec<SellerView>,
}

/// What is said of a seller, by a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRating {
    /// The name of the paying account's key on the node; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its epoch that the account paid for; it must be final.
    pub epoch: u64,
    /// How good it was, from 0 to 10,000.
    pub score_bps: u32,
}

/// An epoch that an account may rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenRating {
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its epoch.
    pub epoch: u64,
    /// Whose node it is.
    #[schema(value_type = String)]
    pub seller: Address,
    /// Base units that the account paid.
    pub amount: Amount,
    /// Block time up to which it may, in seconds since 1970.
    pub until: u64,
}

/// What an account may rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenRatings {
    /// Among the first 1,000 epochs that anybody may.
    pub open: Vec<OpenRating>,
}
