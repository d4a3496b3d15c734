use datanet_p2p::{FetchError, FetchRequest, ProviderError, Share, TagKind, node_key_of_secret};
use tokio::sync::watch;

use crate::node::{Node, noise};

const SIZE: usize = 2 * 1024 * 1024 + 5;
const MAX: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_is_fetched_by_node_key_alone() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let data = noise(SIZE, 1);
    let blob = a.handle.blobs().add_bytes(data.clone()).await.unwrap();
    b.ready(&a).await;
    let progress = watch::Sender::new(0);
    let blobs = b.handle.blobs();
    let held = blobs
        .fetch(FetchRequest::new(blob.hash(), MAX, &[a.key()], Share::OWN).sized(SIZE as u64).shown(&progress))
        .await
        .unwrap();
    assert_eq!((held.hash(), held.size()), (blob.hash(), SIZE as u64));
    assert_eq!(*progress.borrow(), SIZE as u64);
    assert!(blobs.read_all(blob.hash(), MAX).await.unwrap() == data);
    assert_eq!(b.handle.metrics().bytes_fetched, SIZE as u64);
    // A second time nobody is asked.
    blobs.fetch(FetchRequest::new(blob.hash(), MAX, &[], Share::OWN)).await.unwrap();
    assert_eq!(b.handle.metrics().blobs_fetched, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_node_fetches_from_any_holder_after_the_originator_is_gone() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let c = Node::start(3, &[&a, &b]).await;
    let data = noise(SIZE, 1);
    let blob = a.handle.blobs().add_bytes(data.clone()).await.unwrap();
    b.ready(&a).await;
    let held = b.handle.blobs().fetch(FetchRequest::new(blob.hash(), MAX, &[a.key()], Share::OWN)).await.unwrap();
    b.handle.blobs().tags().keep(&TagKind::Contribution.tag("replica"), held.hash()).await.unwrap();
    let originator = a.key();
    a.stop().await;
    // It knows c only, and asks for a node that it has never met.
    let d = Node::start(4, &[&c]).await;
    d.peers(2).await;
    let providers = [originator, c.key(), b.key()];
    let held = d
        .handle
        .blobs()
        .fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN).sized(SIZE as u64))
        .await
        .unwrap();
    assert!(d.handle.blobs().read_all(held.hash(), MAX).await.unwrap() == data);
    assert_eq!(d.handle.metrics().provider_failures, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failed_provider_is_named_with_its_reason() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start_with(2, &[&a], |config| {
        config.limits.connect_timeout = std::time::Duration::from_millis(300);
    })
    .await;
    b.ready(&a).await;
    let stranger = node_key_of_secret(&[77; 32]);
    let providers = [stranger, b.key(), a.key()];
    let error = b.handle.blobs().fetch(FetchRequest::new([9; 32], MAX, &providers, Share::OWN)).await.unwrap_err();
    let FetchError::AllFailed(failures) = error else { panic!("{error}") };
    assert!(matches!(failures[0], (key, ProviderError::UnknownAddress) if key == stranger));
    assert!(matches!(failures[1], (key, ProviderError::NotFound) if key == a.key()), "{failures:?}");
    assert_eq!(failures.len(), 2, "a node does not ask itself");
    let error = b.handle.blobs().fetch(FetchRequest::new([9; 32], MAX, &[b.key()], Share::OWN)).await.unwrap_err();
    assert!(matches!(error, FetchError::NoProviders));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_of_another_size_than_announced_or_allowed_is_refused_before_it_comes() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let blob = a.handle.blobs().add_bytes(noise(SIZE, 1)).await.unwrap();
    b.ready(&a).await;
    let blobs = b.handle.blobs();
    let error = blobs.fetch(FetchRequest::new(blob.hash(), MAX, &[a.key()], Share::OWN).sized(1000)).await.unwrap_err();
    assert!(matches!(error, FetchError::SizeMismatch { expected: 1000, actual } if actual == SIZE as u64));
    let error = blobs.fetch(FetchRequest::new(blob.hash(), 1000, &[a.key()], Share::OWN)).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { max: 1000, .. }));
    let error =
        blobs.fetch(FetchRequest::new(blob.hash(), 1000, &[a.key()], Share::OWN).sized(2000)).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { size: 2000, max: 1000 }));
    assert!(!blobs.has(blob.hash()).await.unwrap());
    assert_eq!(b.handle.metrics().bytes_fetched, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_one_blob_download_it_once() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let blob = a.handle.blobs().add_bytes(noise(SIZE, 1)).await.unwrap();
    b.ready(&a).await;
    let (blobs, providers) = (b.handle.blobs(), [a.key()]);
    let all = (0..8).map(|_| blobs.fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN)));
    for result in futures::future::join_all(all).await {
        result.unwrap();
    }
    assert_eq!(b.handle.metrics().blobs_fetched, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_restarted_on_another_port_is_found_again() {
    let a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    b.ready(&a).await;
    let old = a.handle.blob_addr();
    let (config, dir) = a.stop().await;
    b.peers(0).await;
    let a = Node::spawn(config, dir).await;
    b.ready(&a).await;
    assert_ne!(old, a.handle.blob_addr());
    let blob = a.handle.blobs().add_bytes(noise(SIZE, 3)).await.unwrap();
    b.handle.blobs().fetch(FetchRequest::new(blob.hash(), MAX, &[a.key()], Share::OWN)).await.unwrap();
}
