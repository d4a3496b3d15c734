//! What tests of agents share: servers on loopback, a desk in a folder.

use axum::Router;
use datanet_types::{NodeKey, SigningKey};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::desk::Desk;
use super::hands::Hands;
use super::journal::Journal;
use super::node::Node;
use super::purse::{Limits, Purse};
use super::spec::Spec;

/// Serves on a free port: the address.
pub(super) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A node at this address, and the account of an agent called owl.
pub(super) fn node_at(base: &str) -> Node {
    let client = datanet_api::Client::new(base, "t").unwrap();
    let address = SigningKey::from_bytes(&[1; 32]).address();
    Node { client, account: "owl".into(), address, chain: "c".into(), key: NodeKey([7; 32]) }
}

/// A desk with 5 DNT.
pub(super) fn desk(spec: &Spec, node: Node, dir: &tempfile::TempDir) -> Desk {
    let journal = Journal::open(&dir.path().join("journal"), None).unwrap();
    Desk {
        purse: Purse::new(journal, Limits { amount: 5_000_000, window: None, each: 500_000 }, "owl"),
        hands: Hands::new(spec, dir.path()).unwrap(),
        node,
        stop: CancellationToken::new(),
        told: Told::new(|_| {}),
    }
}
