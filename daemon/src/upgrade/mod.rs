//! Rules that this program does not know, and the program that does.
//!
//! ```text
//!   a vote ─► planned, with the programs' SHA-256 ─► `datanet upgrade stage FILE`: kept in the home, if its SHA-256 is one of those
//!                     │
//!                     ▼ the block before the height is committed
//!   the node stops in order ─► a program is staged ── no ──► it ends, with a status of its own and what to do
//!                                     └── yes ──► the ledger is copied, and the program goes on in this one's place
//! ```

mod staged;

use std::path::PathBuf;

use anyhow::{Context, Result};
use datanet_ledger::app::Outdated;
use datanet_ledger::component::governance::upgrade::planned;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;

pub use staged::{Staged, stage};

/// What `datanet start` exits with when it ends because it must be upgraded: a supervisor tells that from a failure by it.
pub const EXIT_UPGRADE: u8 = 10;

/// Rules hold from the next block on that this program does not know.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "from height {} on the network goes by version {} of its rules, and this program knows up to {}. It has stopped before that block and lost nothing. \
     Install a newer datanet and start it in this home: it goes on from there",
    .outdated.height, .outdated.needs, .outdated.knows
)]
pub struct UpgradeNeeded {
    /// Which.
    pub outdated: Outdated,
    /// Where the node's things are.
    pub home: PathBuf,
}

/// Ends with [`UpgradeNeeded`] once the next block is not this program's to execute; warns when that comes.
///
/// # Errors
/// That, or when the ledger cannot be read.
pub async fn watch(chain: Chain, home: PathBuf, shutdown: CancellationToken) -> Result<()> {
    let mut commits = chain.commits();
    let mut warned = None;
    loop {
        commits.borrow_and_update();
        let app = chain.ledger().app();
        if let Some(outdated) = app.outdated()? {
            return Err(UpgradeNeeded { outdated, home }.into());
        }
        if let Some(planned) = planned(&chain.ledger().reader())?.filter(|planned| planned.version > app.knows())
            && warned != Some(planned.height)
        {
            warned = Some(planned.height);
            tracing::warn!(
                version = planned.version,
                height = planned.height,
                "rules come that this program does not know; it stops before that height. `datanet upgrade stage FILE` keeps a newer one ready"
            );
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            changed = commits.changed() => changed.context("the ledger is gone")?,
        }
    }
}
