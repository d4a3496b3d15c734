//! Seats on committees of audits.

use std::collections::BTreeSet;
use std::time::Duration;

use datanet_ledger::component::audits::{self, Audit, Phase, Said};
use datanet_types::action::Finding;
use tokio::task::JoinSet;

use super::{Auditor, Place, soon};
use crate::error::ServiceResult;

/// Audits looked through for a seat after a block.
const MAX_AUDITS: usize = 4_096;
/// Audits at a time; what waits has its turn as long as it is heard.
const SIDE_BY_SIDE: usize = 4;
/// Parts of the time that there is for an audit, of which the last is for having what was found in a block.
const PARTS: u64 = 10;
/// The pause before what could not be had is asked for again.
const PAUSE: Duration = Duration::from_secs(3);

/// A seat: the epoch, and which committee.
type Seat = (Place, u32, u32);

impl Auditor {
    /// Audits wherever this node has a seat, until it stops.
    pub(super) async fn sit(&self) {
        let mut commits = self.audits.chain.commits();
        commits.mark_changed();
        let (mut under_way, mut tasks) = (BTreeSet::<Seat>::new(), JoinSet::<Seat>::new());
        loop {
            tokio::select! {
                goes_on = self.next_block(&mut commits) => if !goes_on { return },
                Some(done) = tasks.join_next() => {
                    // One that broke off is tried again after the next block.
                    match done {
                        Ok(seat) => under_way.remove(&seat),
                        Err(error) => {
                            tracing::error!(%error, "an audit broke off");
                            under_way.clear();
                            true
                        }
                    };
                }
            }
            let waiting = self.seats().unwrap_or_else(|error| {
                tracing::warn!(%error, "could not look for audits; that is tried again after the next block");
                Vec::new()
            });
            for audit in waiting {
                let seat = ((audit.node, audit.epoch), audit.seats, audit.round);
                if tasks.len() >= SIDE_BY_SIDE || !under_way.insert(seat) {
                    continue;
                }
                let auditor = self.clone();
                tasks.spawn(async move {
                    if let Err(error) = auditor.audit(&audit).await {
                        tracing::warn!(node = %audit.node, epoch = audit.epoch, %error, "an audit is tried again");
                        // Not at once, should it be this node's own fault.
                        tokio::time::sleep(PAUSE).await;
                    }
                    seat
                });
            }
        }
    }

    /// Audits in which this node's account has a seat and has said nothing, those first that end first.
    fn seats(&self) -> ServiceResult<Vec<Audit>> {
        if self.audits.chain.height() == 0 {
            return Ok(Vec::new());
        }
        let (reader, account) = (self.audits.chain.reader()?, self.identity.account()?);
        let mut open = audits::open(&reader, MAX_AUDITS)?;
        open.retain(|audit| {
            audit.phase() == Phase::Vote
                && reader.block_seconds() < audit.deadline
                && audit.committee.iter().any(|one| one.account == account && one.said() == Said::Nothing)
        });
        Ok(open)
    }

    /// Makes the epoch again and says what was found.
    async fn audit(&self, audit: &Audit) -> ServiceResult<()> {
        let (finding, reason) = self.find(audit).await?;
        let (node, epoch) = (audit.node, audit.epoch);
        tracing::info!(%node, epoch, finding = finding.name(), reason, "audited");
        let found = self.audits.epoch(&node, epoch)?;
        soon(self.audits.say(&self.identity.account_key()?, &found, finding)).await.map(drop)
    }

    /// What cannot be had is asked for until the committee will not be heard much longer: a node may have been away for a moment.
    async fn find(&self, audit: &Audit) -> ServiceResult<(Finding, String)> {
        let epoch = self.audits.epoch(&audit.node, audit.epoch)?;
        let margin = (self.audits.chain.params()?.audit_seconds / PARTS).max(1);
        let last = audit.deadline.saturating_sub(margin);
        let too_late = self.reached(last);
        tokio::pin!(too_late);
        loop {
            self.audits.forget_failures(&epoch);
            let checked = tokio::select! {
                checked = self.audits.check(&epoch, Some(audit)) => checked?,
                () = &mut too_late => {
                    return Ok((Finding::Unavailable, "its receipts did not all come in time".to_owned()));
                }
            };
            if checked.finding != Finding::Unavailable || self.audits.chain.block_seconds() >= last {
                return Ok((checked.finding, checked.reason));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = &mut too_late => return Ok((checked.finding, checked.reason)),
            }
        }
    }

    /// Waits for a block's time.
    async fn reached(&self, seconds: u64) {
        let mut commits = self.audits.chain.commits();
        while self.audits.chain.block_seconds() < seconds {
            if commits.changed().await.is_err() {
                return;
            }
        }
    }
}
