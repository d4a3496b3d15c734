//! What can be done about agents.

mod register_agent;
mod retire_agent;
mod update_agent;

use datanet_types::BlobHash;
use datanet_types::action::Supplier;

use super::lineage;
use crate::code;
use crate::component::ActionError;
use crate::component::error::ensure;

/// Longest period of a budget: ten years.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 3_600;

/// What an agent says of itself, without a look at state.
fn check_form(card: BlobHash, suppliers: &[Supplier], (budget, period_seconds): (u64, u64)) -> Result<(), ActionError> {
    ensure(card != BlobHash::ZERO, code::AGENT_INVALID, || {
        "card must be the hash of the blob that says what the agent is".to_owned()
    })?;
    lineage::check(suppliers)?;
    ensure(budget > 0, code::AGENT_INVALID, || "budget is 0; its sub-keys could not even pay a fee".to_owned())?;
    ensure((1..=MAX_SECONDS).contains(&period_seconds), code::AGENT_INVALID, || {
        format!("a period is 1 to {MAX_SECONDS} seconds, not {period_seconds}")
    })
}
