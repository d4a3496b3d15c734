//! Audits where this node has a seat, and a look at what other nodes settle.
//!
//! Whoever settles knows that some validator makes the epoch again, at once: what does not follow from its receipts is challenged, and so
//! is what cannot be had by the middle of the time in which it can be challenged. A node that looks costs nobody anything; one that
//! challenges wrongly pays the auditors.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use datanet_ledger::component::audits::{self, Phase, Said};
use datanet_ledger::component::settlement::{self, Epoch, Status};
use datanet_types::action::Finding;
use datanet_types::{Address, NodeKey, SigningKey};
use tokio_util::sync::CancellationToken;

use crate::audits::Audits;
use crate::error::ServiceResult;
use crate::keyring::Identity;

/// Audits looked through for a seat after a block.
const MAX_AUDITS: usize = 256;
/// Epochs looked through after a block: those that are final first.
const MAX_OPEN: usize = 4_096;
/// How long making an epoch again may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// The first pause before an epoch that could not be had is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// See the module.
pub struct Auditor {
    /// What it does.
    pub audits: Audits,
    /// In whose name.
    pub identity: Identity,
    /// Whether it looks at what nobody has challenged.
    pub watches: bool,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

/// What is known of an epoch that can be challenged.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// It is as it should be; or was challenged; or could not be, for want of money.
    Done,
    /// It could not be had.
    Again { at: Instant, pause: Duration },
}

type Places = BTreeMap<(NodeKey, u64), Seen>;

impl Auditor {
    /// Runs until the node stops.
    ///
    /// # Errors
    /// None: what cannot be done now is told, and tried again after the next block.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut commits = self.audits.chain.commits();
        commits.mark_changed();
        let mut seen = Places::new();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
            if self.audits.chain.height() == 0 {
                continue;
            }
            if let Err(error) = self.look(&mut seen).await {
                tracing::warn!(%error, "could not look for epochs to audit; that is tried again after the next block");
            }
        }
    }

    async fn look(&self, seen: &mut Places) -> ServiceResult<()> {
        let key = self.identity.account_key()?;
        while let Some(epoch) = self.seat(&key.address())? {
            let checked = self.check(&epoch).await?;
            tracing::info!(node = %epoch.node, epoch = epoch.epoch, finding = checked.0.name(), reason = checked.1, "audited");
            self.audits.say(&key, &epoch, checked.0).await?;
        }
        // What has come to be audited meanwhile comes first.
        while self.watches && self.seat(&key.address())?.is_none() {
            let Some(epoch) = self.next(seen)? else { break };
            self.watch(&key, &epoch, seen).await?;
        }
        Ok(())
    }

    /// An epoch that `account` is to audit.
    fn seat(&self, account: &Address) -> ServiceResult<Option<Epoch>> {
        let reader = self.audits.chain.reader()?;
        let waits = |audit: &audits::Audit| {
            audit.phase() == Phase::Vote
                && reader.height() < audit.deadline
                && audit.committee.iter().any(|one| one.account == *account && one.said() == Said::Nothing)
        };
        let open = audits::open(&reader, MAX_AUDITS)?;
        let found = open.iter().find(|audit| waits(audit));
        found.map(|audit| self.audits.epoch(&audit.node, audit.epoch)).transpose()
    }

    /// The epoch to look at next: of other nodes, with most at stake.
    fn next(&self, seen: &mut Places) -> ServiceResult<Option<Epoch>> {
        let mut open = settlement::open(&self.audits.chain.reader()?, MAX_OPEN)?;
        seen.retain(|(node, number), _| open.iter().any(|epoch| epoch.node == *node && epoch.epoch == *number));
        let own = self.identity.node_key();
        let now = Instant::now();
        open.retain(|epoch| {
            let due = match seen.get(&(epoch.node, epoch.epoch)) {
                None => true,
                Some(Seen::Done) => false,
                Some(Seen::Again { at, .. }) => *at <= now,
            };
            due && epoch.node != own && epoch.status() == Status::Open && epoch.challenges == 0
        });
        Ok(open.into_iter().max_by_key(|epoch| epoch.totals.fees))
    }

    async fn watch(&self, key: &SigningKey, epoch: &Epoch, seen: &mut Places) -> ServiceResult<()> {
        let place = (epoch.node, epoch.epoch);
        let (finding, reason) = self.check(epoch).await?;
        let pause = match seen.get(&place) {
            Some(Seen::Again { pause, .. }) => pause.saturating_mul(2),
            _ => FIRST_PAUSE,
        };
        let challenged = match finding {
            Finding::Correct => false,
            Finding::False => true,
            Finding::Unavailable => self.is_half_over(epoch)?,
        };
        let known = match finding {
            Finding::Unavailable if !challenged => Seen::Again { at: Instant::now() + pause, pause },
            _ => Seen::Done,
        };
        seen.insert(place, known);
        if !challenged {
            return Ok(());
        }
        let (node, number) = place;
        tracing::warn!(%node, epoch = number, finding = finding.name(), reason, "an epoch is challenged");
        if let Err(error) = self.audits.challenge(key, epoch).await {
            // Most often somebody else was first.
            tracing::warn!(%node, epoch = number, %error, "the challenge is not on the ledger");
        }
        Ok(())
    }

    /// Whether half of the time is over in which an epoch can be challenged.
    fn is_half_over(&self, epoch: &Epoch) -> ServiceResult<bool> {
        let half = self.audits.chain.params()?.challenge_seconds / 2;
        Ok(crate::db::now() >= epoch.final_at.saturating_sub(half))
    }

    async fn check(&self, epoch: &Epoch) -> ServiceResult<(Finding, String)> {
        match tokio::time::timeout(PATIENCE, self.audits.check(epoch)).await {
            Ok(checked) => checked.map(|checked| (checked.finding, checked.reason)),
            Err(_) => {
                let reason = format!("its receipts did not all come within {} s", PATIENCE.as_secs());
                Ok((Finding::Unavailable, reason))
            }
        }
    }
}
