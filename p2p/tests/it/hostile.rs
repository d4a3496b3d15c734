//! Peers that are not nodes of ours, and lie.

use std::net::SocketAddr;
use std::time::Duration;

use datanet_p2p::swarm::{NodeRecord, RecordCodec, RecordRequest};
use datanet_p2p::{
    FetchError, FetchRequest, MAX_GOSSIP_BYTES, NodeKey, ProviderError, Share, Verdict, node_key_of_secret,
};
use futures::StreamExt;
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder};

use crate::node::{DEADLINE, Node, noise};
use crate::provider::Provider;

#[derive(NetworkBehaviour)]
pub struct Raw {
    gossip: gossipsub::Behaviour,
    records: request_response::Behaviour<RecordCodec>,
}

/// A bare swarm that takes gossip of any size and answers for its record what the test wants.
pub fn raw(secret: [u8; 32]) -> Swarm<Raw> {
    let settings = gossipsub::ConfigBuilder::default()
        .max_transmit_size(1 << 20)
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::new(blake3::hash(&message.data).as_bytes()))
        .build()
        .unwrap();
    let behaviour = Raw {
        gossip: gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, settings).unwrap(),
        records: request_response::Behaviour::new(
            [(StreamProtocol::new("/datanet/node-record/1"), ProtocolSupport::Full)],
            request_response::Config::default(),
        ),
    };
    SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes(secret).unwrap())
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(DEADLINE))
        .build()
}

pub fn dial(swarm: &mut Swarm<Raw>, node: &Node) {
    let addr: Multiaddr = node.handle.listen_addrs()[0].parse().unwrap();
    swarm.dial(addr).unwrap();
}

/// Answers every request for its record, until the connection ends.
pub async fn answer(swarm: &mut Swarm<Raw>, node_key: NodeKey, blob_addrs: Vec<SocketAddr>) {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(RawEvent::Records(request_response::Event::Message {
                message: Message::Request { request: RecordRequest, channel, .. },
                ..
            })) => {
                let record = NodeRecord { node_key, blob_addrs: blob_addrs.clone(), listen: vec![], app: vec![] };
                let _ = swarm.behaviour_mut().records.send_response(channel, record);
            }
            SwarmEvent::ConnectionClosed { .. } => return,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_record_names_another_key_is_disconnected() {
    let node = Node::start(1, &[]).await;
    let mut liar = raw([66; 32]);
    dial(&mut liar, &node);
    let victim = node_key_of_secret(&[2; 32]);
    let lies = answer(&mut liar, victim, vec!["127.0.0.1:1".parse().unwrap()]);
    tokio::time::timeout(DEADLINE, lies).await.expect("still connected");
    node.peers(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_gossip_is_dropped_and_the_node_goes_on() {
    const TOPIC: &str = "/datanet/test/announce";
    let mut node = Node::start(1, &[]).await;
    node.handle.subscribe(TOPIC).await.unwrap();
    let mut liar = raw([66; 32]);
    dial(&mut liar, &node);
    loop {
        let event = tokio::time::timeout(DEADLINE, liar.select_next_some()).await.unwrap();
        if let SwarmEvent::Behaviour(RawEvent::Gossip(gossipsub::Event::Subscribed { .. })) = event {
            break;
        }
    }
    let topic = IdentTopic::new(TOPIC);
    liar.behaviour_mut().gossip.publish(topic.clone(), noise(100_000, 1)).unwrap();
    // One that fits the envelope's room but not the limit on payloads.
    liar.behaviour_mut().gossip.publish(topic, noise(MAX_GOSSIP_BYTES + 1, 1)).unwrap();
    let liar = tokio::spawn(async move {
        loop {
            liar.select_next_some().await;
        }
    });
    let mut honest = Node::start(2, &[&node]).await;
    honest.sees_subscribed(&node, TOPIC).await;
    honest.handle.publish(TOPIC, &b"fine"[..]).await.unwrap();
    assert_eq!(node.judge(Verdict::Accept).await, b"fine");
    liar.abort();
}

/// Serves garbage for every request, under a size of its choice.
#[derive(Debug, Clone)]
struct Garbage {
    size: u64,
}

impl ProtocolHandler for Garbage {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let _ = recv.read_to_end(4096).await;
            let _ = send.write_all(&self.size.to_le_bytes()).await;
            let _ = send.write_all(&noise(100_000, 9)).await;
            let _ = send.finish();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_serves_garbage_is_caught_and_the_next_one_serves() {
    let honest = Node::start(1, &[]).await;
    let data = noise(200_000, 1);
    let blob = honest.handle.blobs().add_bytes(data.clone()).await.unwrap();
    let mut node = Node::start(2, &[&honest]).await;
    node.ready(&honest).await;
    // True size and false bytes; a monstrous size; an empty blob.
    for (n, size) in [(66, data.len() as u64), (67, u64::MAX / 2), (68, 0)] {
        let liar = Provider::start(n, &node, Garbage { size }).await;
        let blobs = node.handle.blobs();
        let providers = [liar.key];
        let fetch = blobs.fetch(FetchRequest::new(blob.hash(), 1 << 30, &providers, Share::OWN));
        let error = tokio::time::timeout(Duration::from_secs(30), fetch).await.unwrap().unwrap_err();
        let FetchError::AllFailed(failures) = error else { panic!("{error}") };
        assert!(matches!(failures[0].1, ProviderError::BadBytes), "size {size}: {failures:?}");
        assert!(!blobs.has(blob.hash()).await.unwrap());
    }
    let providers = [node_key_of_secret(&[66; 32]), honest.key()];
    let held = node
        .handle
        .blobs()
        .fetch(FetchRequest::new(blob.hash(), 1 << 30, &providers, Share::OWN).sized(200_000))
        .await
        .unwrap();
    assert!(node.handle.blobs().read_all(held.hash(), 1 << 30).await.unwrap() == data);
}
