//! Whose statement is fetched next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use datanet_ledger::component::Params;
use datanet_ledger::component::settlement::Epoch;
use datanet_types::NodeKey;
use datanet_types::id::tagged_hash;

use super::Place;

/// Statements under way at once, of as many serving nodes.
pub(super) const SIDE_BY_SIDE: usize = 4;
/// The first pause before what could not be had is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(600);
/// Seconds that each group of storage nodes waits for the one before it, at most.
const TURN: u64 = 30;
/// Groups that have their turn within the time for keeping a statement, at least.
const TURNS: u64 = 8;

/// The block time from which a storage node sees to an epoch: the first `quorum` of them, in an order that follows from the epoch, at once, the next
/// ones after a while, and so on. So whoever comes second to all finds it done, and pays for no transaction that is refused.
pub(super) fn opens_at(epoch: &Epoch, params: &Params, own: &NodeKey, keepers: &[NodeKey]) -> u64 {
    let place = |node: &NodeKey| {
        tagged_hash(
            "datanet/statement-turn/v1",
            &[&epoch.node.0, &epoch.epoch.to_le_bytes(), &epoch.statement.0, &node.0],
        )
    };
    let own_place = place(own);
    let before = keepers.iter().filter(|node| **node != epoch.node && place(node) < own_place).count() as u64;
    let settled_at = epoch.attest_by.saturating_sub(params.statement_seconds).saturating_sub(params.challenge_seconds);
    let turn = TURN.min(params.statement_seconds / TURNS);
    settled_at.saturating_add(turn.saturating_mul(before / u64::from(epoch.quorum.max(1))))
}

/// What waits, and what came of asking for it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Epoch>,
    under_way: BTreeSet<Place>,
    /// Epochs that could not be had.
    failed: BTreeMap<Place, Failure>,
    /// How often each node was asked in vain since it gave something good.
    in_vain: BTreeMap<NodeKey, u32>,
}

#[derive(Debug)]
struct Failure {
    pause: Duration,
    again: Instant,
}

impl Queue {
    /// What waits now; what is known of anything else is forgotten.
    pub(super) fn set(&mut self, waiting: Vec<Epoch>) {
        let places: BTreeSet<Place> = waiting.iter().map(place).collect();
        let nodes: BTreeSet<NodeKey> = waiting.iter().map(|epoch| epoch.node).collect();
        self.failed.retain(|place, _| places.contains(place));
        self.in_vain.retain(|node, _| nodes.contains(node));
        self.waiting = waiting;
    }

    /// Whether there is something to try again.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next one, which is under way from now on: of nodes that have none under way, of those least often asked in vain, first what was not tried,
    /// then where most is at stake.
    pub(super) fn start(&mut self, now: Instant) -> Option<Epoch> {
        let busy: BTreeSet<NodeKey> = self.under_way.iter().map(|(node, _)| *node).collect();
        let ready = |epoch: &&Epoch| {
            let rested = self.failed.get(&place(epoch)).is_none_or(|failure| failure.again <= now);
            !busy.contains(&epoch.node) && rested
        };
        let order = |epoch: &&Epoch| {
            let in_vain = self.in_vain.get(&epoch.node).copied().unwrap_or(0);
            (in_vain, self.failed.contains_key(&place(epoch)), Reverse(epoch.totals.fees), place(epoch))
        };
        let next = self.waiting.iter().filter(ready).min_by_key(order)?.clone();
        self.under_way.insert(place(&next));
        Some(next)
    }

    /// It is kept, and the ledger knows.
    pub(super) fn succeeded(&mut self, place: &Place) {
        self.under_way.remove(place);
        self.failed.remove(place);
        self.in_vain.remove(&place.0);
        self.waiting.retain(|epoch| self::place(epoch) != *place);
    }

    /// It is not: it is tried again after the pause that is returned.
    pub(super) fn failed(&mut self, place: &Place, now: Instant) -> Duration {
        self.under_way.remove(place);
        let pause =
            self.failed.get(place).map_or(FIRST_PAUSE, |failure| failure.pause.saturating_mul(2)).min(LAST_PAUSE);
        self.failed.insert(*place, Failure { pause, again: now + pause });
        let in_vain = self.in_vain.entry(place.0).or_default();
        *in_vain = in_vain.saturating_add(1);
        pause
    }

    /// Nothing runs any more.
    pub(super) fn none_under_way(&mut self) {
        self.under_way.clear();
    }
}

fn place(epoch: &Epoch) -> Place {
    (epoch.node, epoch.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::epoch::EpochTotals;

    fn epoch(node: u8, epoch: u64, fees: u64) -> Epoch {
        let totals = EpochTotals { fees, ..EpochTotals::default() };
        Epoch { node: NodeKey([node; 32]), epoch, totals, quorum: 2, attest_by: 10_000, ..Epoch::default() }
    }

    #[test]
    fn a_thousand_made_up_epochs_of_one_node_keep_no_other_waiting() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut all: Vec<Epoch> = (1..=1_000).map(|number| epoch(1, number, 1_000_000)).collect();
        all.extend([epoch(2, 1, 10), epoch(3, 1, 10)]);
        queue.set(all.clone());
        let first: Vec<Epoch> = std::iter::from_fn(|| queue.start(now)).collect();
        assert_eq!(first.iter().map(|epoch| epoch.node.0[0]).collect::<Vec<_>>(), [1, 2, 3], "one of each");
        first.iter().for_each(|epoch| _ = queue.failed(&place(epoch), now));
        // Another honest node comes: it is before all that were asked in vain.
        all.push(epoch(4, 7, 1));
        queue.set(all);
        assert_eq!(queue.start(now).unwrap().node.0[0], 4);
        let next = queue.start(now).unwrap();
        assert_eq!((next.node.0[0], next.epoch), (1, 2), "what was not tried yet; the others have their pause");
        assert!(queue.start(now).is_none(), "and no second one of it");
    }

    #[test]
    fn what_could_not_be_had_is_tried_again_ever_later_and_what_is_over_is_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.set(vec![epoch(1, 1, 1)]);
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            let later = now + LAST_PAUSE * 2;
            let one = queue.start(later).unwrap();
            let pause = queue.failed(&place(&one), now);
            assert!(pause > last || pause == LAST_PAUSE);
            assert!(queue.start(now).is_none() && queue.is_waiting());
            last = pause;
        }
        assert_eq!(last, LAST_PAUSE);
        queue.set(Vec::new());
        assert!(queue.failed.is_empty() && queue.in_vain.is_empty() && !queue.is_waiting());
    }

    #[test]
    fn as_many_storage_nodes_as_it_takes_are_first_and_all_have_their_turn_in_time() {
        let params = Params::default();
        let keepers: Vec<NodeKey> = (10..20).map(|n| NodeKey([n; 32])).collect();
        let epoch = Epoch { attest_by: 1_000_000, ..epoch(1, 1, 1) };
        let mut turns: Vec<u64> = keepers.iter().map(|own| opens_at(&epoch, &params, own, &keepers)).collect();
        turns.sort_unstable();
        let first = 1_000_000 - params.statement_seconds - params.challenge_seconds;
        assert_eq!(turns, (0..5).flat_map(|turn| [first + turn * TURN; 2]).collect::<Vec<_>>());
        let short = Params { challenge_seconds: 20, statement_seconds: 40, ..params };
        let last = keepers.iter().map(|own| opens_at(&epoch, &short, own, &keepers)).max().unwrap();
        assert!(last < epoch.final_at.max(epoch.attest_by), "{last}");
    }
}
