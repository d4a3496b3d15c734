//! What was bought under which order, as the journal says: by this process or one before.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use datanet_types::{Amount, Digest};
use serde_json::Value;

use crate::agent::desk::Desk;
use crate::agent::journal::{Deed, Entry, Outcome, Reader, Step};

/// Parts that are remembered: a call that is asked again is asked soon, and the node knows the payment for longer.
const MOST: usize = 2_048;

type Key = (Digest, Step);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bought {
    journal: Reader,
    open: BTreeMap<u64, Key>,
    known: BTreeMap<Key, (Value, Amount)>,
    /// The oldest first.
    order: VecDeque<Key>,
}

impl Bought {
    /// Takes in what the journal has by now.
    pub(super) fn bring_up_to_date(&mut self, desk: &Desk) -> Result<()> {
        for entry in self.journal.more(desk.purse.journal())? {
            self.learn(entry);
        }
        Ok(())
    }

    fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Intended(intended) => {
                if let Deed::Supply(supply) = &intended.deed {
                    self.open.insert(intended.id, (supply.order, supply.step));
                }
            }
            Entry::Ended(ended) => {
                let Some(key) = self.open.remove(&ended.id).filter(|_| ended.outcome == Outcome::Done) else { return };
                if self.known.insert(key, (ended.detail, ended.captured)).is_none() {
                    self.order.push_back(key);
                }
                if self.order.len() > MOST
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.known.remove(&oldest);
                }
            }
            Entry::Began { .. } | Entry::Passed(_) => {}
        }
    }

    /// What was bought for this part under an order.
    pub(super) fn get(&self, order: &Digest, step: Step) -> Option<&Value> {
        self.known.get(&(*order, step)).map(|(detail, _)| detail)
    }

    /// What it cost.
    pub(super) fn cost(&self, order: &Digest, step: Step) -> Amount {
        self.known.get(&(*order, step)).map_or(0, |(_, cost)| *cost)
    }
}
