//! Nodes that keep data: those with the role and the stake for it.

use datanet_types::action::role;
use datanet_types::amount::display;
use datanet_types::{Address, NodeKey};

use super::{Node, state_key};
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, Params};
use crate::state::{StateError, StateRead, StateWrite};

/// How many nodes keep data. A change of [`Params::min_storage_stake`] moves it by each node's next registration only: it tells who
/// asks for more than there are, and decides nothing else.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Keepers {
    #[prost(uint64, tag = "1")]
    nodes: u64,
}

/// How many nodes keep data, with the stake for it.
///
/// # Errors
/// When the store cannot be read.
pub fn count<S: StateRead>(state: &S) -> Result<u64, StateError> {
    Ok(state.get::<Keepers>(&state_key::keepers())?.map_or(0, |keepers| keepers.nodes))
}

/// Says of a node that is changed whether it counts, and counts it.
pub(super) fn recount<S: StateWrite>(
    state: &mut S,
    former: Option<&Node>,
    node: &mut Node,
    params: &Params,
) -> Result<(), StateError> {
    node.keeps = node.has(role::STORAGE) && node.stake >= params.min_storage_stake;
    let before = former.is_some_and(|former| former.keeps);
    if node.keeps == before {
        return Ok(());
    }
    let nodes = count(state)?;
    let nodes = if node.keeps { nodes.saturating_add(1) } else { nodes.saturating_sub(1) };
    state.put(state_key::keepers(), &Keepers { nodes });
    Ok(())
}

/// The node, which must be registered to keep data, speak through `signer`, and have the stake for it now.
pub(in crate::component) fn require<S: StateRead>(
    state: &S,
    key: &NodeKey,
    signer: &Address,
    params: &Params,
) -> Result<Node, ActionError> {
    let node = super::require(state, key, signer, role::STORAGE)?;
    check(&node, params)?;
    Ok(node)
}

/// Refuses a node that is to keep data with less at stake than that takes.
pub(super) fn check(node: &Node, params: &Params) -> Result<(), ActionError> {
    let enough = !node.has(role::STORAGE) || node.stake >= params.min_storage_stake;
    ensure(enough, code::NODE_STAKE, || {
        let (stake, least) = (display(node.stake), display(params.min_storage_stake));
        format!("stake is {stake}, a storage node needs at least {least}: its word for what it keeps is worth that")
    })
}
