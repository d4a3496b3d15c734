//! Keys of contributions.

use datanet_types::{ContributionId, DatanetId, Digest, NodeKey};

use crate::state::DERIVED;

/// A contribution. Example:
/// `contributions/record/0404040404040404040404040404040404040404040404040404040404040404`
pub fn contribution(id: &ContributionId) -> String {
    format!("contributions/record/{id}")
}

/// Prefix of all contributions that are neither final nor refused. Example: `derived/contributions/open/`
pub fn all_open() -> String {
    format!("{DERIVED}contributions/open/")
}

/// That a contribution is neither final nor refused, oldest first. Example:
/// `derived/contributions/open/00000000000000000042/0404040404040404040404040404040404040404040404040404040404040404`
pub fn open(submitted_height: u64, id: &ContributionId) -> String {
    format!("{}{submitted_height:020}/{id}", all_open())
}

/// Prefix of a datanet's contributions. Example:
/// `derived/contributions/in_datanet/0303030303030303030303030303030303030303030303030303030303030303/`
pub fn all_in_datanet(datanet: &DatanetId) -> String {
    format!("{DERIVED}contributions/in_datanet/{datanet}/")
}

/// A contribution by its number in its datanet. Example:
/// `derived/contributions/in_datanet/0303030303030303030303030303030303030303030303030303030303030303/00000000000000000007`
pub fn in_datanet(datanet: &DatanetId, seq: u64) -> String {
    format!("{}{seq:020}", all_in_datanet(datanet))
}

/// Prefix of a datanet's final contributions. Example:
/// `derived/contributions/final/0303030303030303030303030303030303030303030303030303030303030303/`
pub fn all_final(datanet: &DatanetId) -> String {
    format!("{DERIVED}contributions/final/{datanet}/")
}

/// A final contribution, in the order in which they became final. Example:
/// `derived/contributions/final/0303030303030303030303030303030303030303030303030303030303030303/00000000000000000042/00000000000000000007`
pub fn final_in(datanet: &DatanetId, final_height: u64, seq: u64) -> String {
    format!("{}{final_height:020}/{seq:020}", all_final(datanet))
}

/// Prefix of a datanet's revoked contributions. Example:
/// `derived/contributions/revoked/0303030303030303030303030303030303030303030303030303030303030303/`
pub fn all_revoked(datanet: &DatanetId) -> String {
    format!("{DERIVED}contributions/revoked/{datanet}/")
}

/// A contribution that was final and is revoked, by the place of the revocation in the datanet's history. Example:
/// `derived/contributions/revoked/0303030303030303030303030303030303030303030303030303030303030303/00000000000000000009`
pub fn revoked_in(datanet: &DatanetId, position: u64) -> String {
    format!("{}{position:020}", all_revoked(datanet))
}

/// The contribution with these records (by the plain Merkle root over them, which its giver has told) that was final and that
/// was taken back last. Example:
/// `contributions/taken_back/0303030303030303030303030303030303030303030303030303030303030303/0404040404040404040404040404040404040404040404040404040404040404`
pub fn taken_back(datanet: &DatanetId, plain_root: &Digest) -> String {
    format!("contributions/taken_back/{datanet}/{plain_root}")
}

/// Prefix of a contribution's attestations. Example:
/// `contributions/attestation/0404040404040404040404040404040404040404040404040404040404040404/`
pub fn attestations(id: &ContributionId) -> String {
    format!("contributions/attestation/{id}/")
}

/// Prefix of the nodes that had a contribution judged. Example:
/// `derived/contributions/keeper/0404040404040404040404040404040404040404040404040404040404040404/`
pub fn keepers(id: &ContributionId) -> String {
    format!("{DERIVED}contributions/keeper/{id}/")
}

/// A node that had a contribution judged, by its place. Example:
/// `derived/contributions/keeper/0404040404040404040404040404040404040404040404040404040404040404/0000000000`
pub fn keeper(id: &ContributionId, place: u32) -> String {
    format!("{}{place:010}", keepers(id))
}

/// A node's word that it holds a contribution. Example:
/// `contributions/attestation/0404040404040404040404040404040404040404040404040404040404040404/0202020202020202020202020202020202020202020202020202020202020202`
pub fn attestation(id: &ContributionId, node: &NodeKey) -> String {
    format!("{}{node}", attestations(id))
}
