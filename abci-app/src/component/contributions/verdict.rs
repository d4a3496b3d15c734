//! How a contribution leaves judging, and how it becomes final.

use datanet_types::{Amount, Scores};

use super::action::{revoked_event, take_out};
use super::{Contribution, Status, bond_account, put, review_account, state_key};
use crate::component::datanets::history::{self, Change};
use crate::component::datanets::{self, Datanet};
use crate::component::{BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateWrite};

/// The committee found it good enough. Final at once if enough nodes keep it already.
pub(in crate::component) fn accept<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
) -> Result<Vec<Event>, StateError> {
    contribution.set_status(Status::Accepted);
    contribution.scores = Some(scores);
    contribution.verdict_height = block.height;
    contribution.wanted = datanet.accept_threshold;
    put(state, contribution);
    let mut events = vec![verdict_event("contribution.accepted", contribution, Some(&scores))];
    events.extend(finalise_if_kept(state, block.height, contribution, datanet)?);
    Ok(events)
}

/// The committee did not: part of the bond is lost, once the verdict is final.
pub(in crate::component) fn refuse_judged<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    contribution.scores = Some(scores);
    contribution.wanted = datanet.accept_threshold;
    let event = close_refused(state, block, contribution)?;
    Ok(vec![event.with("penalty", contribution.penalty(params))])
}

/// Its bytes were not to be had: the bond is lost whole, once the verdict is final. Whoever judged has done what could be done.
pub(in crate::component) fn refuse_unavailable<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Vec<Event>, StateError> {
    contribution.unavailable = true;
    let event = close_refused(state, block, contribution)?;
    Ok(vec![event.with("penalty", contribution.bond)])
}

/// Nobody judged it, twice: not the contributor's fault, so that bond and review fee go back whole.
pub(in crate::component) fn refuse_unjudged<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Vec<Event>, StateError> {
    let fee = accounts::balance(state, &review_account(&contribution.id))?;
    accounts::release(state, &review_account(&contribution.id), &contribution.contributor, fee)?;
    settle_bond(state, contribution, 0)?;
    let event = close_refused(state, block, contribution)?;
    Ok(vec![event.with("penalty", 0)])
}

/// The verdict is final: what it takes of the bond is the treasury's, and the rest goes home.
pub(in crate::component) fn settle_bond<S: StateWrite>(
    state: &mut S,
    contribution: &Contribution,
    penalty: Amount,
) -> Result<(), StateError> {
    let bond = bond_account(&contribution.id);
    accounts::release(state, &bond, &accounts::treasury(), penalty)?;
    accounts::release(state, &bond, &contribution.contributor, contribution.bond.saturating_sub(penalty))
}

/// A second committee found good enough what the first had refused.
pub(in crate::component) fn overturn_refusal<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
) -> Result<Vec<Event>, StateError> {
    let mut counts = datanets::counts(state, &contribution.datanet)?;
    counts.refused = counts.refused.saturating_sub(1);
    datanets::put_counts(state, &contribution.datanet, &counts);
    contribution.unavailable = false;
    // Not final yet, if it waits for those who keep it.
    state.put(state_key::open(contribution.submitted_height, &contribution.id), &contribution.id);
    accept(state, block, contribution, datanet, scores)
}

/// A second committee found not good enough, or nowhere, what the first had accepted: what was not final is refused, what was leaves the
/// datanet as if it were taken back.
pub(in crate::component) fn overturn_acceptance<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    scores: Option<Scores>,
) -> Result<Event, StateError> {
    contribution.scores = scores;
    contribution.unavailable = scores.is_none();
    if contribution.status() == Status::Accepted {
        return close_refused(state, block, contribution);
    }
    take_out(state, contribution, block.height)?;
    contribution.set_status(Status::Revoked);
    contribution.revoked_height = block.height;
    put(state, contribution);
    Ok(revoked_event(contribution).with("reason", contribution.reason()))
}

fn close_refused<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Event, StateError> {
    contribution.set_status(Status::Refused);
    contribution.verdict_height = block.height;
    put(state, contribution);
    state.delete(state_key::open(contribution.submitted_height, &contribution.id));
    let mut counts = datanets::counts(state, &contribution.datanet)?;
    counts.refused = counts.refused.saturating_add(1);
    datanets::put_counts(state, &contribution.datanet, &counts);
    Ok(verdict_event("contribution.refused", contribution, contribution.scores.as_ref()))
}

/// Makes an accepted contribution final once enough nodes keep it: it earns from here on.
pub(super) fn finalise_if_kept<S: StateWrite>(
    state: &mut S,
    height: u64,
    contribution: &mut Contribution,
    datanet: &Datanet,
) -> Result<Option<Event>, StateError> {
    if contribution.status() != Status::Accepted || contribution.attestations < datanet.storage_quorum {
        return Ok(None);
    }
    contribution.set_status(Status::Final);
    contribution.final_height = height;
    let mut counts = datanets::counts(state, &datanet.id)?;
    contribution.final_position =
        history::append(state, &datanet.id, &mut counts, &contribution.id, Change::Final, height)?;
    put(state, contribution);
    state.delete(state_key::open(contribution.submitted_height, &contribution.id));
    state.put(state_key::final_in(&datanet.id, height, contribution.seq), &contribution.id);
    counts.final_contributions = counts.final_contributions.saturating_add(1);
    counts.records = counts.records.saturating_add(contribution.records);
    counts.bytes = counts.bytes.saturating_add(contribution.size);
    datanets::put_counts(state, &datanet.id, &counts);
    let event = Event::new("contribution.final").with("contribution", contribution.id);
    Ok(Some(event.with("datanet", datanet.id).with("contributor", contribution.contributor)))
}

fn verdict_event(kind: &str, contribution: &Contribution, scores: Option<&Scores>) -> Event {
    let mut event = Event::new(kind)
        .with("contribution", contribution.id)
        .with("datanet", contribution.datanet)
        .with("contributor", contribution.contributor);
    let scores = scores.map(|scores| Scores::NAMES.into_iter().zip(scores.as_array()));
    for (name, score) in scores.into_iter().flatten() {
        event = event.with(name, score);
    }
    event.with("reason", contribution.reason())
}
