//! Keys of proposals, votes and the stake behind them.

use datanet_types::{Address, ConsensusAddress};

use crate::state::DERIVED;

/// The number of the last proposal. Example: `governance/last`
pub fn last() -> String {
    "governance/last".to_owned()
}

/// Prefix of all proposals. Example: `governance/proposal/`
pub fn proposals() -> String {
    "governance/proposal/".to_owned()
}

/// A proposal. Example: `governance/proposal/00000000000000000003`
pub fn proposal(number: u64) -> String {
    format!("{}{number:020}", proposals())
}

/// Prefix of the votes on a proposal. Example: `governance/vote/00000000000000000003/`
pub fn votes(number: u64) -> String {
    format!("governance/vote/{number:020}/")
}

/// Somebody's vote on a proposal. Example: `governance/vote/00000000000000000003/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn vote(number: u64, voter: &Address) -> String {
    format!("{}{voter}", votes(number))
}

/// Which rules come, and when. Example: `governance/upgrade`
pub fn upgrade() -> String {
    "governance/upgrade".to_owned()
}

/// The proposals for which stake counts. Example: `derived/governance/live`
pub fn live() -> String {
    format!("{DERIVED}governance/live")
}

/// Prefix of the stake that votes on a proposal, by validator. Example: `derived/governance/stake/00000000000000000003/`
pub fn stakes(number: u64) -> String {
    format!("{DERIVED}governance/stake/{number:020}/")
}

/// The stake behind a validator that votes on a proposal. Example:
/// `derived/governance/stake/00000000000000000003/0101010101010101010101010101010101010101`
pub fn stake(number: u64, validator: &ConsensusAddress) -> String {
    format!("{}{validator}", stakes(number))
}
