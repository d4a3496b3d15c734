//! How a contribution leaves judging, and how it becomes final.

use datanet_types::amount::{BPS, mul_div};
use datanet_types::{Amount, Scores};

use super::action::{revoked_event, take_out};
use super::{Contribution, Keeper, Status, bond_account, keepers, put, review_account, state_key};
use crate::component::datanets::history::{self, Change};
use crate::component::datanets::{self, Datanet};
use crate::component::{BlockContext, Event, Params, accounts, nodes};
use crate::state::{StateError, StateWrite};

/// The committee found it good enough, and enough nodes keep it, or there would be no committee: it is final, and earns from
/// here on. The bond goes back once the verdict cannot become another.
pub(in crate::component) fn accept<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
) -> Result<Vec<Event>, StateError> {
    let height = block.height;
    contribution.set_status(Status::Final);
    score(contribution, datanet, scores);
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

/// The committee did not: part of the bond is lost, once the verdict is final.
pub(in crate::component) fn refuse_judged<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    datanet: &Datanet,
    scores: Scores,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    score(contribution, datanet, scores);
    let event = close_refused(state, block, contribution)?;
    Ok(vec![event.with("penalty", contribution.penalty(params))])
}

/// Its bytes were not to be had: the bond is lost whole, once the verdict is final, since whoever makes others look for nothing pays for it, and
/// who said that they keep it pay as much as that together.
pub(in crate::component) fn refuse_unavailable<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
) -> Result<Vec<Event>, StateError> {
    contribution.unavailable = true;
    let event = close_refused(state, block, contribution)?;
    Ok(vec![event.with("penalty", contribution.bond)])
}

/// Once the verdict is final: whoever had it judged and cannot show it has lied, or lost it. Each pays its part of the bond, and no more than
/// the part of the least stake that a refused contribution loses of its bond. Together that is never more than the giver loses: whoever gives
/// something and has judges of his own call it unavailable does himself at least the harm that he does others.
pub(in crate::component) fn fine_keepers<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &Contribution,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    if !contribution.unavailable {
        return Ok(Vec::new());
    }
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
    let fee = accounts::balance(state, review_account(&contribution.id))?;
    accounts::release(state, &review_account(&contribution.id), contribution.contributor, fee)?;
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
    accounts::release(state, &bond, accounts::treasury(), penalty)?;
    accounts::release(state, &bond, contribution.contributor, contribution.bond.saturating_sub(penalty))
}

/// A second committee had the bytes that the first found nowhere: whatever it thinks of them, they were to be had, and nobody who keeps them
/// has lied.
pub(in crate::component) fn judged_after_all(contribution: &mut Contribution, datanet: &Datanet, scores: Scores) {
    if contribution.unavailable {
        contribution.unavailable = false;
        score(contribution, datanet, scores);
    }
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
    accept(state, block, contribution, datanet, scores)
}

/// A second committee found not good enough, or nowhere, what the first had accepted: it leaves the datanet as if it were taken back.
pub(in crate::component) fn overturn_acceptance<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: &mut Contribution,
    scores: Option<Scores>,
) -> Result<Event, StateError> {
    contribution.scores = scores;
    contribution.unavailable = scores.is_none();
    take_out(state, contribution, block.height)?;
    contribution.set_status(Status::Revoked);
    contribution.revoked_height = block.height;
    put(state, contribution);
    Ok(revoked_event(contribution).with("reason", contribution.reason()))
}

pub(super) fn close_refused<S: StateWrite>(
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

/// A committee's scores, and what they are held against.
fn score(contribution: &mut Contribution, datanet: &Datanet, scores: Scores) {
    (contribution.scores, contribution.wanted) = (Some(scores), datanet.accept_threshold);
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
