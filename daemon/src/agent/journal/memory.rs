//! What the entries of a journal say in all: what is unfinished, what was decided, what was spent, how each seller did.

use std::collections::{BTreeMap, BTreeSet};

use datanet_types::{Amount, ChannelId, Digest};

use super::entry::{Ask, Deed, Ended, Entry, Intended, Outcome, Payment, Sell};

/// How a seller did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Answers bought.
    pub bought: u64,
    /// Of those whose truth was known: right.
    pub right: u64,
    /// And wrong.
    pub wrong: u64,
    /// Times that it refused.
    pub refused: u64,
    /// Base units paid.
    pub paid: Amount,
}

/// What was sold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sold {
    /// Answers that were paid for.
    pub sold: u64,
    /// Base units that callers paid for them.
    pub taken: Amount,
    /// Base units that their suppliers took.
    pub cost: Amount,
    /// Calls that nothing was sold to, or of which nobody can tell.
    pub not_sold: u64,
    /// Base units that suppliers took for those.
    pub lost: Amount,
}

/// See the module. It is made of the entries alone: the same journal gives the same memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Length of the budget's period in seconds; none if it never begins anew.
    window: Option<u64>,
    /// Entries with a number so far.
    ids: u64,
    /// The latest time that was written down: a clock that is put back begins no period anew.
    latest: u64,
    /// Name and kind of the agent.
    agent: Option<(String, String)>,
    pending: BTreeMap<u64, Intended>,
    decided: BTreeSet<String>,
    /// The latest period in which something ended, and what was spent in it.
    spent: (u64, Amount),
    total: Amount,
    passed: u64,
    refused: u64,
    done: u64,
    sellers: BTreeMap<String, Tally>,
    /// What was promised on each channel.
    promised: BTreeMap<ChannelId, Amount>,
    /// Verdicts that were doubted: rightly, and in vain.
    doubted: (u64, u64),
    /// Batches that were given, or are being given.
    given: BTreeSet<Digest>,
    sales: Sold,
}

impl Memory {
    pub(super) fn new(window: Option<u64>) -> Self {
        Self { window, ..Self::default() }
    }

    /// The number of the next entry.
    pub fn next_id(&self) -> u64 {
        self.ids.saturating_add(1)
    }

    /// `now`, or the latest time that was written down if that is later.
    pub fn time(&self, now: u64) -> u64 {
        self.latest.max(now)
    }

    /// Name and kind of the agent that wrote it.
    pub fn agent(&self) -> Option<&(String, String)> {
        self.agent.as_ref()
    }

    /// What was intended and has not ended, the oldest first.
    pub fn pending(&self) -> impl Iterator<Item = &Intended> {
        self.pending.values()
    }

    /// Whether something was decided on, or is being acted on.
    pub fn is_decided(&self, subject: &str) -> bool {
        self.decided.contains(subject)
    }

    /// Base units spent in the period of `now`, with what is reserved for what has not ended, whenever it was intended.
    pub fn spent(&self, now: u64) -> Amount {
        let reserved = self.pending.values().fold(0, |sum: Amount, intended| sum.saturating_add(intended.reserved));
        let (window, ended) = self.spent;
        let ended = if window == self.window_of(self.time(now)) { ended } else { 0 };
        ended.saturating_add(reserved)
    }

    /// Base units reserved now.
    pub fn reserved(&self) -> Amount {
        self.pending.values().fold(0, |sum: Amount, intended| sum.saturating_add(intended.reserved))
    }

    /// Base units spent ever.
    pub fn total(&self) -> Amount {
        self.total
    }

    /// Decisions that ended well, were refused, and came to nothing being done.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.done, self.refused, self.passed)
    }

    /// How a seller did.
    pub fn seller(&self, name: &str) -> Tally {
        self.sellers.get(name).copied().unwrap_or_default()
    }

    /// How all sellers did.
    pub fn sellers(&self) -> &BTreeMap<String, Tally> {
        &self.sellers
    }

    /// What was promised on a channel.
    pub fn promised(&self, channel: &ChannelId) -> Amount {
        self.promised.get(channel).copied().unwrap_or_default()
    }

    /// Verdicts that were doubted rightly, and in vain.
    pub fn doubted(&self) -> (u64, u64) {
        self.doubted
    }

    /// What was sold.
    pub fn sales(&self) -> Sold {
        self.sales
    }

    /// Whether a batch was given, or is being given.
    pub fn is_given(&self, blob: &Digest) -> bool {
        self.given.contains(blob)
    }

    fn window_of(&self, at: u64) -> u64 {
        self.window.and_then(|length| at.checked_div(length)).unwrap_or_default()
    }

    /// Takes an entry in.
    pub(super) fn learn(&mut self, entry: &Entry) {
        match entry {
            Entry::Began { agent, kind, at, .. } => {
                self.agent = Some((agent.clone(), kind.clone()));
                self.latest = self.latest.max(*at);
            }
            Entry::Intended(intended) => {
                self.counted(intended.id, intended.at);
                // Nobody asks whether a sale was decided on: its order says so, and strangers make as many as they like.
                if !matches!(intended.deed, Deed::Supply(_) | Deed::Sell(_)) {
                    self.decided.insert(intended.subject.clone());
                }
                if let Deed::Contribute { blob, .. } = &intended.deed {
                    self.given.insert(*blob);
                }
                self.pending.insert(intended.id, (**intended).clone());
            }
            Entry::Passed(passed) => {
                self.counted(passed.id, passed.at);
                self.decided.insert(passed.subject.clone());
                self.passed = self.passed.saturating_add(1);
            }
            Entry::Ended(ended) => self.ended(ended),
        }
    }

    fn counted(&mut self, id: u64, at: u64) {
        self.ids = self.ids.max(id);
        self.latest = self.latest.max(at);
    }

    fn ended(&mut self, ended: &Ended) {
        self.latest = self.latest.max(ended.at);
        let Some(intended) = self.pending.remove(&ended.id) else { return };
        let window = self.window_of(intended.at);
        // What was intended in a period that is over was counted there as long as it was not.
        if window > self.spent.0 {
            self.spent = (window, 0);
        }
        if window == self.spent.0 {
            self.spent.1 = self.spent.1.saturating_add(ended.captured);
        }
        self.total = self.total.saturating_add(ended.captured);
        match ended.outcome {
            Outcome::Refused => {
                self.refused = self.refused.saturating_add(1);
                // It was not done: it may be decided on anew.
                self.decided.remove(&intended.subject);
            }
            Outcome::Done | Outcome::Unknown => self.done = self.done.saturating_add(1),
        }
        match &intended.deed {
            Deed::Ask(ask) => self.asked(ask, ended),
            Deed::Challenge { .. } => match ended.detail["overturned"].as_bool() {
                Some(true) => self.doubted.0 = self.doubted.0.saturating_add(1),
                Some(false) => self.doubted.1 = self.doubted.1.saturating_add(1),
                None => {}
            },
            Deed::Contribute { blob, .. } if ended.outcome == Outcome::Refused => {
                self.given.remove(blob);
            }
            Deed::Sell(sell) => self.sold(sell, ended),
            Deed::Contribute { .. } | Deed::Rate(_) | Deed::Supply(_) | Deed::Think { .. } => {}
        }
    }

    fn sold(&mut self, sell: &Sell, ended: &Ended) {
        if ended.detail["receipt"].is_string() {
            self.sales.sold = self.sales.sold.saturating_add(1);
            self.sales.taken = self.sales.taken.saturating_add(sell.price);
            self.sales.cost = self.sales.cost.saturating_add(sell.cost);
        } else {
            self.sales.not_sold = self.sales.not_sold.saturating_add(1);
            self.sales.lost = self.sales.lost.saturating_add(sell.cost);
        }
    }

    fn asked(&mut self, ask: &Ask, ended: &Ended) {
        let tally = self.sellers.entry(ask.seller.clone()).or_default();
        tally.paid = tally.paid.saturating_add(ended.captured);
        match ended.outcome {
            Outcome::Refused => tally.refused = tally.refused.saturating_add(1),
            Outcome::Done | Outcome::Unknown => tally.bought = tally.bought.saturating_add(1),
        }
        match ended.detail["right"].as_bool() {
            Some(true) => tally.right = tally.right.saturating_add(1),
            Some(false) => tally.wrong = tally.wrong.saturating_add(1),
            None => {}
        }
        if let Payment::Voucher { channel, cumulative } = &ask.payment
            && (ended.captured > 0 || ended.outcome == Outcome::Unknown)
        {
            let promised = self.promised.entry(*channel).or_default();
            *promised = (*promised).max(*cumulative);
        }
    }
}
