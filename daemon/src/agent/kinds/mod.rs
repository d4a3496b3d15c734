//! What agents do. Each kind makes choices out of what it sees; none of them acts but through the desk.

pub mod buyer;
pub mod curator;
pub mod judge;
pub mod service;

use anyhow::Result;
use std::time::Duration;

use super::desk::Desk;
use super::spec::Seconds;

/// Waits until the next round; false if there is none, or the agent is asked to stop.
pub(super) async fn next_round(desk: &Desk, every: Option<Seconds>) -> Result<bool> {
    let Some(Seconds(every)) = every else { return Ok(false) };
    tokio::select! {
        () = desk.stop.cancelled() => Ok(false),
        () = tokio::time::sleep(Duration::from_secs(every)) => Ok(true),
    }
}
