//! Seats on committees of audits.

use std::collections::BTreeSet;
use std::time::Duration;

use datanet_ledger::component::audits::{self, Audit, Phase, Said};
use datanet_types::action::Finding;
use datanet_types::{Digest, NodeKey};
use tokio::task::JoinSet;

use super::{Auditor, Place, soon};
use crate::db::findings::StoredFinding;
use crate::db::salt;
use crate::error::{Code, ServiceError, ServiceResult};

/// Audits looked through for a seat after a block.
const MAX_AUDITS: usize = 4_096;
/// Audits at a time; what waits has its turn as long as it is heard.
const SIDE_BY_SIDE: usize = 4;
/// Parts of the time that there is for an audit, of which the last is for having what was found in a block.
const PARTS: u64 = 10;
/// The pause before what could not be had is asked for again.
const PAUSE: Duration = Duration::from_secs(3);

/// A seat: the epoch, which committee, and whether it is to commit or to reveal.
type Seat = (Place, Digest, Phase);

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
                let seat = ((audit.node, audit.epoch), audit.seed, audit.phase());
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

    /// Audits in which this node's account has a seat and something to say now, those first that end first.
    fn seats(&self) -> ServiceResult<Vec<Audit>> {
        if self.audits.chain.height() == 0 {
            return Ok(Vec::new());
        }
        let (reader, account) = (self.audits.chain.reader()?, self.identity.account()?);
        let mut open = audits::open(&reader, MAX_AUDITS)?;
        let goes_on = |node: &NodeKey, epoch| {
            audits::get(&reader, node, epoch).map_or(true, |audit| audit.is_some_and(|audit| audit.due != 0))
        };
        self.db.forget_findings(goes_on)?;
        let now = reader.block_seconds();
        open.retain(|audit| {
            let Some(own) = audit.committee.iter().find(|one| one.account == account) else { return false };
            match audit.phase() {
                Phase::Commit => now < audit.commit_deadline && own.commitment.is_none(),
                Phase::Reveal => now < audit.reveal_deadline && own.commitment.is_some() && own.said() == Said::Nothing,
                _ => false,
            }
        });
        Ok(open)
    }

    /// Makes the epoch again and commits to what was found; or shows what it committed to.
    async fn audit(&self, audit: &Audit) -> ServiceResult<()> {
        let (key, stored) = (self.identity.account_key()?, self.db.finding(&audit.node, audit.epoch, &audit.seed)?);
        if audit.phase() == Phase::Reveal {
            let lost = "what is behind this node's commitment to an audit's finding is not in its store any more";
            let found = stored.ok_or_else(|| ServiceError::new(Code::JudgementLost, lost))?;
            return soon(self.audits.reveal(&key, audit, &found)).await.map(drop);
        }
        let found = match stored {
            // Found before a crash.
            Some(found) => found,
            None => self.find_and_store(audit).await?,
        };
        soon(self.audits.commit(&key, audit, &found)).await.map(drop)
    }

    /// Finding and salt are durable before they are committed to: a crash in between must not turn into a missed reveal.
    async fn find_and_store(&self, audit: &Audit) -> ServiceResult<StoredFinding> {
        let (finding, reason) = self.find(audit).await?;
        let (node, epoch, committee) = (audit.node, audit.epoch, audit.seed);
        tracing::info!(%node, epoch, finding = finding.name(), reason, "audited");
        let found = StoredFinding { node, epoch, committee, finding, salt: salt()? };
        self.db.put_finding(&found)?;
        Ok(found)
    }

    /// What cannot be had is asked for until the committee will not be heard much longer: a node may have been away for a moment.
    async fn find(&self, audit: &Audit) -> ServiceResult<(Finding, String)> {
        let epoch = self.audits.epoch(&audit.node, audit.epoch)?;
        let margin = (self.audits.chain.params()?.audit_seconds / PARTS).max(1);
        let last = audit.commit_deadline.saturating_sub(margin);
        let too_late = self.reached(last);
        tokio::pin!(too_late);
        let mut before = (Finding::Unavailable, "its receipts did not all come in time".to_owned());
        loop {
            self.audits.forget_failures(&epoch);
            let checked = tokio::select! {
                checked = self.audits.check(&epoch, Some(audit)) => checked?,
                () = &mut too_late => return Ok(before),
            };
            let is_there = !matches!(checked.finding, Finding::Unavailable | Finding::Missing);
            before = (checked.finding, checked.reason);
            if is_there || self.audits.chain.block_seconds() >= last {
                return Ok(before);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = &mut too_late => return Ok(before),
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
