//! Doing what was voted.

use datanet_types::action::Proposed;

use super::{Proposal, Status, upgrade};
use crate::component::agenda::Turn;
use crate::component::params::{self, renumbered, versions};
use crate::component::{BlockContext, Component, Event, breaker, treasury};
use crate::state::{StateError, StateRead, StateWrite};

/// What came of it.
pub(super) struct Carried {
    pub(super) status: Status,
    pub(super) events: Vec<Event>,
    /// Why it could not be done, for people.
    pub(super) why: String,
}

impl Carried {
    fn done(events: Vec<Event>) -> Self {
        Self { status: Status::Done, events, why: String::new() }
    }

    pub(super) fn no(status: Status, why: String) -> Self {
        Self { status, events: Vec::new(), why }
    }
}

/// Whether other parameters come with the next block already, on which what changes them too must build; or the treasury, whose work it is, stands still.
pub(super) fn must_wait<S: StateRead>(
    state: &S,
    block: &BlockContext,
    proposal: &Proposal,
) -> Result<bool, StateError> {
    let of_treasury = matches!(proposal.proposed, Some(Proposed::Spend(_) | Proposed::RetireAuthority(_)));
    if of_treasury && breaker::tripped(state, Component::Treasury)?.is_some() {
        return Ok(true);
    }
    let changes = matches!(proposal.proposed, Some(Proposed::Params(_) | Proposed::RetireAuthority(_)));
    let next = if changes { versions::scheduled(state)? } else { None };
    Ok(next.is_some_and(|next| next.due <= block.seconds()))
}

/// Does it, or says why that cannot be done any more: then nothing is.
pub(super) fn carry_out<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    proposal: &Proposal,
) -> Result<Carried, StateError> {
    let (block, params) = (turn.block, turn.params);
    Ok(match &proposal.proposed {
        Some(Proposed::Params(new)) => match renumbered(&params::get(state)?, &new.numbers) {
            Ok(next) => {
                versions::supersede(state, block, next)?;
                Carried::done(Vec::new())
            }
            Err(why) => Carried::no(Status::Failed, why),
        },
        Some(Proposed::Spend(payment)) => match treasury::pay_voted(state, block, params, payment)? {
            Some(event) => Carried::done(vec![event]),
            None => Carried::no(Status::Failed, "the period may not spend so much any more".to_owned()),
        },
        Some(Proposed::Upgrade(planned)) => match upgrade::plan(state, block, proposal.number, planned)? {
            Ok(event) => Carried::done(vec![event]),
            Err(why) => Carried::no(Status::Failed, why),
        },
        Some(Proposed::RetireAuthority(_)) => match treasury::retire(state)? {
            Some(event) => Carried::done(vec![event]),
            None => Carried::no(Status::Failed, "there is no authority any more".to_owned()),
        },
        Some(Proposed::Reset(restart)) => {
            let named = Component::of_name(&restart.component);
            let event = named.map(|component| breaker::reset(state, block, component)).transpose()?.flatten();
            match event {
                Some(event) => Carried::done(vec![event]),
                None => Carried::no(Status::Failed, "it runs".to_owned()),
            }
        }
        Some(Proposed::Text(_)) | None => Carried::done(Vec::new()),
    })
}
