//! So much a period: what a sub-key may spend, and all sub-keys of an agent together.

use datanet_types::amount::display;
use datanet_types::{Address, Amount};

use super::state_key;
use crate::code;
use crate::component::ActionError;
use crate::component::error::ensure;
use crate::state::{StateError, StateRead};

/// A budget, and what was spent of it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Allowance {
    /// Base units that may be spent in a period.
    #[prost(uint64, tag = "1")]
    pub budget: Amount,
    /// Seconds of a period.
    #[prost(uint64, tag = "2")]
    pub period_seconds: u64,
    /// Block time at which the first period begins.
    #[prost(uint64, tag = "3")]
    pub since: u64,
    /// Base units spent in `period`.
    #[prost(uint64, tag = "4")]
    pub spent: Amount,
    /// The last period in which something was spent, counted from 0.
    #[prost(uint64, tag = "5")]
    pub period: u64,
}

impl Allowance {
    /// Nothing spent, from block time `since` on.
    pub(in crate::component) fn new(budget: Amount, period_seconds: u64, since: u64) -> Self {
        Self { budget, period_seconds, since, spent: 0, period: 0 }
    }

    /// The number of the period at block time `now`. Periods lie where they were put, whenever something is spent: nobody gains by waiting.
    fn period_at(&self, now: u64) -> u64 {
        now.saturating_sub(self.since).checked_div(self.period_seconds).unwrap_or(0)
    }

    /// Base units spent in the period of block time `now`.
    pub fn spent_at(&self, now: u64) -> Amount {
        if self.period_at(now) == self.period { self.spent } else { 0 }
    }

    /// Base units that may still be spent in the period of block time `now`.
    pub fn left_at(&self, now: u64) -> Amount {
        self.budget.saturating_sub(self.spent_at(now))
    }

    /// The same after spending `amount` more at block time `now`; refused if that is more than is left to `whom`.
    pub(super) fn after(self, amount: Amount, now: u64, whom: impl FnOnce() -> String) -> Result<Self, ActionError> {
        let (period, left) = (self.period_at(now), self.left_at(now));
        ensure(amount <= left, code::GRANT_LIMITS, || {
            format!(
                "this takes {} and {} {} left of its {} until its next period of {} seconds",
                display(amount),
                whom(),
                display(left),
                display(self.budget),
                self.period_seconds
            )
        })?;
        let spent = self.spent_at(now).saturating_add(amount);
        Ok(Self { spent, period, ..self })
    }

    /// The same with `amount` less spent.
    pub(super) fn given_back(self, amount: Amount) -> Self {
        Self { spent: self.spent.saturating_sub(amount), ..self }
    }
}

/// What all sub-keys of an agent's account may spend together; none where an account has keys of its own.
///
/// # Errors
/// When the store cannot be read.
pub fn purse<S: StateRead>(state: &S, account: &Address) -> Result<Option<Allowance>, StateError> {
    state.get(&state_key::purse(account))
}
