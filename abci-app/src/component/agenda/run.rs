//! Doing what is due, within a block's room for it.

use datanet_types::{Address, ChannelId, ContributionId};
use prost::Message;

use super::work::Counted;
use super::{Kind, Number, Turn, state_key};
use crate::component::breaker::{self, guard};
use crate::component::settlement::Place;
use crate::component::staking::{Move, Part};
use crate::component::{
    BlockContext, Event, audits, channels, contributions, governance, nodes, params, ratings, settlement, staking,
    treasury, validation,
};
use crate::state::{StateAttempt, StateError, StateRead, StateWrite, part_of_key};

/// What drawing a committee takes beside reads and writes: it walks over all who may be drawn, and hashes for each seat.
const DRAWING: u64 = 16;

/// Draws the committees that are due at this height.
pub(in crate::component) fn before_transactions<S: StateAttempt>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    run(state, block, block.height, Kind::is_draw)
}

/// Does everything else that is due at the block's time.
pub(in crate::component) fn after_transactions<S: StateAttempt>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    run(state, block, block.seconds(), |kind| !kind.is_draw())
}

/// First each kind has an equal part of the room; then, in their order, as much as is left. Whoever had a turn may take more than there was by
/// what one entry takes, so that every kind gets on in every block.
fn run<S: StateAttempt>(
    state: &mut S,
    block: &BlockContext,
    now: u64,
    wanted: fn(Kind) -> bool,
) -> Result<Vec<Event>, StateError> {
    let params = params::get(state)?;
    let turn = Turn::new(block, &params);
    let mut queues: Vec<Queue> =
        Kind::ALL.iter().copied().filter(|kind| wanted(*kind)).map(|kind| Queue::new(kind, now)).collect();
    let mut room = u64::from(params.agenda_work);
    let part = room.checked_div(queues.len() as u64).unwrap_or(0).max(1);
    let mut events = Vec::new();
    for queue in &mut queues {
        room = room.saturating_sub(queue.take(state, &turn, part, &mut events)?);
    }
    for queue in &mut queues {
        room = room.saturating_sub(queue.take(state, &turn, room, &mut events)?);
    }
    Ok(events)
}

/// What is due of one kind, oldest first.
struct Queue {
    kind: Kind,
    /// The first key that is not due.
    not_yet: String,
    /// The last entry that had its turn.
    last: Option<String>,
}

impl Queue {
    fn new(kind: Kind, now: u64) -> Self {
        Self { kind, not_yet: state_key::due_at(kind, now.saturating_add(1)), last: None }
    }

    /// Does what is due until that has taken `room`; returns what it took.
    fn take<S: StateAttempt>(
        &mut self,
        state: &mut S,
        turn: &Turn<'_>,
        room: u64,
        events: &mut Vec<Event>,
    ) -> Result<u64, StateError> {
        let (kind, component) = (self.kind, self.kind.component());
        let mut taken = 0u64;
        while taken < room && self.may_go_on(state, turn)? {
            let Some((key, what)) = self.next(state)? else { break };
            let work = |state: &mut S| {
                if kind.is_draw() {
                    taken = taken.saturating_add(DRAWING);
                }
                let mut counted = Counted::new(state);
                counted.delete(key.clone());
                let events = perform(&mut counted, turn, (kind, &key), &what)?;
                taken = taken.saturating_add(counted.work());
                Ok(events)
            };
            events.extend(guard(state, turn.block, component, work)?);
            self.last = Some(key);
        }
        Ok(taken)
    }

    /// Whether nothing stands still that this kind of work needs.
    fn may_go_on<S: StateRead>(&self, state: &S, turn: &Turn<'_>) -> Result<bool, StateError> {
        if breaker::tripped(state, self.kind.component())?.is_some() {
            return Ok(false);
        }
        Ok(self.kind != Kind::CloseChannel || breaker::settles(state, turn.block, turn.params)?)
    }

    fn next<S: StateRead>(&self, state: &S) -> Result<Option<(String, Vec<u8>)>, StateError> {
        let first = state.scan(&state_key::all(self.kind), self.last.as_deref(), 1)?.pop();
        Ok(first.filter(|(key, _)| *key < self.not_yet))
    }
}

/// Has a component do what is due.
fn perform<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    (kind, key): (Kind, &str),
    what: &[u8],
) -> Result<Vec<Event>, StateError> {
    fn read<W: Message + Default>(key: &str, what: &[u8]) -> Result<W, StateError> {
        W::decode(what).map_err(|error| StateError::Corrupt { key: key.to_owned(), reason: error.to_string() })
    }
    let due: u64 = part_of_key(key, &state_key::all(kind))?;
    match kind {
        Kind::DrawRound => validation::draw(state, turn, &read::<ContributionId>(key, what)?),
        Kind::DrawAudit => audits::draw(state, turn, &read::<Place>(key, what)?),
        Kind::RefuseUnstored => contributions::refuse_unstored(state, turn, &read::<ContributionId>(key, what)?),
        Kind::CloseRound => validation::close(state, turn, &read::<ContributionId>(key, what)?),
        Kind::CloseAudit => audits::close(state, turn, &read::<Place>(key, what)?),
        Kind::SettleVerdict => validation::settle(state, turn, &read::<ContributionId>(key, what)?),
        Kind::FinaliseEpoch => settlement::finalise(state, turn, &read::<Place>(key, what)?),
        Kind::ReleaseStake => nodes::release(state, turn, &read::<Address>(key, what)?, due),
        Kind::ReleaseDelegation => staking::release(state, &read::<Part>(key, what)?, due),
        Kind::FreeMoved => staking::free(state, &read::<Move>(key, what)?, due),
        Kind::PaySpend => treasury::pay(state, &read::<Number>(key, what)?),
        Kind::CloseChannel => channels::close_due(state, turn, &read::<ChannelId>(key, what)?),
        Kind::ForgetRound => validation::forget(state, turn, &read::<ContributionId>(key, what)?),
        Kind::ForgetEpoch => settlement::forget(state, &read::<Place>(key, what)?),
        Kind::ForgetChannel => channels::forget(state, turn, &read::<ChannelId>(key, what)?),
        Kind::LapseRatings => Ok(ratings::lapse(state, &read::<Place>(key, what)?)),
        Kind::ForgetTrader => ratings::forget(state, turn, &read::<Address>(key, what)?),
        Kind::Proposal => governance::step(state, turn, &read::<Number>(key, what)?),
    }
}
