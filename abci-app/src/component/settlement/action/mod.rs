//! What can be done about settlement.

mod attest_statement;
mod claim;
mod settle_epoch;
