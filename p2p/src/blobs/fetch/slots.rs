//! Who may fetch now: a bounded number at a time, shared fairly by those for whom it is done.
//!
//! A free slot goes to the group that runs the fewest, within it to the member that runs the fewest, and among equals to
//! whoever was served longest ago. A part of the slots is kept for members that run none, so that one who asks for a
//! lot is never all there is. And whoever runs more than somebody who waits is asked to give way at its next rest
//! ([`Slot::is_wanted`]), so that a long transfer holds up nobody either. What waits is a caller's own future, and ends
//! with it: there is no queue that could fill up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// For whom a blob is fetched: slots are shared by groups first, then by the members of a group.
///
/// ```
/// use datanet_p2p::Share;
///
/// // Whatever names them: a datanet's id, and the address of whoever contributed to it.
/// let share = Share::new(b"a datanet", b"a contributor");
/// assert_ne!(share, Share::new(b"a datanet", b"another contributor"));
/// assert_ne!(share, Share::OWN);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    group: [u8; 32],
    member: [u8; 32],
}

impl Share {
    /// What the node needs for itself: a group of its own.
    pub const OWN: Self = Self { group: [0; 32], member: [0; 32] };

    /// The share of a member of a group, by whatever bytes name them.
    #[must_use]
    pub fn new(group: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Self {
        let [group, member] = [group.as_ref(), member.as_ref()].map(|name| *blake3::hash(name).as_bytes());
        Self { group, member }
    }
}

/// A bounded number of slots. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Mutex<Queue<oneshot::Sender<Slot>>>>);

impl Slots {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue::new(capacity))))
    }

    /// Waits for a slot; `None` only if the queue is gone. A caller that gives up leaves the queue.
    pub(super) async fn take(&self, share: Share) -> Option<Slot> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.queue().enter(share, sender);
        self.grant();
        let _place = Place { slots: self, share, ticket };
        receiver.await.ok()
    }

    /// Gives what is free to whose turn it is.
    fn grant(&self) {
        let mut queue = self.queue();
        while let Some((share, waiter)) = queue.next() {
            if let Err(mut refused) = waiter.send(Slot { share, slots: Some(self.clone()) }) {
                // Given up at this very moment. The queue is locked here, so the slot must not give itself back.
                refused.slots = None;
                queue.leave(&share);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's place in the queue; does nothing once it was served.
struct Place<'a> {
    slots: &'a Slots,
    share: Share,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.queue().give_up(&self.share, self.ticket);
    }
}

/// The right to fetch, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    share: Share,
    slots: Option<Slots>,
}

impl Slot {
    /// Whether somebody waits who has less than the owner of this slot.
    pub(super) fn is_wanted(&self) -> bool {
        self.slots.as_ref().is_some_and(|slots| slots.queue().is_wanted(&self.share))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.take() {
            slots.queue().leave(&self.share);
            slots.grant();
        }
    }
}

/// The rule by which slots are given. Knows no futures and no clock.
#[derive(Debug)]
struct Queue<W> {
    free: usize,
    /// So many are for members that run none.
    reserve: usize,
    /// Grants so far: the time by which turns are counted.
    grants: u64,
    tickets: u64,
    groups: BTreeMap<[u8; 32], Group<W>>,
}

#[derive(Debug)]
struct Group<W> {
    running: usize,
    /// The grant that was the last for it; for a new one the last for anybody, so that coming back wins nothing.
    served: u64,
    members: BTreeMap<[u8; 32], Member<W>>,
}

#[derive(Debug)]
struct Member<W> {
    running: usize,
    served: u64,
    waiting: BTreeMap<u64, W>,
}

impl<W> Queue<W> {
    fn new(capacity: usize) -> Self {
        Self { free: capacity, reserve: capacity / 4, grants: 0, tickets: 0, groups: BTreeMap::new() }
    }

    /// Queues up; the ticket is for [`Queue::give_up`].
    fn enter(&mut self, share: Share, waiter: W) -> u64 {
        self.tickets += 1;
        let served = self.grants;
        let group =
            self.groups.entry(share.group).or_insert_with(|| Group { running: 0, served, members: BTreeMap::new() });
        let member = group.members.entry(share.member).or_insert_with(|| Member {
            running: 0,
            served,
            waiting: BTreeMap::new(),
        });
        member.waiting.insert(self.tickets, waiter);
        self.tickets
    }

    /// Leaves the queue unserved.
    fn give_up(&mut self, share: &Share, ticket: u64) {
        self.change(share, |group_member| {
            group_member.1.waiting.remove(&ticket);
        });
    }

    /// Gives a slot back.
    fn leave(&mut self, share: &Share) {
        self.free += 1;
        self.change(share, |(group_running, member)| {
            *group_running = group_running.saturating_sub(1);
            member.running = member.running.saturating_sub(1);
        });
    }

    /// Whose turn it is, if anybody's; that one has a slot from now on.
    fn next(&mut self) -> Option<(Share, W)> {
        let scarce = self.free <= self.reserve;
        if self.free == 0 {
            return None;
        }
        let waiting = self.groups.iter().flat_map(|(name, group)| {
            let members = group.members.iter().filter(|(_, member)| !scarce || member.running == 0);
            members.filter_map(move |(member_name, member)| {
                let first = member.waiting.first_key_value()?.0;
                let rank = (group.running, group.served, member.running, member.served, *first);
                Some((rank, Share { group: *name, member: *member_name }))
            })
        });
        let (_, share) = waiting.min()?;
        self.grants += 1;
        let group = self.groups.get_mut(&share.group)?;
        let member = group.members.get_mut(&share.member)?;
        let (_, waiter) = member.waiting.pop_first()?;
        (group.served, member.served) = (self.grants, self.grants);
        group.running += 1;
        member.running += 1;
        self.free -= 1;
        Some((share, waiter))
    }

    /// Whether somebody waits who runs less than `share`.
    fn is_wanted(&self, share: &Share) -> bool {
        let Some(own) = self.groups.get(&share.group) else { return false };
        let own_member = own.members.get(&share.member).map_or(0, |member| member.running);
        self.groups.iter().any(|(name, group)| {
            group.members.values().filter(|member| !member.waiting.is_empty()).any(|member| {
                if *name == share.group { member.running < own_member } else { group.running < own.running }
            })
        })
    }

    fn change(&mut self, share: &Share, change: impl FnOnce((&mut usize, &mut Member<W>))) {
        let Some(group) = self.groups.get_mut(&share.group) else { return };
        let Some(member) = group.members.get_mut(&share.member) else { return };
        change((&mut group.running, member));
        // Who runs nothing and wants nothing is not remembered.
        if member.running == 0 && member.waiting.is_empty() {
            group.members.remove(&share.member);
        }
        if group.members.is_empty() {
            self.groups.remove(&share.group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(group: u8, member: u8) -> Share {
        Share::new([group], [member])
    }

    /// The order in which waiters are served, by the number they entered with.
    fn served(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.next()).map(|(_, waiter)| waiter).collect()
    }

    #[test]
    fn one_who_asks_for_a_lot_leaves_room_for_others() {
        let mut queue = Queue::new(8);
        for n in 0..24 {
            queue.enter(share(1, 1), n);
        }
        assert_eq!(served(&mut queue), [0, 1, 2, 3, 4, 5]);
        queue.enter(share(1, 2), 100);
        queue.enter(share(2, 1), 200);
        assert_eq!(served(&mut queue), [200, 100], "the group that runs none comes first");
        assert!(!queue.is_wanted(&share(2, 1)), "who waits runs more");
        queue.enter(share(2, 2), 201);
        assert!(queue.is_wanted(&share(1, 1)), "a member of a group that runs less waits");
        queue.leave(&share(1, 1));
        assert_eq!(served(&mut queue), [201]);
    }

    #[test]
    fn equals_take_turns_however_much_one_of_them_wants() {
        let mut queue = Queue::new(1);
        for n in 0..4 {
            queue.enter(share(1, 1), n);
        }
        assert_eq!(served(&mut queue), [0]);
        queue.enter(share(2, 1), 100);
        let mut order = Vec::new();
        let mut owner = share(1, 1);
        while let Some((next, waiter)) = {
            queue.leave(&owner);
            queue.next()
        } {
            // The second comes back each time it was served.
            if next == share(2, 1) && waiter < 102 {
                queue.enter(next, waiter + 1);
            }
            order.push(waiter);
            owner = next;
        }
        assert_eq!(order, [1, 100, 2, 101, 3, 102]);
    }

    #[test]
    fn who_gives_up_is_forgotten() {
        let mut queue = Queue::new(1);
        queue.enter(share(1, 1), 0);
        assert_eq!(served(&mut queue), [0]);
        let ticket = queue.enter(share(2, 1), 1);
        assert!(queue.is_wanted(&share(1, 1)));
        queue.give_up(&share(2, 1), ticket);
        assert!(!queue.is_wanted(&share(1, 1)));
        queue.leave(&share(1, 1));
        assert!(queue.groups.is_empty());
        assert_eq!(queue.free, 1);
    }

    #[tokio::test]
    async fn a_slot_comes_back_from_whoever_drops_it_or_stops_waiting_for_it() {
        let slots = Slots::new(1);
        let first = slots.take(share(1, 1)).await.unwrap();
        let second = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(share(1, 2)).await }
        });
        while !first.is_wanted() {
            tokio::task::yield_now().await;
        }
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        assert!(!first.is_wanted());
        drop(first);
        let third = slots.take(share(1, 3)).await.unwrap();
        drop(third);
        assert!(slots.queue().groups.is_empty());
    }
}
