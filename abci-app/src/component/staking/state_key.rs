//! Keys of validators and of the stake behind them.

use datanet_types::{Address, ConsensusAddress};

use crate::state::DERIVED;

/// Prefix of all validators. Example: `staking/validator/`
pub fn validators() -> String {
    "staking/validator/".to_owned()
}

/// A validator. Example: `staking/validator/0101010101010101010101010101010101010101`
pub fn validator(validator: &ConsensusAddress) -> String {
    format!("{}{validator}", validators())
}

/// The validator of an operator. Example: `derived/staking/operator/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn of_operator(operator: &Address) -> String {
    format!("{DERIVED}staking/operator/{operator}")
}

/// Prefix of the validators by what stands behind them, the most first. Example: `derived/staking/ranked/`
pub fn all_ranked() -> String {
    format!("{DERIVED}staking/ranked/")
}

/// A validator's rank. Example: `derived/staking/ranked/18446744073709551573/0101010101010101010101010101010101010101`
pub fn ranked(tokens: u64, validator: &ConsensusAddress) -> String {
    format!("{}{:020}/{validator}", all_ranked(), u64::MAX.saturating_sub(tokens))
}

/// Prefix of the validators that the engine has. Example: `staking/active/`
pub fn all_active() -> String {
    "staking/active/".to_owned()
}

/// A validator that the engine has, with the power it was told. Example: `staking/active/0101010101010101010101010101010101010101`
pub fn active(validator: &ConsensusAddress) -> String {
    format!("{}{validator}", all_active())
}

/// That the engine may have to be told something. Example: `derived/staking/changed`
pub fn changed() -> String {
    format!("{DERIVED}staking/changed")
}

/// Whose turn it is to propose. Example: `derived/staking/turns`
pub fn turns() -> String {
    format!("{DERIVED}staking/turns")
}

/// Prefix of a delegator's stakes. Example: `staking/delegation/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn delegations(delegator: &Address) -> String {
    format!("staking/delegation/{delegator}/")
}

/// A stake on a validator. Example:
/// `staking/delegation/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/0101010101010101010101010101010101010101`
pub fn delegation(delegator: &Address, validator: &ConsensusAddress) -> String {
    format!("{}{validator}", delegations(delegator))
}

/// Prefix of a validator's batches on their way out. Example: `staking/batch/0101010101010101010101010101010101010101/`
pub fn batches(validator: &ConsensusAddress) -> String {
    format!("staking/batch/{validator}/")
}

/// What arrives at a second out of a validator's stake. Example:
/// `staking/batch/0101010101010101010101010101010101010101/00000000001700000000`
pub fn batch(validator: &ConsensusAddress, seconds: u64) -> String {
    format!("{}{seconds:020}", batches(validator))
}

/// Prefix of a delegator's parts of batches, by when they arrive. Example: `staking/unbonding/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn all_unbonding(delegator: &Address) -> String {
    format!("staking/unbonding/{delegator}/")
}

/// Somebody's part of a batch. Example:
/// `staking/unbonding/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/00000000001700000000/0101010101010101010101010101010101010101`
pub fn unbonding(delegator: &Address, seconds: u64, validator: &ConsensusAddress) -> String {
    format!("{}{seconds:020}/{validator}", all_unbonding(delegator))
}

/// Prefix of what was moved away from a validator. Example: `staking/moved/0101010101010101010101010101010101010101/`
pub fn moved_from(validator: &ConsensusAddress) -> String {
    format!("staking/moved/{validator}/")
}

/// Stake that was moved from a validator to another, until a second. Example:
/// `staking/moved/0101010101010101010101010101010101010101/00000000001700000000/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/0202020202020202020202020202020202020202`
pub fn moved(from: &ConsensusAddress, seconds: u64, delegator: &Address, to: &ConsensusAddress) -> String {
    format!("{}{seconds:020}/{delegator}/{to}", moved_from(from))
}

/// Prefix of the votes missed in the present window. Example: `derived/staking/missed/`
pub fn all_missed() -> String {
    format!("{DERIVED}staking/missed/")
}

/// Votes that a validator has missed in it. Example: `derived/staking/missed/0101010101010101010101010101010101010101`
pub fn missed(validator: &ConsensusAddress) -> String {
    format!("{}{validator}", all_missed())
}
