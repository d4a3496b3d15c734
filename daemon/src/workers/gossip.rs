//! Announcements in and out. A message is judged here, off the swarm's task, and forwarded only if it is good.

use std::collections::BTreeSet;
use std::sync::Mutex;

use datanet_ledger::component::{datanets, nodes};
use datanet_p2p::{NetworkEvent, Verdict};
use datanet_types::announce::{Announcement, topic};
use datanet_types::{BlobHash, ContributionId, DatanetId, NodeKey, Signature};
use prost::Message as _;
use tokio::sync::mpsc;

use super::steward::Hint;
use crate::node::Core;

/// Contributions whose providers are remembered.
const MAX_REMEMBERED: usize = 4_096;
/// Providers remembered of each.
const MAX_PROVIDERS: usize = 16;

/// Who announced what: bounded, oldest forgotten first. Only a hint; the ledger's origin and attesters are the fallback.
#[derive(Debug, Default)]
pub struct Providers {
    seen: Mutex<std::collections::VecDeque<(ContributionId, Vec<NodeKey>)>>,
}

impl Providers {
    /// Who announced `id`.
    pub fn of(&self, id: &ContributionId) -> Vec<NodeKey> {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.iter().find(|(other, _)| other == id).map(|(_, nodes)| nodes.clone()).unwrap_or_default()
    }

    /// Remembers that `node` announced `id`; whether that is news.
    fn add(&self, id: ContributionId, node: NodeKey) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, nodes)) = seen.iter_mut().find(|(other, _)| *other == id) {
            let news = nodes.len() < MAX_PROVIDERS && !nodes.contains(&node);
            if news {
                nodes.push(node);
            }
            return news;
        }
        if seen.len() >= MAX_REMEMBERED {
            seen.pop_front();
        }
        seen.push_back((id, vec![node]));
        true
    }
}

/// Judges messages and keeps subscriptions up to date until the node stops.
pub async fn run(
    core: Core,
    mut events: mpsc::Receiver<NetworkEvent>,
    hints: mpsc::Sender<Hint>,
) -> anyhow::Result<()> {
    let mut subscribed = BTreeSet::new();
    let mut commits = core.chain.commits();
    // The ledger as it is now is worth a look too.
    commits.mark_changed();
    loop {
        tokio::select! {
            () = core.shutdown.cancelled() => return Ok(()),
            changed = commits.changed() => {
                changed?;
                if let Err(error) = subscribe(&core, &mut subscribed).await {
                    tracing::warn!(%error, "could not subscribe to a datanet's topic");
                }
            }
            event = events.recv() => match event {
                None => return Ok(()),
                Some(NetworkEvent::Gossip(message)) => {
                    let verdict = on_message(&core, &hints, &message.topic, &message.data);
                    core.network.report(message.token, verdict).await;
                }
                // The others inform only; the peers are read where they are needed.
                Some(_) => {}
            },
        }
    }
}

async fn subscribe(core: &Core, subscribed: &mut BTreeSet<DatanetId>) -> anyhow::Result<()> {
    if core.chain.height() == 0 {
        return Ok(());
    }
    let all = datanets::list(&core.chain.reader()?, None, usize::MAX)?;
    for datanet in all {
        if core.config.datanets.subscribe.includes(&datanet.id) && subscribed.insert(datanet.id) {
            core.network.subscribe(topic(core.chain.id(), &datanet.id)).await?;
        }
    }
    Ok(())
}

/// Good announcements are remembered and forwarded; bad ones count against whoever forwarded them; those of nodes
/// that nobody registered are dropped without blame, because our ledger may be behind.
fn on_message(core: &Core, hints: &mpsc::Sender<Hint>, topic: &str, data: &[u8]) -> Verdict {
    let announcement = match Announcement::verify(data, core.chain.id(), topic) {
        Ok(announcement) => announcement,
        Err(error) => {
            tracing::debug!(%error, "gossip refused");
            return Verdict::Reject;
        }
    };
    let registered =
        core.chain.reader().ok().and_then(|reader| nodes::get(&reader, &announcement.provider).ok().flatten());
    if registered.is_none() {
        return Verdict::Ignore;
    }
    if core.providers.add(announcement.contribution, announcement.provider) {
        // A full queue loses nothing: the steward looks again after every block.
        let _ = hints.try_send(announcement.contribution);
    }
    Verdict::Accept
}

impl Core {
    /// Announces that this node holds a contribution's bytes. Nobody listening is fine: the ledger tells them later.
    pub async fn announce(&self, datanet: &DatanetId, id: &ContributionId, blob: &BlobHash, size: u64) {
        let announcement = Announcement {
            chain_id: self.chain.id().to_owned(),
            datanet: *datanet,
            contribution: *id,
            blob: *blob,
            size,
            provider: self.node_key(),
            signature: Signature::ZERO,
        };
        let bytes = announcement.sign(&self.node_secret).encode_to_vec();
        if let Err(error) = self.network.publish(topic(self.chain.id(), datanet), bytes).await {
            tracing::debug!(%error, contribution = %id, "announcement not sent; peers find it on the ledger");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_remembered_once_and_within_bounds() {
        let providers = Providers::default();
        let id = ContributionId([1; 32]);
        let news = [1, 1, 2].map(|node| providers.add(id, NodeKey([node; 32])));
        assert_eq!(news, [true, false, true]);
        assert_eq!(providers.of(&id).len(), 2);
        for n in 0..MAX_REMEMBERED as u32 {
            let mut other = [0; 32];
            other[..4].copy_from_slice(&n.to_le_bytes());
            other[31] = 9;
            providers.add(ContributionId(other), NodeKey([1; 32]));
        }
        assert!(providers.of(&id).is_empty());
    }
}
