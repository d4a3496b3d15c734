//! Contributions: batches of records, from submission to final, refused or revoked.
//!
//! ```text
//!   contribute ─► storing ─ the last attestation of the quorum ─► judging ─ draw_delay ─► a committee ─┬─► final ── revoke ──► revoked
//!                    └── storing_seconds: not stored ────────────────────────────► refused ◄───────────┘
//! ```

pub mod action;
mod record;
pub mod state_key;
mod storing;
mod verdict;

use datanet_types::{Amount, ContributionId, DatanetId, Digest, ModuleAddress, NodeKey};

use super::datanets::Datanet;
use super::error::refuse;
use super::{ActionError, Params};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub use record::{Attestation, Contribution, Keeper, Status};
pub(super) use storing::refuse_unstored;
pub(super) use verdict::{
    accept, fine_keepers, judged_after_all, overturn_acceptance, overturn_refusal, refuse_judged, refuse_unavailable,
    refuse_unjudged, settle_bond,
};

/// How many entries are read from an index at a time.
const PAGE: usize = 256;

/// Committees that may refuse the very same bytes of the same giver; then they are refused for good. Three tell a
/// mistake of judges from a batch that is not wanted; a fourth would only be another ticket.
pub const MAX_REFUSALS: u32 = 3;

/// The least bond with which bytes are taken that `refusals` committees have refused before: the datanet's smallest for
/// new ones; doubled with each refusal, from the review fee on where the datanet wants less than that.
pub fn least_bond(datanet: &Datanet, params: &Params, refusals: u32) -> Amount {
    match refusals {
        0 => datanet.min_bond,
        _ => datanet.min_bond.max(params.review_fee).saturating_mul(1u64.checked_shl(refusals).unwrap_or(u64::MAX)),
    }
}

/// A contribution by id.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, id: &ContributionId) -> Result<Option<Contribution>, StateError> {
    state.get(&state_key::contribution(id))
}

/// Up to `limit` contributions that are neither final nor refused, oldest first, from behind `after`.
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn open_after<S: StateRead>(
    state: &S,
    after: Option<&Contribution>,
    limit: usize,
) -> Result<Vec<Contribution>, StateError> {
    let after = after.map(|last| state_key::open(last.submitted_height, &last.id));
    indexed(state, &state_key::all_open(), after.as_deref(), limit)
}

/// All contributions that are neither final nor refused, oldest first.
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn list_open<S: StateRead>(state: &S) -> Result<Vec<Contribution>, StateError> {
    let mut all: Vec<Contribution> = Vec::new();
    loop {
        let page = open_after(state, all.last(), PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Up to `limit` contributions to a datanet in the order given, from behind number `after`.
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn in_datanet<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Contribution>, StateError> {
    let after = after.map(|seq| state_key::in_datanet(datanet, seq));
    indexed(state, &state_key::all_in_datanet(datanet), after.as_deref(), limit)
}

/// Up to `limit` contributions to a datanet that were final at `up_to_height`, in the order in which they became so,
/// from behind `after` (final height and number of the last one seen).
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn final_in<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    up_to_height: u64,
    after: Option<(u64, u64)>,
    limit: usize,
) -> Result<Vec<Contribution>, StateError> {
    let after = after.map(|(height, seq)| state_key::final_in(datanet, height, seq));
    let found: Vec<Contribution> = indexed(state, &state_key::all_final(datanet), after.as_deref(), limit)?;
    Ok(found.into_iter().take_while(|contribution| contribution.final_height <= up_to_height).collect())
}

/// Up to `limit` contributions that were final and are revoked, in the order of their revocations, from behind `after`
/// (the place of a revocation in the datanet's history).
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn revoked_in<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Contribution>, StateError> {
    let after = after.map(|position| state_key::revoked_in(datanet, position));
    indexed(state, &state_key::all_revoked(datanet), after.as_deref(), limit)
}

/// The contribution with these records that was final and that was taken back last, if its giver told their plain Merkle root
/// then. Nobody else is to give them to that datanet: the ledger does not see records, so its judges look here.
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn taken_back<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    plain_root: &Digest,
) -> Result<Option<Contribution>, StateError> {
    let id = state.get::<ContributionId>(&state_key::taken_back(datanet, plain_root))?;
    id.map(|id| expect(state, &id)).transpose()
}

/// All contributions that were final at `height`, revoked ones too if that came later, in the order in which they became
/// final: what an answer of that height rests on.
///
/// # Errors
/// When the store cannot be read, or its index names a contribution that is not there.
pub fn final_at<S: StateRead>(state: &S, datanet: &DatanetId, height: u64) -> Result<Vec<Contribution>, StateError> {
    let mut all: Vec<Contribution> = Vec::new();
    loop {
        let after = all.last().map(|last| (last.final_height, last.seq));
        let page = final_in(state, datanet, height, after, PAGE)?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let mut after = None;
    loop {
        let page = revoked_in(state, datanet, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.revoked_position);
        all.extend(page.into_iter().filter(|contribution| contribution.was_final_at(height)));
    }
    all.sort_by_key(|contribution| (contribution.final_height, contribution.seq));
    Ok(all)
}

/// Up to `limit` attestations of a contribution by node, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn attestations<S: StateRead>(
    state: &S,
    id: &ContributionId,
    after: Option<&NodeKey>,
    limit: usize,
) -> Result<Vec<Attestation>, StateError> {
    let after = after.map(|node| state_key::attestation(id, node));
    let entries = state.list(&state_key::attestations(id), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, attestation)| attestation).collect())
}

/// Whether a node has attested a contribution.
///
/// # Errors
/// When the store cannot be read.
pub fn has_attested<S: StateRead>(state: &S, id: &ContributionId, node: &NodeKey) -> Result<bool, StateError> {
    Ok(state.get_raw(&state_key::attestation(id, node))?.is_some())
}

/// The nodes whose words had a contribution judged, by their place: as many as its datanet's quorum once there is a committee, and the same for
/// good from then on. They answer for the bytes until the verdict, and earn by every answer that rests on them from then on.
///
/// # Errors
/// When the store cannot be read.
pub fn keepers<S: StateRead>(state: &S, id: &ContributionId) -> Result<Vec<Keeper>, StateError> {
    let entries = state.list(&state_key::keepers(id), None, PAGE)?;
    Ok(entries.into_iter().map(|(_, keeper)| keeper).collect())
}

/// Lets go of who attested a contribution that nobody is to keep, a page at a time; whether there may be more. Those who had it judged stay
/// where they may have earned by it: answers that were given before it was taken back are made again by auditors.
pub(super) fn forget_attestations<S: StateWrite>(
    state: &mut S,
    contribution: &Contribution,
) -> Result<bool, StateError> {
    let page = state.scan(&state_key::attestations(&contribution.id), None, PAGE)?;
    let more = page.len() >= PAGE;
    page.into_iter().for_each(|(key, _)| state.delete(key));
    if !contribution.may_earn() {
        let keepers = state.scan(&state_key::keepers(&contribution.id), None, PAGE)?;
        keepers.into_iter().for_each(|(key, _)| state.delete(key));
    }
    Ok(more)
}

/// The account that holds a contribution's bond.
pub fn bond_account(id: &ContributionId) -> ModuleAddress {
    ModuleAddress::of("bond", &[&id.0])
}

/// The account that holds what a contribution's judges will be paid.
pub fn review_account(id: &ContributionId) -> ModuleAddress {
    ModuleAddress::of("review", &[&id.0])
}

/// The contribution, which must be there.
pub(super) fn require<S: StateRead>(state: &S, id: &ContributionId) -> Result<Contribution, ActionError> {
    match get(state, id)? {
        Some(contribution) => Ok(contribution),
        None => refuse(code::CONTRIBUTION_UNKNOWN, format!("there is no contribution {id}; look its id up first")),
    }
}

/// The contribution, which an index of the ledger's own says is there.
pub(super) fn expect<S: StateRead>(state: &S, id: &ContributionId) -> Result<Contribution, StateError> {
    state.expect(state_key::contribution(id), "an index names it, but it is not there")
}

/// Stores a contribution.
pub(super) fn put<S: StateWrite>(state: &mut S, contribution: &Contribution) {
    state.put(state_key::contribution(&contribution.id), contribution);
}

fn indexed<S: StateRead>(
    state: &S,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Contribution>, StateError> {
    let entries = state.list::<ContributionId>(prefix, after, limit)?;
    entries.into_iter().map(|(_, id)| expect(state, &id)).collect()
}
