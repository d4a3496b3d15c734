//! Whose keys speak for an account: its own, or those of the account that governs it.
//!
//! An agent's account has no key. Whoever speaks for its owner speaks for it, as that stands now: a rotation or recovery of the owner's keys
//! is one of the agent's, and ends its sub-keys too. Nobody governs who is governed, so that there is one look-up more, and only for agents.

use datanet_types::{Address, PublicKey};

use super::{Allowance, Keys, keys, owned_by, put, state_key, version};
use crate::state::{StateError, StateRead, StateWrite};

/// Whose keys count for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speakers {
    /// Itself, or who governs it.
    pub account: Address,
    /// That one's owners; none where its address says who that is.
    pub keys: Option<Keys>,
    /// What the sub-keys of the account must be of: it only grows, whoever's keys change.
    pub version: u64,
    /// Whether that is another account.
    pub governed: bool,
}

impl Speakers {
    /// Whether whoever has `signed` owns the account.
    pub(super) fn are(&self, signed: &[PublicKey]) -> bool {
        owned_by(self.keys.as_ref(), &self.account, signed)
    }

    /// Whether `key` is one of the owners'.
    pub(super) fn include(&self, key: &PublicKey) -> bool {
        match &self.keys {
            Some(keys) => keys.owners.contains(key),
            None => Address::of(key) == self.account,
        }
    }

    /// The addresses of the owners' keys: where two accounts have one in common, somebody speaks for both, or takes part in it.
    pub(in crate::component) fn addresses(&self) -> Vec<Address> {
        match &self.keys {
            Some(keys) => keys.owners.iter().map(Address::of).collect(),
            None => vec![self.account],
        }
    }
}

/// Whose keys speak for `account` at block time `now`.
///
/// # Errors
/// When the store cannot be read.
pub fn speakers<S: StateRead>(state: &S, account: &Address, now: u64) -> Result<Speakers, StateError> {
    let own = keys(state, account, now)?;
    let Some(governor) = own.as_ref().and_then(|keys| keys.governor) else {
        let version = version(own.as_ref());
        return Ok(Speakers { account: *account, keys: own, version, governed: false });
    };
    let theirs = keys(state, &governor, now)?;
    let version = version(own.as_ref()).saturating_add(version(theirs.as_ref()));
    Ok(Speakers { account: governor, keys: theirs, version, governed: true })
}

/// Who governs `account`, if it is an agent's.
///
/// # Errors
/// When the store cannot be read.
pub fn governor<S: StateRead>(state: &S, account: &Address) -> Result<Option<Address>, StateError> {
    Ok(state.get::<Keys>(&state_key::keys(account))?.and_then(|keys| keys.governor))
}

/// What stands in state of an account that `owner` governs.
pub(in crate::component) fn governed_by(owner: Address) -> Keys {
    Keys { governor: Some(owner), ..Keys::default() }
}

/// Puts an account into the hands of `owner`, for good.
pub(in crate::component) fn govern<S: StateWrite>(state: &mut S, account: &Address, owner: Address) {
    put(state, account, &governed_by(owner));
}

/// Ends all sub-keys of an account that is governed, at once.
pub(in crate::component) fn end_grants<S: StateWrite>(state: &mut S, account: &Address) -> Result<(), StateError> {
    let mut keys: Keys = state.expect(state_key::keys(account), "an agent's account that nobody governs")?;
    keys.version = keys.version.saturating_add(1);
    put(state, account, &keys);
    Ok(())
}

/// Says what all sub-keys of an account may spend together from now on.
pub(in crate::component) fn set_purse<S: StateWrite>(state: &mut S, account: &Address, purse: &Allowance) {
    state.put(state_key::purse(account), purse);
}
