//! What a payment can do, whatever pays and whatever is bought: the rules alone, without a disk, a ledger or a clock.
//!
//! ```text
//!   unknown ──hold──▶ held for one question ──capture──▶ spent on its answer ──lapse──▶ unknown, and of no use
//!      ▲                  │       │ the same question: goes on         │ the same question: the same answer
//!      └──let go, lapse───┘       │ another: refused                   │ another: refused
//! ```
//! A voucher that has lapsed is of no use because its channel stands higher; an account's payment of that name would be a new one.
//! [`super::payment`] holds, [`super::charge`] captures: each is one of these decisions, taken inside the transaction that writes it.

use datanet_types::{Amount, Digest, ReceiptId};

use super::price::Price;
use crate::db::payments::{Change, Lapse, Standing};

/// Seconds for which a payment stays held for its question after the node has died over it. Part of the answer may have been seen, so
/// it is not good for another one at once; a payer who has lost the question waits so long.
pub const HOLD_SECONDS: u64 = 600;

/// For how long an answer can be had again for the payment that paid for it, and how many are remembered: some 64 MiB of the private
/// store. The answers themselves are receipts, which are kept.
pub const LAPSE: Lapse = Lapse { seconds: 7 * 24 * 3_600, most: 200_000 };

/// What comes of a payment that is sent with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is held for the question: the answer may be computed.
    Hold,
    /// It has paid for the answer to this very question, which is given again.
    Replay(ReceiptId),
    /// It has paid for the answer to another.
    SpentOnAnother(ReceiptId),
    /// It is held for another, over which the node died, for so many seconds yet.
    HeldForAnother(u64),
}

/// What comes of a payment of this standing that is sent with a question at `now`, in seconds since 1970.
pub fn decide(standing: Option<&Standing>, question: &Digest, now: u64) -> (Change, Decision) {
    let hold = || (Change::Put(Standing::Held { payload: *question, at: now }), Decision::Hold);
    match standing {
        None => hold(),
        Some(Standing::Spent { payload, receipt }) if payload == question => (Change::Keep, Decision::Replay(*receipt)),
        Some(Standing::Spent { receipt, .. }) => (Change::Keep, Decision::SpentOnAnother(*receipt)),
        Some(Standing::Held { payload, .. }) if payload == question => hold(),
        Some(Standing::Held { at, .. }) => match at.saturating_add(HOLD_SECONDS).checked_sub(now) {
            Some(left) if left > 0 => (Change::Keep, Decision::HeldForAnother(left)),
            _ => hold(),
        },
    }
}

/// The same of a payment for what takes long: it is held for its question until then at least, so that no restart meanwhile makes it good for another.
pub fn decide_until(
    standing: Option<&Standing>,
    question: &Digest,
    now: u64,
    until: Option<u64>,
) -> (Change, Decision) {
    match decide(standing, question, now) {
        (Change::Put(Standing::Held { payload, at }), decision) => {
            let at = at.max(until.unwrap_or_default());
            (Change::Put(Standing::Held { payload, at }), decision)
        }
        other => other,
    }
}

/// The question's answer has failed, or costs nothing: the payment is good for any question again. What is spent stays so.
pub fn let_go(standing: Option<&Standing>, question: &Digest) -> Change {
    match standing {
        Some(Standing::Held { payload, .. }) if payload == question => Change::Forget,
        _ => Change::Keep,
    }
}

/// Whether an answer may be captured for `fee`, of which at most `price` was promised: never more, less only of what is counted, and whoever found
/// nothing takes nothing.
pub fn may_capture(fee: Amount, price: &Price) -> bool {
    fee == 0 || fee == price.most || (price.is_metered() && fee < price.most)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn question(n: u8) -> Digest {
        Digest([n; 32])
    }

    fn held(n: u8, at: u64) -> Standing {
        Standing::Held { payload: question(n), at }
    }

    fn spent(n: u8, receipt: u8) -> Standing {
        Standing::Spent { payload: question(n), receipt: ReceiptId([receipt; 32]) }
    }

    #[test]
    fn a_payment_is_for_one_question_and_gives_its_answer_again() {
        let decided = |standing: Option<Standing>, now| decide(standing.as_ref(), &question(1), now);
        let hold = |now| (Change::Put(held(1, now)), Decision::Hold);
        assert_eq!(decided(None, 5), hold(5));
        assert_eq!(decided(Some(held(1, 5)), 9), hold(9), "asked again, it goes on");
        assert_eq!(decided(Some(held(2, 5)), 9), (Change::Keep, Decision::HeldForAnother(HOLD_SECONDS - 4)));
        assert_eq!(decided(Some(held(2, 5)), 4 + HOLD_SECONDS), (Change::Keep, Decision::HeldForAnother(1)));
        assert_eq!(decided(Some(held(2, 5)), 5 + HOLD_SECONDS), hold(5 + HOLD_SECONDS));
        let receipt = ReceiptId([7; 32]);
        assert_eq!(decided(Some(spent(1, 7)), 9), (Change::Keep, Decision::Replay(receipt)));
        assert_eq!(decided(Some(spent(2, 7)), u64::MAX), (Change::Keep, Decision::SpentOnAnother(receipt)));
    }

    #[test]
    fn what_takes_long_is_held_as_long_for_its_question_alone() {
        let put = |standing: Option<&Standing>, now| decide_until(standing, &question(1), now, Some(5_000));
        assert_eq!(put(None, 5), (Change::Put(held(1, 5_000)), Decision::Hold));
        let long = held(1, 5_000);
        assert_eq!(put(Some(&long), 900), (Change::Put(held(1, 5_000)), Decision::Hold), "taken up after a restart");
        assert_eq!(
            decide(Some(&long), &question(2), 4_000),
            (Change::Keep, Decision::HeldForAnother(1_000 + HOLD_SECONDS)),
            "and good for nothing else meanwhile"
        );
        let done = spent(1, 7);
        assert_eq!(put(Some(&done), 9).1, Decision::Replay(ReceiptId([7; 32])));
    }

    #[test]
    fn what_is_let_go_of_is_what_was_held_and_nothing_that_is_spent() {
        let after = |standing: Option<Standing>| let_go(standing.as_ref(), &question(1));
        assert_eq!(after(Some(held(1, 5))), Change::Forget);
        assert_eq!(after(Some(held(2, 5))), Change::Keep);
        assert_eq!((after(Some(spent(1, 7))), after(None)), (Change::Keep, Change::Keep));
    }

    #[test]
    fn no_more_is_captured_than_was_promised() {
        let may = |fee, price: Amount| may_capture(fee, &price.into());
        assert!(may(0, 5) && may(5, 5) && may(0, 0));
        assert!(!may(6, 5) && !may(4, 5) && !may(1, 0));
        let metered = Price { least: 3, most: 5, rate: Some(datanet_types::rate::Rate::default()) };
        assert!([0, 1, 4, 5].iter().all(|fee| may_capture(*fee, &metered)) && !may_capture(6, &metered));
    }

    /// What may happen to a node and its clients. Clients send `question` with payment `payment`.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Ask { payment: u8, question: u8 },
        Answered { payment: u8 },
        Failed { payment: u8 },
        Killed,
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..3_u8, 0..3_u8).prop_map(|(payment, question)| Event::Ask { payment, question }),
            3 => (0..3_u8).prop_map(|payment| Event::Answered { payment }),
            1 => (0..3_u8).prop_map(|payment| Event::Failed { payment }),
            1 => Just(Event::Killed),
            1 => (0..2 * HOLD_SECONDS).prop_map(Event::Wait),
        ]
    }

    /// A node: what is on its disk, and what is under way in its memory.
    #[derive(Default)]
    struct World {
        disk: BTreeMap<u8, Standing>,
        under_way: BTreeMap<u8, u8>,
        now: u64,
        receipts: u8,
        /// Payment and question of each answer that was captured, in order.
        captured: Vec<(u8, u8)>,
        /// What clients were given: payment, question, receipt.
        given: BTreeSet<(u8, u8, [u8; 32])>,
    }

    impl World {
        fn apply(&mut self, payment: u8, change: Change) {
            match change {
                Change::Keep => {}
                Change::Put(standing) => _ = self.disk.insert(payment, standing),
                Change::Forget => _ = self.disk.remove(&payment),
            }
        }

        fn on(&mut self, event: Event) {
            match event {
                // One at a time, as the reservations in memory see to.
                Event::Ask { payment, question } if !self.under_way.contains_key(&payment) => {
                    let (change, decision) =
                        decide(self.disk.get(&payment), &super::tests::question(question), self.now);
                    self.apply(payment, change);
                    match decision {
                        Decision::Hold => _ = self.under_way.insert(payment, question),
                        Decision::Replay(receipt) => _ = self.given.insert((payment, question, receipt.0)),
                        Decision::SpentOnAnother(_) | Decision::HeldForAnother(_) => {}
                    }
                }
                Event::Answered { payment } => {
                    if let Some(question) = self.under_way.remove(&payment) {
                        self.receipts += 1;
                        self.apply(payment, Change::Put(spent(question, self.receipts)));
                        self.captured.push((payment, question));
                        self.given.insert((payment, question, [self.receipts; 32]));
                    }
                }
                Event::Failed { payment } => {
                    if let Some(question) = self.under_way.remove(&payment) {
                        let change = let_go(self.disk.get(&payment), &super::tests::question(question));
                        self.apply(payment, change);
                    }
                }
                Event::Killed => self.under_way.clear(),
                Event::Wait(seconds) => self.now += seconds,
                Event::Ask { .. } => {}
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_pays_twice_nothing_is_given_unpaid_and_nothing_paid_is_lost(
            events in proptest::collection::vec(event(), 0..60),
        ) {
            let mut world = World::default();
            for event in events {
                world.on(event);
                let payments: BTreeSet<u8> = world.captured.iter().map(|(payment, _)| *payment).collect();
                prop_assert_eq!(payments.len(), world.captured.len(), "a payment was captured twice");
                for (payment, question, _) in &world.given {
                    prop_assert!(world.captured.contains(&(*payment, *question)), "given unpaid");
                }
            }
            // Everybody who has paid is given the answer, however often it was killed meanwhile.
            world.on(Event::Killed);
            for (payment, question) in world.captured.clone() {
                let before = world.given.len();
                world.on(Event::Ask { payment, question });
                prop_assert_eq!(world.given.len(), before, "the same answer as the first time");
                prop_assert!(!world.under_way.contains_key(&payment));
            }
        }
    }
}
