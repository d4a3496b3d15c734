//! What this node is and how it does.

use axum::Json;
use axum::extract::State;
use datanet_api::status::{DeployedStatus, ModelStatus, NodeStatus, PeerView, Peers};
use datanet_p2p::NetworkHandle;
use datanet_types::NodeKey;

use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::status::{self, StatusService};

/// This node at a glance.
#[utoipa::path(get, operation_id = "get_status", path = "/v1/status", tag = "node", responses((status = 200, body = NodeStatus)))]
pub(super) async fn status(State(status): State<StatusService>) -> ServiceResult<Json<NodeStatus>> {
    Ok(Json(status.now().await?.into()))
}

impl From<status::NodeStatus> for NodeStatus {
    fn from(now: status::NodeStatus) -> Self {
        let deployed = now.deployed.into_iter();
        let deployed =
            deployed.map(|status::DeployedStatus { id, name, provider }| DeployedStatus { id, name, provider });
        let status::ModelStatus { id, name, dimensions, provider } = now.model;
        Self {
            name: now.name,
            version: now.version.to_owned(),
            chain_id: now.chain_id,
            height: now.height,
            app_hash: now.app_hash,
            catching_up: now.catching_up,
            engine: now.engine.to_owned(),
            node_key: now.node_key,
            account: now.account,
            roles: now.roles.into_iter().map(str::to_owned).collect(),
            peers: now.peers,
            consensus_peers: now.consensus_peers,
            p2p: now.p2p,
            contributions_held: now.contributions_held,
            max_contribution_bytes: now.max_contribution_bytes,
            model: ModelStatus { id, name, dimensions, provider },
            deployed: deployed.collect(),
            jobs: now.jobs,
            uptime_seconds: now.uptime_seconds,
            fees: now.fees,
            stopped: now.stopped,
        }
    }
}

/// The peers connected now.
#[utoipa::path(get, operation_id = "list_peers", path = "/v1/peers", tag = "node", responses((status = 200, body = Peers)))]
pub(super) async fn peers(
    State(chain): State<Chain>,
    State(network): State<NetworkHandle>,
) -> ServiceResult<Json<Peers>> {
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
