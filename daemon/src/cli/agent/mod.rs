//! Agents: the accounts that they are on the ledger, and the programs that work as them here.

mod ledger;
mod program;

pub(super) use ledger::{percent, run as on_ledger};
pub(super) use program::run as program;
