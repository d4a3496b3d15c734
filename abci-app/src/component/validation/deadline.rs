//! The end of a block: closing what is due.

use super::tally::{Judgement, accuracy, is_quorum, medians, rewards};
use super::{Phase, Round, current_round, open_reveal, put, reveal, set_due, start_round, state_key};
use crate::component::contributions::{self, Contribution, review_account};
use crate::component::nodes::{self, Reputation};
use crate::component::{BlockContext, Event, Params, accounts, datanets, params};
use crate::state::{StateError, StateRead, StateWrite};
use datanet_types::{ContributionId, Scores};

/// Closes the phases that are due, oldest first, until the block's budget of committee members is used up (one
/// contribution always is closed). What is left is first in the next block.
pub(in crate::component) fn close_due<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Vec<Event>, StateError> {
    let params = params::get(state)?;
    let mut budget = params.max_tally_members as usize;
    let not_yet = state_key::due(block.height.saturating_add(1), &ContributionId::ZERO);
    let mut events = Vec::new();
    for (index, (key, id)) in
        state.list::<ContributionId>(&state_key::all_due(), None, budget.max(1))?.into_iter().enumerate()
    {
        if key >= not_yet {
            break;
        }
        let contribution = contributions::expect(state, &id)?;
        let round = current_round(state, &contribution)?;
        let cost = round.committee.len();
        if index > 0 && cost > budget {
            break;
        }
        budget = budget.saturating_sub(cost);
        events.extend(close(state, block, contribution, round, &params)?);
    }
    Ok(events)
}

fn close<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    contribution: Contribution,
    mut round: Round,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    // Without a single commitment there is nothing to reveal, so that waiting for it would be in vain.
    if round.phase() == Phase::Commit && round.committed > 0 {
        let event = open_reveal(state, &mut round, block.height, params);
        put(state, &round);
        return Ok(vec![event]);
    }
    set_due(state, &mut round, 0);
    let judgements = judgements(state, &round)?;
    let revealed = judgements.iter().flatten().fold(0u128, |sum, j| sum.saturating_add(j.weight));
    let given: Vec<Judgement> = judgements.iter().flatten().copied().collect();
    match medians(&given) {
        Some(scores) if is_quorum(revealed, round.drawn_weight()) => {
            let closing = Closing { block, params, contribution, round };
            closing.judged(state, &judgements, scores)
        }
        _ => Closing { block, params, contribution, round }.unjudged(state, &judgements),
    }
}

/// Each member's judgement, in the order of the committee.
fn judgements<S: StateRead>(state: &S, round: &Round) -> Result<Vec<Option<Judgement>>, StateError> {
    let of = |member: &super::Member| -> Result<Option<Judgement>, StateError> {
        let reveal = reveal(state, &round.contribution, round.number, &member.account)?;
        Ok(reveal.map(|reveal| Judgement { weight: member.weight(), scores: reveal.scores }))
    };
    round.committee.iter().map(of).collect()
}

/// A round at its end.
struct Closing<'a> {
    block: &'a BlockContext,
    params: &'a Params,
    contribution: Contribution,
    round: Round,
}

impl Closing<'_> {
    /// Enough weight revealed: pay, move reputations, pass the verdict.
    fn judged<S: StateWrite>(
        mut self,
        state: &mut S,
        judgements: &[Option<Judgement>],
        scores: Scores,
    ) -> Result<Vec<Event>, StateError> {
        self.measure(state, judgements, &scores)?;
        self.pay(state)?;
        self.round.set_phase(Phase::Judged);
        self.round.scores = Some(scores);
        put(state, &self.round);
        let mut events = self.member_events();
        let datanet = expect_datanet(state, &self.contribution)?;
        let contribution = &mut self.contribution;
        events.extend(if scores.combined() >= datanet.accept_threshold {
            contributions::accept(state, self.block, contribution, &datanet, scores)?
        } else {
            contributions::refuse_judged(state, self.block, contribution, &datanet, scores, self.params)?
        });
        Ok(events)
    }

    /// Too little weight revealed: whoever is missing loses reputation; another committee tries, once.
    fn unjudged<S: StateWrite>(
        mut self,
        state: &mut S,
        judgements: &[Option<Judgement>],
    ) -> Result<Vec<Event>, StateError> {
        for (member, judgement) in self.round.committee.iter().zip(judgements) {
            if judgement.is_none() {
                move_reputation(state, &member.account, None, self.params)?;
            }
        }
        self.round.set_phase(Phase::Unjudged);
        put(state, &self.round);
        let event = Event::new("validation.unjudged")
            .with("contribution", self.contribution.id)
            .with("round", self.round.number)
            .with("revealed", self.round.revealed);
        let mut events = vec![event];
        if self.round.number == 0 {
            self.contribution.round = 1;
            let datanet = expect_datanet(state, &self.contribution)?;
            if let Some(drawn) = start_round(state, self.block, &self.contribution, &datanet, self.params)? {
                contributions::put(state, &self.contribution);
                events.push(drawn);
                return Ok(events);
            }
            self.contribution.round = self.round.number;
        }
        events.extend(contributions::refuse_unjudged(state, self.block, &mut self.contribution)?);
        Ok(events)
    }

    /// Measures every member against the tally.
    fn measure<S: StateWrite>(
        &mut self,
        state: &mut S,
        judgements: &[Option<Judgement>],
        scores: &Scores,
    ) -> Result<(), StateError> {
        for (member, judgement) in self.round.committee.iter_mut().zip(judgements) {
            member.accuracy_bps = judgement.map(|judgement| accuracy(&judgement.scores, scores));
            move_reputation(state, &member.account, member.accuracy_bps, self.params)?;
        }
        Ok(())
    }

    /// Shares the review fee among the members who revealed.
    fn pay<S: StateWrite>(&mut self, state: &mut S) -> Result<(), StateError> {
        let escrow = review_account(&self.contribution.id);
        let judges: Vec<(u128, u32)> = self
            .round
            .committee
            .iter()
            .map(|member| match member.accuracy_bps {
                Some(accuracy) => (member.weight(), accuracy),
                None => (0, 0),
            })
            .collect();
        for (member, reward) in self.round.committee.iter_mut().zip(rewards(self.contribution.review_fee, &judges)) {
            member.reward = reward;
            accounts::release(state, &escrow, &member.account, reward)?;
        }
        Ok(())
    }

    fn member_events(&self) -> Vec<Event> {
        let of = |member: &super::Member| {
            let event = Event::new("validation.measured")
                .with("contribution", self.contribution.id)
                .with("account", member.account)
                .with("reward", member.reward);
            match member.accuracy_bps {
                Some(accuracy) => event.with("accuracy", accuracy),
                None => event.with("accuracy", "missed"),
            }
        };
        self.round.committee.iter().map(of).collect()
    }
}

fn expect_datanet<S: StateRead>(state: &S, contribution: &Contribution) -> Result<datanets::Datanet, StateError> {
    datanets::get(state, &contribution.datanet)?.ok_or_else(|| StateError::Corrupt {
        key: datanets::state_key::datanet(&contribution.datanet),
        reason: "a contribution's datanet is not there".to_owned(),
    })
}

fn move_reputation<S: StateWrite>(
    state: &mut S,
    account: &datanet_types::Address,
    accuracy: Option<u32>,
    params: &Params,
) -> Result<(), StateError> {
    let start = Reputation { bps: params.initial_reputation_bps, judged: 0, missed: 0 };
    let before = nodes::reputation(state, account)?.unwrap_or(start);
    nodes::put_reputation(state, account, &before.after(accuracy, params));
    Ok(())
}
