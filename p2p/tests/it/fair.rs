//! Many who want blobs at once, and providers that hold things up.

use std::time::Duration;

use datanet_p2p::{FetchError, FetchRequest, NetworkConfig, ProviderError, Share};
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::provider::events::{EventMask, EventSender, ProviderMessage, ThrottleMode};
use iroh_blobs::store::mem::MemStore;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::node::{DEADLINE, Node, noise};
use crate::provider::Provider;

const MAX: u64 = 1 << 30;
/// Longer than a test may take: who waits for this one waits in vain.
const NEVER: Duration = Duration::from_secs(600);
const SILENT: usize = 24;

/// Takes every connection and every question, and never says a word.
#[derive(Debug, Clone)]
struct Silent;

impl ProtocolHandler for Silent {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let mut questions = Vec::new();
        while let Ok(question) = connection.accept_bi().await {
            questions.push(question);
        }
        Ok(())
    }
}

/// Serves `data` truly and in pieces of 16 KiB, one each `pause`.
async fn slow(data: &[u8], pause: Duration) -> BlobsProtocol {
    let store = MemStore::new();
    store.add_slice(data).await.unwrap();
    let mask = EventMask { throttle: ThrottleMode::Intercept, ..EventMask::DEFAULT };
    let (events, mut pieces) = EventSender::channel(32, mask);
    tokio::spawn(async move {
        while let Some(ProviderMessage::Throttle(piece)) = pieces.recv().await {
            tokio::time::sleep(pause).await;
            piece.tx.send(Ok(())).await.ok();
        }
    });
    BlobsProtocol::new(&store, Some(events))
}

/// A node and an honest peer of it that holds `data`.
async fn with_honest(adjust: impl FnOnce(&mut NetworkConfig), data: Vec<u8>) -> (Node, Node, datanet_p2p::HeldBlob) {
    let honest = Node::start(1, &[]).await;
    let held = honest.handle.blobs().add_bytes(data).await.unwrap();
    let mut node = Node::start_with(2, &[&honest], adjust).await;
    node.ready(&honest).await;
    (node, honest, held)
}

/// Fetches what each of the silent ones is said to have, for `share`.
async fn ask_silent(node: &Node, count: usize, share: impl Fn(usize) -> Share) -> (Vec<Provider>, JoinSet<FetchError>) {
    let (mut silent, mut asked) = (Vec::new(), JoinSet::new());
    for n in 0..count {
        let provider = Provider::start(u8::try_from(100 + n).unwrap(), node, Silent).await;
        let (blobs, providers, share) = (node.handle.blobs(), [provider.key], share(n));
        let hash = *blake3::hash(&n.to_le_bytes()).as_bytes();
        silent.push(provider);
        asked.spawn(async move { blobs.fetch(FetchRequest::new(hash, MAX, &providers, share)).await.unwrap_err() });
    }
    // All are on their way, or wait for their turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    (silent, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_origins_of_one_contributor_hold_up_nobody_else() {
    let limits = |config: &mut NetworkConfig| {
        (config.limits.max_probes, config.limits.max_fetches) = (4, 4);
        (config.limits.first_byte_timeout, config.limits.connect_timeout) = (NEVER, NEVER);
    };
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let (_silent, mut asked) = ask_silent(&node, SILENT, |_| Share::new("datanet", "silent")).await;
    let (blobs, providers) = (node.handle.blobs(), [honest.key()]);
    let request = FetchRequest::new(blob.hash(), MAX, &providers, Share::new("datanet", "honest"));
    tokio::time::timeout(DEADLINE, blobs.fetch(request)).await.expect("held up").unwrap();
    assert!(asked.try_join_next().is_none(), "nothing came of the others meanwhile");
    // What is here needs no slot, not even for those who have used up theirs.
    let request = FetchRequest::new(blob.hash(), MAX, &[], Share::new("datanet", "silent"));
    tokio::time::timeout(DEADLINE, blobs.fetch(request)).await.expect("held up").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_origins_of_many_contributors_take_probes_and_no_fetches() {
    let limits = |config: &mut NetworkConfig| {
        // Fewer fetches at a time than there are silent ones, as by default.
        (config.limits.max_probes, config.limits.max_fetches) = (SILENT + 1, 2);
        (config.limits.first_byte_timeout, config.limits.connect_timeout) = (NEVER, NEVER);
    };
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let (_silent, mut asked) = ask_silent(&node, SILENT, |n| Share::new([n as u8], "contributor")).await;
    let (blobs, providers) = (node.handle.blobs(), [honest.key()]);
    let request = FetchRequest::new(blob.hash(), MAX, &providers, Share::new("honest", "honest"));
    tokio::time::timeout(DEADLINE, blobs.fetch(request)).await.expect("held up").unwrap();
    assert!(asked.try_join_next().is_none(), "nothing came of the others meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_origins_give_their_probes_back_at_their_deadline() {
    let limits = |config: &mut NetworkConfig| {
        config.limits.max_probes = 2;
        config.limits.first_byte_timeout = Duration::from_millis(500);
    };
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let (_silent, mut asked) = ask_silent(&node, SILENT, |n| Share::new([n as u8], "contributor")).await;
    let (blobs, providers) = (node.handle.blobs(), [honest.key()]);
    let request = FetchRequest::new(blob.hash(), MAX, &providers, Share::new("honest", "honest"));
    tokio::time::timeout(DEADLINE, blobs.fetch(request)).await.expect("held up").unwrap();
    while let Some(error) = tokio::time::timeout(DEADLINE, asked.join_next()).await.expect("held up") {
        let FetchError::AllFailed(failures) = error.unwrap() else { panic!("they have nothing") };
        assert!(matches!(failures[0].1, ProviderError::Stalled(_) | ProviderError::Unreachable(_)), "{failures:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_gives_its_slot_to_the_next() {
    let limits = |config: &mut NetworkConfig| {
        (config.limits.max_probes, config.limits.first_byte_timeout) = (1, NEVER);
    };
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let (_silent, mut asked) = ask_silent(&node, 2, |_| Share::OWN).await;
    let (blobs, providers) = (node.handle.blobs(), [honest.key()]);
    let fetch = blobs.fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN));
    tokio::pin!(fetch);
    assert!(futures::poll!(fetch.as_mut()).is_pending());
    asked.shutdown().await;
    tokio::time::timeout(DEADLINE, fetch).await.expect("the slot did not come back").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_failed_is_asked_last_and_not_at_once_again() {
    let limits = |config: &mut NetworkConfig| config.limits.first_byte_timeout = Duration::from_millis(500);
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let silent = Provider::start(100, &node, Silent).await;
    assert_eq!(node.handle.data_peers(), 2);
    let (blobs, providers) = (node.handle.blobs(), [silent.key, honest.key()]);
    let fetch = async |providers| {
        let error = blobs.fetch(FetchRequest::new([9; 32], MAX, providers, Share::OWN)).await.unwrap_err();
        let FetchError::AllFailed(failures) = error else { panic!("{error}") };
        failures
    };
    let failures = fetch(&providers[..1]).await;
    assert!(matches!(failures[0].1, ProviderError::Stalled(_)), "{failures:?}");
    assert_eq!(node.handle.data_peers(), 1, "it gives no bytes");
    let failures = fetch(&providers).await;
    assert!(matches!(failures[0], (node, ProviderError::NotFound) if node == honest.key()), "{failures:?}");
    assert!(matches!(failures[1], (node, ProviderError::FailedLately(_)) if node == silent.key), "{failures:?}");
    blobs.fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_download_gives_way_and_goes_on_from_where_it_was() {
    let limits = |config: &mut NetworkConfig| {
        config.limits.max_fetches = 1;
        config.limits.stall_timeout = Duration::from_millis(500);
    };
    let (node, honest, blob) = with_honest(limits, noise(100_000, 1)).await;
    let long = noise(8 * 1024 * 1024, 2);
    let provider = Provider::start(100, &node, slow(&long, Duration::from_millis(5)).await).await;
    let (blobs, progress) = (node.handle.blobs(), watch::Sender::new(0));
    let hash = *blake3::hash(&long).as_bytes();
    let (mut begun, size) = (progress.subscribe(), long.len() as u64);
    let download = tokio::spawn({
        let (blobs, providers) = (blobs.clone(), [provider.key]);
        async move {
            let request = FetchRequest::new(hash, MAX, &providers, Share::new("datanet", "long"));
            blobs.fetch(request.sized(size).shown(&progress)).await
        }
    });
    tokio::time::timeout(DEADLINE, begun.wait_for(|bytes| *bytes > 0)).await.expect("it does not begin").unwrap();
    let providers = [honest.key()];
    let request = FetchRequest::new(blob.hash(), MAX, &providers, Share::new("datanet", "short"));
    tokio::time::timeout(DEADLINE, blobs.fetch(request)).await.expect("held up").unwrap();
    assert!(*begun.borrow() < size, "the long one was done before");
    download.await.unwrap().unwrap();
    assert!(blobs.read_all(hash, MAX).await.unwrap() == long);
    // Its provider was asked for nothing twice, but for what was on its way when it gave way.
    let fetched = node.handle.metrics().bytes_fetched;
    assert!(fetched < size + 100_000 + size / 4, "{fetched} bytes were fetched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_sends_too_little_is_given_up_for_the_next() {
    let limits = |config: &mut NetworkConfig| config.limits.stall_timeout = Duration::from_millis(1_000);
    let data = noise(8 * 1024 * 1024, 1);
    let (node, honest, blob) = with_honest(limits, data.clone()).await;
    // Two pieces a second are half of what is wanted.
    let trickling = Provider::start(100, &node, slow(&data, Duration::from_millis(500)).await).await;
    let (blobs, providers) = (node.handle.blobs(), [trickling.key]);
    let error = blobs.fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN)).await.unwrap_err();
    let FetchError::AllFailed(failures) = error else { panic!("{error}") };
    assert!(matches!(failures[0].1, ProviderError::TooSlow), "{failures:?}");
    let providers = [trickling.key, honest.key()];
    blobs.fetch(FetchRequest::new(blob.hash(), MAX, &providers, Share::OWN)).await.unwrap();
}
