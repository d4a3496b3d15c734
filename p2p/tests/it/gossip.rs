use datanet_p2p::{MAX_GOSSIP_BYTES, NetworkConfig, NetworkEvent, PublishError, Verdict};

use crate::node::{Node, eventually};

const TOPIC: &str = "/datanet/test/announce";

/// `a`, `b`, `c` where `a` and `c` are connected with `b` only, and all subscribe.
async fn line() -> (Node, Node, Node) {
    fn leaf(config: &mut NetworkConfig) {
        config.limits.max_incoming = 0;
        config.limits.max_outgoing = 1;
    }
    let mut b = Node::start(2, &[]).await;
    let mut a = Node::start_with(1, &[&b], leaf).await;
    let mut c = Node::start_with(3, &[&b], leaf).await;
    for node in [&a, &b, &c] {
        node.handle.subscribe(TOPIC).await.unwrap();
    }
    a.sees_subscribed(&b, TOPIC).await;
    c.sees_subscribed(&b, TOPIC).await;
    b.sees_subscribed(&a, TOPIC).await;
    b.sees_subscribed(&c, TOPIC).await;
    (a, b, c)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_gossip_and_a_bootstrap_node_introduces_the_others() {
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    let mut c = Node::start(3, &[&a]).await;
    for node in [&a, &b, &c] {
        node.handle.subscribe(TOPIC).await.unwrap();
        // Everyone finds everyone, though b and c know only a.
        node.peers(2).await;
    }
    b.sees_subscribed(&a, TOPIC).await;
    b.sees_subscribed(&c, TOPIC).await;
    b.handle.publish(TOPIC, &b"hello"[..]).await.unwrap();
    assert_eq!(a.judge(Verdict::Accept).await, b"hello");
    assert_eq!(c.judge(Verdict::Accept).await, b"hello");
    // The same content again is the same message: fine, and not sent again.
    b.handle.publish(TOPIC, &b"hello"[..]).await.unwrap();
    assert_eq!(b.handle.metrics().gossip_published, 1);
    eventually(|| c.handle.metrics().gossip_accepted == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_message_is_forwarded_and_a_rejected_or_ignored_one_is_not() {
    let (a, mut b, mut c) = line().await;
    for (payload, verdict) in [("bad", Verdict::Reject), ("odd", Verdict::Ignore), ("good", Verdict::Accept)] {
        a.handle.publish(TOPIC, payload).await.unwrap();
        assert_eq!(b.judge(verdict).await, payload.as_bytes());
    }
    let message = c.message().await;
    assert_eq!(&message.data[..], b"good", "only the accepted message may pass");
    assert_eq!(message.forwarder, b.key());
    assert_eq!(message.topic, TOPIC);
    let counts = b.handle.metrics();
    assert_eq!((counts.gossip_accepted, counts.gossip_rejected, counts.gossip_ignored), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_forwards_invalid_messages_is_no_longer_heard() {
    let (a, mut b, _c) = line().await;
    for n in 0..3u8 {
        a.handle.publish(TOPIC, vec![n]).await.unwrap();
        assert_eq!(b.judge(Verdict::Reject).await, [n]);
    }
    // Three strikes are below the graylist threshold; scores are settled at the next heartbeat at the latest.
    let honest = Node::start(9, &[&b]).await;
    honest.handle.subscribe(TOPIC).await.unwrap();
    let mut honest = honest;
    honest.sees_subscribed(&b, TOPIC).await;
    let _ = a.handle.publish(TOPIC, &b"from the liar"[..]).await;
    honest.handle.publish(TOPIC, &b"from an honest node"[..]).await.unwrap();
    assert_eq!(b.judge(Verdict::Accept).await, b"from an honest node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_left_a_topic_gets_nothing_of_it() {
    const OTHER: &str = "/datanet/test/other";
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    b.handle.subscribe(TOPIC).await.unwrap();
    b.handle.subscribe(OTHER).await.unwrap();
    a.sees_subscribed(&b, TOPIC).await;
    a.sees_subscribed(&b, OTHER).await;
    b.handle.unsubscribe(TOPIC).await.unwrap();
    // Once a knows, there is nobody to publish to; before, b drops what arrives.
    let _ = a.handle.publish(TOPIC, &b"not for b"[..]).await;
    a.handle.publish(OTHER, &b"for b"[..]).await.unwrap();
    assert_eq!(b.judge(Verdict::Accept).await, b"for b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_to_nobody_or_too_much_is_a_typed_error() {
    let a = Node::start(1, &[]).await;
    a.handle.subscribe(TOPIC).await.unwrap();
    assert!(matches!(a.handle.publish(TOPIC, &b"x"[..]).await, Err(PublishError::NoPeers)));
    let large = vec![0; MAX_GOSSIP_BYTES + 1];
    assert!(matches!(a.handle.publish(TOPIC, large).await, Err(PublishError::TooLarge { .. })));
    a.handle.shutdown().await;
    assert!(matches!(a.handle.publish(TOPIC, &b"x"[..]).await, Err(PublishError::Stopped)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_message_passes() {
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[&a]).await;
    b.handle.subscribe(TOPIC).await.unwrap();
    a.sees_subscribed(&b, TOPIC).await;
    let large = crate::node::noise(MAX_GOSSIP_BYTES, 1);
    a.handle.publish(TOPIC, large.clone()).await.unwrap();
    assert_eq!(b.judge(Verdict::Accept).await, large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_does_not_keep_up_ignores_messages_and_the_node_goes_on() {
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start_with(2, &[&a], |config| config.limits.event_queue = 1).await;
    b.handle.subscribe(TOPIC).await.unwrap();
    a.sees_subscribed(&b, TOPIC).await;
    // The one place in its queue holds this event, and nothing else comes until somebody gossips.
    assert!(matches!(b.event().await, NetworkEvent::PeerReady(_)));
    for n in 0..8u8 {
        a.handle.publish(TOPIC, vec![n]).await.unwrap();
    }
    eventually(|| b.handle.metrics().gossip_overflowed == 7).await;
    assert_eq!(b.judge(Verdict::Accept).await.len(), 1);
    a.handle.publish(TOPIC, &b"later"[..]).await.unwrap();
    assert_eq!(b.judge(Verdict::Accept).await, b"later");
    assert_eq!(b.handle.metrics().gossip_ignored, 7);
}
