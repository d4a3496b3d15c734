//! Stake on its way out of a validator: it answers for what the validator did until it is home.
//!
//! What leaves a validator within the same part of the unbonding time lies in one batch, and everybody has shares of it: so slashing
//! touches a few dozen batches, however many accounts are leaving.

use std::fmt;

use datanet_types::amount::mul_div;
use datanet_types::{Address, Amount, ConsensusAddress, ModuleAddress};

use super::{bonded_account, slashing, state_key};
use crate::component::agenda::{self, Kind};
use crate::component::{BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateRead, StateWrite, part_of_key};

/// Parts that the unbonding time has, rounded up to whole seconds: a validator has so many batches, and one more.
pub(super) const PARTS: u64 = 64;

/// What leaves a validator together.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Batch {
    /// Base units in it.
    #[prost(uint64, tag = "1")]
    pub(super) tokens: Amount,
    /// Shares in them: what was put in, in base units.
    #[prost(uint64, tag = "2")]
    shares: u64,
    /// Height at which something was put in last.
    #[prost(uint64, tag = "3")]
    height: u64,
}

/// Somebody's part of a batch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Ticket {
    /// From which validator.
    #[prost(message, required, tag = "1")]
    validator: ConsensusAddress,
    /// When it arrives, in seconds since 1970.
    #[prost(uint64, tag = "2")]
    arrives: u64,
    /// Its shares of the batch.
    #[prost(uint64, tag = "3")]
    shares: u64,
}

/// Names a part of the batches that arrive at one time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(in crate::component) struct Part {
    /// From which validator.
    #[prost(message, required, tag = "1")]
    validator: ConsensusAddress,
    /// Whose.
    #[prost(message, required, tag = "2")]
    delegator: Address,
}

/// As it stands in keys.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.validator, self.delegator)
    }
}

/// Somebody's stake on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// From which validator.
    pub validator: ConsensusAddress,
    /// Base units, as it is now.
    pub amount: Amount,
    /// When it arrives, in seconds since 1970.
    pub arrives: u64,
}

/// Up to `limit` parts that `delegator` has of batches, by when they arrive.
///
/// # Errors
/// When the store cannot be read.
pub fn unbonding<S: StateRead>(state: &S, delegator: &Address, limit: usize) -> Result<Vec<Leaving>, StateError> {
    let parts = state.list::<Ticket>(&state_key::all_unbonding(delegator), None, limit)?;
    let leaving = |(_, Ticket { validator, arrives, shares }): (String, Ticket)| {
        let batch: Batch = state.get(&state_key::batch(&validator, arrives))?.unwrap_or_default();
        Ok(Leaving { validator, amount: mul_div(shares, batch.tokens, batch.shares).unwrap_or(0), arrives })
    };
    parts.into_iter().map(leaving).collect()
}

/// The account that holds a batch.
pub(super) fn account(validator: &ConsensusAddress, completes: u64) -> ModuleAddress {
    ModuleAddress::of("leaving", &[&validator.0, &completes.to_le_bytes()])
}

/// When what leaves now is home: after the unbonding time, rounded up to a part of it.
pub(super) fn completes(block: &BlockContext, params: &Params) -> u64 {
    let part = params.unbonding_seconds.div_ceil(PARTS).max(1);
    let earliest = block.seconds().saturating_add(params.unbonding_seconds);
    earliest.div_ceil(part).saturating_mul(part)
}

/// Moves `amount` of what stood behind `validator` into the batch that leaves now. Returns when it arrives.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    validator: &ConsensusAddress,
    delegator: &Address,
    amount: Amount,
) -> Result<u64, StateError> {
    let completes = completes(block, params);
    let key = state_key::batch(validator, completes);
    let mut batch: Batch = state.get(&key)?.unwrap_or_default();
    let shares = if batch.tokens == 0 { amount } else { mul_div(amount, batch.shares, batch.tokens).unwrap_or(amount) };
    accounts::release(state, &bonded_account(validator), account(validator, completes), amount)?;
    batch.tokens = batch.tokens.saturating_add(amount);
    batch.shares = batch.shares.saturating_add(shares);
    batch.height = block.height;
    state.put(key, &batch);
    let key = state_key::unbonding(delegator, completes, validator);
    let before = state.get::<Ticket>(&key)?.map_or(0, |ticket| ticket.shares);
    let shares = before.saturating_add(shares);
    state.put(key, &Ticket { validator: *validator, arrives: completes, shares });
    let part = Part { validator: *validator, delegator: *delegator };
    agenda::schedule(state, Kind::ReleaseDelegation, completes, &part);
    Ok(completes)
}

/// Pays out a part that has arrived.
pub(in crate::component) fn release<S: StateWrite>(
    state: &mut S,
    part: &Part,
    arrives: u64,
) -> Result<Vec<Event>, StateError> {
    let Part { validator, delegator } = part;
    let key = state_key::unbonding(delegator, arrives, validator);
    let ticket: Ticket = state.expect(key.clone(), "a part that has arrived and is not there")?;
    let amount = pay(state, &ticket, delegator)?;
    state.delete(key);
    let event = Event::new("staking.released").with("account", delegator);
    Ok(vec![event.with("validator", validator).with("amount", amount)])
}

fn pay<S: StateWrite>(state: &mut S, ticket: &Ticket, delegator: &Address) -> Result<Amount, StateError> {
    let completes = ticket.arrives;
    let key = state_key::batch(&ticket.validator, completes);
    // A part that is worth nothing may outlive its batch.
    let Some(mut batch) = state.get::<Batch>(&key)? else { return Ok(0) };
    let amount = if ticket.shares >= batch.shares {
        batch.tokens
    } else {
        mul_div(ticket.shares, batch.tokens, batch.shares).unwrap_or(0)
    };
    accounts::release(state, &account(&ticket.validator, completes), delegator, amount)?;
    batch.tokens = batch.tokens.saturating_sub(amount);
    batch.shares = batch.shares.saturating_sub(ticket.shares);
    if batch.shares == 0 {
        state.delete(key)
    } else {
        state.put(key, &batch)
    }
    Ok(amount)
}

/// Takes `bps` of every batch that still stood behind `validator` at `since` to the treasury; returns how much that was.
pub(super) fn slash<S: StateWrite>(
    state: &mut S,
    validator: &ConsensusAddress,
    since: u64,
    bps: u32,
) -> Result<Amount, StateError> {
    let (batches, mut taken) = (state_key::batches(validator), 0u64);
    for (key, mut batch) in state.list::<Batch>(&batches, None, usize::MAX)? {
        if !slashing::stood_behind(batch.height, since) {
            continue;
        }
        let completes = part_of_key(&key, &batches)?;
        let cut = slashing::part(batch.tokens, bps);
        accounts::release(state, &account(validator, completes), accounts::treasury(), cut)?;
        batch.tokens = batch.tokens.saturating_sub(cut);
        taken = taken.saturating_add(cut);
        state.put(key, &batch);
    }
    Ok(taken)
}
