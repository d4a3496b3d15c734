//! A sub-key: what it may do, with whom, for how much, and until when.

use datanet_types::action::{ActionSet, Counterparty};
use datanet_types::{Action, Address, Amount, PublicKey};

use super::{Allowance, state_key};
use crate::code;
use crate::component::ActionError;
use crate::component::error::ensure;
use crate::state::{StateError, StateRead};

/// Most sub-keys of an account at a time.
pub const MAX_GRANTS: usize = 64;

/// A sub-key of an account.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// The key.
    #[prost(message, required, tag = "1")]
    pub key: PublicKey,
    /// The version of the account's keys that granted it; with another one it has ended.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The bits of an [`ActionSet`].
    #[prost(uint64, tag = "3")]
    pub actions: u64,
    /// Whom it may deal with; anybody if there is none.
    #[prost(message, repeated, tag = "4")]
    pub counterparties: Vec<Counterparty>,
    /// Base units it may spend in a period.
    #[prost(uint64, tag = "5")]
    pub budget: Amount,
    /// Seconds of a period.
    #[prost(uint64, tag = "6")]
    pub period_seconds: u64,
    /// Block time from which on it is good for nothing.
    #[prost(uint64, tag = "7")]
    pub expires: u64,
    /// Block time of the grant: the first period begins here.
    #[prost(uint64, tag = "8")]
    pub granted: u64,
    /// Base units spent in `period`.
    #[prost(uint64, tag = "9")]
    pub spent: Amount,
    /// The last period in which something was spent, counted from 0.
    #[prost(uint64, tag = "10")]
    pub period: u64,
}

impl Grant {
    /// The actions it may do.
    pub fn actions(&self) -> ActionSet {
        ActionSet(self.actions)
    }

    /// Its budget, and what was spent of it.
    pub fn allowance(&self) -> Allowance {
        let Self { budget, period_seconds, granted: since, spent, period, .. } = *self;
        Allowance { budget, period_seconds, since, spent, period }
    }

    /// Base units spent in the period of block time `now`.
    pub fn spent_at(&self, now: u64) -> Amount {
        self.allowance().spent_at(now)
    }

    /// Base units that it may still spend in the period of block time `now`.
    pub fn left_at(&self, now: u64) -> Amount {
        self.allowance().left_at(now)
    }

    /// Refuses what it may not do, or not any more.
    pub(super) fn permits(&self, action: &Action, now: u64) -> Result<(), ActionError> {
        let key = self.key;
        ensure(now < self.expires, code::GRANT_LIMITS, || {
            format!("sub-key {key} expired at {} seconds, this is {now}; have it granted again", self.expires)
        })?;
        ensure(self.actions().contains(action.kind()), code::GRANT_LIMITS, || {
            let may: Vec<&str> = self.actions().kinds().map(|kind| kind.name()).collect();
            format!("sub-key {key} may not {}; it may {}", action.name(), may.join(", "))
        })?;
        let with = action.counterparty().map(Counterparty::from);
        let free = self.counterparties.is_empty() || with.is_none_or(|with| self.counterparties.contains(&with));
        ensure(free, code::GRANT_LIMITS, || {
            format!(
                "sub-key {key} may {} only with the {} counterparties it was granted for",
                action.name(),
                self.counterparties.len()
            )
        })
    }

    /// The same after spending `amount` more at block time `now`; refused if that is more than is left.
    pub(super) fn after(self, amount: Amount, now: u64) -> Result<Self, ActionError> {
        let after = self.allowance().after(amount, now, || format!("sub-key {} has", self.key))?;
        Ok(Self { spent: after.spent, period: after.period, ..self })
    }
}

/// The record of a sub-key of `account`, good or not: see [`super::keys`] for the version that counts.
///
/// # Errors
/// When the store cannot be read.
pub fn grant<S: StateRead>(state: &S, account: &Address, key: &PublicKey) -> Result<Option<Grant>, StateError> {
    state.get(&state_key::grant(account, key))
}

/// All records of sub-keys of `account` by key, good or not; at most [`MAX_GRANTS`].
///
/// # Errors
/// When the store cannot be read.
pub fn grants<S: StateRead>(state: &S, account: &Address) -> Result<Vec<Grant>, StateError> {
    let entries = state.list(&state_key::grants(account), None, MAX_GRANTS)?;
    Ok(entries.into_iter().map(|(_, grant)| grant).collect())
}
