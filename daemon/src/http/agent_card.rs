//! The card by which agents find the node.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use datanet_api::a2a::AgentCard;

use super::x402::host;
use crate::a2a::{self, Facts};
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::error::ServiceResult;
use crate::keyring::Identity;
use crate::x402::X402;

/// What this node is and can do, in the words of the Agent2Agent protocol, signed with the node's key.
#[utoipa::path(get, operation_id = "get_agent_card", path = "/.well-known/agent-card.json", tag = "agents", responses((status = 200, body = AgentCard)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    State(identity): State<Identity>,
    State(embedder): State<Embedder>,
    State(x402): State<X402>,
    headers: HeaderMap,
) -> ServiceResult<Json<AgentCard>> {
    let host = host(&headers);
    let facts = Facts { chain: &chain, identity: &identity, embedder: &embedder, x402: &x402, host };
    Ok(Json(a2a::card(&facts)?))
}
