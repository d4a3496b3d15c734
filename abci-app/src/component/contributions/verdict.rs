//! How a contribution leaves judging, and how it becomes final.

use datanet_types::amount::{BPS, mul_div};
use datanet_types::{Amount, Scores};

use super::{Contribution, Keeper, Status, bond_account, keepers, put, review_account, state_key};
use crate::component::datanets::history::{self, Change};
use crate::component::datanets::{self, Datanet};
use crate::component::{BlockContext, Event, Params, accounts, nodes};
use crate::state::{StateError, StateWrite};

/// The committee found it good enough, and enough nodes keep it, or there would be no committee: it is final. The bond goes back, and it earns
/// from here on.
pub(in crate::component) fn accept<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
) -> Result<Vec<Event>, StateError> {
    let height = block.height;
    accounts::release(state, &bond_account(&contribution.id), &contribution.contributor, contribution.bond)?;
    contribution.set_status(Status::Final);
    contribution.scores = Some(scores);
    contribution.wanted = datanet.accept_threshold;
    (contribution.verdict_height, contribution.final_height) = (height, height);
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
    let event = event.with("datanet", datanet.id).with("contributor", contribution.contributor);
    Ok(vec![verdict_event("contribution.accepted", contribution, Some(&scores)), event])
}

/// The committee did not: part of the bond is lost.
pub(in crate::component) fn refuse_judged<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let penalty = mul_div(contribution.bond, u64::from(params.bond_penalty_bps), BPS).unwrap_or(0);
    accounts::release(state, &bond_account(&contribution.id), &accounts::treasury(), penalty)?;
    contribution.scores = Some(scores);
    contribution.wanted = datanet.accept_threshold;
    let back = contribution.bond.saturating_sub(penalty);
    let event = close_refused(state, block, contribution, back)?;
    Ok(vec![event.with("penalty", penalty)])
}

/// Its bytes were not to be had: the bond is lost whole, since whoever makes others look for nothing pays for it, and who said that they keep
/// it pay as much as that together.
pub(in crate::component) fn refuse_unavailable<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let penalty = contribution.bond;
    let mut events = fine_keepers(state, block, contribution, params)?;
    accounts::release(state, &bond_account(&contribution.id), &accounts::treasury(), penalty)?;
    contribution.unavailable = true;
    let event = close_refused(state, block, contribution, 0)?;
    events.push(event.with("penalty", penalty));
    Ok(events)
}

/// Whoever had it judged and cannot show it has lied, or lost it. Each pays its part of the bond, and no more than the part of the least stake
/// that a refused contribution loses of its bond. Together that is never more than the giver loses: whoever gives something and has judges of
/// his own call it unavailable does himself at least the harm that he does others.
fn fine_keepers<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &Contribution,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let all = keepers(state, &contribution.id)?;
    let most = mul_div(params.min_storage_stake, u64::from(params.bond_penalty_bps), BPS).unwrap_or(0);
    let each = contribution.bond.checked_div(all.len() as u64).unwrap_or(0).min(most);
    let mut events = Vec::new();
    for keeper in all {
        let taken = nodes::fine(state, block, &keeper.node, each)?;
        events.push(fined_event(contribution, &keeper, taken));
    }
    Ok(events)
}

fn fined_event(contribution: &Contribution, keeper: &Keeper, amount: Amount) -> Event {
    Event::new("node.fined")
        .with("node", keeper.node)
        .with("account", keeper.account)
        .with("amount", amount)
        .with("contribution", contribution.id)
}

/// Nobody judged it, twice: not the contributor's fault, so that bond and review fee go back whole.
pub(in crate::component) fn refuse_unjudged<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Vec<Event>, StateError> {
    let fee = accounts::balance(state, &review_account(&contribution.id))?;
    accounts::release(state, &review_account(&contribution.id), &contribution.contributor, fee)?;
    let event = close_refused(state, block, contribution, contribution.bond)?;
    Ok(vec![event.with("penalty", 0)])
}

pub(super) fn close_refused<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    back: Amount,
) -> Result<Event, StateError> {
    accounts::release(state, &bond_account(&contribution.id), &contribution.contributor, back)?;
    contribution.set_status(Status::Refused);
    contribution.verdict_height = block.height;
    put(state, contribution);
    state.delete(state_key::open(contribution.submitted_height, &contribution.id));
    let mut counts = datanets::counts(state, &contribution.datanet)?;
    counts.refused = counts.refused.saturating_add(1);
    datanets::put_counts(state, &contribution.datanet, &counts);
    Ok(verdict_event("contribution.refused", contribution, contribution.scores.as_ref()))
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
