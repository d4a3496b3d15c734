//! What can be done about settlement.

mod claim;
mod settle_epoch;
