//! What every part of a node shares: configuration, keys, ledger, network, models, stores.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use datanet_config::{Home, NodeConfig};
use datanet_p2p::{Blobs, NetworkHandle, Tag};
use datanet_types::{Address, BlobHash, NodeKey, SigningKey};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::factory::Factory;
use crate::intake::{Intake, blob_error};
use crate::keyring::{Keyring, NODE_ACCOUNT};
use crate::library::Library;
use crate::local::LocalStore;
use crate::models::Models;
use crate::serving::Serving;
use crate::workers::gossip::Providers;

/// The shared parts; clones are cheap.
#[derive(Clone)]
pub struct Core(Arc<CoreParts>);

/// See [`Core`].
pub struct CoreParts {
    /// Where everything lies.
    pub home: Home,
    /// How it was configured.
    pub config: NodeConfig,
    /// The node's key.
    pub node_secret: SigningKey,
    /// Accounts whose keys are here.
    pub keyring: Keyring,
    /// The ledger.
    pub chain: Chain,
    /// The network.
    pub network: NetworkHandle,
    /// What this node must not lose.
    pub local: LocalStore,
    /// The embedding model, or why there is none.
    pub models: Models,
    /// Records, embeddings and indexes of the datanets.
    pub library: Library,
    /// Who announced what.
    pub providers: Providers,
    /// Uploads under way.
    pub intake: Intake,
    /// Answers under way.
    pub serving: Serving,
    /// Models made and served.
    pub factory: Factory,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
    /// Start of this process, for the uptime shown.
    pub started: Instant,
}

impl Deref for Core {
    type Target = CoreParts;

    fn deref(&self) -> &CoreParts {
        &self.0
    }
}

impl Core {
    /// Shares `parts`.
    pub fn new(parts: CoreParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl CoreParts {
    /// The node's public key: libp2p peer id, iroh endpoint id and name on the ledger.
    pub fn node_key(&self) -> NodeKey {
        self.node_secret.node_key()
    }

    /// The key of the node's own account.
    pub fn account_key(&self) -> ServiceResult<SigningKey> {
        self.keyring.get(NODE_ACCOUNT)
    }

    /// The node's own account.
    pub fn account(&self) -> ServiceResult<Address> {
        Ok(self.account_key()?.address())
    }

    /// The blob store.
    pub fn blobs(&self) -> Blobs {
        self.network.blobs()
    }

    /// Stores bytes as a blob and keeps it under `tag`; its hash.
    pub async fn keep_bytes(&self, tag: &Tag, bytes: Vec<u8>) -> ServiceResult<BlobHash> {
        let held = self.blobs().add_bytes(bytes).await.map_err(|error| blob_error(&error))?;
        self.keep_blob(tag, &BlobHash(held.hash())).await?;
        Ok(BlobHash(held.hash()))
    }

    /// Keeps a blob that is here under `tag`.
    pub async fn keep_blob(&self, tag: &Tag, blob: &BlobHash) -> ServiceResult<()> {
        self.blobs().tags().keep(tag, blob.0).await.map_err(|error| blob_error(&error))
    }
}
