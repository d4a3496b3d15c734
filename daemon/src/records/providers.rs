//! Who may have a contribution's bytes: whoever announced it, its origin, whoever attested it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use datanet_ledger::component::contributions::{self, Contribution};
use datanet_types::{ContributionId, NodeKey};

use super::Records;
use crate::error::ServiceResult;

/// Contributions whose announcers are remembered.
const MAX_REMEMBERED: usize = 4_096;
/// Announcers remembered of each.
const MAX_ANNOUNCERS: usize = 16;
/// Providers tried at most.
const MAX_TRIED: usize = 32;

/// Who offers what, heard last last.
type Heard = VecDeque<(ContributionId, Vec<NodeKey>)>;

/// Who announced what: bounded, oldest forgotten first. Only a hint; the ledger's origin and attesters are the fallback.
/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Providers {
    seen: Arc<Mutex<Heard>>,
}

impl Providers {
    /// Who announced `id`.
    pub fn of(&self, id: &ContributionId) -> Vec<NodeKey> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|(other, _)| other == id).map(|(_, nodes)| nodes.clone()).unwrap_or_default()
    }

    /// Remembers that `node` announced `id`; whether that is news.
    pub fn add(&self, id: ContributionId, node: NodeKey) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, nodes)) = seen.iter_mut().find(|(other, _)| *other == id) {
            let news = nodes.len() < MAX_ANNOUNCERS && !nodes.contains(&node);
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

impl Records {
    /// Who may have a contribution's bytes, this node left out: whoever announced it, the origin, whoever attested it.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn providers_of(&self, contribution: &Contribution) -> ServiceResult<Vec<NodeKey>> {
        let mut providers = self.providers.of(&contribution.id);
        providers.push(contribution.origin);
        let attesters = contributions::attestations(&self.chain.reader()?, &contribution.id, None, MAX_TRIED)?;
        providers.extend(attesters.iter().map(|attestation| attestation.node));
        let mut seen = BTreeSet::new();
        providers.retain(|node| *node != self.node && seen.insert(*node));
        providers.truncate(MAX_TRIED);
        Ok(providers)
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
