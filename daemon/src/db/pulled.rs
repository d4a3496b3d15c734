//! Released models whose files somebody wanted here without serving them: kept until they are taken away.

use datanet_types::ModelId;
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const PULLED: table::Table = redb::TableDefinition::new("pulled-models");

/// A model that is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Pulled {
    model: ModelId,
    /// Seconds since 1970.
    pulled_at: u64,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, PULLED)
}

impl LocalStore {
    /// Keeps a model's files from now on.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn keep_pulled(&self, model: &ModelId) -> ServiceResult<()> {
        let pulled = Pulled { model: *model, pulled_at: super::now() };
        self.write(|tx| table::put(tx, PULLED, &model.0, &pulled))
    }

    /// Keeps them no more.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn forget_pulled(&self, model: &ModelId) -> ServiceResult<()> {
        self.write(|tx| table::remove(tx, PULLED, &model.0))
    }

    /// The models kept so, by id.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn pulled(&self) -> ServiceResult<Vec<ModelId>> {
        let all: Vec<(Vec<u8>, Pulled)> = self.read(|tx| table::all(tx, PULLED))?;
        Ok(all.into_iter().map(|(_, pulled)| pulled.model).collect())
    }
}
