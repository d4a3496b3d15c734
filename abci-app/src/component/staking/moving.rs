//! Stake that was moved from one validator to another: it works for the new one at once, and answers for the former until the
//! unbonding time is over. Until then it stays where it is, so that it can always be found.

use datanet_types::{Address, Amount, ConsensusAddress};

use super::{bonded_account, delegation, expect, put, put_delegation, rewards, shares, slashing, state_key, unbonding};
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, BlockContext, Params, accounts};
use crate::state::{StateError, StateWrite, part_of_key};

/// Stakes that may have been moved away from one validator and still answer for it: what one slashing walks over.
pub const MAX_MOVED: usize = 128;
/// How many are forgotten in one block at most; what is left is first in the next.
const MAX_A_BLOCK: usize = 256;

/// Stake that was moved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Moved {
    #[prost(message, required, tag = "1")]
    from: ConsensusAddress,
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
    accounts::release(state, &bonded_account(from), &bonded_account(to), tokens)?;
    let mut target = super::require_open(state, to)?;
    let bought = shares::buy(state, &mut target, delegator, tokens)?;
    let until = unbonding::completes(block, params);
    let key = state_key::moved(from, until, delegator, to);
    let before = state.get::<Moved>(&key)?.map_or(0, |entry| entry.shares);
    let shares = before.saturating_add(bought);
    let entry = Moved { from: *from, to: *to, delegator: *delegator, shares, height: block.height };
    state.put(key, &entry);
    state.put(state_key::moved_until(from, until, delegator, to), &entry);
    let mut held = delegation(state, to, delegator)?;
    held.moved = held.moved.saturating_add(bought);
    put_delegation(state, to, delegator, &held);
    Ok(tokens)
}

/// Sets free what answers for its former validator no more.
pub(super) fn forget_due<S: StateWrite>(state: &mut S, block: &BlockContext) -> Result<(), StateError> {
    let not_yet = state_key::moved_until_second(block.seconds().saturating_add(1));
    for (key, entry) in state.due::<Moved>(&state_key::all_moved_until(), &not_yet, MAX_A_BLOCK)? {
        let until = part_of_key(&key, &state_key::all_moved_until())?;
        let mut held = delegation(state, &entry.to, &entry.delegator)?;
        held.moved = held.moved.saturating_sub(entry.shares);
        put_delegation(state, &entry.to, &entry.delegator, &held);
        state.delete(state_key::moved(&entry.from, until, &entry.delegator, &entry.to));
        state.delete(key);
    }
    Ok(())
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
        accounts::release(state, &bonded_account(&entry.to), &accounts::treasury(), tokens)?;
        taken = taken.saturating_add(tokens);
        put_delegation(state, &entry.to, &entry.delegator, &held);
        put(state, &mut target);
        let until = part_of_key(&key, &moved_from)?;
        state.put(state_key::moved_until(validator, until, &entry.delegator, &entry.to), &entry);
        state.put(key, &entry);
    }
    Ok(taken)
}
