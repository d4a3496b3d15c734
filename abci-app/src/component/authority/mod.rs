//! Who speaks for an account.
//!
//! ```text
//!   nothing in state ── the key that the address was made of: alone, for everything
//!        │ set_keys
//!        ▼
//!   owners, threshold ◄── after the delay ── pending ◄── recover_keys, by the guardian
//!        │                                      └── cancel_recovery, by the owners: off
//!        │ grant_key, revoke_key
//!        ▼
//!   sub-keys: some actions, with some counterparties, up to a budget a period, until a time
//! ```
//!
//! The account of an agent has no key: its owner's speak for it ([`speakers`]), and a budget bounds all of its sub-keys together ([`purse`]).
//!
//! A signature is good or not whatever the state says, and is checked before and in parallel; who signed is looked up here when a
//! transaction is charged: in CheckTx, again after every block, and in the block. So what is taken away from a key is taken
//! away at once, from what it has signed before too. Nothing is done when a time comes: what holds now follows from the record and the
//! block's time ([`Keys::at`], [`Grant::spent_at`]).

pub mod action;
mod allowance;
mod grant;
mod speakers;
mod spending;
pub mod state_key;

use datanet_types::action::Recovery;
use datanet_types::{Action, Address, PublicKey};

use super::ActionError;
use super::error::{ensure, refuse};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub use allowance::{Allowance, purse};
pub use grant::{Grant, MAX_GRANTS, grant, grants};
pub use speakers::{Speakers, governor, speakers};
pub(super) use speakers::{end_grants, govern, governed_by, set_purse};
pub(crate) use spending::measured;
pub(super) use spending::{give_back, metered};

/// The owners of an account that has set some.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Keys {
    /// How often they have changed; 0 where the address still says who owns it. Sub-keys end with the version that granted them.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// In ascending order.
    #[prost(message, repeated, tag = "2")]
    pub owners: Vec<PublicKey>,
    /// How many of them sign a transaction.
    #[prost(uint32, tag = "3")]
    pub threshold: u32,
    /// Who can replace them.
    #[prost(message, optional, tag = "4")]
    pub recovery: Option<Recovery>,
    /// Who will own the account.
    #[prost(message, optional, tag = "5")]
    pub pending: Option<Pending>,
    /// Who speaks for it, if it is an agent's account; it has no owners then, and `version` says how often its sub-keys were ended.
    #[prost(message, optional, tag = "6")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<Address>,
}

/// Owners that a guardian has named.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Pending {
    /// In ascending order.
    #[prost(message, repeated, tag = "1")]
    pub owners: Vec<PublicKey>,
    /// How many of them will sign a transaction.
    #[prost(uint32, tag = "2")]
    pub threshold: u32,
    /// Block time, in seconds since 1970, from which on they are the owners.
    #[prost(uint64, tag = "3")]
    pub due: u64,
}

impl Keys {
    /// What holds at block time `now`: a recovery that is due has happened.
    fn at(mut self, now: u64) -> Self {
        match self.pending.take() {
            Some(Pending { owners, threshold, due }) if due <= now => {
                Self { version: self.version.saturating_add(1), owners, threshold, ..self }
            }
            pending => Self { pending, ..self },
        }
    }

    /// Exactly as many owners as it takes: with one signature more to leave out, anybody could change a transaction's hash.
    fn are_signed_by(&self, keys: &[PublicKey]) -> bool {
        keys.len() as u64 == u64::from(self.threshold) && keys.iter().all(|key| self.owners.contains(key))
    }
}

/// Who owns `account` at block time `now`; none where that is whoever has the key that its address was made of.
///
/// # Errors
/// When the store cannot be read.
pub fn keys<S: StateRead>(state: &S, account: &Address, now: u64) -> Result<Option<Keys>, StateError> {
    Ok(state.get::<Keys>(&state_key::keys(account))?.map(|keys| keys.at(now)))
}

/// Whether the owners of an account with these keys are whoever has signed: each of `signed` once, in order.
fn owned_by(keys: Option<&Keys>, account: &Address, signed: &[PublicKey]) -> bool {
    match keys {
        Some(keys) => keys.are_signed_by(signed),
        None => matches!(signed, [key] if Address::of(key) == *account),
    }
}

/// The version of an account's keys.
fn version(keys: Option<&Keys>) -> u64 {
    keys.map_or(0, |keys| keys.version)
}

/// Refuses unless whoever `signed` may do this for `account` at block time `now`: as its owners, or with a sub-key. Two look-ups, and one more for an agent.
///
/// # Errors
/// Refused with [`code::UNAUTHORISED`] when the keys do not speak for the account, and with [`code::GRANT_LIMITS`] when a sub-key may not do
/// this, or not any more; or when the store cannot be read.
pub fn authorise<S: StateRead>(
    state: &S,
    account: &Address,
    signed: &[PublicKey],
    action: &Action,
    now: u64,
) -> Result<(), ActionError> {
    let speakers = speakers(state, account, now)?;
    if speakers.are(signed) {
        return Ok(());
    }
    if let [key] = signed
        && let Some(grant) = grant(state, account, key)?
        && grant.version == speakers.version
    {
        return grant.permits(action, now);
    }
    refuse(code::UNAUTHORISED, stranger(&speakers, account, signed))
}

/// Says who would have to sign.
fn stranger(speakers: &Speakers, account: &Address, signed: &[PublicKey]) -> String {
    let who = match signed {
        [key] => format!("key {key} does not speak"),
        keys => format!("the {} keys that signed do not speak together", keys.len()),
    };
    let of =
        if speakers.governed { format!("{account}, an agent of {}", speakers.account) } else { account.to_string() };
    match &speakers.keys {
        Some(Keys { owners, threshold, .. }) => {
            format!(
                "{who} for account {of}: sign with exactly {threshold} of its {} owners, or with a sub-key that is not revoked",
                owners.len()
            )
        }
        None => {
            let whose = if speakers.governed { "its owner's" } else { "its" };
            format!("{who} for account {of}: sign with the key that {whose} address was made of, or with a sub-key")
        }
    }
}

/// Checks a set of owners, whoever names it.
fn check_owners(owners: &[PublicKey], threshold: u32) -> Result<(), ActionError> {
    use datanet_types::action::MAX_OWNERS;
    ensure((1..=MAX_OWNERS).contains(&owners.len()), code::KEYS_INVALID, || {
        format!("an account has 1 to {MAX_OWNERS} owners, not {}", owners.len())
    })?;
    ensure(owners.is_sorted_by(|one, next| one < next), code::KEYS_INVALID, || {
        "owners are named in ascending order, each once".to_owned()
    })?;
    ensure((1..=owners.len() as u64).contains(&u64::from(threshold)), code::KEYS_INVALID, || {
        format!("threshold is {threshold}; it is 1 to {}, the number of owners", owners.len())
    })?;
    match owners.iter().find(|key| !key.is_sound()) {
        Some(key) => refuse(code::KEYS_INVALID, format!("{key} is no ed25519 public key; nobody could sign with it")),
        None => Ok(()),
    }
}

/// Stores an account's owners.
fn put<S: StateWrite>(state: &mut S, account: &Address, keys: &Keys) {
    state.put(state_key::keys(account), keys);
}
