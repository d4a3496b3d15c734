//! The ledger from outside: as an engine, as a client, and as CometBFT sees it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test support fails its test")]

#[path = "../attacks/mod.rs"]
mod attacks;
mod beacon;
mod blocks;
mod checks;
mod claims;
mod cometbft;
mod crash_points;
mod disk;
mod docs;
mod engine_params;
mod exporting;
mod garbage;
mod gas;
mod gas_worst_cases;
mod golden;
mod growth;
mod instances;
#[path = "../model/mod.rs"]
mod model;
mod queries;
mod rotation;
mod socket;
mod solo;
mod strangers;
mod support;
mod turns;
mod upgrading;
