//! The end of an epoch: paid out once nobody can challenge it any more and others keep its statement, or void.

use std::fmt;

use datanet_types::{Amount, ModuleAddress, NodeKey};

use super::{Epoch, Payment, Payments, Status, bond, escrow, forgetting, keeping, put, put_epoch, state_key};
use crate::component::agenda::{self, Kind, Turn};
use crate::component::{BlockContext, Event, Params, accounts, agents, nodes, params, ratings};
use crate::state::{StateError, StateRead, StateWrite};

/// Names an epoch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(in crate::component) struct Place {
    #[prost(message, required, tag = "1")]
    pub(in crate::component) node: NodeKey,
    #[prost(uint64, tag = "2")]
    pub(in crate::component) epoch: u64,
}

impl Place {
    pub(super) fn of(epoch: &Epoch) -> Self {
        Self { node: epoch.node, epoch: epoch.epoch }
    }
}

/// As it stands in keys.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:020}", self.node, self.epoch)
    }
}

/// An epoch begins: it will be final at its time, and who paid for it is remembered until then.
pub(super) fn begin<S: StateWrite>(state: &mut S, epoch: &Epoch, paid: Vec<Payment>) {
    state.put(state_key::payments(&epoch.node, epoch.epoch), &Payments { all: paid, epoch: epoch.epoch });
    set_due(state, epoch);
}

/// It ends by itself from now on.
pub(super) fn set_due<S: StateWrite>(state: &mut S, epoch: &Epoch) {
    agenda::schedule(state, Kind::FinaliseEpoch, epoch.due(), &Place::of(epoch));
}

/// It does not: before anything changes that says when.
pub(super) fn unset_due<S: StateWrite>(state: &mut S, epoch: &Epoch) {
    agenda::cancel(state, Kind::FinaliseEpoch, epoch.due(), &Place::of(epoch));
}

/// Up to `limit` epochs that can be challenged, those first that end first.
///
/// # Errors
/// When the store cannot be read.
pub fn open<S: StateRead>(state: &S, limit: usize) -> Result<Vec<Epoch>, StateError> {
    let open = agenda::list::<_, Place>(state, Kind::FinaliseEpoch, limit)?;
    open.iter().map(|place| super::expect(state, &place.node, place.epoch)).collect()
}

/// Keeps an epoch from being final while it is audited.
pub(in crate::component) fn hold<S: StateWrite>(state: &mut S, epoch: &mut Epoch) -> Result<(), StateError> {
    unset_due(state, epoch);
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
    if epoch.quorum > 0 {
        epoch.attest_by = epoch.attest_by.max(epoch.final_at);
    }
    epoch.set_status(Status::Open);
    set_due(state, epoch);
    put_epoch(state, epoch)
}

/// Pays out an epoch that is due: node, keepers and treasury at once, and whoever earned may claim. One whose statement too few keep is void.
pub(in crate::component) fn finalise<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    place: &Place,
) -> Result<Vec<Event>, StateError> {
    let (node, number) = (place.node, place.epoch);
    let mut epoch = super::expect(state, &node, number)?;
    let params = &params::at(state, epoch.height)?;
    if !epoch.is_kept() {
        epoch.unkept = true;
        let event = void(state, turn.block, &mut epoch, params)?;
        return Ok(vec![event.with("attestations", epoch.attestations).with("quorum", epoch.quorum)]);
    }
    let escrow = escrow::account(&node, number);
    let account = nodes::expect(state, &node)?.account;
    // The chain's present numbers say how income is divided over time, whatever held when it was earned.
    let (seconds, earned) = (turn.block.seconds(), (epoch.totals.split.node, epoch.height));
    let mut events = agents::pass_on(state, &escrow, &account, earned, (seconds, turn.params))?;
    accounts::release(state, &escrow, accounts::treasury(), epoch.totals.treasury())?;
    keeping::pay(state, &epoch, params)?;
    escrow::begin(state, &epoch);
    epoch.set_status(Status::Final);
    let paid = super::payments(state, &node, number)?;
    ratings::open(state, turn.block, place, (account, &paid), params);
    close(state, &mut epoch, params)?;
    if let Some(mut settlement) = super::get(state, &node)? {
        settlement.escrowed = settlement.escrowed.saturating_add(epoch.totals.claimable());
        put(state, &settlement);
    }
    let event = Event::new("epoch.final").with("node", node).with("epoch", number);
    events.push(event.with("claimable", epoch.totals.claimable()));
    Ok(events)
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
        accounts::release(state, &escrow, payer, amount)?;
    }
    keeping::give_back(state, epoch, params)?;
    unset_due(state, epoch);
    epoch.set_status(Status::Void);
    epoch.final_at = block.seconds();
    close(state, epoch, params)?;
    super::carry_past(state, epoch)?;
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
    block: &BlockContext,
    node: &NodeKey,
    amount: Amount,
) -> Result<(ModuleAddress, Amount), StateError> {
    let (account, taken) = nodes::slash(state, block, node, amount)?;
    Ok((nodes::stake_account(&account), taken))
}
