//! The protocols that the swarm speaks, with their settings.

use std::time::Duration;

use libp2p::connection_limits::ConnectionLimits;
use libp2p::gossipsub::{
    self, AllowAllSubscriptionFilter, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId,
    ValidationMode,
};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, connection_limits, identify, ping};

use super::record::{PROTOCOL, RecordCodec};
use super::score;
use crate::{MAX_GOSSIP_BYTES, NetworkConfig, NetworkError};

/// Gossip with unlimited topics of ours, and a bound on how many a neighbour may make us remember.
pub(super) type Gossip =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<AllowAllSubscriptionFilter>>;

/// Heartbeats that a message waits for its verdict before it is forgotten.
const VERDICT_HEARTBEATS: usize = 12;
/// Room for the envelope around a payload of the largest size.
const ENVELOPE_BYTES: usize = 1024;
const MAX_TOPICS_PER_PEER: usize = 1024;

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub limits: connection_limits::Behaviour,
    pub gossip: Gossip,
    pub identify: identify::Behaviour,
    pub kad: kad::Behaviour<MemoryStore>,
    pub ping: ping::Behaviour,
    pub records: request_response::Behaviour<RecordCodec>,
}

impl Behaviour {
    pub(super) fn new(key: &Keypair, config: &NetworkConfig) -> Result<Self, NetworkError> {
        Ok(Self {
            limits: connection_limits::Behaviour::new(connection_limits(config)),
            gossip: gossip().map_err(NetworkError::Swarm)?,
            identify: identify::Behaviour::new(
                identify::Config::new(protocol_version(&config.network), key.public())
                    .with_agent_version(config.agent.clone())
                    .with_push_listen_addr_updates(true),
            ),
            kad: kademlia(key, config)?,
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(30))),
            records: request_response::Behaviour::new(
                [(PROTOCOL, ProtocolSupport::Full)],
                request_response::Config::default()
                    .with_request_timeout(Duration::from_secs(10))
                    .with_max_concurrent_streams(16),
            ),
        })
    }
}

/// What identify calls this network; peers that say otherwise are disconnected.
pub(super) fn protocol_version(network: &str) -> String {
    format!("datanet/1/{network}")
}

fn connection_limits(config: &NetworkConfig) -> ConnectionLimits {
    let limits = &config.limits;
    ConnectionLimits::default()
        .with_max_established_incoming(Some(limits.max_incoming))
        .with_max_established_outgoing(Some(limits.max_outgoing))
        .with_max_established_per_peer(Some(limits.max_per_peer))
        .with_max_pending_incoming(Some(limits.max_incoming))
        .with_max_pending_outgoing(Some(limits.max_outgoing))
}

fn kademlia(key: &Keypair, config: &NetworkConfig) -> Result<kad::Behaviour<MemoryStore>, NetworkError> {
    let protocol = StreamProtocol::try_from_owned(format!("/datanet/{}/kad/1", config.network))
        .map_err(|error| NetworkError::Swarm(error.to_string()))?;
    let peer = key.public().to_peer_id();
    let mut settings = kad::Config::new(protocol);
    // The table finds peers; it stores no records for anyone.
    settings.set_record_filtering(kad::StoreInserts::FilterBoth);
    settings.set_replication_interval(None).set_publication_interval(None).set_provider_publication_interval(None);
    let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), settings);
    // Without a confirmed external address it would stay a client, and on loopback there never is one.
    kad.set_mode(Some(kad::Mode::Server));
    Ok(kad)
}

fn gossip() -> Result<Gossip, String> {
    let settings = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(score::HEARTBEAT)
        .history_length(VERDICT_HEARTBEATS)
        .max_transmit_size(MAX_GOSSIP_BYTES + ENVELOPE_BYTES)
        .duplicate_cache_time(Duration::from_secs(60))
        // Nothing is forwarded before its consumer accepted it.
        .validate_messages()
        // Authorship is in the payload; the envelope carries no author, so that a message is its content.
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(content_id)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = MaxCountSubscriptionFilter {
        filter: AllowAllSubscriptionFilter {},
        max_subscribed_topics: MAX_TOPICS_PER_PEER,
        max_subscriptions_per_request: MAX_TOPICS_PER_PEER,
    };
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, settings, filter)?;
    gossip.with_peer_score(score::peer_score_params(), score::thresholds())?;
    Ok(gossip)
}

/// The id of a message: a hash of its topic and content, so that no copy of it is handled twice.
fn content_id(message: &gossipsub::Message) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    let topic = message.topic.as_str().as_bytes();
    hasher.update(&(topic.len() as u64).to_le_bytes()).update(topic).update(&message.data);
    MessageId::new(&hasher.finalize().as_bytes()[..20])
}
