//! Announcements in and out. A message is judged here, off the swarm's task, and forwarded only if it is good.

use std::collections::BTreeSet;

use datanet_config::Subscription;
use datanet_ledger::component::{datanets, nodes};
use datanet_p2p::{NetworkEvent, NetworkHandle, Verdict};
use datanet_types::DatanetId;
use datanet_types::announce::{Announcement, topic};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::contributions::Hint;
use crate::chain::Chain;
use crate::records::Providers;

/// Judges announcements and keeps subscriptions up to date.
pub struct GossipWorker {
    /// The ledger.
    pub chain: Chain,
    /// Topics in and out.
    pub network: NetworkHandle,
    /// Remembers who announced what.
    pub providers: Providers,
    /// Which datanets are followed.
    pub followed: Subscription,
    /// Where news goes.
    pub hints: mpsc::Sender<Hint>,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

impl GossipWorker {
    /// Judges messages and keeps subscriptions up to date until the node stops.
    ///
    /// # Errors
    /// When the ledger is gone.
    pub async fn run(self, mut events: mpsc::Receiver<NetworkEvent>) -> anyhow::Result<()> {
        let mut subscribed = BTreeSet::new();
        let mut commits = self.chain.commits();
        // The ledger as it is now is worth a look too.
        commits.mark_changed();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = commits.changed() => {
                    changed?;
                    if let Err(error) = self.subscribe(&mut subscribed).await {
                        tracing::warn!(%error, "could not subscribe to a datanet's topic");
                    }
                }
                event = events.recv() => match event {
                    None => return Ok(()),
                    Some(NetworkEvent::Gossip(message)) => {
                        let verdict = self.on_message(&message.topic, &message.data);
                        self.network.report(message.token, verdict).await;
                    }
                    // The others inform only; the peers are read where they are needed.
                    Some(_) => {}
                },
            }
        }
    }

    async fn subscribe(&self, subscribed: &mut BTreeSet<DatanetId>) -> anyhow::Result<()> {
        if self.chain.height() == 0 {
            return Ok(());
        }
        let all = datanets::list(&self.chain.reader()?, None, usize::MAX)?;
        for datanet in all {
            if self.followed.includes(&datanet.id) && subscribed.insert(datanet.id) {
                self.network.subscribe(topic(self.chain.id(), &datanet.id)).await?;
            }
        }
        Ok(())
    }

    /// Good announcements are remembered and forwarded; bad ones count against whoever forwarded them; those of nodes
    /// that nobody registered are dropped without blame, because our ledger may be behind.
    fn on_message(&self, topic: &str, data: &[u8]) -> Verdict {
        let announcement = match Announcement::verify(data, self.chain.id(), topic) {
            Ok(announcement) => announcement,
            Err(error) => {
                tracing::debug!(%error, "gossip refused");
                return Verdict::Reject;
            }
        };
        let registered =
            self.chain.reader().ok().and_then(|reader| nodes::get(&reader, &announcement.provider).ok().flatten());
        if registered.is_none() {
            return Verdict::Ignore;
        }
        if self.providers.add(announcement.contribution, announcement.provider) {
            // A full queue loses nothing: the contributions worker looks again after every block.
            let _ = self.hints.try_send(announcement.contribution);
        }
        Verdict::Accept
    }
}
