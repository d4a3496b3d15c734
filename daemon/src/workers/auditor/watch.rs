//! A look at what other nodes settle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use datanet_ledger::component::audits::{self, Phase};
use datanet_ledger::component::settlement::{self, Epoch, Status};
use datanet_types::NodeKey;
use datanet_types::action::Finding;

use super::{Auditor, Place, soon};
use crate::audits::Checked;
use crate::error::ServiceResult;

/// Epochs looked through after a block: those that are final first.
const MAX_OPEN: usize = 4_096;
/// How long making an epoch again may take here: other validators look too.
const PATIENCE: Duration = Duration::from_secs(600);
/// The first pause before an epoch that could not be had is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How often statements of other nodes are let go of.
const TIDYING: Duration = Duration::from_secs(600);
/// How often this node challenges what it cannot have of one node in vain: one that shows its epochs to the auditors alone costs it a deposit each time.
const MOST_IN_VAIN: u32 = 3;

/// What is known of an epoch that can be challenged.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// It is as it should be, or was challenged.
    Done,
    /// It could not be had.
    Again { at: Instant, pause: Duration },
}

/// What is known of epochs, and of nodes.
#[derive(Debug, Default)]
struct Known {
    epochs: BTreeMap<Place, Seen>,
    /// Epochs that this node challenged because they could not be had.
    doubted: BTreeSet<Place>,
    /// This node's own.
    own: BTreeSet<u64>,
    /// How often that was in vain, by node.
    in_vain: BTreeMap<NodeKey, u32>,
}

impl Auditor {
    /// Looks at what others settle, until the node stops.
    pub(super) async fn watch(&self) {
        let mut commits = self.audits.chain.commits();
        commits.mark_changed();
        let mut known = Known::default();
        let mut tidied = Instant::now();
        while self.next_block(&mut commits).await {
            if tidied.elapsed() > TIDYING {
                tidied = Instant::now();
                if let Err(error) = self.audits.billing.let_witnessed_go().await {
                    tracing::warn!(%error, "statements that nobody needs are not let go of; that is tried again later");
                }
            }
            loop {
                match self.look(&mut known).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "could not look at what others settle; that is tried again after the next block");
                        break;
                    }
                }
            }
        }
    }

    /// Looks at one epoch; `false` if there is none to look at now.
    async fn look(&self, known: &mut Known) -> ServiceResult<bool> {
        if self.audits.chain.height() == 0 {
            return Ok(false);
        }
        self.learn(known)?;
        let Some(epoch) = self.next(known)? else { return Ok(false) };
        let place = (epoch.node, epoch.epoch);
        let checked = match tokio::time::timeout(PATIENCE, self.audits.check(&epoch, None)).await {
            Ok(Ok(checked)) => checked,
            // This node's own trouble says nothing of the epoch.
            Ok(Err(error)) => {
                known.again(place);
                return Err(error);
            }
            Err(_) => {
                tracing::warn!(node = %place.0, epoch = place.1, "an epoch takes too long to make again, and is left to others");
                known.epochs.insert(place, Seen::Done);
                return Ok(true);
            }
        };
        if self.is_challenged(&epoch, &checked, known)? {
            known.epochs.insert(place, Seen::Done);
            self.challenge(&epoch, checked, known).await?;
        } else if matches!(checked.finding, Finding::Unavailable | Finding::Missing) {
            known.again(place);
        } else {
            known.epochs.insert(place, Seen::Done);
            // Its node may go away; whoever earned by it can claim all the same.
            self.audits.billing.witness(&epoch).await?;
        }
        Ok(true)
    }

    /// The epoch to look at next: of other nodes, with most at stake.
    fn next(&self, known: &Known) -> ServiceResult<Option<Epoch>> {
        let reader = self.audits.chain.reader()?;
        let (own, now) = (self.identity.node_key(), Instant::now());
        let mut open = settlement::open(&reader, MAX_OPEN)?;
        open.retain(|epoch| {
            let due = match known.epochs.get(&(epoch.node, epoch.epoch)) {
                None => true,
                Some(Seen::Done) => false,
                Some(Seen::Again { at, .. }) => *at <= now,
            };
            due && epoch.node != own && epoch.status() == Status::Open
        });
        open.sort_by_key(|epoch| std::cmp::Reverse(epoch.totals.fees));
        for epoch in open {
            // One that a committee found right was looked at; one that no committee decided was not.
            let audit = audits::get(&reader, &epoch.node, epoch.epoch)?;
            if audit.is_none_or(|audit| audit.phase() == Phase::Undecided) {
                return Ok(Some(epoch));
            }
        }
        Ok(None)
    }

    /// Forgets epochs that cannot be challenged any more, and counts those that were doubted in vain.
    fn learn(&self, known: &mut Known) -> ServiceResult<()> {
        let reader = self.audits.chain.reader()?;
        let open: BTreeSet<Place> =
            settlement::open(&reader, MAX_OPEN)?.iter().map(|epoch| (epoch.node, epoch.epoch)).collect();
        known.epochs.retain(|place, _| open.contains(place));
        let own = self.identity.node_key();
        let gone: Vec<u64> = known.own.iter().copied().filter(|number| !open.contains(&(own, *number))).collect();
        for number in gone {
            let Some(epoch) = settlement::epoch(&reader, &own, number)? else {
                known.own.remove(&number);
                continue;
            };
            if epoch.status() == Status::Audited {
                continue;
            }
            known.own.remove(&number);
            if epoch.status() == Status::Void {
                tracing::error!(
                    epoch = number,
                    "an epoch of this node is void: its payers have their money back, and part of this node's stake is lost; `datanet epoch show {own}-{number}` says why"
                );
            }
        }
        known.own.extend(open.iter().filter(|(node, _)| *node == own).map(|(_, number)| *number));
        for place in known.doubted.clone() {
            let phase = audits::get(&reader, &place.0, place.1)?.map(|audit| audit.phase());
            if matches!(phase, Some(Phase::Draw | Phase::Commit | Phase::Reveal)) {
                continue;
            }
            known.doubted.remove(&place);
            if phase == Some(Phase::Upheld) {
                let count = known.in_vain.entry(place.0).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(())
    }

    fn is_challenged(&self, epoch: &Epoch, checked: &Checked, known: &Known) -> ServiceResult<bool> {
        Ok(match checked.finding {
            Finding::Correct => false,
            Finding::False => true,
            // Nobody has said that he keeps it: it is void without anybody's deposit. Once somebody does, this is looked at again.
            Finding::Missing if !epoch.is_kept() => false,
            Finding::Unavailable | Finding::Missing => {
                let in_vain = known.in_vain.get(&epoch.node).copied().unwrap_or_default();
                in_vain < MOST_IN_VAIN && self.is_half_over(epoch)?
            }
        })
    }

    /// Whether half of the time is over in which an epoch can be challenged.
    fn is_half_over(&self, epoch: &Epoch) -> ServiceResult<bool> {
        let half = self.audits.chain.params()?.challenge_seconds / 2;
        Ok(crate::db::now() >= epoch.final_at.saturating_sub(half))
    }

    async fn challenge(&self, epoch: &Epoch, checked: Checked, known: &mut Known) -> ServiceResult<()> {
        let (node, number) = (epoch.node, epoch.epoch);
        let Checked { finding, reason, suspects, .. } = checked;
        tracing::warn!(%node, epoch = number, finding = finding.name(), reason, "an epoch is challenged");
        let key = self.identity.account_key()?;
        match soon(self.audits.challenge(&key, epoch, suspects)).await {
            Ok(_) if matches!(finding, Finding::Unavailable | Finding::Missing) => {
                known.doubted.insert((node, number));
            }
            Ok(_) => {}
            // Most often somebody else was first.
            Err(error) => tracing::warn!(%node, epoch = number, %error, "the challenge is not on the ledger"),
        }
        Ok(())
    }
}

impl Known {
    /// It is looked at again, later each time.
    fn again(&mut self, place: Place) {
        let pause = match self.epochs.get(&place) {
            Some(Seen::Again { pause, .. }) => pause.saturating_mul(2),
            _ => FIRST_PAUSE,
        };
        self.epochs.insert(place, Seen::Again { at: Instant::now() + pause, pause });
    }
}
