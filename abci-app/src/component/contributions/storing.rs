//! Before a contribution is judged its bytes must be there: as many nodes as its datanet wants say so, and have a stake to say it with.
//!
//! Nobody is drawn before, so that a judge never looks for what nobody has, and the last of those words is what the contribution itself would
//! be otherwise: the committee is drawn [`Params::draw_delay`] blocks after it, from the stakes as they were before it. Whoever speaks last
//! can choose by the beacon only where he also proposes that block, the drawing one and all between; who holds his word back knows nothing.

use datanet_types::ContributionId;

use super::verdict::{close_refused, settle_bond};
use super::{Attestation, Contribution, Keeper, Status, expect, put, review_account, state_key};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::datanets::Datanet;
use crate::component::nodes::Node;
use crate::component::{BlockContext, Event, Params, accounts, params, validation};
use crate::state::{StateError, StateWrite};

/// A contribution waits for those who are to keep it.
pub(super) fn begin<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    params: &Params,
) {
    contribution.store_by = block.seconds().saturating_add(params.storing_seconds);
    agenda::schedule(state, Kind::RefuseUnstored, contribution.store_by, &contribution.id);
}

/// Writes down a node's word. The last one of the quorum has the contribution judged.
pub(super) fn keep<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    node: &Node,
) -> Result<(), StateError> {
    let (id, place) = (contribution.id, contribution.attestations);
    let attestation = Attestation { node: node.node, height: block.height, place };
    state.put(state_key::attestation(&id, &node.node), &attestation);
    if place < datanet.storage_quorum {
        state.put(state_key::keeper(&id, place), &Keeper { node: node.node, account: node.account });
    }
    contribution.attestations = place.saturating_add(1);
    if contribution.status() == Status::Storing && contribution.attestations >= datanet.storage_quorum {
        agenda::cancel(state, Kind::RefuseUnstored, contribution.store_by, &id);
        contribution.set_status(Status::Judging);
        validation::start_round(state, block, contribution, &params::at(state, contribution.submitted_height)?);
    }
    put(state, contribution);
    Ok(())
}

/// Too few said in time that they keep it: the bond goes back, since nobody knows whose fault it is, and the fee for judging goes to the
/// treasury, since everybody was made to look for it.
pub(in crate::component) fn refuse_unstored<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    id: &ContributionId,
) -> Result<Vec<Event>, StateError> {
    let mut contribution = expect(state, id)?;
    let params = params::at(state, contribution.submitted_height)?;
    accounts::release(state, &review_account(id), accounts::treasury(), contribution.review_fee)?;
    contribution.unstored = true;
    validation::schedule(state, turn.block, id, &params);
    settle_bond(state, &contribution, 0)?;
    let event = close_refused(state, turn.block, &mut contribution)?;
    Ok(vec![event.with("penalty", 0)])
}
