//! Telling peers that a contribution's bytes are here.

use datanet_p2p::NetworkHandle;
use datanet_types::announce::{Announcement, topic};
use datanet_types::{BlobHash, ContributionId, DatanetId, Signature};
use prost::Message as _;

use crate::keyring::Identity;

/// Announces in this node's name; clones are cheap.
#[derive(Clone)]
pub struct Announcer {
    chain_id: String,
    network: NetworkHandle,
    identity: Identity,
}

impl Announcer {
    /// An announcer on this chain's topics.
    pub fn new(chain_id: String, network: NetworkHandle, identity: Identity) -> Self {
        Self { chain_id, network, identity }
    }

    /// Announces that this node holds a contribution's bytes. Nobody listening is fine: the ledger tells them later.
    pub async fn announce(&self, datanet: &DatanetId, id: &ContributionId, blob: &BlobHash, size: u64) {
        let announcement = Announcement {
            chain_id: self.chain_id.clone(),
            datanet: *datanet,
            contribution: *id,
            blob: *blob,
            size,
            provider: self.identity.node_key(),
            signature: Signature::ZERO,
        };
        let bytes = announcement.sign(self.identity.secret()).encode_to_vec();
        if let Err(error) = self.network.publish(topic(&self.chain_id, datanet), bytes).await {
            tracing::debug!(%error, contribution = %id, "announcement not sent; peers find it on the ledger");
        }
    }
}
