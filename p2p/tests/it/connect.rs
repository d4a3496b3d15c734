use datanet_p2p::{BlobError, Network, NetworkError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::node::{DEADLINE, Node, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_started_before_its_bootstrap_peer_finds_it_and_finds_it_again_after_a_restart() {
    // Learn a free address, and make it dead.
    let (a_config, a_dir) = Node::start(1, &[]).await.stop().await;
    let mut b = Node::start_with(2, &[], |config| {
        // Without the peer's id: the address alone must do.
        config.bootstrap = vec![a_config.listen[0].clone()];
    })
    .await;
    b.peers(0).await;
    let a = Node::spawn(a_config, a_dir).await;
    b.ready(&a).await;
    let (a_config, a_dir) = a.stop().await;
    b.peers(0).await;
    let a = Node::spawn(a_config, a_dir).await;
    b.ready(&a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_exchange_records() {
    let mut a = Node::start_with(1, &[], |config| config.app_record = b"from a".to_vec()).await;
    let mut b = Node::start(2, &[&a]).await;
    b.ready(&a).await;
    a.ready(&b).await;
    let peers = b.handle.peers();
    assert_eq!(peers[0].node_key, a.key());
    assert_eq!(peers[0].app, b"from a");
    assert_eq!(peers[0].blob_addrs, vec![a.handle.blob_addr().unwrap()]);
    assert_eq!(peers[0].addrs.len(), 2);
    assert_eq!(b.handle.metrics().peers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_works_where_quic_does_not() {
    let tcp = |config: &mut datanet_p2p::NetworkConfig| config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let a = Node::start_with(1, &[], tcp).await;
    let mut b = Node::start_with(2, &[&a], tcp).await;
    b.ready(&a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_different_networks_stay_apart() {
    let a = Node::start_with(1, &[], |config| config.network = "one".to_owned()).await;
    let mut b = Node::start_with(2, &[&a], |config| config.network = "two".to_owned()).await;
    loop {
        if let datanet_p2p::NetworkEvent::PeerLost(key) = b.event().await {
            assert_eq!(key, a.key());
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_can_be_found_by_its_key() {
    let a = Node::start(1, &[]).await;
    let b = Node::start(2, &[&a]).await;
    let c = Node::start(3, &[&a]).await;
    c.handle.connect(b.key()).await.unwrap();
    assert!(c.handle.peers().iter().any(|peer| peer.node_key == b.key()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_work_are_refused_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let spawn = |config| Network::spawn(config, CancellationToken::new());
    let mut wrong = config(1, &dir);
    wrong.listen = vec!["localhost:80".to_owned()];
    assert!(matches!(spawn(wrong).await, Err(NetworkError::Config { field: "listen", .. })));
    let mut wrong = config(1, &dir);
    wrong.app_record = vec![0; 1025];
    assert!(matches!(spawn(wrong).await, Err(NetworkError::Config { field: "app_record", .. })));

    let running = Node::start(2, &[]).await;
    let mut taken = config(1, &dir);
    taken.listen =
        running.handle.listen_addrs().iter().map(|addr| addr[..addr.find("/p2p/").unwrap()].to_owned()).collect();
    assert!(matches!(spawn(taken).await, Err(NetworkError::Listen { .. })));
    let mut taken = config(1, &dir);
    taken.blob_bind = running.handle.blob_addr().unwrap();
    assert!(matches!(spawn(taken).await, Err(NetworkError::BlobEndpoint { .. })));
    // What failed half-way left nothing open.
    let (handle, _events) = spawn(config(1, &dir)).await.unwrap();
    // The folder belongs to one process at a time.
    assert!(matches!(spawn(config(3, &dir)).await, Err(NetworkError::BlobStore { .. })));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_stops_with_its_last_handle_or_its_token() {
    let dir = TempDir::new().unwrap();
    let (handle, mut events) = Network::spawn(config(1, &dir), CancellationToken::new()).await.unwrap();
    let blobs = handle.blobs();
    drop(handle);
    assert!(tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().is_none());

    let (dir, token) = (TempDir::new().unwrap(), CancellationToken::new());
    let (handle, mut events) = Network::spawn(config(2, &dir), token.clone()).await.unwrap();
    token.cancel();
    assert!(tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().is_none());
    handle.shutdown().await;
    assert!(matches!(handle.subscribe("t").await, Err(NetworkError::Stopped)));
    assert!(matches!(handle.blobs().add_bytes("x").await, Err(BlobError::Stopped)));
    drop(blobs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_is_what_others_are_told_to_dial() {
    // Another address of this machine, which its interfaces do not show.
    let a = Node::start_with(1, &[], |config| {
        config.listen = vec!["/ip4/0.0.0.0/udp/0/quic-v1".to_owned()];
        config.blob_bind = "0.0.0.0:0".parse().unwrap();
        config.announce = vec!["127.0.0.9".to_owned()];
    })
    .await;
    let told = a.handle.listen_addrs();
    assert!(told[0].starts_with("/ip4/127.0.0.9/udp/"), "{told:?}");
    assert!(told.iter().all(|addr| !addr.contains("/0.0.0.0/")), "{told:?}");
    let mut b = Node::start(2, &[&a]).await;
    b.ready(&a).await;
    let peers = b.handle.peers();
    assert!(peers[0].addrs[0].starts_with("/ip4/127.0.0.9/udp/"), "{:?}", peers[0].addrs);
    let (ip, port) = ("127.0.0.9".parse().unwrap(), a.handle.blob_addr().unwrap().port());
    assert!(peers[0].blob_addrs.contains(&std::net::SocketAddr::new(ip, port)), "{:?}", peers[0].blob_addrs);
    let dir = TempDir::new().unwrap();
    let mut wrong = config(3, &dir);
    wrong.announce = vec!["0.0.0.0".to_owned()];
    let refused = Network::spawn(wrong, CancellationToken::new()).await;
    assert!(matches!(refused, Err(NetworkError::Config { field: "announce", .. })));
}
