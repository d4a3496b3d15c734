//! A peer that is no node of ours and serves what a test wants.

use datanet_p2p::{NodeKey, node_key_of_secret};
use iroh::endpoint::presets;
use iroh::protocol::{ProtocolHandler, Router};

use crate::hostile::{answer, dial, raw};
use crate::node::{DEADLINE, Node};

/// Somebody who speaks iroh on loopback and is no node of ours.
pub async fn endpoint(secret: [u8; 32]) -> iroh::Endpoint {
    iroh::Endpoint::builder(presets::Minimal)
        .secret_key(iroh::SecretKey::from_bytes(&secret))
        .relay_mode(iroh::RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .bind()
        .await
        .unwrap()
}

/// A peer that is no node of ours: its record is right, what it serves is up to the test.
pub struct Provider {
    pub key: NodeKey,
    _router: Router,
    swarm: tokio::task::JoinHandle<()>,
}

impl Provider {
    /// Serves with `handler`, and is known to `node`.
    pub async fn start(n: u8, node: &Node, handler: impl ProtocolHandler) -> Self {
        let secret = [n; 32];
        let endpoint = endpoint(secret).await;
        let (key, addrs) = (node_key_of_secret(&secret), endpoint.bound_sockets());
        let router = Router::builder(endpoint).accept(iroh_blobs::ALPN, handler).spawn();
        let mut swarm = raw(secret);
        dial(&mut swarm, node);
        let swarm = tokio::spawn(async move { answer(&mut swarm, key, addrs).await });
        let mut peers = node.handle.watch_peers();
        let known = peers.wait_for(|all| all.iter().any(|peer| peer.node_key == key && !peer.blob_addrs.is_empty()));
        tokio::time::timeout(DEADLINE, known).await.expect("no record").unwrap();
        Self { key, _router: router, swarm }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}
