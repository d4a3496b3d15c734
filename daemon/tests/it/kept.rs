//! A storage node keeps what another node settles, says so, and shows it to everybody once that one is gone for good.

use datanet::billing::statement::{Index, MAX_INDEX_BYTES, Paged};
use datanet::init::own_params;
use datanet_ledger::component::{Params, settlement};
use datanet_p2p::{FetchRequest, Network, NetworkConfig, NetworkHandle, Share, TagKind};
use datanet_types::epoch::{EpochLeaf, FeeShares};
use datanet_types::{Address, BlobHash, Digest, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::claims::{FEES, Server, keep_here, servers};
use crate::cli;
use crate::kit::{self, CHAIN, TestNode, until};

/// Epochs that a stranger makes up, all before an honest one's.
const MADE_UP: u64 = 200;

/// A node that keeps data, on a chain where an epoch is paid with the word of one such node, or void after so many seconds.
async fn keeping(statement_seconds: u64) -> TestNode {
    let params = Params { statement_quorum: 1, statement_seconds, ..own_params() };
    let mut config = kit::config();
    // What is settled here is made up, and rests on no answers.
    config.judging.watch_epochs = false;
    TestNode::spawn_on(kit::tools_without_model(), config, params).await
}

/// A machine of its own with the key of a node, connected to the node under test.
pub async fn machine(node: &TestNode, key: &SigningKey) -> (NetworkHandle, TempDir) {
    let (dir, services) = (tempfile::tempdir().unwrap(), node.services());
    let mut config = NetworkConfig::loopback(key.to_bytes(), dir.path());
    config.network = CHAIN.to_owned();
    config.bootstrap = services.network.listen_addrs();
    let (network, mut events) = Network::spawn(config, CancellationToken::new()).await.unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let own = services.network.node_key();
    let known = |peers: &std::sync::Arc<Vec<datanet_p2p::PeerInfo>>| {
        peers.iter().any(|peer| peer.node_key == own && !peer.blob_addrs.is_empty())
    };
    network.watch_peers().wait_for(known).await.unwrap();
    let here = |peers: &std::sync::Arc<Vec<datanet_p2p::PeerInfo>>| {
        peers.iter().any(|peer| peer.node_key == key.node_key().0 && !peer.blob_addrs.is_empty())
    };
    services.network.watch_peers().wait_for(here).await.unwrap();
    (network, dir)
}

/// Has a machine serve a statement's index, and those of its pages that are wanted, by their number over all.
pub async fn show(network: &NetworkHandle, paged: Paged, wanted: impl Fn(usize) -> bool) -> BlobHash {
    let index = paged.hash();
    let pages = paged.pages.into_iter().enumerate().filter(|(page, _)| wanted(*page)).map(|(_, bytes)| bytes);
    for bytes in pages.chain([paged.index]) {
        let held = network.blobs().add_bytes(bytes).await.unwrap();
        let tag = TagKind::Statement.tag(format!("{index}/{}", BlobHash(held.hash())));
        network.blobs().tags().keep(&tag, held.hash()).await.unwrap();
    }
    index
}

async fn epoch(node: &TestNode, server: &Server, number: u64) -> Value {
    node.get(&format!("/v1/epochs/{}-{number}", server.node.node_key())).await
}

#[tokio::test]
async fn who_earned_claims_although_the_node_that_settled_is_gone_with_its_store() {
    let node = keeping(600).await;
    let services = node.services();
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let all = servers(&services, 1, 3).await;
    let server = all.first().unwrap();
    let (network, dir) = machine(&node, &server.node).await;
    let owed = FeeShares::STANDARD.split(FEES).claimable();
    let keep = async |_: String, paged: Paged| show(&network, paged, |_| true).await;
    let blob = server.settle_kept(&services, &[(alice, owed)], None, keep).await;
    let attested = until("it is attested and with that final", async || {
        let epoch = epoch(&node, server, 1).await;
        (epoch["status"] == "final").then_some(epoch)
    })
    .await;
    let own = json!(services.identity.node_key());
    assert_eq!((&attested["quorum"], &attested["keepers"]), (&json!(1), &json!([own])), "{attested:#}");
    let kept = services.blobs.list_kept(TagKind::Witnessed).await.unwrap();
    assert!(kept.iter().any(|(_, kept)| *kept == blob), "before it said so");
    assert_eq!(services.blobs.list_kept(TagKind::WitnessedPage).await.unwrap().len(), 3, "with all its pages");

    network.shutdown().await;
    drop(dir);

    let before = node.balance(&alice.to_string()).await;
    // Somebody who has nothing but the ledger, on a third machine: the keepers stand there.
    let (third, _dir) = machine(&node, &SigningKey::from_bytes(&kit::random())).await;
    let from: Vec<[u8; 32]> = {
        let reader = services.chain.reader().unwrap();
        let keepers = settlement::keepers(&reader, &server.node.node_key(), 1).unwrap();
        keepers.iter().map(|keeper| keeper.node.0).collect()
    };
    let fetch = async |blob: BlobHash| {
        let request = FetchRequest::new(blob.0, MAX_INDEX_BYTES, &from, Share::OWN);
        let held = third.blobs().fetch(request).await.unwrap();
        third.blobs().read_all(held.hash(), MAX_INDEX_BYTES).await.unwrap()
    };
    let settled = settlement::epoch(&services.chain.reader().unwrap(), &server.node.node_key(), 1).unwrap().unwrap();
    let index = Index::parse(&fetch(blob).await, CHAIN, &settled).unwrap();
    let number = index.leaf_page(&alice.into()).unwrap();
    let page = fetch(index.page::<EpochLeaf>(number).unwrap().blob).await;
    let (amount, _) = index.prove(number, &index.read(number, &page).unwrap(), &alice.into()).unwrap();
    assert_eq!(amount, owed);
    third.shutdown().await;

    let paid = node.post(&format!("/v1/accounts/{alice}/claim"), json!({})).await;
    assert_eq!(paid["total"], json!(owed), "{paid:#}");
    assert_eq!(node.balance(&alice.to_string()).await, before + owed - 1_000);
    let said = cli::said(node.home(), &["epoch", "show", attested["id"].as_str().unwrap()]);
    assert!(said.contains("statement attested by 1 of 1 storage nodes"), "{said}");
}

#[tokio::test]
async fn many_made_up_epochs_are_never_attested_and_keep_no_honest_one_waiting() {
    let node = keeping(3_600).await;
    let services = node.services();
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let all = servers(&services, 2, MADE_UP + 2).await;
    let [stranger, honest] = all.as_slice() else { panic!("two") };
    for _ in 0..MADE_UP {
        stranger.settle_nothing(&services.chain).await;
    }
    let owed = FeeShares::STANDARD.split(FEES).claimable();
    let here = async |name: String, paged: Paged| keep_here(&services, name, &paged).await;
    // One whose statement is there, and gives another root than the ledger's.
    stranger.settle_kept(&services, &[(alice, owed)], Some(Digest([7; 32])), &here).await;
    honest.settle_kept(&services, &[(alice, owed)], None, &here).await;
    until("the honest one is final", async || (epoch(&node, honest, 1).await["status"] == "final").then_some(())).await;
    let reader = services.chain.reader().unwrap();
    for number in 1..=MADE_UP + 1 {
        let waits = settlement::epoch(&reader, &stranger.node.node_key(), number).unwrap().unwrap();
        assert!(waits.attestations == 0 && waits.status() != settlement::Status::Final, "{waits:?}");
    }
    let waits = epoch(&node, stranger, 1).await;
    assert_eq!(waits["waits_for"], "until 1 more storage node says that it keeps its statement", "{waits:#}");
    let said = cli::said(node.home(), &["epoch", "show", waits["id"].as_str().unwrap()]);
    assert!(said.contains("attested by 0 of 1 storage nodes") && said.contains("void in"), "{said}");
    let listed = cli::said(node.home(), &["epoch", "list", "--node", &honest.node.node_key().to_string()]);
    assert!(listed.contains("1/1"), "{listed}");
}
