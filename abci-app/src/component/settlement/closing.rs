//! The end of an epoch: paid out once nobody can challenge it any more, or void.

use datanet_types::{Address, Amount, NodeKey};

use super::{Epoch, Payment, Payments, Status, bond, escrow, forgetting, put, put_epoch, state_key};
use crate::component::{BlockContext, Event, Params, accounts, nodes, params};
use crate::state::{StateError, StateRead, StateWrite};

/// Epochs made final in one block at most; what is left is first in the next.
const MAX_A_BLOCK: usize = 256;

/// Names an epoch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Due {
    #[prost(message, required, tag = "1")]
    pub(super) node: NodeKey,
    #[prost(uint64, tag = "2")]
    pub(super) epoch: u64,
}

/// An epoch begins: it will be final at its time, and who paid for it is remembered until then.
pub(super) fn begin<S: StateWrite>(state: &mut S, epoch: &Epoch, paid: Vec<Payment>) {
    state.put(state_key::payments(&epoch.node, epoch.epoch), &Payments { all: paid, epoch: epoch.epoch });
    set_due(state, epoch);
}

fn set_due<S: StateWrite>(state: &mut S, epoch: &Epoch) {
    let due = Due { node: epoch.node, epoch: epoch.epoch };
    state.put(state_key::due(epoch.final_at, &epoch.node, epoch.epoch), &due);
}

/// Up to `limit` epochs that can be challenged, those first that are final first.
///
/// # Errors
/// When the store cannot be read.
pub fn open<S: StateRead>(state: &S, limit: usize) -> Result<Vec<Epoch>, StateError> {
    let due = state.list::<Due>(&state_key::all_due(), None, limit)?;
    due.into_iter().map(|(_, due)| super::expect(state, &due.node, due.epoch)).collect()
}

/// Keeps an epoch from being final while it is audited.
pub(in crate::component) fn hold<S: StateWrite>(state: &mut S, epoch: &mut Epoch) -> Result<(), StateError> {
    state.delete(state_key::due(epoch.final_at, &epoch.node, epoch.epoch));
    epoch.challenges = epoch.challenges.saturating_add(1);
    epoch.set_status(Status::Audited);
    put_epoch(state, epoch)
}

/// An epoch was challenged in vain: it is final at its time, but not before whoever knows better could challenge it again.
pub(in crate::component) fn let_go<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    epoch: &mut Epoch,
    params: &Params,
) -> Result<(), StateError> {
    epoch.final_at = epoch.final_at.max(block.seconds().saturating_add(params.appeal_seconds()));
    epoch.set_status(Status::Open);
    set_due(state, epoch);
    put_epoch(state, epoch)
}

/// Pays out what is due at the end of a block, oldest first: node and treasury at once, and whoever earned may claim.
pub(in crate::component) fn finalise_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let not_yet = state_key::due_at(block.seconds().saturating_add(1));
    let mut events = Vec::new();
    for (key, Due { node, epoch }) in state.due::<Due>(&state_key::all_due(), &not_yet, MAX_A_BLOCK)? {
        state.delete(key);
        let epoch = super::expect(state, &node, epoch)?;
        let params = params::at(state, epoch.height)?;
        events.push(finalise(state, epoch, &params)?);
    }
    Ok(events)
}

fn finalise<S: StateWrite>(state: &mut S, mut epoch: Epoch, params: &Params) -> Result<Event, StateError> {
    let (node, number) = (epoch.node, epoch.epoch);
    let escrow = escrow::account(&node, number);
    let account = nodes::expect(state, &node)?.account;
    accounts::release(state, &escrow, &account, epoch.totals.split.node)?;
    accounts::release(state, &escrow, &accounts::treasury(), epoch.totals.treasury())?;
    escrow::begin(state, &epoch);
    epoch.set_status(Status::Final);
    close(state, &mut epoch, params)?;
    if let Some(mut settlement) = super::get(state, &node)? {
        settlement.escrowed = settlement.escrowed.saturating_add(epoch.totals.claimable());
        put(state, &settlement);
    }
    let event = Event::new("epoch.final").with("node", node).with("epoch", number);
    Ok(event.with("claimable", epoch.totals.claimable()))
}

/// Gives an epoch's money back to those who paid it.
pub(in crate::component) fn void<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    epoch: &mut Epoch,
    params: &Params,
) -> Result<Event, StateError> {
    let (node, number) = (epoch.node, epoch.epoch);
    let escrow = escrow::account(&node, number);
    let paid: Payments =
        state.expect(state_key::payments(&node, number), "an epoch that is not final without payments")?;
    for Payment { payer, amount, .. } in paid.all {
        accounts::release(state, &escrow, &payer, amount)?;
    }
    state.delete(state_key::due(epoch.final_at, &node, number));
    epoch.set_status(Status::Void);
    epoch.final_at = block.seconds();
    close(state, epoch, params)?;
    let event = Event::new("epoch.void").with("node", node).with("epoch", number);
    Ok(event.with("refunded", epoch.totals.fees))
}

/// Nothing of it is at risk any more, and nobody can be paid back.
fn close<S: StateWrite>(state: &mut S, epoch: &mut Epoch, params: &Params) -> Result<(), StateError> {
    bond::remove(state, &epoch.node, epoch.totals.fees, params)?;
    state.delete(state_key::payments(&epoch.node, epoch.epoch));
    forgetting::schedule(state, epoch, params);
    put_epoch(state, epoch)
}

/// Takes up to `amount` of a node's stake. Returns the account that it lies in and how much there is.
pub(in crate::component) fn forfeit<S: StateWrite>(
    state: &mut S,
    node: &NodeKey,
    amount: Amount,
) -> Result<(Address, Amount), StateError> {
    let mut node = nodes::expect(state, node)?;
    let taken = amount.min(node.stake);
    node.stake = node.stake.saturating_sub(taken);
    nodes::put(state, &node);
    Ok((nodes::stake_account(&node.account), taken))
}
