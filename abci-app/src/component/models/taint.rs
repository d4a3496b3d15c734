//! Models whose data was taken back: flagged wherever they show, for as long as they are on the ledger.

use datanet_types::{ContributionId, ModelId};

use super::{Model, ancestors};
use crate::component::contributions;
use crate::state::{StateError, StateRead};

/// How many revocations are read at a time.
const PAGE: usize = 256;

/// A revoked contribution behind a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Taint {
    /// The model that was trained on it: the one asked about, or one that it was made from.
    pub model: ModelId,
    /// The contribution.
    pub contribution: ContributionId,
    /// Height of the revocation.
    pub height: u64,
}

/// Up to `limit` contributions that were in what `model`, or a model behind it, was trained on, and that were revoked since;
/// the model's own first. A contribution revoked before the snapshot was taken is not in it.
///
/// # Errors
/// When the store cannot be read, or a model behind this one or a revoked contribution is not there.
pub fn taint<S: StateRead>(state: &S, model: &Model, limit: usize) -> Result<Vec<Taint>, StateError> {
    let mut found = Vec::new();
    own_taint(state, model, limit, &mut found)?;
    for ancestor in ancestors(state, &model.parents)?.unwrap_or_default() {
        own_taint(state, &ancestor.model, limit, &mut found)?;
    }
    Ok(found)
}

/// Whether there is any.
///
/// # Errors
/// As [`taint`].
pub fn is_tainted<S: StateRead>(state: &S, model: &Model) -> Result<bool, StateError> {
    Ok(!taint(state, model, 1)?.is_empty())
}

fn own_taint<S: StateRead>(state: &S, model: &Model, limit: usize, found: &mut Vec<Taint>) -> Result<(), StateError> {
    for snapshot in &model.snapshots {
        let mut after = snapshot.count;
        while found.len() < limit {
            let page = contributions::revoked_in(state, &snapshot.datanet, Some(after), PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.revoked_position;
            for revoked in page.iter().filter(|revoked| revoked.final_position <= snapshot.count) {
                let taint = Taint { model: model.id, contribution: revoked.id, height: revoked.revoked_height };
                if found.len() < limit {
                    found.push(taint);
                }
            }
        }
    }
    Ok(())
}
