//! The steps for one contribution, and what they need.

use datanet_ledger::component::contributions::{self, Contribution};
use datanet_ledger::component::datanets::{self, Datanet, HeldOut};
use datanet_p2p::Share;
use datanet_types::Action;
use datanet_types::action::AttestStorage;

use super::judge::SeenRecords;
use super::track::Step;
use crate::blobs::{BlobStore, contribution_tag, holdout_tag};
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Identity;
use crate::records::{Batch, Holes, Indexes, ReadError, ReadOptions, Records};

/// What the steps need; clones are cheap.
#[derive(Clone)]
pub struct Steps {
    /// The ledger.
    pub chain: Chain,
    /// Where bytes are kept.
    pub blobs: BlobStore,
    /// Where judgements wait to be revealed.
    pub db: LocalStore,
    /// Who attests and judges.
    pub identity: Identity,
    /// What judges.
    pub embedder: Embedder,
    /// Records and their embeddings.
    pub records: Records,
    /// Where final contributions go.
    pub indexes: Indexes,
    /// What cannot be had.
    pub holes: Holes,
    /// What a judge compares with.
    pub seen: SeenRecords,
}

/// How a step that did not fail ended.
pub(super) enum StepEnd {
    Done,
    /// The bytes are not what the ledger says.
    Unfit,
}

impl Steps {
    /// Performs a step. The contribution's datanet is looked up once, for all of it.
    pub(super) async fn perform(&self, step: Step, contribution: &Contribution) -> ServiceResult<StepEnd> {
        if step == Step::Forget {
            // Its datanet may be closed: all that was given there is refused or taken back.
            self.forget(contribution).await?;
            return Ok(StepEnd::Done);
        }
        let datanet = self.datanet_of(contribution)?;
        match step {
            Step::Fetch => self.fetch(contribution, &datanet).await?,
            Step::Attest if !self.attest(contribution, &datanet).await? => return Ok(StepEnd::Unfit),
            Step::Attest => {}
            Step::Judge => self.judge_and_commit(contribution, &datanet).await?,
            Step::GiveUp => self.give_up(contribution).await?,
            Step::Reveal => self.reveal(contribution).await?,
            Step::Index => self.indexes.add(contribution, &datanet).await?,
            Step::Forget => {}
        }
        Ok(StepEnd::Done)
    }

    fn datanet_of(&self, contribution: &Contribution) -> ServiceResult<Datanet> {
        // It can't be gone from the ledger before the verdict, nor once anything of it was final.
        datanets::get(&self.chain.reader()?, &contribution.datanet)?.ok_or_else(|| {
            ServiceError::new(Code::LedgerState, format!("contribution {} has no datanet", contribution.id))
        })
    }

    /// Fetches and keeps. A contribution whose bytes are bad is kept too: its judges must be able to say why.
    async fn fetch(&self, contribution: &Contribution, datanet: &Datanet) -> ServiceResult<()> {
        let providers = self.records.providers_of(contribution)?;
        let share = Share::new(contribution.datanet.0, contribution.contributor.0);
        let size = contribution.size;
        let _held = self.blobs.bring_for(share, &contribution.blob, Some(size), size, &providers).await?;
        // After a start all contributions come by here.
        self.blobs.keep_once(&contribution_tag(&contribution.id), &contribution.blob).await?;
        let HeldOut { blob, size, .. } = self.records.held_out(datanet, contribution.holdout)?;
        let _held = self.blobs.bring_for(share, &blob, Some(size), size, &providers).await?;
        self.blobs.keep_once(&holdout_tag(&blob), &blob).await
    }

    /// Tells the ledger that a contribution's bytes are here, after checking; bytes that are not what the ledger says are
    /// never attested, and the result is false.
    async fn attest(&self, contribution: &Contribution, datanet: &Datanet) -> ServiceResult<bool> {
        let compared = match self.records.read(contribution, datanet, ReadOptions::Check).await {
            Ok(batch) => self.objection(contribution, &batch)?,
            Err(ReadError::Content(error)) => Err(error.to_string()),
            Err(ReadError::Node(error)) => return Err(error),
        };
        if let Err(reason) = compared {
            tracing::info!(contribution = %contribution.id, %reason, "not attested");
            return Ok(false);
        }
        // Whoever gave it has shown that he had the bytes, should one of this node's users have them too.
        self.blobs.serve(&contribution.blob);
        let action = AttestStorage { contribution: contribution.id, node: self.identity.node_key() };
        self.chain.execute(&self.identity.account_key()?, Action::AttestStorage(action)).await.map(|_| true)
    }

    /// Why what was read of a contribution is nothing to keep or to judge, if there is a reason: it is not what the ledger
    /// says, or it is what another contributor has taken back.
    pub(super) fn objection(&self, contribution: &Contribution, batch: &Batch) -> ServiceResult<Result<(), String>> {
        if let Err(reason) = compare(contribution, batch) {
            return Ok(Err(reason));
        }
        let former = contributions::taken_back(&self.chain.reader()?, &contribution.datanet, &batch.root)?;
        Ok(match former {
            Some(former) if former.contributor != contribution.contributor => {
                Err(format!("these records were taken back by their contributor, as contribution {}", former.id))
            }
            _ => Ok(()),
        })
    }

    /// Forgets everything of a revoked contribution that this node keeps: index, embeddings, judgement, bytes. The bytes leave
    /// the disk with the blob store's next collection, unless somebody else gave the same ones. Done before, it does nothing:
    /// after a start all that was ever revoked comes by here.
    async fn forget(&self, contribution: &Contribution) -> ServiceResult<()> {
        let tag = contribution_tag(&contribution.id);
        // Let go of last, so that a crash in between leads back here.
        if self.blobs.kept(&tag).await?.is_none() {
            return Ok(());
        }
        self.indexes.remove(contribution).await?;
        self.records.forget_embeddings(&contribution.blob);
        self.db.forget_judgement(&contribution.id)?;
        self.blobs.release(&tag).await?;
        tracing::info!(contribution = %contribution.id, "revoked: its bytes are let go of");
        Ok(())
    }
}

/// Whether what was read is what the ledger says. The reason is public before the records may be, and whoever copied another's
/// transaction reads it: it tells no root.
pub(super) fn compare(contribution: &Contribution, batch: &Batch) -> Result<(), String> {
    if batch.total != contribution.records {
        return Err(format!("the bytes hold {} records, the ledger says {}", batch.total, contribution.records));
    }
    if !batch.has_root_of(contribution) {
        return Err(
            "the record root on the ledger is not that of these bytes, given by this contributor: it was made \
                    without them, or copied from somebody who had them"
                .to_owned(),
        );
    }
    Ok(())
}
