//! In which order waiting transactions are offered a place in a block that we propose.
//!
//! The highest tip for a unit of gas comes first, of equal ones the first to arrive; but never ahead of what the same account sent before,
//! which it may rest on. What has a deadline rests on nothing else of its account, and is found behind that too. Nobody else depends on this
//! order: it is the proposer's alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use datanet_types::Address;
use datanet_types::tx::VerifiedTx;

use super::verify::Checked;

/// A transaction that waits.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pub(super) tx: &'a Arc<VerifiedTx>,
    pub(super) bytes: &'a Bytes,
    arrival: usize,
}

impl Waiting<'_> {
    fn is_in(&self, lane: Lane) -> bool {
        let kind = self.tx.action.kind();
        match lane {
            Lane::Drawn => kind.is_of_who_is_drawn(),
            Lane::Urgent => kind.is_urgent(),
            Lane::Any => true,
        }
    }

    /// Base units of tip for a unit of gas, with 32 bits behind the point.
    fn rate(&self) -> u128 {
        let tip = u128::from(self.tx.body.tip) << 32;
        tip.checked_div(self.tx.body.gas_limit.into()).unwrap_or(0)
    }
}

/// Who is asked for the next transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Who was drawn by stake and has to say something by a deadline: nobody else passes admission with it, and each once.
    Drawn,
    /// Whatever judging, settling or evidence need by a deadline.
    Urgent,
    /// All.
    Any,
}

/// What became of a transaction that was offered a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is in the block, or not worth a place: its account's next one is asked.
    Done,
    /// There is too little room for it: its account waits.
    NoRoom,
}

/// Waiting transactions, of each account in the order of their arrival.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    of: BTreeMap<Address, VecDeque<Waiting<'a>>>,
}

impl<'a> Queue<'a> {
    /// Of those that are verified.
    pub(super) fn new(checked: &'a [Checked], txs: &'a [Bytes]) -> Self {
        let mut of = BTreeMap::<_, VecDeque<_>>::new();
        for (arrival, (one, bytes)) in checked.iter().zip(txs).enumerate() {
            if let Ok(tx) = &one.verified {
                of.entry(tx.signer).or_default().push_back(Waiting { tx, bytes, arrival });
            }
        }
        Self { of }
    }

    /// Offers a place to one after the other until nobody in `lane` has another one or fits.
    pub(super) fn offer<E>(
        &mut self,
        lane: Lane,
        mut offer: impl FnMut(&Waiting<'a>) -> Result<Offer, E>,
    ) -> Result<(), E> {
        let head = |account: &Address, waiting: &VecDeque<Waiting<'_>>| {
            let place = waiting.iter().position(|one| one.is_in(lane))?;
            let first = waiting.get(place)?;
            Some((first.rate(), Reverse(first.arrival), *account, place))
        };
        let mut heads: BinaryHeap<_> = self.of.iter().filter_map(|(account, waiting)| head(account, waiting)).collect();
        while let Some((_, _, account, place)) = heads.pop() {
            let Some(waiting) = self.of.get_mut(&account) else { continue };
            let Some(first) = waiting.get(place) else { continue };
            if offer(first)? == Offer::Done {
                waiting.remove(place);
                heads.extend(head(&account, waiting));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datanet_types::action::{RevealScores, Transfer};
    use datanet_types::tx::TxBody;
    use datanet_types::{Action, SigningKey};

    use super::super::verify::Verifier;
    use super::*;

    fn tx(seed: u8, nonce: u64, tip: u64, gas_limit: u64, action: Action) -> Bytes {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let account = key.address();
        let body =
            TxBody { chain_id: "test".into(), expiry: 1, fee: 1, nonce, account, gas_limit, tip, action: Some(action) };
        body.sign(&key).to_bytes().into()
    }

    fn pay() -> Action {
        Action::Transfer(Transfer { to: Address::ZERO, amount: 1 })
    }

    fn reveal() -> Action {
        Action::RevealScores(RevealScores { scores: None, ..RevealScores::default() })
    }

    /// Places in `txs` in the order in which they are offered one, where those in `full` find no room.
    fn order(txs: &[Bytes], lane: Lane, full: &[usize]) -> Vec<usize> {
        let verifier = Verifier::default();
        let checked = verifier.check_all(txs, "test");
        assert!(checked.iter().all(|one| one.verified.is_ok()), "{checked:?}");
        let mut order = Vec::new();
        let done = Queue::new(&checked, txs).offer(lane, |waiting| {
            order.push(waiting.arrival);
            Ok::<_, ()>(if full.contains(&waiting.arrival) { Offer::NoRoom } else { Offer::Done })
        });
        done.unwrap();
        order
    }

    #[test]
    fn tips_for_gas_decide_and_then_who_came_first_but_never_before_ones_own() {
        let txs = [
            tx(1, 0, 0, 100, pay()),
            tx(2, 1, 10, 100, pay()),
            tx(3, 2, 10, 50, pay()),
            tx(1, 3, 1_000, 100, pay()),
            tx(4, 4, 0, 100, pay()),
        ];
        assert_eq!(order(&txs, Lane::Any, &[]), [2, 1, 0, 3, 4]);
        assert_eq!(order(&txs, Lane::Any, &[0]), [2, 1, 0, 4], "what rests on it waits with it");
    }

    #[test]
    fn the_urgent_lane_asks_nobody_else() {
        let txs =
            [tx(1, 0, 900, 100, pay()), tx(2, 1, 0, 100, reveal()), tx(2, 2, 5, 100, pay()), tx(1, 3, 0, 1, reveal())];
        assert_eq!(order(&txs, Lane::Drawn, &[]), [1, 3], "also behind what its account sent before");
        assert_eq!(order(&txs, Lane::Urgent, &[]), [1, 3]);
        assert_eq!(order(&txs, Lane::Any, &[]), [0, 1, 2, 3]);
    }
}
