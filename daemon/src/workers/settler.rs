//! Settles what answers have earned, every so often, so that contributors are paid without anybody asking; and at
//! once where a channel is about to expire, or its payer could take back what it owes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::billing::Billing;
use crate::chain::Chain;

/// Runs until the node stops. `serving.settle_every_seconds` of zero means never: only on request.
pub async fn run(billing: Billing, chain: Chain, every: Duration, shutdown: CancellationToken) -> anyhow::Result<()> {
    if every.is_zero() {
        shutdown.cancelled().await;
        return Ok(());
    }
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut commits = chain.commits();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = ticks.tick() => settle(&billing).await,
            changed = commits.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                match billing.settling_is_urgent() {
                    Ok(true) => settle(&billing).await,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "could not tell whether settling is urgent"),
                }
            }
        }
    }
}

/// Settles until nothing is left: one transaction takes so many channels only.
async fn settle(billing: &Billing) {
    loop {
        match billing.settle().await {
            Ok(Some(settled)) => tracing::info!(epoch = settled.epoch, fees = settled.totals.fees, "settled"),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "could not settle; it is tried again later");
                return;
            }
        }
    }
}
