//! The validators that a chain starts with.

use datanet_types::{Address, Amount, BeaconKey, ConsensusKey, PublicKey};

use super::{Validator, get, put, shares, state_key};
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, Params};
use crate::state::StateWrite;

/// A validator of the first block.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// The key that signs for it.
    pub key: ConsensusKey,
    /// The key with which it moves the beacon on.
    pub beacon_key: BeaconKey,
    /// The account that speaks for it; it is among the first accounts.
    pub operator: Address,
    /// Base units of that account that stand behind it.
    pub stake: Amount,
    /// Share of its delegators' rewards that the operator keeps, in basis points.
    #[serde(default)]
    pub commission_bps: u32,
    /// A name for people, 1 to 64 bytes.
    pub name: String,
}

/// Writes the first validators.
pub(in crate::component) fn init<S: StateWrite>(
    state: &mut S,
    validators: &[GenesisValidator],
    params: &Params,
) -> Result<(), ActionError> {
    for first in validators {
        let wrong = |what: String| move || format!("genesis: validator {:?} {what}", first.name);
        let address = first.key.address();
        ensure(get(state, &address)?.is_none(), code::GENESIS, wrong("has a key of another".to_owned()))?;
        let operates = state.get_raw(&state_key::of_operator(&first.operator))?.is_some();
        ensure(!operates, code::GENESIS, wrong("has an operator of another".to_owned()))?;
        ensure(
            first.stake >= params.min_validator_stake,
            code::GENESIS,
            wrong("has less than min_validator_stake".to_owned()),
        )?;
        let usable = first.beacon_key.is_valid();
        ensure(
            usable,
            code::GENESIS,
            wrong("has a beacon_key that is no key, so that it could not propose".to_owned()),
        )?;
        create(state, first, 0).map_err(|error| match error {
            ActionError::Refused { message, .. } => {
                ActionError::refused(code::GENESIS, format!("genesis: validator {:?}: {message}", first.name))
            }
            state => state,
        })?;
    }
    Ok(())
}

/// Writes a validator with its operator's first stake.
pub(super) fn create<S: StateWrite>(state: &mut S, new: &GenesisValidator, height: u64) -> Result<(), ActionError> {
    ensure((1..=64).contains(&new.name.len()), code::VALIDATOR_INVALID, || {
        format!("a validator's name is 1 to 64 bytes long, not {}", new.name.len())
    })?;
    ensure(PublicKey(new.key.0).is_sound(), code::VALIDATOR_INVALID, || {
        format!("{} is no ed25519 public key; the engine would not take it", new.key)
    })?;
    ensure(new.commission_bps <= 10_000, code::VALIDATOR_INVALID, || {
        format!("a commission is at most 10000 basis points, not {}", new.commission_bps)
    })?;
    let mut validator = Validator {
        key: new.key,
        beacon_key: new.beacon_key,
        operator: new.operator,
        name: new.name.clone(),
        commission_bps: new.commission_bps,
        created_height: height,
        ..Validator::default()
    };
    state.put(state_key::of_operator(&new.operator), &validator.address());
    shares::stake(state, &mut validator, &new.operator, new.stake)?;
    put(state, &mut validator);
    Ok(())
}
