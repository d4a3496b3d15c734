//! Audits: an epoch that somebody doubts is made again by a drawn committee.
//!
//! An audit goes `Draw -> Commit -> Reveal`, as a round of judging: its committee commits to what it found and then shows it, so that nobody
//! repeats what others said, and who is last knows no more than who is first. Each phase ends early, once nobody is left to wait for; who
//! does not show what it committed to has said nothing. Whoever doubts puts up a deposit: it pays the committee if the epoch is right. Whoever still knows better appeals: for twice the deposit twice as many seats are
//! drawn, a few times, so that a large part of the stake wins one draw by luck and not all. If it is false, or cannot be shown, the epoch is void, its payers have their money
//! back, and the node's bond pays committee and challenger.
//!
//! What needs no committee is a `prove_forgery`: two receipts for the same money, both signed by the node.

pub mod action;
mod closing;
mod drawing;
mod record;
pub mod state_key;
mod verdict;

use datanet_types::{Amount, ModuleAddress, NodeKey};

use super::agenda::{self, Kind};
use super::settlement::{self, Epoch, Place, Status};
use super::validation::Member;
use super::{ActionError, BlockContext, Event, Params};
use crate::code;
use crate::component::error::{ensure, refuse};
use crate::state::{StateError, StateRead, StateWrite};

pub(super) use closing::close;
pub(super) use drawing::draw;
pub use record::{Audit, Auditor, Phase, Said};

/// How often an epoch can be challenged: each time for twice the deposit, with twice the seats.
pub const MAX_CHALLENGES: u32 = 4;

/// What the next challenge of an epoch costs, and how many seats its committee has; none if there is none.
pub fn next_challenge(epoch: &Epoch, params: &Params) -> Option<(Amount, u32)> {
    let times = 1u32.checked_shl(epoch.challenges).filter(|_| epoch.challenges < MAX_CHALLENGES)?;
    // Odd again, so that no tie is made: 7, 15, 31, 63.
    let seats = params.audit_seats.saturating_add(1).saturating_mul(times).saturating_sub(1);
    Some((params.audit_deposit.saturating_mul(times.into()), seats))
}

/// The account that holds a challenge's deposit.
pub fn deposit_account(node: &NodeKey, epoch: u64) -> ModuleAddress {
    ModuleAddress::of("audit", &[&node.0, &epoch.to_le_bytes()])
}

/// The audit of an epoch, if it was challenged.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, node: &NodeKey, epoch: u64) -> Result<Option<Audit>, StateError> {
    state.get(&state_key::audit(node, epoch))
}

/// Up to `limit` audits that go on: those that are heard, the first to end first, then those that wait for their committee.
///
/// # Errors
/// When the store cannot be read.
pub fn open<S: StateRead>(state: &S, limit: usize) -> Result<Vec<Audit>, StateError> {
    let mut open: Vec<Place> = agenda::list(state, Kind::CloseAudit, limit)?;
    open.extend(agenda::list::<_, Place>(state, Kind::DrawAudit, limit.saturating_sub(open.len()))?);
    open.iter().map(|place| expect(state, place)).collect()
}

fn expect<S: StateRead>(state: &S, place: &Place) -> Result<Audit, StateError> {
    state.expect(state_key::audit(&place.node, place.epoch), "an audit that is due and not there")
}

/// The epoch, which must be there.
fn require_epoch<S: StateRead>(state: &S, node: &NodeKey, epoch: u64) -> Result<Epoch, ActionError> {
    match settlement::epoch(state, node, epoch)? {
        Some(epoch) => Ok(epoch),
        None if settlement::is_forgotten(state, node, epoch)? => refuse(
            code::AUDIT_CLOSED,
            format!(
                "epoch {epoch} of node {node} is over and everything of it paid; nothing can be done about it any more"
            ),
        ),
        None => refuse(code::AUDIT_EPOCH, format!("node {node} has settled no epoch {epoch}; look its epochs up")),
    }
}

/// The epoch, whose money must still be there.
fn require_unpaid<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Epoch, ActionError> {
    let epoch = require_epoch(state, node, number)?;
    ensure(matches!(epoch.status(), Status::Open | Status::Audited), code::AUDIT_CLOSED, || {
        let state = if epoch.status() == Status::Final { "final and paid" } else { "void already" };
        format!("epoch {number} of node {node} is {state}; nothing can be done about it any more")
    })?;
    Ok(epoch)
}

/// Lets go of an epoch's audit, which is over as its epoch is.
pub(super) fn forget<S: StateWrite>(state: &mut S, node: &NodeKey, epoch: u64) {
    state.delete(state_key::audit(node, epoch));
}

/// Begins a round: its committee is drawn some blocks later, as for a contribution.
fn start_round<S: StateWrite>(state: &mut S, block: &BlockContext, audit: &mut Audit, params: &Params) {
    set_due(state, audit, 0);
    audit.set_phase(Phase::Draw);
    audit.draw_height = block.height.saturating_add(params.draw_delay);
    (audit.commit_deadline, audit.reveal_deadline) = (0, 0);
    audit.committee.clear();
    // Looked at in each block until then: what changes makes an idle chain go on at once.
    set_due(state, audit, block.height.saturating_add(1));
}

/// Moves an audit on the agenda, and stores it; 0 takes it out. Before its phase changes from or to [`Phase::Draw`], it must be out.
fn set_due<S: StateWrite>(state: &mut S, audit: &mut Audit, due: u64) {
    let kind = if audit.phase() == Phase::Draw { Kind::DrawAudit } else { Kind::CloseAudit };
    let place = audit.place();
    if audit.due != 0 {
        agenda::cancel(state, kind, audit.due, &place);
    }
    if due != 0 {
        agenda::schedule(state, kind, due, &place);
    }
    audit.due = due;
    put(state, audit);
}

fn put<S: StateWrite>(state: &mut S, audit: &Audit) {
    state.put(state_key::audit(&audit.node, audit.epoch), audit);
}

/// Ends the commit phase.
fn open_reveal<S: StateWrite>(state: &mut S, block: &BlockContext, audit: &mut Audit, params: &Params) -> Event {
    audit.set_phase(Phase::Reveal);
    audit.reveal_deadline = block.seconds().saturating_add(params.reveal_seconds);
    let due = audit.reveal_deadline;
    set_due(state, audit, due);
    event("audit.reveal_opened", audit).with("reveal_deadline", due)
}

/// A seat holder as it is drawn.
fn auditor(member: Member) -> Auditor {
    Auditor { account: member.account, node: member.node, seats: member.seats, ..Auditor::default() }
}

fn event(name: &'static str, audit: &Audit) -> Event {
    Event::new(name).with("node", audit.node).with("epoch", audit.epoch).with("round", audit.round)
}
