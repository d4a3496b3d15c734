//! Models: who owns them, what they were made from, and whether that still stands.

pub mod action;
mod lineage;
pub mod state_key;
mod taint;

use datanet_types::release::{DataSnapshot, Metric};
use datanet_types::{Address, DatanetId, Digest, ModelId};

use crate::state::{StateError, StateRead};

pub use lineage::{Ancestor, LineageShare, MAX_ANCESTORS, ancestors, lineage_shares};
pub use taint::{Taint, is_tainted, taint};

/// A registered model.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Model {
    /// Its id: the hash of `owner` and `manifest`.
    #[prost(message, required, tag = "1")]
    pub id: ModelId,
    /// Who is paid when it answers.
    #[prost(message, required, tag = "2")]
    pub owner: Address,
    /// A name for people.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The models it was made from.
    #[prost(message, repeated, tag = "4")]
    pub parents: Vec<ModelId>,
    /// The datanets it was trained on.
    #[prost(message, repeated, tag = "5")]
    pub datanets: Vec<DatanetId>,
    /// SPDX expression.
    #[prost(string, tag = "6")]
    pub licence: String,
    /// Height of its registration.
    #[prost(uint64, tag = "7")]
    pub registered_height: u64,
    /// What of those datanets it was trained on, ordered by datanet.
    #[prost(message, repeated, tag = "8")]
    pub snapshots: Vec<DataSnapshot>,
    /// How its owner says it was measured.
    #[prost(message, repeated, tag = "9")]
    pub evaluation: Vec<Metric>,
    /// Whether `manifest` is the hash of a release manifest that names its files.
    #[prost(bool, tag = "10")]
    pub release: bool,
    /// Hash of its manifest, or over its files.
    #[prost(message, required, tag = "11")]
    pub manifest: Digest,
}

/// A model by id.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, id: &ModelId) -> Result<Option<Model>, StateError> {
    state.get(&state_key::model(id))
}

/// Up to `limit` models by id, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&ModelId>, limit: usize) -> Result<Vec<Model>, StateError> {
    let after = after.map(state_key::model);
    let entries = state.list(&state_key::models(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, model)| model).collect())
}
