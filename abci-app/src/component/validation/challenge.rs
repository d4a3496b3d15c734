//! A verdict that is challenged: a second committee, larger and of others, judges anew through the same kind of round, and what it says is
//! final.
//!
//! ```text
//!   verdict ─ verdict_challenge_seconds ─► final: judges paid, bond settled
//!      └─ challenge_verdict, for a deposit ─► a round of 2n + 1 seats ─┬─ the same ──► the deposit is theirs, the first verdict is final
//!                                                                      ├─ the other ─► deposit back; the review fee is theirs, and of a penalty
//!                                                                      │               part is theirs and part the challenger's
//!                                                                      └─ none ──────► deposit back, the first verdict is final
//! ```

use std::collections::BTreeSet;

use datanet_types::{Address, Amount, ContributionId, ModuleAddress};

use super::closing::Closing;
use super::tally::{Vote, accuracy};
use super::{Member, committee, expect_round, put, reveal, settling, state_key};
use crate::component::contributions::{self, Contribution, Status, bond_account, review_account};
use crate::component::nodes::{self, Validator};
use crate::component::{Event, Params, accounts};
use crate::state::{StateError, StateRead, StateWrite};

/// What a challenge costs, in review fees of the contribution: a committee of one more than twice as many seats has for each at least what
/// the first one had.
const DEPOSIT_FEES: u64 = 3;

/// What came of a challenge.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Outcome {
    /// Nothing yet.
    Open = 0,
    /// The second committee found the same.
    Stands = 1,
    /// It found the opposite.
    Overturned = 2,
    /// It came to nothing.
    Undecided = 3,
}

impl Outcome {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stands => "stands",
            Self::Overturned => "overturned",
            Self::Undecided => "undecided",
        }
    }
}

datanet_types::enum_text!(outcome_text, super::Outcome);

/// The challenge of a contribution's verdict; there is one at most.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Challenge {
    /// Who doubts it.
    #[prost(message, required, tag = "1")]
    pub challenger: Address,
    /// What he put up, in base units.
    #[prost(uint64, tag = "2")]
    pub deposit: Amount,
    /// The round in which it is judged anew.
    #[prost(uint32, tag = "3")]
    pub round: u32,
    /// What came of it.
    #[prost(enumeration = "Outcome", tag = "4")]
    #[serde(with = "outcome_text")]
    pub outcome: i32,
}

/// The challenge of a contribution's verdict, until it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn challenge<S: StateRead>(state: &S, contribution: &ContributionId) -> Result<Option<Challenge>, StateError> {
    state.get(&state_key::challenge(contribution))
}

/// The account that holds a challenge's deposit.
pub fn challenge_account(contribution: &ContributionId) -> ModuleAddress {
    ModuleAddress::of("verdict", &[&contribution.0])
}

/// What challenging a contribution's verdict costs: twice as much with each time that the same bytes were given before.
pub fn challenge_deposit(contribution: &Contribution) -> Amount {
    let times = 1u64.checked_shl(contribution.attempt).unwrap_or(u64::MAX);
    contribution.review_fee.saturating_mul(DEPOSIT_FEES).saturating_mul(times)
}

pub(super) fn expect<S: StateRead>(state: &S, contribution: &ContributionId) -> Result<Challenge, StateError> {
    state.expect(state_key::challenge(contribution), "a verdict that is challenged by nobody")
}

/// Seats of a second committee: odd, so that there is no tie.
pub(super) fn seats(first: u32) -> u32 {
    first.saturating_mul(2).saturating_add(1)
}

/// Who may judge anew: neither party, and none of those who judged `before`. But where these have more than a third of the stake, whoever is
/// left would be too few, and one with a little of it most of them: then everybody may who is no party.
pub(super) fn candidates(
    validators: &[Validator],
    contribution: &Contribution,
    challenger: &Address,
    before: &BTreeSet<Address>,
    params: &Params,
) -> Vec<Member> {
    let without =
        |these: &BTreeSet<Address>| committee::candidates(validators, &contribution.contributor, these, params);
    let parties = BTreeSet::from([*challenger]);
    let (all, others) = (without(&parties), without(&(before | &parties)));
    let stake =
        |members: &[Member]| members.iter().map(|member| u128::from(member.stake)).fold(0, u128::saturating_add);
    if stake(&others).saturating_mul(3) >= stake(&all).saturating_mul(2) { others } else { all }
}

impl Closing<'_> {
    /// The second committee has said something.
    pub(super) fn second_verdict<S: StateWrite>(
        mut self,
        state: &mut S,
        votes: &[Option<Vote>],
    ) -> Result<Vec<Event>, StateError> {
        let challenge = expect(state, &self.contribution.id)?;
        if let Some(scores) = self.round.scores {
            contributions::judged_after_all(&mut self.contribution, &self.datanet, scores);
        }
        let accepted = self.contribution.status() != Status::Refused;
        let accepts = self.round.scores.is_some_and(|scores| scores.combined() >= self.datanet.accept_threshold);
        let events;
        let outcome = if accepts == accepted {
            events = self.stands(state, votes, &challenge)?;
            Outcome::Stands
        } else {
            events = self.overturned(state, votes, &challenge)?;
            Outcome::Overturned
        };
        put(state, &self.round);
        let mut all = self.member_events(votes);
        all.push(self.over(state, challenge, outcome));
        all.extend(events);
        Ok(all)
    }

    /// The second committee came to nothing: that is nobody's fault, and the first verdict is final.
    pub(super) fn second_unjudged<S: StateWrite>(mut self, state: &mut S) -> Result<Vec<Event>, StateError> {
        let id = self.contribution.id;
        let challenge = expect(state, &id)?;
        accounts::release(state, &challenge_account(&id), challenge.challenger, challenge.deposit)?;
        let fines = settling::settle_now(state, self.block, &mut self.contribution)?;
        let over = self.over(state, challenge, Outcome::Undecided);
        Ok(std::iter::once(over).chain(fines).collect())
    }

    fn over<S: StateWrite>(&self, state: &mut S, mut challenge: Challenge, outcome: Outcome) -> Event {
        challenge.set_outcome(outcome);
        state.put(state_key::challenge(&self.contribution.id), &challenge);
        let event = Event::new("verdict.decided").with("contribution", self.contribution.id);
        event.with("round", challenge.round).with("outcome", outcome.name())
    }

    /// The challenger was wrong: the second committee has the deposit, the first the review fee.
    fn stands<S: StateWrite>(
        &mut self,
        state: &mut S,
        votes: &[Option<Vote>],
        challenge: &Challenge,
    ) -> Result<Vec<Event>, StateError> {
        self.assign(votes, challenge.deposit);
        settling::pay(state, &self.round, &challenge_account(&self.contribution.id))?;
        settling::settle_now(state, self.block, &mut self.contribution)
    }

    /// The first committee was wrong: the review fee is the second one's. Of what a false acceptance costs of the bond half is the challenger's
    /// and half the second committee's, up to a deposit each, so that nobody lives on overturning; the rest is the treasury's.
    fn overturned<S: StateWrite>(
        &mut self,
        state: &mut S,
        votes: &[Option<Vote>],
        challenge: &Challenge,
    ) -> Result<Vec<Event>, StateError> {
        let id = self.contribution.id;
        self.measure_first(state)?;
        accounts::release(state, &challenge_account(&id), challenge.challenger, challenge.deposit)?;
        let (bond, review) = (bond_account(&id), review_account(&id));
        let scores = self.round.scores;
        let mut events = match (self.contribution.status(), scores) {
            (Status::Refused, Some(scores)) => {
                self.contribution.round = self.round.number;
                contributions::overturn_refusal(state, self.block, &mut self.contribution, &self.datanet, scores)?
            }
            _ => vec![contributions::overturn_acceptance(state, self.block, &mut self.contribution, scores)?],
        };
        let penalty = self.contribution.penalty(&self.params);
        let part = penalty.checked_div(2).unwrap_or(0).min(challenge.deposit);
        accounts::release(state, &bond, challenge.challenger, part)?;
        accounts::release(state, &bond, review, part)?;
        self.assign(votes, self.contribution.review_fee.saturating_add(part));
        settling::pay(state, &self.round, &review)?;
        let left = penalty.saturating_sub(part).saturating_sub(part);
        accounts::release(state, &bond, accounts::treasury(), left)?;
        let back = self.contribution.bond.saturating_sub(penalty);
        accounts::release(state, &bond, self.contribution.contributor, back)?;
        events.extend(settling::close_window(state, self.block, &mut self.contribution, &self.params)?);
        Ok(events)
    }

    /// Whoever gave scores in the round that is overturned is measured again, by the second tally: twice, since the first time a tally of its
    /// own making may have praised it. Where there is no tally, nobody can be.
    fn measure_first<S: StateWrite>(&self, state: &mut S) -> Result<(), StateError> {
        let Some(tally) = self.round.scores else { return Ok(()) };
        let first = expect_round(state, &self.contribution, self.contribution.round)?;
        for member in &first.committee {
            let said = reveal(state, &first.contribution, first.number, &member.account)?;
            let Some(given) = said.and_then(|said| said.scores) else { continue };
            for _ in 0..2 {
                nodes::judged(state, &member.account, Some(accuracy(&given, &tally)), &self.params)?;
            }
        }
        Ok(())
    }
}
