//! How providers did lately: who failed is asked last, and not at all for a while. Knows no clock of its own.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::NodeKey;

/// Providers that are remembered; the ones that may be asked again are forgotten first.
const MAX_NODES: usize = 4096;
/// The first wait; it doubles with each further failure.
const MIN: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX: Duration = Duration::from_secs(60);

/// The failures of providers since each last delivered.
#[derive(Debug, Default)]
pub(super) struct Standing {
    failed: HashMap<NodeKey, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    at: Instant,
    until: Instant,
}

impl Standing {
    /// How long a provider is not asked any more; `None` when it may be.
    pub(super) fn wait(&self, node: &NodeKey, now: Instant) -> Option<Duration> {
        let failed = self.failed.get(node).filter(|failed| failed.until > now)?;
        Some(failed.until - now)
    }

    /// Failures since a provider last delivered.
    pub(super) fn failures(&self, node: &NodeKey) -> u32 {
        self.failed.get(node).map_or(0, |failed| failed.times)
    }

    /// A provider that was asked at `asked` did not deliver. Many who asked it at once have seen one failure.
    pub(super) fn failed(&mut self, node: NodeKey, asked: Instant, now: Instant) {
        if self.failed.get(&node).is_some_and(|failed| failed.at >= asked) {
            return;
        }
        if self.failed.len() >= MAX_NODES {
            self.failed.retain(|_, failed| failed.until > now);
        }
        if self.failed.len() >= MAX_NODES
            && let Some(oldest) = self.failed.iter().min_by_key(|(_, failed)| failed.at).map(|(node, _)| *node)
        {
            self.failed.remove(&oldest);
        }
        let times = self.failures(&node);
        // 16 doublings are beyond the maximum.
        let until = now + MIN.saturating_mul(1 << times.min(16)).min(MAX);
        self.failed.insert(node, Failed { times: times.saturating_add(1), at: now, until });
    }

    /// A provider delivered, or came back to the network.
    pub(super) fn forgive(&mut self, node: &NodeKey) {
        self.failed.remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_fails_waits_longer_each_time_and_starts_anew_once_it_delivered() {
        let start = Instant::now();
        let (mut standing, node) = (Standing::default(), [1; 32]);
        let mut now = start;
        for wait in [1, 2, 4, 8] {
            assert_eq!(standing.wait(&node, now), None);
            standing.failed(node, now, now);
            assert_eq!(standing.wait(&node, now), Some(Duration::from_secs(wait)));
            now += Duration::from_secs(wait);
        }
        for _ in 0..40 {
            now += Duration::from_secs(1);
            standing.failed(node, now, now);
        }
        assert_eq!(standing.wait(&node, now), Some(MAX));
        standing.forgive(&node);
        assert_eq!((standing.wait(&node, now), standing.failures(&node)), (None, 0));
    }

    #[test]
    fn those_who_asked_at_once_have_seen_one_failure() {
        let (mut standing, node, asked) = (Standing::default(), [1; 32], Instant::now());
        let now = asked + Duration::from_secs(3);
        for _ in 0..24 {
            standing.failed(node, asked, now);
        }
        assert_eq!(standing.failures(&node), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        for n in 0..=MAX_NODES as u64 {
            let mut node = [0; 32];
            node[..8].copy_from_slice(&n.to_le_bytes());
            standing.failed(node, now + Duration::from_nanos(n), now + Duration::from_nanos(n));
        }
        assert_eq!(standing.failed.len(), MAX_NODES);
        assert_eq!(standing.failures(&[0; 32]), 0, "the oldest goes first");
    }
}
