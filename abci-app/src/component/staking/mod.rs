//! Stake behind the validators that order blocks: who they are, what stands behind each, what it earns, and what it loses.
//!
//! Stake on a validator is held in *shares*. Delegating buys shares at what they are worth, undelegating sells them, and slashing makes
//! all of them worth less at once, so that nothing here walks over delegators: rewards are counted per share ([`rewards`]), stake on
//! its way out lies in one batch a validator and time ([`unbonding`]), and stake that was moved to another validator still answers
//! for the first ([`moving`]). The engine is told what follows from it ([`set`]), within bounds a block. Who is away too often is
//! sent off ([`liveness`]), who signs two histories loses part of all that stood behind it, and comes back no more ([`slashing`]).
//! Whose turn it is to propose is counted as the engine counts it ([`rotation`], [`turns`]): a block under a false name moves no beacon.

pub mod action;
mod genesis;
mod liveness;
mod moving;
mod rewards;
pub mod rotation;
mod set;
mod shares;
mod slashing;
pub mod state_key;
mod turns;
mod unbonding;

use datanet_types::{Address, Amount, BeaconKey, ConsensusAddress, ConsensusKey, ModuleAddress};

use super::error::{ensure, refuse};
use super::{ActionError, BlockContext, Event, Params, governance};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

pub use genesis::GenesisValidator;
pub(super) use genesis::init;
pub use liveness::missed;
pub use moving::MAX_MOVED;
pub(super) use moving::{Move, free};
pub(super) use rewards::distribute;
pub use rewards::{account as rewards_account, earned};
pub use set::{Active, active, taking_part};
pub(super) use set::{update, updates_at_genesis};
pub use shares::{MIN_DELEGATION, worth};
pub use turns::{Turns, had_turn, turns};
pub(super) use turns::{begin_block as count_turn, told};
pub use unbonding::{Leaving, unbonding};
pub(super) use unbonding::{Part, release};

/// Base units behind one unit of voting power. All the money that 64 bits hold makes a power of 2^44; CometBFT's limit for the sum
/// of all is 2^60.
pub const POWER_UNIT: Amount = datanet_types::amount::DNT;

/// A validator.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Validator {
    /// The key that signs for it.
    #[prost(message, required, tag = "1")]
    pub key: ConsensusKey,
    /// The account that speaks for it and has the commission.
    #[prost(message, required, tag = "2")]
    pub operator: Address,
    /// A name for people.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Share of its delegators' rewards that the operator keeps, in basis points.
    #[prost(uint32, tag = "4")]
    pub commission_bps: u32,
    /// Base units that stand behind it.
    #[prost(uint64, tag = "5")]
    pub tokens: Amount,
    /// Shares in them.
    #[prost(uint64, tag = "6")]
    pub shares: u64,
    /// What one share has earned since the beginning, in base units times 2^64: the upper half.
    #[prost(uint64, tag = "7")]
    reward_high: u64,
    /// The lower half.
    #[prost(uint64, tag = "8")]
    reward_low: u64,
    /// Until when it is out, in seconds since 1970; 0 if it is not.
    #[prost(uint64, tag = "9")]
    pub jailed_until: u64,
    /// Whether it signed two histories: it never comes back.
    #[prost(bool, tag = "10")]
    pub tombstoned: bool,
    /// Height at which it was created.
    #[prost(uint64, tag = "11")]
    pub created_height: u64,
    /// The tokens by which it is ranked, be they enough or not; 0 in jail.
    #[prost(uint64, tag = "12")]
    ranked: Amount,
    /// The key with which it moves the beacon on.
    #[prost(message, required, tag = "13")]
    pub beacon_key: BeaconKey,
}

impl Validator {
    /// What the engine calls it.
    pub fn address(&self) -> ConsensusAddress {
        self.key.address()
    }

    /// Whether it may take part, were it ranked high enough.
    pub fn is_eligible(&self, params: &Params) -> bool {
        self.jailed_until == 0 && self.tokens >= params.min_validator_stake
    }

    fn reward(&self) -> u128 {
        u128::from(self.reward_high) << 64 | u128::from(self.reward_low)
    }
}

/// Somebody's stake on a validator.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Delegation {
    /// Shares in its tokens.
    #[prost(uint64, tag = "1")]
    pub shares: u64,
    /// Those of them that were moved here from another validator and still answer for that.
    #[prost(uint64, tag = "2")]
    pub moved: u64,
    /// [`Validator::reward`] up to which it was paid: the upper half.
    #[prost(uint64, tag = "3")]
    paid_high: u64,
    /// The lower half.
    #[prost(uint64, tag = "4")]
    paid_low: u64,
}

impl Delegation {
    fn paid(&self) -> u128 {
        u128::from(self.paid_high) << 64 | u128::from(self.paid_low)
    }
}

/// A validator.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<Option<Validator>, StateError> {
    state.get(&state_key::validator(validator))
}

/// Up to `limit` validators by address, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(
    state: &S,
    after: Option<&ConsensusAddress>,
    limit: usize,
) -> Result<Vec<Validator>, StateError> {
    let after = after.map(state_key::validator);
    let entries = state.list(&state_key::validators(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, validator)| validator).collect())
}

/// The stake of `delegator` on a validator.
///
/// # Errors
/// When the store cannot be read.
pub fn delegation<S: StateRead>(
    state: &S,
    validator: &ConsensusAddress,
    delegator: &Address,
) -> Result<Delegation, StateError> {
    Ok(state.get(&state_key::delegation(delegator, validator))?.unwrap_or_default())
}

/// Up to `limit` of the validators that `delegator` has staked on, with the stakes, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn delegations<S: StateRead>(
    state: &S,
    delegator: &Address,
    after: Option<&ConsensusAddress>,
    limit: usize,
) -> Result<Vec<(ConsensusAddress, Delegation)>, StateError> {
    let (prefix, after) =
        (state_key::delegations(delegator), after.map(|validator| state_key::delegation(delegator, validator)));
    let entries = state.list::<Delegation>(&prefix, after.as_deref(), limit)?;
    entries.into_iter().map(|(key, held)| Ok((part_of_key(&key, &prefix)?, held))).collect()
}

/// The account that holds what stands behind a validator.
pub fn bonded_account(validator: &ConsensusAddress) -> ModuleAddress {
    ModuleAddress::of("bonded", &[&validator.0])
}

/// The validator, which must be there.
fn require<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<Validator, ActionError> {
    match get(state, validator)? {
        Some(found) => Ok(found),
        None => refuse(
            code::VALIDATOR_UNKNOWN,
            format!("there is no validator {validator}; `datanet validator list` names them"),
        ),
    }
}

/// The validator, which must be there to be staked on.
fn require_open<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<Validator, ActionError> {
    let found = require(state, validator)?;
    ensure(!found.tombstoned, code::VALIDATOR_TOMBSTONED, || {
        format!("validator {validator} signed two histories and never comes back; choose another")
    })?;
    Ok(found)
}

fn expect<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<Validator, StateError> {
    state.expect(state_key::validator(validator), "a validator that is named and not there")
}

/// Stores a validator with its rank.
fn put<S: StateWrite>(state: &mut S, validator: &mut Validator) {
    let (address, before) = (validator.address(), validator.ranked);
    validator.ranked = if validator.jailed_until == 0 { validator.tokens } else { 0 };
    if validator.ranked != before {
        if before > 0 {
            state.delete(state_key::ranked(before, &address));
        }
        if validator.ranked > 0 {
            state.put(state_key::ranked(validator.ranked, &address), &address);
        }
        set::mark(state);
    }
    state.put(state_key::validator(&address), validator);
}

/// Stores a stake; nothing is left of an empty one. Where it votes, its vote goes with it.
fn put_delegation<S: StateWrite>(
    state: &mut S,
    validator: &ConsensusAddress,
    delegator: &Address,
    delegation: &Delegation,
) -> Result<(), StateError> {
    governance::moves(state, validator, delegator, delegation.shares)?;
    let key = state_key::delegation(delegator, validator);
    if delegation.shares == 0 {
        state.delete(key)
    } else {
        state.put(key, delegation)
    }
    Ok(())
}

/// What the engine has said of its validators with this block; `misnamed` proved the block before as its own, when it was another's turn.
pub(super) fn begin_block<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    misnamed: Option<&ConsensusAddress>,
) -> Result<Vec<Event>, StateError> {
    let mut events = slashing::punish_misbehaviour(state, block, params)?;
    if let Some(validator) = misnamed {
        events.extend(liveness::send_off_misnamed(state, block, params, validator)?);
    }
    events.extend(liveness::count(state, block, params)?);
    Ok(events)
}

/// What follows from other parameters.
pub(super) fn params_changed<S: StateWrite>(state: &mut S, before: &Params, after: &Params) -> Result<(), StateError> {
    if before.liveness_window != after.liveness_window {
        liveness::begin_anew(state)?;
    }
    // Who takes part may be others.
    set::mark(state);
    Ok(())
}
