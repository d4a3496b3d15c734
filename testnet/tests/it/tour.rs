//! The tours, as `cargo testnet tour ledger` and `cargo testnet tour agents` give them.

use std::time::Duration;

use anyhow::{Result, anyhow};
use datanet_testnet::tour::{self, TourOptions};

use crate::stage::{PROGRAM, root, with_tools_in};

/// The longest that it may take here.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn every_step_of_the_tour_of_the_ledger_ends_as_it_should() -> Result<()> {
    with_tools_in(PATIENCE, async || {
        let options = TourOptions { root: root(), json: true, keep: false, program: Some(PROGRAM.into()) };
        tour::run(&options).await.map_err(|error| anyhow!("{error:#}"))
    })
}

#[test]
fn every_step_of_the_tour_of_agents_ends_as_it_should() -> Result<()> {
    with_tools_in(PATIENCE, async || {
        let options = TourOptions { root: root(), json: true, keep: false, program: Some(PROGRAM.into()) };
        tour::agents::run(&options).await.map_err(|error| anyhow!("{error:#}"))
    })
}
