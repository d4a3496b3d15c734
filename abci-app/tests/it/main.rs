//! The ledger from outside: as an engine, as a client, and as CometBFT sees it.

mod blocks;
mod checks;
mod cometbft;
mod garbage;
mod golden;
mod queries;
mod socket;
mod solo;
mod support;
