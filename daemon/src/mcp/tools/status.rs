//! The node at a glance.

use datanet_api::status::NodeStatus;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    let about = About {
        name: "status",
        title: "Node status",
        description: "What this node is and how it does: its chain and height, its own account, what the chain takes for transactions and judging.",
        shown: false,
    };
    vec![route(about, status)]
}

/// Nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A node at a glance.
#[derive(Debug, Serialize, JsonSchema)]
struct StatusView {
    /// The chain.
    chain: String,
    /// Its last height here.
    height: u64,
    /// Whether the node is still fetching old blocks.
    catching_up: bool,
    /// The node's key, which channels and receipts name.
    node: String,
    /// The node's own account.
    account: String,
    /// What every transaction costs at least.
    transaction_fee: Money,
    /// What judging a contribution of up to a MiB costs.
    review_fee: Money,
    /// The part of a bond that is lost when a contribution is refused, in basis points.
    bond_penalty_bps: u32,
    /// Ids of models that answer here.
    deployed: Vec<String>,
    /// Training jobs that wait or run.
    jobs: u64,
}

async fn status(call: Call, _: Nothing) -> Outcome<StatusView> {
    let status: NodeStatus = call.get(&["status"]).await?;
    Ok(StatusView {
        chain: status.chain_id,
        height: status.height,
        catching_up: status.catching_up,
        node: status.node_key.to_string(),
        account: status.account.to_string(),
        transaction_fee: status.fees.transaction.into(),
        review_fee: status.fees.review.into(),
        bond_penalty_bps: status.fees.bond_penalty_bps,
        deployed: status.deployed.into_iter().map(|model| model.id).collect(),
        jobs: status.jobs as u64,
    })
}
