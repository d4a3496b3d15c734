//! Datanets: pools of records with one schema, one licence and one price.

pub mod action;
mod deposit;
mod held_out;
pub mod history;
pub mod state_key;

use datanet_types::schema::Schema;
use datanet_types::{Address, Amount, BlobHash, DatanetId};

use super::ActionError;
use super::error::refuse;
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub use deposit::{deposit_account, deposit_of};
use held_out::announce;
pub use held_out::{HeldOut, expect_held_out, held_out, held_out_now};

/// Most validators of a committee, and most attestations that may be asked for.
pub const MAX_COMMITTEE: u32 = 64;

/// A pool of records.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Datanet {
    /// Its id.
    #[prost(message, required, tag = "1")]
    pub id: DatanetId,
    /// Its name, unique on the chain.
    #[prost(string, tag = "2")]
    pub name: String,
    /// For people.
    #[prost(string, tag = "3")]
    pub description: String,
    /// What records look like.
    #[prost(message, required, tag = "4")]
    pub schema: Schema,
    /// SPDX expression of the records' licence.
    #[prost(string, tag = "5")]
    pub licence: String,
    /// Base units an answer costs; a text that a model writes, at least.
    #[prost(uint64, tag = "6")]
    pub price: Amount,
    /// Lowest combined score accepted, in basis points.
    #[prost(uint32, tag = "7")]
    pub accept_threshold: u32,
    /// Validators drawn for each contribution.
    #[prost(uint32, tag = "8")]
    pub committee_size: u32,
    /// Storage attestations that have a contribution judged.
    #[prost(uint32, tag = "9")]
    pub storage_quorum: u32,
    /// Blob of the first held-out set; see [`held_out`] for the others.
    #[prost(message, required, tag = "10")]
    pub holdout: BlobHash,
    /// Its size in bytes.
    #[prost(uint64, tag = "11")]
    pub holdout_size: u64,
    /// Smallest bond of a contribution, in base units.
    #[prost(uint64, tag = "12")]
    pub min_bond: Amount,
    /// Who opened it.
    #[prost(message, required, tag = "13")]
    pub creator: Address,
    /// When.
    #[prost(uint64, tag = "14")]
    pub created_height: u64,
    /// Base units locked for it.
    #[prost(uint64, tag = "15")]
    #[serde(default)]
    pub deposit: Amount,
    /// The number of the last held-out set that was announced.
    #[prost(uint32, tag = "16")]
    #[serde(default)]
    pub rotations: u32,
    /// Base units that a model that was trained on it takes at least for a thousand tokens of text, beside `price` for the answer.
    #[prost(uint64, tag = "17")]
    #[serde(default)]
    pub token_price: Amount,
    /// Base units that a node takes at least for each step of a training on it that is bought, beside `price` for the whole.
    #[prost(uint64, tag = "18")]
    #[serde(default)]
    pub step_price: Amount,
}

/// What is left of a datanet that was closed, for good: its id is not given again, since whoever names it means what it was.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Closed {
    /// When.
    #[prost(uint64, tag = "1")]
    pub height: u64,
}

/// What a datanet holds, counted.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Contributions ever given: the next one's number in the datanet's order.
    #[prost(uint64, tag = "1")]
    pub contributions: u64,
    /// Contributions that are final.
    #[prost(uint64, tag = "2")]
    pub final_contributions: u64,
    /// Contributions refused.
    #[prost(uint64, tag = "3")]
    pub refused: u64,
    /// Records of final contributions.
    #[prost(uint64, tag = "4")]
    pub records: u64,
    /// Bytes of final contributions.
    #[prost(uint64, tag = "5")]
    pub bytes: u64,
    /// Contributions revoked.
    #[prost(uint64, tag = "6")]
    #[serde(default)]
    pub revoked: u64,
    /// Entries in the datanet's history, see [`history`].
    #[prost(uint64, tag = "7")]
    #[serde(default)]
    pub history: u64,
    /// Contributions whose verdict can still become another.
    #[prost(uint64, tag = "8")]
    #[serde(default)]
    pub disputable: u64,
}

impl Counts {
    /// Contributions that may still become final, as long as nothing ever was: those before judges, and those refused of late.
    fn open(&self) -> u64 {
        let decided = self.refused.saturating_add(self.revoked);
        self.contributions.saturating_sub(decided).saturating_add(self.disputable)
    }
}

/// A datanet by id.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, id: &DatanetId) -> Result<Option<Datanet>, StateError> {
    state.get(&state_key::datanet(id))
}

/// A datanet by name.
///
/// # Errors
/// When the store cannot be read.
pub fn by_name<S: StateRead>(state: &S, name: &str) -> Result<Option<Datanet>, StateError> {
    match state.get::<DatanetId>(&state_key::by_name(name))? {
        Some(id) => get(state, &id),
        None => Ok(None),
    }
}

/// What is left of the datanet of this id, if it was closed.
///
/// # Errors
/// When the store cannot be read.
pub fn closed<S: StateRead>(state: &S, id: &DatanetId) -> Result<Option<Closed>, StateError> {
    state.get(&state_key::closed(id))
}

/// Up to `limit` datanets by id, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&DatanetId>, limit: usize) -> Result<Vec<Datanet>, StateError> {
    let after = after.map(state_key::datanet);
    let entries = state.list(&state_key::datanets(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, datanet)| datanet).collect())
}

/// What a datanet holds.
///
/// # Errors
/// When the store cannot be read.
pub fn counts<S: StateRead>(state: &S, id: &DatanetId) -> Result<Counts, StateError> {
    Ok(state.get(&state_key::counts(id))?.unwrap_or_default())
}

/// The datanet, which a record of the ledger's own says is there.
pub(super) fn expect<S: StateRead>(state: &S, id: &DatanetId) -> Result<Datanet, StateError> {
    state.expect(state_key::datanet(id), "a record names it, but it is not there")
}

/// The datanet, which must be there.
pub(super) fn require<S: StateRead>(state: &S, id: &DatanetId) -> Result<Datanet, ActionError> {
    match get(state, id)? {
        Some(datanet) => Ok(datanet),
        None => {
            refuse(code::DATANET_UNKNOWN, format!("there is no datanet {id}; look its id up in the list of datanets"))
        }
    }
}

fn put<S: StateWrite>(state: &mut S, datanet: &Datanet) {
    state.put(state_key::datanet(&datanet.id), datanet);
    state.put(state_key::by_name(&datanet.name), &datanet.id);
}

/// Takes a datanet out of state, but for what says that it was there.
fn close<S: StateWrite>(state: &mut S, datanet: &Datanet, closed: &Closed) {
    state.delete(state_key::datanet(&datanet.id));
    state.delete(state_key::by_name(&datanet.name));
    state.delete(state_key::counts(&datanet.id));
    state.put(state_key::closed(&datanet.id), closed);
}

/// Stores a datanet's counts.
pub(super) fn put_counts<S: StateWrite>(state: &mut S, id: &DatanetId, counts: &Counts) {
    state.put(state_key::counts(id), counts);
}
