//! What this node is and how it does.

use axum::Json;
use axum::extract::State;
use datanet_p2p::NetworkHandle;
use datanet_types::{Address, NodeKey};

use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::status::NodeStatus;
use crate::status::StatusService;

/// A connected peer.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PeerView {
    /// Its node key.
    #[schema(value_type = String)]
    node_key: NodeKey,
    /// Where it listens.
    addrs: Vec<String>,
    /// What it runs.
    agent: String,
    /// Its name on the ledger.
    name: Option<String>,
    /// Its account on the ledger.
    #[schema(value_type = Option<String>)]
    account: Option<Address>,
}

/// All connected peers.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Peers {
    peers: Vec<PeerView>,
}

/// This node at a glance.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses((status = 200, body = NodeStatus)))]
pub async fn status(State(status): State<StatusService>) -> ServiceResult<Json<NodeStatus>> {
    Ok(Json(status.now().await?))
}

/// The peers connected now.
#[utoipa::path(get, path = "/v1/peers", tag = "node", responses((status = 200, body = Peers)))]
pub async fn peers(State(chain): State<Chain>, State(network): State<NetworkHandle>) -> ServiceResult<Json<Peers>> {
    let reader = chain.reader()?;
    let mut peers = Vec::new();
    for peer in network.peers().iter() {
        let node_key = NodeKey(peer.node_key);
        let registered = datanet_ledger::component::nodes::get(&reader, &node_key)?;
        peers.push(PeerView {
            node_key,
            addrs: peer.addrs.clone(),
            agent: peer.agent.clone(),
            name: registered.as_ref().map(|node| node.name.clone()),
            account: registered.map(|node| node.account),
        });
    }
    Ok(Json(Peers { peers }))
}
