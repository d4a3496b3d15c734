//! The stake that votes: shares of validators, summed by proposal, validator and choice as people vote and as their stake moves.

use datanet_types::action::Choice;
use datanet_types::{Address, ConsensusAddress};

use super::{Vote, state_key};
use crate::component::staking;
use crate::state::{StateError, StateRead, StateWrite};

/// Shares of a validator that vote on a proposal by themselves.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct VotingStake {
    #[prost(uint64, tag = "1")]
    abstain: u64,
    #[prost(uint64, tag = "2")]
    yes: u64,
    #[prost(uint64, tag = "3")]
    no: u64,
    #[prost(uint64, tag = "4")]
    veto: u64,
}

impl VotingStake {
    /// Shares that vote so.
    pub fn of(&self, choice: Choice) -> u64 {
        match choice {
            Choice::Abstain => self.abstain,
            Choice::Yes => self.yes,
            Choice::No => self.no,
            Choice::Veto => self.veto,
        }
    }

    fn of_mut(&mut self, choice: Choice) -> &mut u64 {
        match choice {
            Choice::Abstain => &mut self.abstain,
            Choice::Yes => &mut self.yes,
            Choice::No => &mut self.no,
            Choice::Veto => &mut self.veto,
        }
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Live {
    #[prost(uint64, repeated, tag = "1")]
    numbers: Vec<u64>,
}

/// The shares of a validator that vote on a proposal by themselves.
///
/// # Errors
/// When the store cannot be read.
pub fn voting_stake<S: StateRead>(
    state: &S,
    number: u64,
    validator: &ConsensusAddress,
) -> Result<VotingStake, StateError> {
    Ok(state.get(&state_key::stake(number, validator))?.unwrap_or_default())
}

pub(super) fn live<S: StateRead>(state: &S) -> Result<Vec<u64>, StateError> {
    Ok(state.get::<Live>(&state_key::live())?.unwrap_or_default().numbers)
}

/// From now on stake counts for it.
pub(super) fn enter<S: StateWrite>(state: &mut S, number: u64) -> Result<(), StateError> {
    let mut numbers = live(state)?;
    numbers.push(number);
    state.put(state_key::live(), &Live { numbers });
    Ok(())
}

/// From now on none does.
pub(super) fn leave<S: StateWrite>(state: &mut S, number: u64) -> Result<(), StateError> {
    let mut numbers = live(state)?;
    numbers.retain(|one| *one != number);
    if numbers.is_empty() {
        state.delete(state_key::live());
    } else {
        state.put(state_key::live(), &Live { numbers });
    }
    Ok(())
}

/// The shares that `delegator` has of a validator are about to become `after`: where it has voted, they vote so. It finds no contradiction, so that no
/// fault here stops stake from moving.
pub(in crate::component) fn moves<S: StateWrite>(
    state: &mut S,
    validator: &ConsensusAddress,
    delegator: &Address,
    after: u64,
) -> Result<(), StateError> {
    let numbers = live(state)?;
    if numbers.is_empty() {
        return Ok(());
    }
    let before = staking::delegation(state, validator, delegator)?.shares;
    if before == after {
        return Ok(());
    }
    for number in numbers {
        if let Some(vote) = state.get::<Vote>(&state_key::vote(number, delegator))? {
            change(state, number, validator, |stake| {
                let counted = stake.of_mut(vote.own());
                *counted = counted.saturating_sub(before).saturating_add(after);
            })?;
        }
    }
    Ok(())
}

/// All stake of `voter` votes `now` on a proposal, and not `before` any more.
pub(super) fn count<S: StateWrite>(
    state: &mut S,
    number: u64,
    voter: &Address,
    (before, now): (Option<Choice>, Choice),
) -> Result<(), StateError> {
    if before == Some(now) {
        return Ok(());
    }
    for (validator, held) in staking::delegations(state, voter, None, usize::MAX)? {
        change(state, number, &validator, |stake| {
            if let Some(before) = before {
                let counted = stake.of_mut(before);
                *counted = counted.saturating_sub(held.shares);
            }
            let counted = stake.of_mut(now);
            *counted = counted.saturating_add(held.shares);
        })?;
    }
    Ok(())
}

fn change<S: StateWrite>(
    state: &mut S,
    number: u64,
    validator: &ConsensusAddress,
    change: impl FnOnce(&mut VotingStake),
) -> Result<(), StateError> {
    let mut stake = voting_stake(state, number, validator)?;
    change(&mut stake);
    let key = state_key::stake(number, validator);
    if stake == VotingStake::default() {
        state.delete(key)
    } else {
        state.put(key, &stake)
    }
    Ok(())
}
