//! The swarm task: drives the swarm, carries out commands, turns swarm events into network events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::request_response::{self, Message};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::behaviour::{Behaviour, BehaviourEvent, protocol_version};
use super::peers::Peers;
use super::record::{MAX_ADDRS, NodeRecord, RecordRequest};
use super::redial::Redial;
use super::{Command, NodeSwarm, score};
use crate::announce::{Host, announced, dialable, is_loopback};
use crate::blobs::{BlobService, Blobs, OwnAddrs};
use crate::config::Checked;
use crate::metrics::{Counters, add};
use crate::{
    GossipMessage, MAX_GOSSIP_BYTES, NetworkConfig, NetworkEvent, NodeKey, PeerInfo, PublishError, Verdict,
    VerdictToken, key,
};

/// Requests for a record before a peer that never answers is left without one.
const RECORD_ATTEMPTS: u32 = 3;
/// How long peers may take to close their connections when this node stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Callers that may wait for one node to connect.
const MAX_WAITING_PER_NODE: usize = 64;

type RecordEvent = request_response::Event<RecordRequest, NodeRecord>;

/// What the handle reads of the worker.
pub(crate) struct Outputs {
    pub events: mpsc::Receiver<NetworkEvent>,
    pub listen: watch::Receiver<Vec<String>>,
    pub peers: watch::Receiver<Arc<Vec<PeerInfo>>>,
    pub connected: watch::Receiver<usize>,
}

/// Owns the swarm.
pub(crate) struct Worker {
    swarm: Swarm<Behaviour>,
    listeners: Vec<ListenerId>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<NetworkEvent>,
    listen: watch::Sender<Vec<String>>,
    /// Hosts that others dial this node by.
    announce: Vec<Host>,
    peers: Peers,
    redial: Redial,
    /// Callers that wait until a node is connected and its record known.
    waiting: BTreeMap<PeerId, Vec<oneshot::Sender<()>>>,
    blobs: Blobs,
    own_blob_addrs: OwnAddrs,
    node_key: NodeKey,
    network: String,
    app: Vec<u8>,
    counters: Arc<Counters>,
}

impl Worker {
    pub(crate) fn new(
        swarm: NodeSwarm,
        config: &NetworkConfig,
        checked: Checked,
        blobs: &BlobService,
        counters: Arc<Counters>,
        commands: mpsc::Receiver<Command>,
    ) -> (Self, Outputs) {
        let NodeSwarm { swarm, listeners } = swarm;
        let own = *swarm.local_peer_id();
        let (events, event_rx) = mpsc::channel(config.limits.event_queue);
        let peers = Peers::new();
        let (peer_rx, connected) = peers.watch();
        let limits = &config.limits;
        let redial = Redial::new(checked.bootstrap, own, limits.redial_min, limits.redial_max, Instant::now());
        let mut worker = Self {
            swarm,
            listeners,
            commands,
            events,
            listen: watch::Sender::default(),
            announce: checked.announce,
            peers,
            redial,
            waiting: BTreeMap::new(),
            blobs: blobs.blobs(),
            own_blob_addrs: blobs.own_addrs(),
            node_key: crate::node_key_of_secret(&config.secret_key),
            network: protocol_version(&config.network),
            app: config.app_record.clone(),
            counters,
        };
        worker.publish_listen();
        let listen = worker.listen.subscribe();
        (worker, Outputs { events: event_rx, listen, peers: peer_rx, connected })
    }

    /// Runs until `shutdown` is cancelled or every handle is gone.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let due = self.redial.next_due();
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.dial_due(),
            }
        }
        self.close().await;
        debug!("swarm stopped");
    }

    /// Takes leave of the peers, so that they need not wait for a timeout, and frees the ports.
    async fn close(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        let drain = async {
            while self.swarm.connected_peers().next().is_some() || self.swarm.listeners().next().is_some() {
                self.swarm.next().await;
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, drain).await.is_err() {
            debug!("some peers did not let go in time");
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Subscribe { topic, reply } => {
                self.subscribe(&IdentTopic::new(topic));
                let _ = reply.send(());
            }
            Command::Unsubscribe { topic, reply } => {
                self.swarm.behaviour_mut().gossip.unsubscribe(&IdentTopic::new(topic));
                let _ = reply.send(());
            }
            Command::Publish { topic, data, reply } => {
                let _ = reply.send(self.publish(IdentTopic::new(topic), data));
            }
            Command::Report { token, verdict } => self.report(&token, verdict),
            Command::Connect { node, reply } => self.connect(&node, reply),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Records(event)) => self.on_record(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => self.on_kad(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, endpoint.get_remote_address());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, .. } => {
                self.on_closed(peer_id, num_established);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => self.publish_listen(),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => warn!(%error, "a listener closed"),
            _ => {}
        }
    }

    // Connections

    fn dial_due(&mut self) {
        let connected = |peer: &PeerId| self.swarm.is_connected(peer);
        for opts in self.redial.take_due(Instant::now(), connected) {
            let id = opts.connection_id();
            if let Err(error) = self.swarm.dial(opts) {
                self.on_dial_failed(id, &error);
            }
        }
    }

    fn on_dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        debug!(%error, "dial failed");
        self.redial.on_dial_failed(connection, matches!(error, DialError::LocalPeerId { .. }), Instant::now());
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, remote: &Multiaddr) {
        let Some(node_key) = key::node_key(&peer) else {
            info!(%peer, "disconnecting a peer that has no ed25519 key");
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        };
        self.redial.on_connected(peer, connection);
        self.peers.connected(peer, node_key, remote);
        self.count_peers();
        // On every connection, not only the first: after a restart the peer's blob endpoint has another port.
        self.ask_record(&peer);
    }

    fn on_closed(&mut self, peer: PeerId, remaining: u32) {
        if remaining > 0 {
            // The one that closed may belong to a process that is no more; ask the one that is left.
            self.ask_record(&peer);
            return;
        }
        self.redial.on_disconnected(peer, Instant::now());
        self.peers.disconnected(&peer);
        self.count_peers();
        if let Some(node) = key::node_key(&peer) {
            self.inform(NetworkEvent::PeerLost(node));
        }
    }

    fn count_peers(&self) {
        self.counters.peers.store(self.peers.len() as u64, Ordering::Relaxed);
    }

    fn publish_listen(&mut self) {
        let listened: Vec<_> = self.swarm.listeners().cloned().collect();
        // Peers are told of it, and tell others.
        for addr in announced(&self.announce, &listened) {
            self.swarm.add_external_address(addr);
        }
        let own = *self.swarm.local_peer_id();
        let with_id = |addr: Multiaddr| addr.with_p2p(own).unwrap_or_else(|addr| addr).to_string();
        self.listen.send_replace(dialable(&self.announce, &listened).into_iter().map(with_id).collect());
    }

    /// Looks for a node by key; the caller is answered when its record is known, and hears nothing before.
    fn connect(&mut self, node: &NodeKey, reply: oneshot::Sender<()>) {
        let Some(peer) = key::peer_id(node) else { return };
        if self.peers.has_record(&peer) {
            let _ = reply.send(());
            return;
        }
        self.waiting.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
        let replies = self.waiting.entry(peer).or_default();
        if replies.len() < MAX_WAITING_PER_NODE {
            replies.push(reply);
        }
        if !self.swarm.is_connected(&peer) {
            // Known addresses first; the query finds others, and its result is dialled too.
            let _ = self.swarm.dial(peer);
            self.swarm.behaviour_mut().kad.get_closest_peers(peer);
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { result: kad::QueryResult::GetClosestPeers(Ok(found)), .. } = event
        else {
            return;
        };
        for found in found.peers {
            if self.waiting.contains_key(&found.peer_id) && !self.swarm.is_connected(&found.peer_id) {
                let _ = self.swarm.dial(DialOpts::peer_id(found.peer_id).addresses(found.addrs).build());
            }
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        if info.protocol_version != self.network {
            info!(peer = %peer_id, theirs = %info.protocol_version, ours = %self.network, "disconnecting a peer of another network");
            let _ = self.swarm.disconnect_peer_id(peer_id);
            return;
        }
        self.peers.identified(&peer_id, &info.agent_version);
        // Another machine's loopback is this one's.
        let here = self.peers.is_on_this_machine(&peer_id);
        let kad = &mut self.swarm.behaviour_mut().kad;
        if info.protocols.iter().any(|protocol| kad.protocol_names().contains(protocol)) {
            let addrs = info.listen_addrs.into_iter().filter(|addr| here || !is_loopback(addr));
            for addr in addrs.take(MAX_ADDRS) {
                kad.add_address(&peer_id, addr);
            }
        }
    }

    // Node records

    fn ask_record(&mut self, peer: &PeerId) {
        self.swarm.behaviour_mut().records.send_request(peer, RecordRequest);
    }

    fn own_record(&self) -> NodeRecord {
        NodeRecord {
            node_key: self.node_key,
            blob_addrs: self.own_blob_addrs.now(&self.announce),
            listen: dialable(&self.announce, &self.swarm.listeners().cloned().collect::<Vec<_>>()),
            app: self.app.clone(),
        }
    }

    fn on_record(&mut self, event: RecordEvent) {
        match event {
            RecordEvent::Message { message: Message::Request { channel, .. }, .. } => {
                let record = self.own_record();
                // It fails only when the peer is gone.
                let _ = self.swarm.behaviour_mut().records.send_response(channel, record);
            }
            RecordEvent::Message { peer, message: Message::Response { response, .. }, .. } => {
                self.accept_record(peer, response);
            }
            RecordEvent::OutboundFailure { peer, error, .. } => {
                debug!(%peer, %error, "no record from peer");
                if self.swarm.is_connected(&peer)
                    && self.peers.record_failed(&peer).is_some_and(|n| n < RECORD_ATTEMPTS)
                {
                    self.ask_record(&peer);
                }
            }
            RecordEvent::InboundFailure { .. } | RecordEvent::ResponseSent { .. } => {}
        }
    }

    fn accept_record(&mut self, peer: PeerId, record: NodeRecord) {
        if key::node_key(&peer) != Some(record.node_key) {
            warn!(%peer, "disconnecting a peer whose record names another key");
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        let Some(info) = self.peers.recorded(&peer, record) else { return };
        let node = info.node_key;
        self.blobs.met(&node, &info.blob_addrs);
        self.redial.on_confirmed(peer);
        for reply in self.waiting.remove(&peer).unwrap_or_default() {
            let _ = reply.send(());
        }
        self.inform(NetworkEvent::PeerReady(node));
    }

    // Gossip

    fn subscribe(&mut self, topic: &IdentTopic) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.subscribe(topic) {
            Ok(true) => {
                if let Err(error) = gossip.set_topic_params(topic.clone(), score::topic_score_params()) {
                    warn!(%topic, error, "topic goes without scores");
                }
            }
            Ok(false) => {}
            Err(error) => warn!(%topic, %error, "cannot subscribe"),
        }
    }

    fn publish(&mut self, topic: IdentTopic, data: Bytes) -> Result<(), PublishError> {
        use gossipsub::PublishError as Cause;
        let size = data.len();
        match self.swarm.behaviour_mut().gossip.publish(topic, data) {
            Ok(_) => {
                add(&self.counters.gossip_published, 1);
                Ok(())
            }
            // The network knows these very bytes already.
            Err(Cause::Duplicate) => Ok(()),
            Err(Cause::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers),
            Err(Cause::MessageTooLarge) => Err(PublishError::TooLarge { size, max: MAX_GOSSIP_BYTES }),
            Err(Cause::AllQueuesFull(_)) => Err(PublishError::Busy),
            Err(cause) => Err(PublishError::Refused(cause.to_string())),
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_message(VerdictToken { id: message_id, forwarder: propagation_source }, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic, .. } => {
                if let Some(node) = key::node_key(&peer_id) {
                    self.inform(NetworkEvent::PeerSubscribed { node, topic: topic.into_string() });
                }
            }
            _ => {}
        }
    }

    fn on_message(&mut self, token: VerdictToken, message: gossipsub::Message) {
        let Some(forwarder) = key::node_key(&token.forwarder) else { return };
        if message.data.len() > MAX_GOSSIP_BYTES {
            self.report(&token, Verdict::Reject);
            return;
        }
        let topic = message.topic.into_string();
        let event = NetworkEvent::Gossip(GossipMessage { topic, data: message.data.into(), forwarder, token });
        // A consumer that cannot keep up must not hold up the swarm, and its neighbours are not to blame.
        if let Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) =
            self.events.try_send(event)
            && let NetworkEvent::Gossip(message) = event
        {
            add(&self.counters.gossip_overflowed, 1);
            self.report(&message.token, Verdict::Ignore);
        }
    }

    fn report(&mut self, token: &VerdictToken, verdict: Verdict) {
        let (acceptance, counter) = match verdict {
            Verdict::Accept => (MessageAcceptance::Accept, &self.counters.gossip_accepted),
            Verdict::Reject => (MessageAcceptance::Reject, &self.counters.gossip_rejected),
            Verdict::Ignore => (MessageAcceptance::Ignore, &self.counters.gossip_ignored),
        };
        add(counter, 1);
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        // The forwarder, not the author: the score is about who passed it on to us.
        gossip.report_message_validation_result(&token.id, &token.forwarder, acceptance);
    }

    /// Tells the consumer what is nice to know; it may be too busy to hear it.
    fn inform(&self, event: NetworkEvent) {
        let _ = self.events.try_send(event);
    }
}
