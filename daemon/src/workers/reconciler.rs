//! Compares what the blob store keeps with the reasons for it, after every start: what a crash, a refusal or a check has left
//! behind is let go of, and nothing that is still wanted.

use std::collections::BTreeSet;

use datanet_api::epochs::EpochId;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::settlement;
use datanet_ledger::state::{StateError, StateRead};
use datanet_p2p::{Tag, TagKind};
use datanet_types::{BlobHash, ContributionId, NodeKey};
use tokio_util::sync::CancellationToken;

use crate::billing::witness::{is_wanted, of_epoch};
use crate::blobs::BlobStore;
use crate::chain::{Chain, TTL_BLOCKS};
use crate::db::LocalStore;
use crate::error::ServiceResult;
use crate::intake::PendingUploads;
use crate::keyring::Identity;
use crate::models::Models;
use crate::records::named_held_out;

/// Blocks for which the reasons of a refusal are kept.
const REFUSAL_BLOCKS: u64 = 100_000;

/// See the module.
pub struct Reconciler {
    /// What is wanted.
    pub chain: Chain,
    /// What is kept.
    pub blobs: BlobStore,
    /// Receipts and settlements of this node.
    pub db: LocalStore,
    /// What is on its way to the ledger.
    pub pending: PendingUploads,
    /// Who this node is.
    pub identity: Identity,
    /// Which releases are wanted.
    pub models: Models,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

/// What there is of reasons to keep something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// There is one.
    Wanted,
    /// None is seen; but something under way, or sent by the process before, may still give one.
    Unseen,
    /// There will never be one.
    Never,
}

impl Reason {
    fn seen(seen: bool) -> Self {
        if seen { Self::Wanted } else { Self::Unseen }
    }
}

impl Reconciler {
    /// Publishes after every block what was pending and is on the ledger. Reconciles once the ledger is there, and looks once
    /// more at what no reason was seen for, when nothing that was under way then can give one any more.
    ///
    /// # Errors
    /// None: what cannot be reconciled now is told, and left for the next start.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut commits = self.chain.commits();
        let mut first: Option<(u64, BTreeSet<Tag>)> = None;
        let mut over = false;
        loop {
            let height = commits.borrow_and_update().height;
            if height > 0
                && let Err(error) = self.pending.publish_given().await
            {
                tracing::warn!(%error, "what was given could not be looked through; it is tried again after the next block");
            }
            match &first {
                None if height > 0 => first = Some((height, self.reconcile(&BTreeSet::new()).await)),
                Some((first, suspects)) if !over && height > first.saturating_add(TTL_BLOCKS) => {
                    self.reconcile(suspects).await;
                    over = true;
                }
                _ => {}
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Lets go of what is never wanted, and of `suspects` for which there is still no reason; gives those for which none is
    /// seen now.
    async fn reconcile(&self, suspects: &BTreeSet<Tag>) -> BTreeSet<Tag> {
        let (mut dropped, mut unseen) = (0, BTreeSet::new());
        for kind in TagKind::ALL {
            match self.reconcile_kind(kind, suspects, &mut unseen).await {
                Ok(count) => dropped += count,
                Err(error) => tracing::warn!(?kind, %error, "what is kept could not be compared with what is wanted"),
            }
        }
        if dropped > 0 {
            tracing::info!(dropped, "let go of what nothing wants any more");
        }
        if let Err(error) = self.models.forget_folders().await {
            tracing::warn!(%error, "folders of releases could not be compared with what is wanted");
        }
        unseen
    }

    async fn reconcile_kind(
        &self,
        kind: TagKind,
        suspects: &BTreeSet<Tag>,
        unseen: &mut BTreeSet<Tag>,
    ) -> ServiceResult<usize> {
        let kept = self.blobs.list_kept(kind).await?;
        let reasons = self.reasons(kind, kept).await?;
        let mut unwanted = BTreeSet::new();
        for (tag, reason) in reasons {
            match reason {
                Reason::Wanted => {}
                Reason::Unseen if !suspects.contains(&tag) => _ = unseen.insert(tag),
                Reason::Unseen | Reason::Never => _ = unwanted.insert(tag),
            }
        }
        self.blobs.retain(kind, |tag, _| !unwanted.contains(tag)).await
    }

    /// The reasons for what is kept.
    async fn reasons(&self, kind: TagKind, kept: Vec<(Tag, BlobHash)>) -> ServiceResult<Vec<(Tag, Reason)>> {
        let reader = self.chain.reader()?;
        let holdouts: BTreeSet<BlobHash> = match kind {
            TagKind::Holdout => named_held_out(&reader)?,
            _ => BTreeSet::new(),
        };
        let (releases, files) = match kind {
            TagKind::Release | TagKind::ReleaseFile => self.models.wanted_releases().await?,
            _ => Default::default(),
        };
        let statements = match kind {
            TagKind::Statement | TagKind::StatementPage => self.own_statements(&reader)?,
            _ => BTreeSet::new(),
        };
        let reason = |(tag, blob): (Tag, BlobHash)| {
            let reason = match kind {
                TagKind::Contribution => match contribution(&reader, &tag)? {
                    Some(contribution) if contribution.is_refused_for_good() => Reason::Never,
                    // What was revoked is forgotten step by step, and its tag says that it is not yet.
                    found => Reason::seen(found.is_some()),
                },
                TagKind::Pending => Reason::seen(contribution(&reader, &tag)?.is_some()),
                TagKind::Holdout => Reason::seen(holdouts.contains(&blob)),
                TagKind::Report => Reason::seen(contribution(&reader, &tag)?.is_some_and(|contribution| {
                    let until = contribution.submitted_height.saturating_add(REFUSAL_BLOCKS);
                    contribution.status() != Status::Refused || reader.height() < until
                })),
                TagKind::Receipt => match tag.id().parse() {
                    Ok(number) => Reason::seen(self.db.has_receipt(number)?),
                    Err(_) => Reason::Never,
                },
                TagKind::Statement | TagKind::StatementPage => match of_epoch(&tag).parse::<u64>() {
                    Ok(epoch) => Reason::seen(statements.contains(&epoch)),
                    Err(_) => Reason::Never,
                },
                TagKind::Witnessed | TagKind::WitnessedPage => match of_epoch(&tag).parse::<EpochId>() {
                    Ok(id) if is_wanted(&reader, &id.node, id.epoch, &self.identity.node_key())? => Reason::Wanted,
                    _ => Reason::Never,
                },
                TagKind::Release => Reason::seen(tag.id().parse().is_ok_and(|id| releases.contains(&id))),
                TagKind::ReleaseFile => Reason::seen(files.contains(&blob)),
                TagKind::Checked => Reason::Never,
            };
            Ok((tag, reason))
        };
        kept.into_iter().map(reason).collect()
    }

    /// The epochs of this node whose statements are wanted, the one that is being settled among them.
    fn own_statements(&self, reader: &LedgerReader) -> ServiceResult<BTreeSet<u64>> {
        let mut wanted = with_debts(reader, &self.identity.node_key())?;
        wanted.extend(self.db.settling()?.map(|settling| settling.epoch));
        Ok(wanted)
    }
}

/// The epochs of a node that are on the ledger, and those whose debts any of them, or the next one, begins with: auditors ask for these, too, however
/// long the ledger has forgotten them.
fn with_debts<S: StateRead>(state: &S, node: &NodeKey) -> Result<BTreeSet<u64>, StateError> {
    let mut wanted = BTreeSet::new();
    for epoch in settlement::epochs(state, node, None, usize::MAX)? {
        wanted.insert(epoch.epoch);
        wanted.extend(epoch.carries.map(|carried| carried.epoch));
    }
    let next = settlement::get(state, node)?.and_then(|settled| settled.carried());
    wanted.extend(next.map(|carried| carried.epoch));
    Ok(wanted)
}

fn contribution(reader: &LedgerReader, tag: &Tag) -> ServiceResult<Option<Contribution>> {
    match tag.id().parse::<ContributionId>() {
        Ok(id) => Ok(contributions::get(reader, &id)?),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_ledger::component::settlement::{Carried, Epoch, Settlement, state_key};
    use datanet_ledger::state::{MemoryState, StateWrite};

    #[test]
    fn a_statement_is_wanted_as_long_as_an_epoch_that_can_be_audited_begins_with_its_debts() {
        let (mut state, node) = (MemoryState::default(), NodeKey([1; 32]));
        let wanted = |state: &MemoryState| with_debts(state, &node).unwrap().into_iter().collect::<Vec<_>>();
        assert!(wanted(&state).is_empty());
        // The fourth is long forgotten, the fifth was void, and the sixth is open.
        let carries = Some(Carried { epoch: 4, statement: BlobHash([4; 32]) });
        let latest = Epoch { node, epoch: 6, carries, ..Epoch::default() };
        state.put(state_key::epoch(&node, 6), &latest);
        let mut settled = Settlement { latest, ..Settlement::default() };
        state.put(state_key::settlement(&node), &settled);
        assert_eq!(wanted(&state), [4, 6]);
        // That is void and forgotten, too.
        state.delete(state_key::epoch(&node, 6));
        settled.latest.set_status(settlement::Status::Void);
        settled.before = carries;
        state.put(state_key::settlement(&node), &settled);
        assert_eq!(wanted(&state), [4]);
    }
}
