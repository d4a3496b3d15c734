//! What can be done about settlement.

mod claim;
mod claim_income;
mod settle_epoch;
