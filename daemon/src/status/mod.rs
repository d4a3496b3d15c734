//! A node at a glance; [`readiness`]: whether it is of use now.

pub mod readiness;

use std::time::Instant;

use datanet_api::status::{Fees, StoppedComponent};
use datanet_inference::runtime::Device;
use datanet_ledger::component::{Component, breaker};
use datanet_p2p::NetworkHandle;
use datanet_types::{Address, NodeKey};

use crate::blobs::BlobStore;
use crate::chain::{Chain, Engine};
use crate::embedder::Embedder;
use crate::error::ServiceResult;
use crate::keyring::Identity;
use crate::models::Models;
use crate::training::Training;
use readiness::Readiness;

/// See the module.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// The software's version.
    pub version: &'static str,
    /// The chain.
    pub chain_id: String,
    /// Last committed height.
    pub height: u64,
    /// Root of the ledger's state after it, hex.
    pub app_hash: String,
    /// Whether it is still fetching old blocks.
    pub catching_up: bool,
    /// `cometbft` or `solo`.
    pub engine: &'static str,
    /// The node's key.
    pub node_key: NodeKey,
    /// The node's account.
    pub account: Address,
    /// Roles on the ledger; empty as long as the node is not registered.
    pub roles: Vec<&'static str>,
    /// Peers connected on the data network.
    pub peers: usize,
    /// Peers connected to CometBFT.
    pub consensus_peers: usize,
    /// Where the data network listens.
    pub p2p: Vec<String>,
    /// Contributions whose bytes are here.
    pub contributions_held: u64,
    /// Longest contribution in bytes.
    pub max_contribution_bytes: u64,
    /// The embedding model.
    pub model: ModelStatus,
    /// Released models that answer here, and what runs them.
    pub deployed: Vec<DeployedStatus>,
    /// Jobs that wait or run.
    pub jobs: usize,
    /// Seconds since start.
    pub uptime_seconds: u64,
    /// What the chain takes.
    pub fees: Fees,
    /// Parts of the ledger that stand still.
    pub stopped: Vec<StoppedComponent>,
}

/// A released model that answers here.
#[derive(Debug, Clone)]
pub struct DeployedStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What runs it, and why that.
    pub provider: String,
}

/// The embedding model, or why there is none.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Numbers in a vector.
    pub dimensions: Option<usize>,
    /// What runs it, and why that.
    pub provider: String,
}

/// Says how the node is; clones are cheap.
#[derive(Clone)]
pub struct StatusService {
    /// The node's name.
    pub name: String,
    /// The ledger.
    pub chain: Chain,
    /// Peers.
    pub network: NetworkHandle,
    /// Who the node is.
    pub identity: Identity,
    /// What it keeps.
    pub blobs: BlobStore,
    /// Its embedding model.
    pub embedder: Embedder,
    /// What answers here.
    pub models: Models,
    /// Jobs.
    pub training: Training,
    /// Whether it is ready.
    pub readiness: Readiness,
    /// Start of this process.
    pub started: Instant,
}

impl StatusService {
    /// The node at a glance, now.
    ///
    /// # Errors
    /// When the node's account has no key here, the private store cannot be read, or the ledger has no block yet or
    /// cannot be read.
    pub async fn now(&self) -> ServiceResult<NodeStatus> {
        let commit = self.chain.commits().borrow().clone();
        let registered = datanet_ledger::component::nodes::get(&self.chain.reader()?, &self.identity.node_key())?;
        let consensus_peers = match self.chain.engine() {
            Engine::CometBft(rpc) => rpc.peers().await.map_or(0, |peers| peers.len()),
            Engine::Solo(_) => 0,
        };
        let params = self.chain.params()?;
        Ok(NodeStatus {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            chain_id: self.chain.id().to_owned(),
            height: commit.height,
            app_hash: hex::encode(commit.app_hash),
            catching_up: self.chain.catching_up().await,
            engine: self.chain.engine().name(),
            node_key: self.identity.node_key(),
            account: self.identity.account()?,
            roles: registered.map(|node| role_names(node.roles)).unwrap_or_default(),
            peers: self.network.peers().len(),
            consensus_peers,
            p2p: self.network.listen_addrs().iter().map(ToString::to_string).collect(),
            contributions_held: self.blobs.held_contributions().await,
            max_contribution_bytes: params.max_contribution_bytes,
            model: self.model_status(),
            deployed: self.deployed_status(),
            jobs: self.training.jobs()?.iter().filter(|job| !job.state.is_over()).count(),
            uptime_seconds: self.started.elapsed().as_secs(),
            fees: {
                let params = self.chain.params()?;
                Fees {
                    transaction: params.min_fee,
                    byte: params.byte_fee,
                    gas: params.gas_price,
                    review: params.review_fee,
                    review_per_mib: params.review_fee_per_mib,
                    datanet_deposit: params.datanet_deposit,
                    state_byte: params.state_byte_deposit,
                    bond_penalty_bps: params.bond_penalty_bps,
                }
            },
            stopped: self.stopped()?,
        })
    }

    /// Parts of the ledger that stand still, by name.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn stopped(&self) -> ServiceResult<Vec<StoppedComponent>> {
        let all = breaker::all_tripped(&self.chain.reader()?)?.into_iter();
        let view = |(component, breaker::Tripped { height, key }): (Component, _)| StoppedComponent {
            component: component.name().to_owned(),
            height,
            key,
        };
        Ok(all.map(view).collect())
    }

    fn model_status(&self) -> ModelStatus {
        match self.embedder.info().and_then(|info| Ok((info, self.embedder.provider()?))) {
            Ok((info, running)) => ModelStatus {
                id: Some(hex::encode(info.id)),
                name: Some(info.name.clone()),
                dimensions: Some(info.dimensions),
                provider: provider(&running),
            },
            Err(error) => ModelStatus { id: None, name: None, dimensions: None, provider: error.detail },
        }
    }

    fn deployed_status(&self) -> Vec<DeployedStatus> {
        let deployed = self.models.served.all().into_iter();
        let status = deployed.map(|served| DeployedStatus {
            id: served.model.id.to_hex(),
            name: served.release.name.clone(),
            provider: provider(&served.provider()),
        });
        status.collect()
    }
}

/// What runs a model, and why that.
fn provider(provider: &datanet_inference::runtime::Provider) -> String {
    let running = device(provider.running);
    match &provider.fallback {
        Some(reason) => format!("{running}, because {} can't be used: {reason}", device(provider.requested)),
        None => running,
    }
}

fn device(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda { id } => format!("cuda:{id}"),
    }
}

fn role_names(roles: u32) -> Vec<&'static str> {
    use datanet_types::action::role;
    let all = [(role::VALIDATOR, "validator"), (role::STORAGE, "storage"), (role::SERVING, "serving")];
    all.into_iter().filter(|(bit, _)| roles & bit != 0).map(|(_, name)| name).collect()
}
