//! The ledger.
pub mod state;
