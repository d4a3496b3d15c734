//! What can be done about settlement.

mod attest_statement;
mod claim;
mod claim_income;
mod settle_epoch;
