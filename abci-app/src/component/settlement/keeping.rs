//! Who keeps an epoch's statement: an epoch is paid only once so many staked storage nodes of other accounts say that they do.
//!
//! What its node alone holds is lost with it, and with that what everybody earned. So a statement is somebody else's to show, too, before
//! its epoch is final, and whoever says so has stake to say it with: where a committee finds the statement nowhere, those who attested it pay
//! ([`fine`]). Each is paid a fixed fee for it, which the serving node puts up as it settles. Where too few say so in time the epoch is void:
//! its node showed it to nobody, and earned nothing.

use datanet_types::amount::{BPS, mul_div};
use datanet_types::{Address, Amount, ModuleAddress, NodeKey};

use super::{Epoch, Status, closing, put_epoch, state_key};
use crate::component::nodes::{self, Node};
use crate::component::{BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateRead, StateWrite};

/// A storage node that keeps a statement.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct StatementKeeper {
    /// The node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its account when it said so, which is paid for it.
    #[prost(message, required, tag = "2")]
    pub account: Address,
}

/// Those who keep one: at most as many as its epoch's quorum.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Kept {
    #[prost(message, repeated, tag = "1")]
    keepers: Vec<StatementKeeper>,
}

/// The account that holds what an epoch's keepers are paid.
pub fn fees_account(node: &NodeKey, epoch: u64) -> ModuleAddress {
    ModuleAddress::of("statement", &[&node.0, &epoch.to_le_bytes()])
}

/// The storage nodes that attested an epoch's statement, in that order; nobody once it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn keepers<S: StateRead>(state: &S, node: &NodeKey, epoch: u64) -> Result<Vec<StatementKeeper>, StateError> {
    Ok(state.get::<Kept>(&state_key::kept(node, epoch))?.unwrap_or_default().keepers)
}

/// How many words an epoch of `serving` takes: as many as the parameters want, and no more than there are storage nodes of other accounts.
pub(super) fn quorum<S: StateRead>(state: &S, serving: &Node, params: &Params) -> Result<u32, StateError> {
    let others = nodes::keepers(state)?.saturating_sub(u64::from(serving.keeps()));
    Ok(params.statement_quorum.min(u32::try_from(others).unwrap_or(u32::MAX)))
}

/// What all of an epoch's keepers are paid together.
pub(super) fn fees(epoch: &Epoch, params: &Params) -> Amount {
    params.statement_fee.saturating_mul(epoch.quorum.into())
}

/// Writes down a node's word. With the last one of the quorum the epoch is final at its time, or in this block where that is over.
pub(super) fn keep<S: StateWrite>(state: &mut S, epoch: &mut Epoch, keeper: StatementKeeper) -> Result<(), StateError> {
    let mut kept = Kept { keepers: keepers(state, &epoch.node, epoch.epoch)? };
    kept.keepers.push(keeper);
    state.put(state_key::kept(&epoch.node, epoch.epoch), &kept);
    let is_due = epoch.status() == Status::Open;
    if is_due {
        closing::unset_due(state, epoch);
    }
    epoch.attestations = epoch.attestations.saturating_add(1);
    if is_due {
        closing::set_due(state, epoch);
    }
    put_epoch(state, epoch)
}

/// The epoch is final: its keepers are paid.
pub(super) fn pay<S: StateWrite>(state: &mut S, epoch: &Epoch, params: &Params) -> Result<(), StateError> {
    let from = fees_account(&epoch.node, epoch.epoch);
    for keeper in keepers(state, &epoch.node, epoch.epoch)? {
        accounts::release(state, &from, keeper.account, params.statement_fee)?;
    }
    Ok(())
}

/// The epoch is void: what was put up goes back.
pub(super) fn give_back<S: StateWrite>(state: &mut S, epoch: &Epoch, params: &Params) -> Result<(), StateError> {
    let account = nodes::expect(state, &epoch.node)?.account;
    accounts::release(state, &fees_account(&epoch.node, epoch.epoch), account, fees(epoch, params))
}

/// The statement was nowhere: whoever attested it has lied, or lost it. Each pays what a word for a contribution's bytes costs, and the serving node
/// as much as all of them, to the treasury, beside what it pays to who found out: a plot of it, its challenger and its auditors, which has that
/// back, does itself at least the harm that it does those who keep what it calls missing. Where its stake is too small for that, they pay no more than
/// it does. `treasury` is what the treasury has of it already.
pub(in crate::component) fn fine<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    epoch: &Epoch,
    treasury: Amount,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let all = keepers(state, &epoch.node, epoch.epoch)?;
    let (count, mut events) = (all.len() as u64, Vec::new());
    let most = mul_div(params.min_storage_stake, u64::from(params.bond_penalty_bps), BPS).unwrap_or(0);
    let more = most.saturating_mul(count).saturating_sub(treasury);
    let serving = nodes::fine(state, block, &epoch.node, more)?;
    let each = treasury.saturating_add(serving).checked_div(count).unwrap_or(0).min(most);
    if serving > 0 {
        let account = nodes::expect(state, &epoch.node)?.account;
        events.push(fined(epoch, &StatementKeeper { node: epoch.node, account }, serving));
    }
    for keeper in all {
        let taken = nodes::fine(state, block, &keeper.node, each)?;
        events.push(fined(epoch, &keeper, taken));
    }
    Ok(events)
}

fn fined(epoch: &Epoch, who: &StatementKeeper, amount: Amount) -> Event {
    let event = Event::new("node.fined").with("node", who.node).with("account", who.account).with("amount", amount);
    event.with("serving", epoch.node).with("epoch", epoch.epoch)
}
