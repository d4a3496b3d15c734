//! A serving node's stake as its bond: it answers for the fees of all epochs that are not final.

use datanet_types::amount::{BPS, display, mul_div};
use datanet_types::{Amount, NodeKey};

use super::state_key;
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, Params};
use crate::state::{StateError, StateRead, StateWrite};

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Risk {
    #[prost(uint64, tag = "1")]
    fees: Amount,
    /// What answers for them, each epoch's by the parameters that it was settled under.
    #[prost(uint64, tag = "2")]
    bond: Amount,
}

fn risk<S: StateRead>(state: &S, node: &NodeKey) -> Result<Risk, StateError> {
    Ok(state.get(&state_key::at_risk(node))?.unwrap_or_default())
}

/// Fees of the node's epochs that are not final, in base units.
///
/// # Errors
/// When the store cannot be read.
pub fn at_risk<S: StateRead>(state: &S, node: &NodeKey) -> Result<Amount, StateError> {
    Ok(risk(state, node)?.fees)
}

/// The bond that so many fees take.
pub fn of(fees: Amount, params: &Params) -> Amount {
    mul_div(fees, params.serving_bond_bps.into(), BPS).unwrap_or(Amount::MAX)
}

/// What of the node's stake can't be taken back now.
///
/// # Errors
/// When the store cannot be read.
pub fn locked<S: StateRead>(state: &S, node: &NodeKey) -> Result<Amount, StateError> {
    Ok(risk(state, node)?.bond)
}

/// Adds the fees of an epoch, which `stake` must cover with those before it. Where nothing can be challenged, nothing is at risk.
pub(super) fn add<S: StateWrite>(
    state: &mut S,
    node: &NodeKey,
    fees: Amount,
    stake: Amount,
    params: &Params,
) -> Result<(), ActionError> {
    let before = risk(state, node)?;
    let (sum, wanted) = (before.fees.saturating_add(fees), before.bond.saturating_add(of(fees, params)));
    ensure(params.challenge_seconds == 0 || wanted <= stake, code::EPOCH_BOND, || {
        format!(
            "the node's stake is {} and answers for {} of fees that are not final, for which it must be {}; raise the stake by {}, or \
             settle once earlier epochs are final",
            display(stake),
            display(sum),
            display(wanted),
            display(wanted.saturating_sub(stake))
        )
    })?;
    state.put(state_key::at_risk(node), &Risk { fees: sum, bond: wanted });
    Ok(())
}

/// Takes an epoch's fees out again, with what answered for them: `params` are those of [`add`].
pub(super) fn remove<S: StateWrite>(
    state: &mut S,
    node: &NodeKey,
    fees: Amount,
    params: &Params,
) -> Result<(), StateError> {
    let before = risk(state, node)?;
    let (left, bond) = (before.fees.saturating_sub(fees), before.bond.saturating_sub(of(fees, params)));
    let key = state_key::at_risk(node);
    if left == 0 {
        state.delete(key);
    } else {
        state.put(key, &Risk { fees: left, bond });
    }
    Ok(())
}
