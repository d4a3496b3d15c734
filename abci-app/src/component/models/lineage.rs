//! What a model was made from, directly and through others, and how the lineage's part of a fee is divided.
//!
//! A model names only models that are registered already and never changes, so lineages have no cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use datanet_types::amount::BPS;
use datanet_types::split::split;
use datanet_types::{Address, Amount, ModelId};

use super::{Model, state_key};
use crate::state::{StateError, StateRead};

/// Most models that a model may be made from, directly and through others.
pub const MAX_ANCESTORS: usize = 1_024;

/// A model that another was made from, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// The model.
    pub model: Model,
    /// Parent links that lead to it, each counted once, whatever the number of ways on which it is reached.
    pub edges: u64,
}

/// A model's part of a fee's lineage share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageShare {
    /// The model.
    pub model: ModelId,
    /// Who is paid for it.
    pub owner: Address,
    /// Base units.
    pub amount: Amount,
}

/// All models behind `parents`, they themselves included, ordered by id; `None` if there are more than
/// [`MAX_ANCESTORS`]. Reads each once.
///
/// # Errors
/// When the store cannot be read, or one of the models is not there.
pub fn ancestors<S: StateRead>(state: &S, parents: &[ModelId]) -> Result<Option<Vec<Ancestor>>, StateError> {
    let mut edges: BTreeMap<ModelId, u64> = BTreeMap::new();
    let mut models: BTreeMap<ModelId, Model> = BTreeMap::new();
    let mut queue: VecDeque<ModelId> = VecDeque::new();
    let mut seen: BTreeSet<ModelId> = BTreeSet::new();
    let mut follow = |parents: &[ModelId], queue: &mut VecDeque<ModelId>| {
        for parent in parents {
            let count = edges.entry(*parent).or_default();
            *count = count.saturating_add(1);
            if seen.insert(*parent) {
                queue.push_back(*parent);
            }
        }
    };
    follow(parents, &mut queue);
    while let Some(id) = queue.pop_front() {
        if models.len() >= MAX_ANCESTORS {
            return Ok(None);
        }
        let model: Model =
            state.expect(state_key::model(&id), "a model names it as its parent, but it is not there")?;
        follow(&model.parents, &mut queue);
        models.insert(id, model);
    }
    let with_edges = |(id, model): (ModelId, Model)| {
        let edges = edges.get(&id).copied().unwrap_or_default();
        Ancestor { model, edges }
    };
    Ok(Some(models.into_iter().map(with_edges).collect()))
}

/// Divides the lineage's part of a fee. Every parent link behind `model` earns its parent's owner `floor_bps` of it; were
/// that more than all, the links share all of it equally. What is left is the model's own. Largest remainder; the
/// parts sum to `amount` exactly; the model itself comes first, then its ancestors by id.
///
/// # Errors
/// As [`ancestors`].
pub fn lineage_shares<S: StateRead>(
    state: &S,
    model: &Model,
    amount: Amount,
    floor_bps: u32,
) -> Result<Vec<LineageShare>, StateError> {
    // Registration refuses more; whoever slips through all the same is paid like a model without parents.
    let ancestors = ancestors(state, &model.parents)?.unwrap_or_default();
    let edges = ancestors.iter().map(|ancestor| ancestor.edges).fold(0, u64::saturating_add);
    let floors = edges.saturating_mul(u64::from(floor_bps));
    let (own, each) =
        if edges == 0 || floors <= BPS { (BPS.saturating_sub(floors), u64::from(floor_bps)) } else { (0, 1) };
    let mut weights = vec![own];
    weights.extend(ancestors.iter().map(|ancestor| ancestor.edges.saturating_mul(each)));
    let models = std::iter::once(model).chain(ancestors.iter().map(|ancestor| &ancestor.model));
    let shares = models.zip(split(amount, &weights));
    Ok(shares.map(|(model, amount)| LineageShare { model: model.id, owner: model.owner, amount }).collect())
}
