//! The libp2p side: discovery, gossip and node records, run by one task that never waits for anyone.

mod behaviour;
mod peers;
mod record;
mod redial;
mod score;
mod worker;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::oneshot;

use self::behaviour::Behaviour;
pub use self::record::{NodeRecord, RecordCodec, RecordRequest};
pub(crate) use self::worker::Worker;
use crate::{NetworkConfig, NetworkError, NodeKey, PublishError, Verdict, VerdictToken};

/// What the handle asks of the swarm task.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe { topic: String, reply: oneshot::Sender<()> },
    Unsubscribe { topic: String, reply: oneshot::Sender<()> },
    Publish { topic: String, data: Bytes, reply: oneshot::Sender<Result<(), PublishError>> },
    Report { token: VerdictToken, verdict: Verdict },
    Connect { node: NodeKey, reply: oneshot::Sender<()> },
}

/// A swarm over QUIC and TCP, not listening yet.
pub(crate) fn build(config: &NetworkConfig) -> Result<NodeSwarm, NetworkError> {
    let wrong = |error: &dyn std::fmt::Display| NetworkError::Swarm(error.to_string());
    let key = Keypair::ed25519_from_bytes(config.secret_key).map_err(|error| wrong(&error))?;
    let behaviour = Behaviour::new(&key, config)?;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .map_err(|error| wrong(&error))?
        .with_quic()
        .with_dns()
        .map_err(|error| wrong(&error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| wrong(&error))?
        // The connection limits bound how many there are; closing idle ones would only cost new handshakes.
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(u32::MAX.into())))
        .build();
    Ok(NodeSwarm { swarm, listeners: Vec::new() })
}

/// The swarm, opaque to the rest of the crate.
pub(crate) struct NodeSwarm {
    swarm: Swarm<Behaviour>,
    listeners: Vec<ListenerId>,
}

/// Binds all addresses and returns when each listener knows its port.
pub(crate) async fn listen(swarm: &mut NodeSwarm, addrs: &[Multiaddr]) -> Result<(), NetworkError> {
    let NodeSwarm { swarm, listeners } = swarm;
    let refused = |addr: &Multiaddr, reason: String| NetworkError::Listen { addr: addr.to_string(), reason };
    let mut waiting = BTreeSet::new();
    for addr in addrs {
        let id = swarm.listen_on(addr.clone()).map_err(|error| refused(addr, causes(&error)))?;
        listeners.push(id);
        waiting.insert((id.to_string(), addr.clone()));
    }
    while let Some((_, any)) = waiting.first().cloned() {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, .. } => waiting.retain(|(id, _)| *id != listener_id.to_string()),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => return Err(refused(&any, causes(&error))),
            SwarmEvent::ListenerError { error, .. } => return Err(refused(&any, causes(&error))),
            _ => {}
        }
    }
    Ok(())
}

/// An error with its causes: libp2p's outer ones often say nothing.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = if text.is_empty() { inner_text } else { format!("{text}: {inner_text}") };
        }
        cause = inner.source();
    }
    text
}
