//! What is here and given to nobody yet.

use std::time::Duration;

use datanet_p2p::{FetchError, FetchRequest, Hash, HeldBlob, ProviderError, Share, TagKind};
use iroh::endpoint::Connection;
use iroh_blobs::get::fsm;
use iroh_blobs::get::request::{get_hash_seq_and_sizes, get_verified_size};
use iroh_blobs::protocol::{ChunkRanges, GetManyRequest};

use crate::node::{Node, noise};
use crate::provider::endpoint;

const MAX: u64 = 1 << 20;

async fn fetch(node: &Node, from: &Node, hash: Hash) -> Result<HeldBlob, FetchError> {
    node.handle.blobs().fetch(FetchRequest::new(hash, MAX, &[from.key()], Share::OWN)).await
}

fn is_not_given(fetched: Result<HeldBlob, FetchError>) -> bool {
    match fetched {
        Err(FetchError::AllFailed(failures)) => matches!(failures[..], [(_, ProviderError::NotFound)]),
        _ => false,
    }
}

/// A connection to a node's blobs from somebody who speaks iroh and is no node.
async fn stranger(to: &Node) -> (iroh::Endpoint, Connection) {
    let endpoint = endpoint([99; 32]).await;
    let id = iroh::EndpointId::from_bytes(&to.key()).unwrap();
    let address = iroh::EndpointAddr::new(id).with_ip_addr(to.handle.blob_addr().unwrap());
    let connection = endpoint.connect(address, iroh_blobs::ALPN).await.unwrap();
    (endpoint, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pending_is_given_to_nobody_before_it_is_served() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let blobs = a.handle.blobs();
    let (data, other) = (blobs.add_bytes(noise(50_000, 1)).await.unwrap(), blobs.add_bytes(noise(9, 2)).await.unwrap());
    let pending = TagKind::Pending.tag("given");
    blobs.tags().keep(&pending, data.hash()).await.unwrap();
    b.ready(&a).await;
    assert!(is_not_given(fetch(&b, &a, data.hash()).await));
    // Neither another name for it, nor giving up this one, is a reason to hand it out.
    blobs.tags().keep(&TagKind::Contribution.tag("copied"), data.hash()).await.unwrap();
    assert!(is_not_given(fetch(&b, &a, data.hash()).await));
    blobs.tags().drop(&pending).await.unwrap();
    assert!(is_not_given(fetch(&b, &a, data.hash()).await));
    // Its origin is in good standing all the while.
    fetch(&b, &a, other.hash()).await.unwrap();
    blobs.serve(data.hash());
    assert_eq!(fetch(&b, &a, data.hash()).await.unwrap().size(), 50_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pending_is_withheld_again_after_a_start() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let hash = a.handle.blobs().add_bytes(noise(50_000, 1)).await.unwrap().hash();
    let (tags, pending) = (a.handle.blobs().tags(), TagKind::Pending.tag("given"));
    tags.keep(&pending, hash).await.unwrap();
    tags.keep(&TagKind::Contribution.tag("given"), hash).await.unwrap();
    b.ready(&a).await;
    let (config, dir) = a.stop().await;
    b.peers(0).await;
    let a = Node::spawn(config, dir).await;
    b.ready(&a).await;
    // What is left of the connection to the one that was stopped may fail first; it is given by no try.
    loop {
        let fetched = fetch(&b, &a, hash).await;
        assert!(fetched.is_err(), "it was given after a start");
        if is_not_given(fetched) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    a.handle.blobs().serve(hash);
    a.handle.blobs().tags().drop(&pending).await.unwrap();
    fetch(&b, &a, hash).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_of_blobs_leads_to_what_is_withheld() {
    let node = Node::start(1, &[]).await;
    let blobs = node.handle.blobs();
    let secret = blobs.add_bytes(noise(50_000, 1)).await.unwrap();
    blobs.tags().keep(&TagKind::Pending.tag("given"), secret.hash()).await.unwrap();
    // A blob that a stranger may have made: it reads as a list of blobs.
    let list = blobs.add_bytes(secret.hash().to_vec()).await.unwrap();
    let (_endpoint, connection) = stranger(&node).await;
    let (secret, list): (iroh_blobs::Hash, iroh_blobs::Hash) = (secret.hash().into(), list.hash().into());
    assert_eq!(get_verified_size(&connection, &list).await.unwrap().0, 32);
    get_verified_size(&connection, &secret).await.unwrap_err();
    get_hash_seq_and_sizes(&connection, &list, MAX, None).await.unwrap_err();
    let many = GetManyRequest::builder().hash(secret, ChunkRanges::all()).build();
    let asked = fsm::start_get_many(connection, many, Default::default()).await.unwrap();
    let Ok(child) = asked else { panic!("nothing was asked for") };
    assert!(child.next(secret).next().await.is_err());
}
