//! Settles what answers have earned, every so often, so that contributors are paid without anybody asking; and at
//! once where a channel is about to expire, or its payer could take back what it owes.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::ErrorKind;

/// Runs until the node stops. `serving.settle_every_seconds` of zero means only on request; what would be lost soon is
/// settled all the same.
///
/// # Errors
/// None: what cannot be settled now is told, and tried again later.
pub async fn run(billing: Billing, chain: Chain, every: Duration, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = (!every.is_zero()).then(|| tokio::time::interval(every));
    if let Some(ticks) = &mut ticks {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
    }
    let mut commits = chain.commits();
    // What fell due while the node was down does not wait for the next block.
    commits.mark_changed();
    let mut again = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = next(&mut ticks) => again = settle(&billing).await,
            changed = commits.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if again || is_urgent(&billing, &chain) {
                    again = settle(&billing).await;
                }
            }
        }
    }
}

/// The next tick; never, if there are none.
async fn next(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn is_urgent(billing: &Billing, chain: &Chain) -> bool {
    if chain.height() == 0 {
        return false;
    }
    billing.settling_is_urgent().unwrap_or_else(|error| {
        tracing::warn!(%error, "could not tell whether settling is urgent");
        false
    })
}

/// Settles until nothing is left: one transaction takes so many channels only. Whether to try again after the next block:
/// then a mempool that was full has room again.
async fn settle(billing: &Billing) -> bool {
    loop {
        match billing.settle().await {
            Ok(Some(settled)) => tracing::info!(epoch = settled.epoch, fees = settled.totals.fees, "settled"),
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "could not settle; it is tried again later");
                return matches!(error.kind(), ErrorKind::Overloaded | ErrorKind::Unavailable);
            }
        }
    }
}
