//! Settles what answers have earned, every so often, so that contributors are paid without anybody asking; and at
//! once where a channel is about to expire, or its payer could take back what it owes.

use std::time::Duration;

use crate::node::Core;

/// Runs until the node stops. `serving.settle_every_seconds` of zero means never: only on request.
pub async fn run(core: Core) -> anyhow::Result<()> {
    let every = Duration::from_secs(core.config.serving.settle_every_seconds);
    if every.is_zero() {
        core.shutdown.cancelled().await;
        return Ok(());
    }
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut commits = core.chain.commits();
    loop {
        tokio::select! {
            () = core.shutdown.cancelled() => return Ok(()),
            _ = ticks.tick() => settle(&core).await,
            changed = commits.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                match core.settling_is_urgent() {
                    Ok(true) => settle(&core).await,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "could not tell whether settling is urgent"),
                }
            }
        }
    }
}

/// Settles until nothing is left: one transaction takes so many channels only.
async fn settle(core: &Core) {
    loop {
        match core.settle().await {
            Ok(Some(settled)) => tracing::info!(epoch = settled.epoch, fees = settled.totals.fees, "settled"),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "could not settle; it is tried again later");
                return;
            }
        }
    }
}
