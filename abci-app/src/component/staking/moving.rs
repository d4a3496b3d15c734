//! Stake that was moved from one validator to another: it works for the new one at once, and answers for the former until the
//! unbonding time is over. Until then it stays where it is, so that it can always be found.

use std::fmt;

use datanet_types::{Address, Amount, ConsensusAddress};

use super::{bonded_account, delegation, expect, put, put_delegation, rewards, shares, slashing, state_key, unbonding};
use crate::code;
use crate::component::agenda::{self, Kind};
use crate::component::error::ensure;
use crate::component::{ActionError, BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateWrite};

/// Stakes that may have been moved away from one validator and still answer for it: what one slashing walks over.
pub const MAX_MOVED: usize = 128;

/// Stake that was moved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Moved {
    #[prost(message, required, tag = "2")]
    to: ConsensusAddress,
    #[prost(message, required, tag = "3")]
    delegator: Address,
    /// Shares that it has there.
    #[prost(uint64, tag = "4")]
    shares: u64,
    /// Height at which it was moved last.
    #[prost(uint64, tag = "5")]
    height: u64,
}

/// Names stake that was moved and is free at one time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(in crate::component) struct Move {
    #[prost(message, required, tag = "1")]
    from: ConsensusAddress,
    #[prost(message, required, tag = "2")]
    to: ConsensusAddress,
    #[prost(message, required, tag = "3")]
    delegator: Address,
}

/// As it stands in keys.
impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.from, self.delegator, self.to)
    }
}

/// Moves stake worth `amount`.
pub(super) fn moved<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    params: &Params,
    delegator: &Address,
    (from, to): (&ConsensusAddress, &ConsensusAddress),
    amount: Amount,
) -> Result<Amount, ActionError> {
    let open = state.scan(&state_key::moved_from(from), None, MAX_MOVED)?.len();
    ensure(open < MAX_MOVED, code::REDELEGATION, || {
        format!("{MAX_MOVED} stakes were moved away from validator {from} of late; take yours back instead, or wait")
    })?;
    let mut source = super::require(state, from)?;
    let tokens = shares::sell(state, &mut source, delegator, amount)?;
    ensure(tokens >= shares::MIN_DELEGATION, code::DELEGATION, || {
        "a stake is at least 1 DNT; move more, or all".to_owned()
    })?;
    accounts::release(state, &bonded_account(from), bonded_account(to), tokens)?;
    let mut target = super::require_open(state, to)?;
    let bought = shares::buy(state, &mut target, delegator, tokens)?;
    let until = unbonding::completes(block, params);
    let key = state_key::moved(from, until, delegator, to);
    let before = state.get::<Moved>(&key)?.map_or(0, |entry| entry.shares);
    let shares = before.saturating_add(bought);
    state.put(key, &Moved { to: *to, delegator: *delegator, shares, height: block.height });
    agenda::schedule(state, Kind::FreeMoved, until, &Move { from: *from, to: *to, delegator: *delegator });
    let mut held = delegation(state, to, delegator)?;
    held.moved = held.moved.saturating_add(bought);
    put_delegation(state, to, delegator, &held)?;
    Ok(tokens)
}

/// Sets free what answers for its former validator no more.
pub(in crate::component) fn free<S: StateWrite>(
    state: &mut S,
    stake: &Move,
    until: u64,
) -> Result<Vec<Event>, StateError> {
    let Move { from, to, delegator } = stake;
    let key = state_key::moved(from, until, delegator, to);
    let entry: Moved = state.expect(key.clone(), "moved stake that is free and not there")?;
    let mut held = delegation(state, to, delegator)?;
    held.moved = held.moved.saturating_sub(entry.shares);
    put_delegation(state, to, delegator, &held)?;
    state.delete(key);
    Ok(Vec::new())
}

/// Takes `bps` of what was moved away from `validator` and still stood behind it at `since` to the treasury; returns how much that was.
pub(super) fn slash<S: StateWrite>(
    state: &mut S,
    validator: &ConsensusAddress,
    since: u64,
    bps: u32,
) -> Result<Amount, StateError> {
    let (moved_from, mut taken) = (state_key::moved_from(validator), 0u64);
    for (key, mut entry) in state.list::<Moved>(&moved_from, None, MAX_MOVED)? {
        if !slashing::stood_behind(entry.height, since) {
            continue;
        }
        let mut target = expect(state, &entry.to)?;
        let mut held = delegation(state, &entry.to, &entry.delegator)?;
        let cut = slashing::part(entry.shares, bps).min(held.shares);
        rewards::pay(state, &target, &entry.delegator, &mut held)?;
        let tokens = shares::remove(&mut target, &mut held, cut);
        held.moved = held.moved.saturating_sub(cut);
        entry.shares = entry.shares.saturating_sub(cut);
        accounts::release(state, &bonded_account(&entry.to), accounts::treasury(), tokens)?;
        taken = taken.saturating_add(tokens);
        put_delegation(state, &entry.to, &entry.delegator, &held)?;
        put(state, &mut target);
        state.put(key, &entry);
    }
    Ok(taken)
}
