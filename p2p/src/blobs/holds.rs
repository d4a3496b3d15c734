//! What must not be collected although it has no name: the blobs that somebody in this process holds.
//!
//! The store has temporary tags for this, but its collector reads names first and temporary tags after them, and
//! deletes what was in neither list. A blob that is named and then let go of between the two is in neither; one that is
//! held only while the collector deletes comes too late. So the holds are counted here, a round begins with a list of
//! them ([`Holds::begin_round`]), and what is not on that list cannot be held before the round is over.
//!
//! Imports need not wait: the store itself spares what arrives during a round, and what arrived just before has a
//! temporary tag, which is kept until the round is over.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh_blobs::api::TempTag;
use tokio::sync::watch;

use crate::Hash;

/// The holds of a store, and the round of collection that they have to do with. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Counts the rounds that are over, for those who wait for it.
    over: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Hash, usize>,
    /// What the running round spares; `None` between rounds.
    spared: Option<HashSet<Hash>>,
    /// Of imports that nobody holds any more: they may be what the running round spares a blob for.
    temp_tags: Vec<TempTag>,
}

impl Holds {
    /// Holds a blob, whether it is here or not. Waits for the end of the running round unless that spares the blob
    /// anyway: only then it is certain that what is here stays.
    pub(super) async fn take(&self, hash: Hash) -> Hold {
        let mut over = self.0.over.subscribe();
        loop {
            if let Some(hold) = self.take_if_certain(hash) {
                return hold;
            }
            // The sender is in here, so it cannot be gone.
            let _ = over.changed().await;
        }
    }

    fn take_if_certain(&self, hash: Hash) -> Option<Hold> {
        let mut state = self.state();
        let certain =
            state.spared.as_ref().is_none_or(|spared| spared.contains(&hash)) || state.held.contains_key(&hash);
        certain.then(|| self.hold(&mut state, hash, None))
    }

    /// Holds what was just imported.
    pub(super) fn adopt(&self, tag: TempTag) -> Hold {
        self.hold(&mut self.state(), *tag.hash().as_bytes(), Some(tag))
    }

    fn hold(&self, state: &mut State, hash: Hash, tag: Option<TempTag>) -> Hold {
        *state.held.entry(hash).or_default() += 1;
        Hold { holds: self.clone(), hash, tag }
    }

    /// A round begins: it spares what is held, and what [`Holds::spare`] adds.
    pub(super) fn begin_round(&self) {
        let mut state = self.state();
        state.spared = Some(state.held.keys().copied().collect());
    }

    /// The round that has begun spares these too.
    pub(super) fn spare(&self, hashes: impl IntoIterator<Item = Hash>) {
        if let Some(spared) = &mut self.state().spared {
            spared.extend(hashes);
        }
    }

    /// What the round spares.
    pub(super) fn spared(&self) -> Vec<Hash> {
        self.state().spared.iter().flatten().copied().collect()
    }

    /// The round is over; whether there was one.
    pub(super) fn end_round(&self) -> bool {
        let mut state = self.state();
        let ran = state.spared.take().is_some();
        if ran {
            state.temp_tags.clear();
            self.0.over.send_modify(|rounds| *rounds += 1);
        }
        ran
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a blob from being collected until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    holds: Holds,
    hash: Hash,
    tag: Option<TempTag>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.state();
        if let Some(count) = state.held.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.hash);
            }
        }
        if state.spared.is_some() {
            state.temp_tags.extend(self.tag.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_round_spares_what_is_held_when_it_begins_whoever_lets_go_of_it() {
        let holds = Holds::default();
        let hold = holds.take([1; 32]).now_or_never().unwrap();
        holds.begin_round();
        drop(hold);
        assert_eq!(holds.spared(), [[1; 32]]);
        // And so it can be held again at once.
        drop(holds.take([1; 32]).now_or_never().unwrap());
        holds.end_round();
        holds.begin_round();
        assert!(holds.spared().is_empty());
    }

    #[tokio::test]
    async fn what_a_round_may_delete_is_not_held_before_it_is_over() {
        let holds = Holds::default();
        holds.begin_round();
        holds.spare([[2; 32]]);
        assert!(holds.take([2; 32]).now_or_never().is_some());
        let waiting = holds.take([1; 32]);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        holds.end_round();
        waiting.await;
        assert!(holds.state().held.is_empty());
    }
}
