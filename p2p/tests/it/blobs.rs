use std::io;

use bytes::Bytes;
use datanet_p2p::{BlobError, Hash, HeldBlob, TagKind};
use futures::stream;
use tokio::io::AsyncReadExt;

use crate::node::{DEADLINE, Node, noise};

const LARGE: usize = 3 * 1024 * 1024 + 17;

/// A node that collects garbage all the time.
async fn collecting(n: u8) -> Node {
    Node::start_with(n, &[], |config| config.limits.gc_interval = std::time::Duration::from_millis(50)).await
}

/// Waits until a collection that began after this call has ended.
async fn collected(node: &Node) {
    let mut health = node.handle.collector();
    // One may be under way, and have begun before.
    let over = health.borrow().rounds + 2;
    tokio::time::timeout(DEADLINE, health.wait_for(|health| health.rounds >= over))
        .await
        .expect("no collection")
        .unwrap();
}

fn files_in_temp(node: &Node) -> usize {
    std::fs::read_dir(node.config.data_dir.join("blobs/temp")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_files_and_streams_of_the_same_content_are_the_same_blob() {
    let node = Node::start(1, &[]).await;
    let blobs = node.handle.blobs();
    let dir = tempfile::TempDir::new().unwrap();
    for len in [0, 1, 20_000, LARGE] {
        let data = noise(len, 1);
        let expected: Hash = *blake3::hash(&data).as_bytes();
        let path = dir.path().join("in");
        std::fs::write(&path, &data).unwrap();
        let pieces: Vec<_> = data.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let added = [
            blobs.add_bytes(data.clone()).await.unwrap(),
            blobs.add_path(&path).await.unwrap(),
            blobs.add_stream(stream::iter(pieces), len as u64).await.unwrap(),
        ];
        for blob in added {
            assert_eq!((blob.hash(), blob.size()), (expected, len as u64));
        }
        assert_eq!(blobs.read_all(expected, len as u64).await.unwrap(), data);
        let mut read = Vec::new();
        blobs.reader(expected).read_to_end(&mut read).await.unwrap();
        assert!(read == data, "the reader differs at {len} bytes");
        let out = dir.path().join("out");
        assert_eq!(blobs.export(expected, &out).await.unwrap(), len as u64);
        assert!(std::fs::read(&out).unwrap() == data);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_holds_is_collected_and_what_is_named_or_held_stays() {
    let node = collecting(1).await;
    let blobs = node.handle.blobs();
    let named = blobs.add_bytes(noise(40_000, 1)).await.unwrap();
    let held = blobs.add_bytes(noise(40_000, 2)).await.unwrap();
    let loose = blobs.add_bytes(noise(40_000, 3)).await.unwrap();
    let (tags, tag) = (blobs.tags(), TagKind::Contribution.tag(1));
    tags.keep(&tag, named.hash()).await.unwrap();
    let hashes = (named.hash(), loose.hash());
    drop((named, loose));
    let (named, loose) = hashes;
    collected(&node).await;
    assert!(!blobs.has(loose).await.unwrap());
    assert!(blobs.has(named).await.unwrap());
    assert!(blobs.has(held.hash()).await.unwrap());
    assert_eq!(tags.list(TagKind::Contribution).await.unwrap(), vec![(tag.clone(), named)]);
    assert_eq!(tags.get(&tag).await.unwrap(), Some(named));
    assert!(tags.drop(&tag).await.unwrap());
    assert!(!tags.drop(&tag).await.unwrap());
    collected(&node).await;
    assert!(!blobs.has(named).await.unwrap());
    assert!(blobs.has(held.hash()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_was_named() {
    let node = Node::start(1, &[]).await;
    let blobs = node.handle.blobs();
    let (small, large) = (noise(100, 1), noise(LARGE, 2));
    let mut hashes = Vec::new();
    for (name, data) in [("small", &small), ("large", &large)] {
        let blob = blobs.add_bytes(data.clone()).await.unwrap();
        blobs.tags().keep(&TagKind::Report.tag(name), blob.hash()).await.unwrap();
        hashes.push(blob.hash());
    }
    drop(blobs);
    let (mut config, dir) = node.stop().await;
    config.limits.gc_interval = std::time::Duration::from_millis(50);
    let node = Node::spawn(config, dir).await;
    collected(&node).await;
    let blobs = node.handle.blobs();
    assert_eq!(blobs.read_all(hashes[0], 1 << 20).await.unwrap(), small);
    assert_eq!(blobs.read_all(hashes[1], 1 << 30).await.unwrap(), large);
    assert_eq!(blobs.tags().get(&TagKind::Report.tag("large")).await.unwrap(), Some(hashes[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_the_limit_or_broken_leaves_nothing() {
    let node = collecting(1).await;
    let blobs = node.handle.blobs();
    let piece = || Ok(Bytes::from(vec![7; 64 * 1024]));
    let endless = stream::repeat_with(piece);
    assert!(matches!(blobs.add_stream(endless, 1 << 20).await, Err(BlobError::TooLarge { max: 1_048_576 })));
    let broken = stream::iter((0..20).map(|n| if n < 19 { piece() } else { Err(io::Error::other("hung up")) }));
    let error = blobs.add_stream(broken, 1 << 30).await.unwrap_err();
    assert!(error.to_string().contains("hung up"), "{error}");
    // The store lets go of its file a moment after the caller has the answer.
    crate::node::eventually(|| files_in_temp(&node) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_caller_gives_up_leaves_nothing() {
    let node = collecting(1).await;
    let blobs = node.handle.blobs();
    let (fed, mut pieces) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(4);
    let body = stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let import = tokio::spawn({
        let blobs = blobs.clone();
        async move { blobs.add_stream(body, 1 << 30).await }
    });
    for _ in 0..16 {
        fed.send(Ok(Bytes::from(vec![7; 64 * 1024]))).await.unwrap();
    }
    import.abort();
    assert!(import.await.unwrap_err().is_cancelled());
    crate::node::eventually(|| files_in_temp(&node) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_what_is_not_here_or_too_large_is_a_typed_error() {
    let node = Node::start(1, &[]).await;
    let blobs = node.handle.blobs();
    assert!(matches!(blobs.read_all([1; 32], 10).await, Err(BlobError::NotFound(_))));
    assert!(matches!(blobs.tags().keep(&TagKind::Report.tag("x"), [1; 32]).await, Err(BlobError::NotFound(_))));
    assert!(matches!(blobs.export([1; 32], "/tmp/never-written").await, Err(BlobError::NotFound(_))));
    assert!(blobs.reader([1; 32]).read_u8().await.is_err());
    assert!(blobs.add_path("/does/not/exist").await.is_err());
    let blob = blobs.add_bytes(&b"twelve bytes"[..]).await.unwrap();
    assert!(matches!(blobs.read_all(blob.hash(), 11).await, Err(BlobError::TooLarge { max: 11 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_while_the_collector_deletes_stays() {
    let node = collecting(1).await;
    let blobs = node.handle.blobs();
    for round in 0..5u8 {
        let add = |n: u32| {
            let (blobs, data) = (blobs.clone(), [&[round][..], &n.to_be_bytes()].concat());
            async move { blobs.add_bytes(data).await.unwrap() }
        };
        let all = futures::future::join_all((0..1_000).map(add)).await;
        let hashes: Vec<_> = all.iter().map(HeldBlob::hash).collect();
        // What arrived during a round is spared by the store itself.
        collected(&node).await;
        drop(all);
        // All of it is deleted by and by; whatever can still be held must stay as long as it is.
        while blobs.has(hashes[0]).await.unwrap() || blobs.has(hashes[999]).await.unwrap() {
            for hash in &hashes {
                let Ok(_held) = blobs.hold(*hash).await else { continue };
                tokio::task::yield_now().await;
                blobs.read_all(*hash, 1 << 20).await.expect("it was collected although it was held");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_without_a_reason_are_found_and_dropped_by_their_kind() {
    let node = Node::start(1, &[]).await;
    let (blobs, tags) = (node.handle.blobs(), node.handle.blobs().tags());
    let held = blobs.add_bytes(noise(100, 1)).await.unwrap();
    for tag in [TagKind::Release.tag("a"), TagKind::Release.tag("b"), TagKind::ReleaseFile.tag("a")] {
        tags.keep(&tag, held.hash()).await.unwrap();
    }
    let dropped = tags.retain(TagKind::Release, |tag, hash| tag.id() == "b" && *hash == held.hash()).await.unwrap();
    assert_eq!(dropped, [TagKind::Release.tag("a")]);
    assert_eq!(tags.list(TagKind::Release).await.unwrap(), [(TagKind::Release.tag("b"), held.hash())]);
    assert_eq!(tags.list(TagKind::ReleaseFile).await.unwrap().len(), 1);
}
