//! What a model was made from, directly and through others, and how the lineage's part of a fee is divided.
//!
//! ```text
//!   contributions ──► datanet's snapshot ──► adapter ──► model ──► agent        a floor for each arrow from a datanet on, of the lineage's part
//! ```
//! What contributions have is measured answer by answer, in another part of the fee; what agents pass on is [`crate::component::agents`]'.
//!
//! A model names only models that are registered already and never changes, so lineages have no cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use datanet_types::amount::BPS;
use datanet_types::split::split;
use datanet_types::{Amount, Asset, ModelId};

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

/// An asset's part of a fee's lineage share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageShare {
    /// The model itself, a model that it was made from, or a datanet that one of these was trained on: whose income it is.
    pub asset: Asset,
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

/// Divides the lineage's part of a fee among the model, what it was trained on and what it was made from; `floor_bps` is what each link has of it.
///
/// 1. Each datanet that the model itself was trained on has its floor; were that more than all, they share all of it equally.
/// 2. Each link behind it has its floor of what is left of all: from a model to its parent, and from a model behind it to a datanet that that was
///    trained on. Were that more than is left, they share it equally.
/// 3. The rest is the model's own.
///
/// The ledger has seen of a snapshot that it was there, and of a parent that it was registered, which costs a fee and can be anything of the owner's.
/// So data comes first: however many models an owner names, they take nothing of its floors.
/// Largest remainder; the parts sum to `amount` exactly. The model comes first, then what is behind it and then its own data, by id; a datanet may
/// stand there twice.
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
    let links = links(&ancestors(state, &model.parents)?.unwrap_or_default());
    let data: Vec<Asset> = trained_on(model).collect();
    let count = links.values().copied().fold(0, u64::saturating_add);
    let weights = Weights::of(u64::try_from(data.len()).unwrap_or(u64::MAX), count, u64::from(floor_bps));
    let own = std::iter::once((Asset::Model(model.id), weights.own));
    let behind = links.into_iter().map(|(asset, links)| (asset, links.saturating_mul(weights.link)));
    let parts: Vec<(Asset, u64)> = own.chain(behind).chain(data.into_iter().map(|of| (of, weights.data))).collect();
    let each: Vec<u64> = parts.iter().map(|(_, weight)| *weight).collect();
    let shares = parts.into_iter().zip(split(amount, &each));
    Ok(shares.map(|((asset, _), amount)| LineageShare { asset, amount }).collect())
}

/// What weighs how much in the lineage's part of a fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weights {
    /// The model's own.
    own: u64,
    /// Each datanet that it was trained on.
    data: u64,
    /// Each link behind it.
    link: u64,
}

impl Weights {
    /// With so many datanets of its own, and links behind it.
    fn of(data: u64, links: u64, floor: u64) -> Self {
        let Some(left) = BPS.checked_sub(data.saturating_mul(floor)) else {
            return Self { own: 0, data: 1, link: 0 };
        };
        match left.checked_sub(links.saturating_mul(floor)) {
            Some(own) => Self { own, data: floor, link: floor },
            // In parts of a link, so that both are whole numbers.
            None => Self { own: 0, data: floor.saturating_mul(links), link: left },
        }
    }
}

/// The datanets that a model was trained on. What something became final in is never closed, so that each has somebody who earns.
fn trained_on(model: &Model) -> impl Iterator<Item = Asset> + '_ {
    model.snapshots.iter().filter(|snapshot| snapshot.count > 0).map(|snapshot| Asset::Datanet(snapshot.datanet))
}

/// What lies behind a model, and by how many links: each is counted once, whatever the number of ways on which it is reached.
fn links(ancestors: &[Ancestor]) -> BTreeMap<Asset, u64> {
    let mut links = BTreeMap::<Asset, u64>::new();
    for Ancestor { model, edges } in ancestors {
        let own = std::iter::once((Asset::Model(model.id), *edges));
        for (asset, more) in own.chain(trained_on(model).map(|datanet| (datanet, 1))) {
            let sum = links.entry(asset).or_default();
            *sum = sum.saturating_add(more);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn data_has_its_floors_first_and_what_is_more_than_all_is_shared() {
        let of = |data, links, floor| {
            let Weights { own, data, link } = Weights::of(data, links, floor);
            (own, data, link)
        };
        assert_eq!(of(0, 0, 2_500), (10_000, 2_500, 2_500));
        assert_eq!(of(1, 1, 2_500), (5_000, 2_500, 2_500));
        assert_eq!(of(2, 2, 2_500), (0, 2_500, 2_500));
        // Six links share the three quarters that one datanet leaves.
        assert_eq!(of(1, 6, 2_500), (0, 15_000, 7_500));
        assert_eq!((of(4, 6, 2_500).2, of(5, 6, 2_500)), (0, (0, 1, 0)));
        assert_eq!(of(3, 3, 0), (10_000, 0, 0));
    }

    proptest! {
        /// A datanet's floor depends on how many datanets there are, and on nothing else that an owner may name.
        #[test]
        fn links_take_nothing_of_the_data(data in 1u64..=16, links in 0u64..20_000, floor in 0u64..=10_000) {
            let Weights { own, data: each, link } = Weights::of(data, links, floor);
            let sum = own + data * each + links * link;
            prop_assert!(sum > 0);
            let alone = Weights::of(data, 0, floor);
            // each / sum is what it is where nothing is behind the model.
            prop_assert_eq!(
                u128::from(each) * u128::from(alone.own + data * alone.data),
                u128::from(alone.data) * u128::from(sum)
            );
        }
    }
}
