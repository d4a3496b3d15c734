//! Which releases this node has a reason to keep: those that answer here, those that were pulled, those it owns, those it
//! is about to register, and those that somebody else has ordered.

use std::collections::BTreeSet;
use std::path::PathBuf;

use datanet_types::{BlobHash, ModelId};

use super::Models;
use crate::billing::machine::LAPSE;
use crate::db::jobs::JobRecord;
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

/// How long a release that was ordered and paid can be fetched here: as long as an answer is given again for its payment. Whoever audits its receipt later
/// does so by the manifest on it.
pub const ORDERED_SECONDS: u64 = LAPSE.seconds;

impl Models {
    /// The releases that are wanted here, with all their files.
    ///
    /// # Errors
    /// When the private store or the ledger cannot be read, or the ledger has no block yet.
    pub async fn wanted_releases(&self) -> ServiceResult<(BTreeSet<ModelId>, BTreeSet<BlobHash>)> {
        let wanted = self.wanted_ids()?;
        let files = self.files_of(&wanted).await;
        Ok((wanted, files))
    }

    /// The releases that are wanted here.
    pub(super) fn wanted_ids(&self) -> ServiceResult<BTreeSet<ModelId>> {
        let mut wanted: BTreeSet<ModelId> =
            self.db.deployments()?.into_iter().map(|deployment| deployment.model).collect();
        wanted.extend(self.db.pulled()?);
        wanted.extend(self.db.model_names()?.into_iter().flat_map(|named| named.before));
        wanted.extend(
            self.db
                .jobs()?
                .into_iter()
                .filter(|job| self.is_needed(job))
                .filter_map(|job| job.packed)
                .map(|packed| packed.model),
        );
        let own = |model: &datanet_ledger::component::models::Model| model.release && self.keyring.has(&model.owner);
        wanted.extend(self.chain.ledger_models()?.into_iter().filter(own).map(|model| model.id));
        Ok(wanted)
    }

    /// Whether a job still needs what it has packed: it is about to be registered, or whoever has ordered it may come for it.
    pub(super) fn is_needed(&self, job: &JobRecord) -> bool {
        match &job.order {
            None => !job.state.is_over(),
            Some(order) => order.keeps_files(now().saturating_sub(ORDERED_SECONDS)),
        }
    }

    /// Removes the unpacked files of releases that nobody wants and that no model in memory uses: receipts were checked
    /// with them. They are fetched again when they are wanted again.
    ///
    /// # Errors
    /// As [`Models::wanted_releases`]; a folder that cannot be removed is no error, only told.
    pub async fn forget_folders(&self) -> ServiceResult<()> {
        let (mut wanted, _) = self.wanted_releases().await?;
        let bases: Vec<ModelId> = {
            let mut bases = Vec::new();
            for id in &wanted {
                bases.extend(self.release(id).await.ok().and_then(|release| release.base));
            }
            bases
        };
        wanted.extend(bases);
        wanted.extend(self.served.in_use());
        let folder = self.settings.released.clone();
        let removed = tokio::task::spawn_blocking(move || {
            let unwanted = |path: &PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                !name.parse::<ModelId>().is_ok_and(|id| wanted.contains(&id))
            };
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            for path in entries.filter(|path| path.is_dir()).filter(unwanted) {
                if let Err(error) = std::fs::remove_dir_all(&path) {
                    tracing::warn!(folder = %path.display(), %error, "an unwanted release's folder could not be removed");
                }
            }
        });
        removed.await.map_err(|error| ServiceError::caused(Code::Release, error))
    }
}
