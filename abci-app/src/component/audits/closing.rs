//! The end of an audit.

use datanet_types::{Amount, ModuleAddress};

use super::verdict::{Verdict, rewards, verdict};
use super::{Audit, Phase, Said, deposit_account, event, expect, open_reveal, put, set_due, start_round};
use crate::component::agenda::Turn;
use crate::component::nodes;
use crate::component::settlement::{self, Epoch, Place, bond};
use crate::component::{BlockContext, Event, Params, accounts};
use crate::state::{StateError, StateWrite};

/// What a challenger has of a fine at most, in deposits: it must be worth the risk of a wrong verdict.
const MOST_TO_CHALLENGER: u64 = 4;
/// What the auditors have of a fine at most, in deposits; if the epoch is right they have one.
const MOST_TO_AUDITORS: u64 = 2;
/// Committees that an audit has before it ends without a verdict.
const ROUNDS: u32 = 3;

/// Closes the phase that an audit is in: those who committed show what they found; after that it ends, or another committee is drawn.
pub(in crate::component) fn close<S: StateWrite>(
    state: &mut S,
    turn: &Turn<'_>,
    place: &Place,
) -> Result<Vec<Event>, StateError> {
    let (block, mut audit) = (turn.block, expect(state, place)?);
    let params = &audit.params(state)?;
    // Without a single commitment there is nothing to show.
    if audit.phase() == Phase::Commit && audit.committed().next().is_some() {
        return Ok(vec![open_reveal(state, block, &mut audit, params)]);
    }
    let verdict = verdict(&audit.committee);
    if verdict == Verdict::Open && audit.round.saturating_add(1) < ROUNDS {
        let event = event("audit.undecided", &audit);
        audit.round = audit.round.saturating_add(1);
        start_round(state, block, &mut audit, params);
        return Ok(vec![event]);
    }
    let mut epoch = settlement::expect(state, &audit.node, audit.epoch)?;
    let deposit = deposit_account(&audit.node, audit.epoch);
    let mut events = Vec::new();
    match verdict {
        Verdict::Upheld => {
            pay(state, &mut audit, &deposit, None, verdict)?;
            settlement::let_go(state, block, &mut epoch, params)?;
        }
        Verdict::Open => {
            accounts::release(state, &deposit, audit.challenger, audit.deposit)?;
            settlement::let_go(state, block, &mut epoch, params)?;
        }
        Verdict::False | Verdict::Unavailable | Verdict::Missing => {
            events.extend(convict(state, block, (&mut audit, &mut epoch), verdict, params)?);
        }
    }
    set_due(state, &mut audit, 0);
    audit.set_phase(match verdict {
        Verdict::Upheld => Phase::Upheld,
        Verdict::False => Phase::False,
        Verdict::Unavailable => Phase::Unavailable,
        Verdict::Missing => Phase::Missing,
        Verdict::Open => Phase::Undecided,
    });
    if verdict != Verdict::Open {
        move_reputations(state, &audit, verdict, params)?;
    }
    put(state, &audit);
    events.insert(0, event("audit.closed", &audit).with("verdict", audit.phase().name()));
    Ok(events)
}

/// The epoch is void. A false one costs the bond that answers for it; one that could not be shown half of that, for there may be an accident
/// behind it. What finding out brings is bounded, so that a plot of auditors does not live on convicting the honest; the rest is the
/// treasury's. Where its very statement was nowhere, those who attested it pay too.
fn convict<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    (audit, epoch): (&mut Audit, &mut Epoch),
    verdict: Verdict,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    accounts::release(state, &deposit_account(&audit.node, audit.epoch), audit.challenger, audit.deposit)?;
    let bond = bond::of(epoch.totals.fees, params);
    let fine = if verdict == Verdict::False { bond } else { bond.checked_div(2).unwrap_or(0) };
    let event = settlement::void(state, block, epoch, params)?;
    let (stake, taken) = settlement::forfeit(state, block, &audit.node, fine.max(audit.deposit.saturating_mul(2)))?;
    let half = taken.checked_div(2).unwrap_or(0);
    let to_challenger = half.min(audit.deposit.saturating_mul(MOST_TO_CHALLENGER));
    let to_auditors = half.min(audit.deposit.saturating_mul(MOST_TO_AUDITORS));
    accounts::release(state, &stake, audit.challenger, to_challenger)?;
    pay(state, audit, &stake, Some(to_auditors), verdict)?;
    let rest = taken.saturating_sub(to_challenger).saturating_sub(to_auditors);
    accounts::release(state, &stake, accounts::treasury(), rest)?;
    let mut events = vec![event.with("slashed", taken)];
    if verdict == Verdict::Missing {
        events.extend(settlement::keeping::fine(state, block, epoch, rest, params)?);
    }
    Ok(events)
}

/// Shares the deposit, or `amount`, among those who agreed with the verdict.
fn pay<S: StateWrite>(
    state: &mut S,
    audit: &mut Audit,
    from: &ModuleAddress,
    amount: Option<Amount>,
    verdict: Verdict,
) -> Result<(), StateError> {
    let rewards = rewards(amount.unwrap_or(audit.deposit), &audit.committee, verdict);
    for (auditor, reward) in audit.committee.iter_mut().zip(rewards) {
        auditor.reward = reward;
        accounts::release(state, from, auditor.account, reward)?;
    }
    Ok(())
}

/// Whoever said the opposite of what is so, or nothing, judges badly. Who could not get the receipts has done nothing wrong.
fn move_reputations<S: StateWrite>(
    state: &mut S,
    audit: &Audit,
    verdict: Verdict,
    params: &Params,
) -> Result<(), StateError> {
    for auditor in &audit.committee {
        let accuracy = match auditor.said() {
            said if verdict.agrees(said) => continue,
            Said::Unavailable | Said::Missing => continue,
            Said::Nothing => None,
            Said::Correct | Said::False => Some(0),
        };
        nodes::judged(state, &auditor.account, accuracy, params)?;
    }
    Ok(())
}
