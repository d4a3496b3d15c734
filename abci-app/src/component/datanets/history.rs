//! What became final in a datanet and what was taken back, in order, as a chain of digests.
//!
//! A place in the history is a [`DataSnapshot`]: it fixes exactly which contributions were there to train on, and the
//! ledger checks one with a single look, however long the history is.

use std::collections::BTreeSet;

use datanet_types::release::DataSnapshot;
use datanet_types::{ContributionId, DatanetId, Digest};

use super::{Counts, counts, state_key};
use crate::state::{StateError, StateRead, StateWrite};

/// How many entries are read at a time.
const PAGE: usize = 256;

/// What happened to a contribution.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Change {
    /// It became final.
    Final = 0,
    /// It was final and its giver took it back, or a second committee overturned its acceptance.
    Revoked = 1,
}

datanet_types::enum_text!(change_text, super::Change);

/// One entry of a datanet's history.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Which contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// What happened to it.
    #[prost(enumeration = "Change", tag = "2")]
    #[serde(with = "change_text")]
    pub change: i32,
    /// The history's digest with this entry.
    #[prost(message, required, tag = "3")]
    pub digest: Digest,
    /// When.
    #[prost(uint64, tag = "4")]
    pub height: u64,
}

/// The entry at a place, from 1.
///
/// # Errors
/// When the store cannot be read.
pub fn entry<S: StateRead>(state: &S, datanet: &DatanetId, position: u64) -> Result<Option<Entry>, StateError> {
    state.get(&state_key::history(datanet, position))
}

/// Up to `limit` entries in order, from behind place `after` (0: from the beginning).
///
/// # Errors
/// When the store cannot be read.
pub fn entries<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    after: u64,
    limit: usize,
) -> Result<Vec<Entry>, StateError> {
    let after = state_key::history(datanet, after);
    let entries = state.list(&state_key::histories(datanet), Some(&after), limit)?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The history as it is now.
///
/// # Errors
/// When the store cannot be read.
pub fn latest<S: StateRead>(state: &S, datanet: &DatanetId) -> Result<DataSnapshot, StateError> {
    let count = counts(state, datanet)?.history;
    Ok(at(state, datanet, count)?.unwrap_or_else(|| DataSnapshot::start(*datanet)))
}

/// The history when it had `count` entries; `None` if it never had so many.
///
/// # Errors
/// When the store cannot be read.
pub fn at<S: StateRead>(state: &S, datanet: &DatanetId, count: u64) -> Result<Option<DataSnapshot>, StateError> {
    if count == 0 {
        return Ok(Some(DataSnapshot::start(*datanet)));
    }
    let entry = entry(state, datanet, count)?;
    Ok(entry.map(|entry| DataSnapshot { datanet: *datanet, count, digest: entry.digest }))
}

/// The history as it was after the block at `height`. Reads as many entries as its length has bits.
///
/// # Errors
/// When the store cannot be read.
pub fn at_height<S: StateRead>(state: &S, datanet: &DatanetId, height: u64) -> Result<DataSnapshot, StateError> {
    let (mut known, mut beyond) = (0u64, counts(state, datanet)?.history.saturating_add(1));
    while beyond.saturating_sub(known) > 1 {
        let middle = known.midpoint(beyond);
        match entry(state, datanet, middle)? {
            Some(entry) if entry.height <= height => known = middle,
            _ => beyond = middle,
        }
    }
    Ok(at(state, datanet, known)?.unwrap_or_else(|| DataSnapshot::start(*datanet)))
}

/// The contributions that were final, and not revoked, when the history had `count` entries, in the order in which they
/// became final. `None` if it never had so many. Reads them all.
///
/// # Errors
/// When the store cannot be read.
pub fn members<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    count: u64,
) -> Result<Option<Vec<ContributionId>>, StateError> {
    if at(state, datanet, count)?.is_none() {
        return Ok(None);
    }
    let (mut order, mut revoked, mut position) = (Vec::new(), BTreeSet::new(), 0u64);
    while position < count {
        let page = entries(state, datanet, position, PAGE)?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            position = position.saturating_add(1);
            if position > count {
                break;
            }
            match entry.change() {
                Change::Final => order.push(entry.contribution),
                Change::Revoked => {
                    revoked.insert(entry.contribution);
                }
            }
        }
    }
    order.retain(|id| !revoked.contains(id));
    Ok(Some(order))
}

/// Adds an entry and returns its place. The caller stores `counts`.
pub(in crate::component) fn append<S: StateWrite>(
    state: &mut S,
    datanet: &DatanetId,
    counts: &mut Counts,
    contribution: &ContributionId,
    change: Change,
    height: u64,
) -> Result<u64, StateError> {
    let key = state_key::history(datanet, counts.history);
    let before = at(state, datanet, counts.history)?
        .ok_or_else(|| StateError::Contradiction { key, reason: "the history's last entry is not there".to_owned() })?;
    let after = before.then(contribution, change == Change::Revoked);
    let entry = Entry { contribution: *contribution, change: change as i32, digest: after.digest, height };
    state.put(state_key::history(datanet, after.count), &entry);
    counts.history = after.count;
    Ok(after.count)
}
