//! Registered models as people and programs see them: lineage, data, evaluation, and whether the data still stands.

use datanet_ledger::LedgerReader;
use datanet_ledger::component::models::{self, Model, Taint};
use datanet_types::{ContributionId, ModelId};

use super::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// Revoked contributions named of one model at most; more only say the same.
const MAX_TAINT: usize = 100;
/// Models read from the ledger at a time.
const PAGE: usize = 256;

/// A model on the ledger, flagged if something behind it was revoked.
#[derive(Debug, Clone)]
pub struct RegisteredModel {
    /// Its record: owner, parents, datanets and snapshots, licence, evaluation, height.
    pub record: Model,
    /// Whether it, or a model behind it, was trained on contributions that were revoked since.
    pub tainted: bool,
    /// Which, up to 100.
    pub taint: Vec<Taint>,
}

impl RegisteredModel {
    /// A model with what the ledger says of its data now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(reader: &LedgerReader, record: Model) -> ServiceResult<Self> {
        let taint = models::taint(reader, &record, MAX_TAINT)?;
        Ok(Self { tainted: !taint.is_empty(), taint, record })
    }
}

impl Chain {
    /// A model on the ledger, if it is there.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn model_on_ledger(&self, id: &ModelId) -> ServiceResult<Option<RegisteredModel>> {
        let reader = self.reader()?;
        let model = models::get(&reader, id)?;
        model.map(|model| RegisteredModel::of(&reader, model)).transpose()
    }

    /// All models on the ledger, by id, with what it says of their data.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn models_on_ledger(&self) -> ServiceResult<Vec<RegisteredModel>> {
        let reader = self.reader()?;
        all(&reader)?.into_iter().map(|model| RegisteredModel::of(&reader, model)).collect()
    }

    /// All models on the ledger, by id.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn ledger_models(&self) -> ServiceResult<Vec<Model>> {
        all(&self.reader()?)
    }

    /// A model on the ledger.
    ///
    /// # Errors
    /// When it is not there ([`Code::UnknownModel`]), or the ledger has no block yet or cannot be read.
    pub fn registered_model(&self, id: &ModelId) -> ServiceResult<Model> {
        models::get(&self.reader()?, id)?.ok_or_else(|| {
            ServiceError::new(
                Code::UnknownModel,
                format!("no model {id} is on the ledger; `GET /v1/models` lists them"),
            )
        })
    }

    /// A contribution that a model itself was trained on and that was revoked since, if there is one.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn revoked_since(&self, model: &Model) -> ServiceResult<Option<ContributionId>> {
        // Models behind it do not matter here: their files are what they were.
        let own = Model { parents: Vec::new(), ..model.clone() };
        Ok(models::taint(&self.reader()?, &own, 1)?.first().map(|taint| taint.contribution))
    }

    /// Whether something behind a model was revoked.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn is_tainted(&self, model: &Model) -> ServiceResult<bool> {
        Ok(models::is_tainted(&self.reader()?, model)?)
    }
}

fn all(reader: &LedgerReader) -> ServiceResult<Vec<Model>> {
    let mut all: Vec<Model> = Vec::new();
    loop {
        let page = models::list(reader, all.last().map(|last| &last.id), PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}
