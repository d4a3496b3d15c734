//! The validators that the engine has: those with most behind them, told it in bounded steps.

use std::collections::BTreeMap;

use datanet_types::{ConsensusAddress, ConsensusKey};

use super::{POWER_UNIT, Validator, expect, state_key};
use crate::component::{Params, ValidatorUpdate};
use crate::state::{StateError, StateRead, StateWrite};

/// A validator that the engine has.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Active {
    /// Its key.
    #[prost(message, required, tag = "1")]
    pub key: ConsensusKey,
    /// Its power, as the engine was told.
    #[prost(uint64, tag = "2")]
    pub power: u64,
}

/// Whatever happened, the engine may have to be told.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Changed {
    #[prost(bool, tag = "1")]
    yes: bool,
}

/// The validators that the engine has, by address, with their power two blocks from now.
///
/// # Errors
/// When the store cannot be read.
pub fn active<S: StateRead>(state: &S) -> Result<Vec<Active>, StateError> {
    let entries = state.list::<Active>(&state_key::all_active(), None, usize::MAX)?;
    Ok(entries.into_iter().map(|(_, active)| active).collect())
}

/// Whether the engine has it.
pub(super) fn is_active<S: StateRead>(state: &S, validator: &ConsensusAddress) -> Result<bool, StateError> {
    Ok(state.get_raw(&state_key::active(validator))?.is_some())
}

/// Remembers that ranks have changed.
pub(super) fn mark<S: StateWrite>(state: &mut S) {
    state.put(state_key::changed(), &Changed { yes: true });
}

/// What the engine is told after a block: at most a third of all power changes, larger changes in steps. Who follows a chain by its
/// headers alone may so skip blocks and still know a third of who signed.
pub(in crate::component) fn update<S: StateWrite>(
    state: &mut S,
    params: &Params,
) -> Result<Vec<ValidatorUpdate>, StateError> {
    if state.get_raw(&state_key::changed())?.is_none() {
        return Ok(Vec::new());
    }
    let present = active(state)?;
    let total = present.iter().fold(0u64, |sum, active| sum.saturating_add(active.power));
    updates(state, params, present, (total / 3).max(1))
}

/// All at once: there is nothing before.
pub(in crate::component) fn updates_at_genesis<S: StateWrite>(
    state: &mut S,
    params: &Params,
) -> Result<Vec<ValidatorUpdate>, StateError> {
    updates(state, params, Vec::new(), u64::MAX)
}

fn updates<S: StateWrite>(
    state: &mut S,
    params: &Params,
    present: Vec<Active>,
    mut room: u64,
) -> Result<Vec<ValidatorUpdate>, StateError> {
    let mut present: BTreeMap<ConsensusAddress, Active> =
        present.into_iter().map(|active| (active.key.address(), active)).collect();
    let wanted = wanted(state, params)?;
    let mut told = Vec::new();
    let mut left_over = false;
    for update in changes(&present, &wanted) {
        let address = update.key.address();
        let before = present.get(&address).map_or(0, |active| active.power);
        let step = update.power.abs_diff(before).min(room);
        let down = update.power < before;
        let power = if down { before.saturating_sub(step) } else { before.saturating_add(step) };
        // A chain without validators would stand still for ever.
        let last = update.power == 0 && present.len() == 1;
        left_over |= power != update.power || last;
        if step > 0 && !last {
            room = room.saturating_sub(step);
            let update = ValidatorUpdate { power, ..update };
            tell(state, &mut present, address, update);
            told.push(update);
        }
    }
    if !left_over {
        state.delete(state_key::changed());
    }
    Ok(told)
}

/// The validators that should take part, those with most behind them first: no more than the chain has places for.
///
/// # Errors
/// When the store cannot be read.
pub fn taking_part<S: StateRead>(state: &S, params: &Params) -> Result<Vec<Validator>, StateError> {
    let most = usize::try_from(params.max_validators).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    for (_, address) in state.list::<ConsensusAddress>(&state_key::all_ranked(), None, most)? {
        let validator = expect(state, &address)?;
        if !validator.is_eligible(params) {
            // Those behind it have less.
            break;
        }
        all.push(validator);
    }
    Ok(all)
}

/// Who should take part, with which power.
fn wanted<S: StateRead>(state: &S, params: &Params) -> Result<BTreeMap<ConsensusAddress, Active>, StateError> {
    let power = |tokens: u64| tokens.checked_div(POWER_UNIT).unwrap_or(0).max(1);
    let all = taking_part(state, params)?.into_iter();
    Ok(all.map(|one| (one.address(), Active { key: one.key, power: power(one.tokens) })).collect())
}

/// Who goes first, then who comes or changes.
fn changes(
    present: &BTreeMap<ConsensusAddress, Active>,
    wanted: &BTreeMap<ConsensusAddress, Active>,
) -> Vec<ValidatorUpdate> {
    let gone = present.iter().filter(|(address, _)| !wanted.contains_key(address));
    let gone = gone.map(|(_, active)| ValidatorUpdate { key: active.key, power: 0 });
    let new = wanted.iter().filter(|(address, active)| present.get(address) != Some(active));
    gone.chain(new.map(|(_, active)| ValidatorUpdate { key: active.key, power: active.power })).collect()
}

fn tell<S: StateWrite>(
    state: &mut S,
    present: &mut BTreeMap<ConsensusAddress, Active>,
    address: ConsensusAddress,
    update: ValidatorUpdate,
) {
    if update.power == 0 {
        present.remove(&address);
        state.delete(state_key::active(&address));
    } else {
        let active = Active { key: update.key, power: update.power };
        present.insert(address, active);
        state.put(state_key::active(&address), &active);
    }
}
