//! A round at its end: the verdict, and what it brings the judges.

use super::tally::{Outcome, Vote, Work, accuracy, outcome, rewards};
use super::{Member, Phase, Round, put, schedule, settling, start_round};
use crate::component::contributions::{self, Contribution};
use crate::component::datanets::Datanet;
use crate::component::nodes;
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateWrite};
use datanet_types::{Amount, Scores};

/// A contribution whose round has its turn.
pub(super) struct Closing<'a> {
    pub block: &'a BlockContext,
    pub params: Params,
    pub contribution: Contribution,
    pub datanet: Datanet,
    pub round: Round,
}

impl Closing<'_> {
    /// Passes the verdict that `votes` give; in the order of the committee.
    pub(super) fn conclude<S: StateWrite>(
        mut self,
        state: &mut S,
        votes: &[Option<Vote>],
    ) -> Result<Vec<Event>, StateError> {
        for (member, vote) in self.round.committee.iter_mut().zip(votes) {
            member.revealed = vote.is_some();
        }
        let given: Vec<Vote> = votes.iter().flatten().copied().collect();
        match outcome(&given, self.round.seats()) {
            Outcome::Judged(scores) => self.judged(state, votes, scores),
            Outcome::Unavailable => self.unavailable(state, votes),
            Outcome::Open => self.unjudged(state),
        }
    }

    /// Enough revealed: move reputations, pass the verdict.
    fn judged<S: StateWrite>(
        mut self,
        state: &mut S,
        votes: &[Option<Vote>],
        scores: Scores,
    ) -> Result<Vec<Event>, StateError> {
        for (member, vote) in self.round.committee.iter_mut().zip(votes) {
            member.accuracy_bps = vote.and_then(|vote| vote.scores).map(|given| accuracy(&given, &scores));
            // Who could not get the bytes has done nothing wrong, and nothing for pay.
            let excused = vote.is_some_and(|vote| vote.scores.is_none());
            if !excused {
                nodes::judged(state, &member.account, member.accuracy_bps, &self.params)?;
            }
        }
        self.round.set_phase(Phase::Judged);
        self.round.scores = Some(scores);
        self.pass(state, votes)
    }

    /// Nobody could judge what is not there: those who said that they keep it, and the contributor, pay for it; the judges are paid for
    /// having looked, and nobody's reputation moves.
    fn unavailable<S: StateWrite>(mut self, state: &mut S, votes: &[Option<Vote>]) -> Result<Vec<Event>, StateError> {
        self.round.set_phase(Phase::Unavailable);
        self.pass(state, votes)
    }

    /// Passes the verdict: a first one, which can be challenged, or a second one, which is final.
    fn pass<S: StateWrite>(mut self, state: &mut S, votes: &[Option<Vote>]) -> Result<Vec<Event>, StateError> {
        if self.contribution.challenged {
            return self.second_verdict(state, votes);
        }
        self.assign(votes, self.contribution.review_fee);
        put(state, &self.round);
        let mut events = self.member_events(votes);
        let Self { block, params, mut contribution, datanet, round } = self;
        events.extend(match round.scores {
            Some(scores) if scores.combined() >= datanet.accept_threshold => {
                contributions::accept(state, block, &mut contribution, &datanet, scores)?
            }
            Some(scores) => contributions::refuse_judged(state, block, &mut contribution, &datanet, scores, &params)?,
            None => contributions::refuse_unavailable(state, block, &mut contribution)?,
        });
        events.extend(settling::open_window(state, block, &mut contribution, &params)?);
        Ok(events)
    }

    /// No verdict: another committee tries, once. Nobody's reputation moves: whether a member was silent or could not see the
    /// bytes that were shown to others, nobody can tell.
    fn unjudged<S: StateWrite>(mut self, state: &mut S) -> Result<Vec<Event>, StateError> {
        if self.round.number > 0 {
            return self.unjudged_for_good(state);
        }
        let event = self.close_unjudged(state);
        self.contribution.round = 1;
        start_round(state, self.block, &self.contribution, &self.params);
        contributions::put(state, &self.contribution);
        Ok(vec![event])
    }

    /// No verdict, and no other try.
    pub(super) fn unjudged_for_good<S: StateWrite>(mut self, state: &mut S) -> Result<Vec<Event>, StateError> {
        let mut events = vec![self.close_unjudged(state)];
        if self.contribution.challenged {
            events.extend(self.second_unjudged(state)?);
            return Ok(events);
        }
        schedule(state, self.block, &self.contribution.id, &self.params);
        events.extend(contributions::refuse_unjudged(state, self.block, &mut self.contribution)?);
        Ok(events)
    }

    fn close_unjudged<S: StateWrite>(&mut self, state: &mut S) -> Event {
        self.round.set_phase(Phase::Unjudged);
        put(state, &self.round);
        Event::new("validation.unjudged")
            .with("contribution", self.contribution.id)
            .with("round", self.round.number)
            .with("revealed", self.round.revealed)
    }

    /// Shares what the members are to have among those who worked for it: whoever gave scores, or where nobody could, whoever looked.
    pub(super) fn assign(&mut self, votes: &[Option<Vote>], amount: Amount) {
        let unavailable = self.round.phase() == Phase::Unavailable;
        let paid = |vote: &Vote| unavailable || vote.scores.is_some();
        let work = |(member, vote): (&Member, &Option<Vote>)| Work {
            seats: if vote.as_ref().is_some_and(&paid) { member.seats } else { 0 },
            reputation_bps: member.reputation_bps,
            accuracy_bps: member.accuracy_bps.unwrap_or(0),
        };
        let work: Vec<Work> = self.round.committee.iter().zip(votes).map(work).collect();
        for (member, reward) in self.round.committee.iter_mut().zip(rewards(amount, &work)) {
            member.reward = reward;
        }
    }

    pub(super) fn member_events(&self, votes: &[Option<Vote>]) -> Vec<Event> {
        let of = |(member, vote): (&Member, &Option<Vote>)| {
            let event = Event::new("validation.measured")
                .with("contribution", self.contribution.id)
                .with("account", member.account)
                .with("seats", member.seats)
                .with("reward", member.reward);
            match (member.accuracy_bps, vote) {
                (Some(accuracy), _) => event.with("accuracy", accuracy),
                (None, Some(_)) => event.with("accuracy", "unavailable"),
                (None, None) => event.with("accuracy", "missed"),
            }
        };
        self.round.committee.iter().zip(votes).map(of).collect()
    }
}
