//! What a vote comes to.

use datanet_types::Amount;
use datanet_types::action::Choice;
use datanet_types::amount::BPS;

use super::{Status, vote, voting_stake};
use crate::component::{Params, staking};
use crate::state::{StateError, StateRead};

/// What stake says of a proposal, in base units.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Neither for nor against.
    #[prost(uint64, tag = "1")]
    pub abstain: Amount,
    /// For.
    #[prost(uint64, tag = "2")]
    pub yes: Amount,
    /// Against.
    #[prost(uint64, tag = "3")]
    pub no: Amount,
    /// Against, and against its having been put to the vote.
    #[prost(uint64, tag = "4")]
    pub veto: Amount,
    /// All there is behind validators that may take part.
    #[prost(uint64, tag = "5")]
    pub bonded: Amount,
}

/// Counts the votes on a proposal as things stand: so much for each validator that may take part, and nothing for each voter.
///
/// # Errors
/// When the store cannot be read.
pub fn count<S: StateRead>(state: &S, params: &Params, number: u64) -> Result<Tally, StateError> {
    let mut tally = Tally::default();
    for validator in staking::taking_part(state, params)? {
        let stake = voting_stake(state, number, &validator.address())?;
        let mut rest = validator.tokens;
        for choice in Choice::ALL {
            let own = staking::worth(&validator, stake.of(choice));
            rest = rest.saturating_sub(own);
            tally.add(choice, own);
        }
        if let Some(lead) = vote(state, number, &validator.operator)?.and_then(|vote| vote.for_others()) {
            tally.add(lead, rest);
        }
        tally.bonded = tally.bonded.saturating_add(validator.tokens);
    }
    Ok(tally)
}

impl Tally {
    fn add(&mut self, choice: Choice, amount: Amount) {
        let sum = match choice {
            Choice::Abstain => &mut self.abstain,
            Choice::Yes => &mut self.yes,
            Choice::No => &mut self.no,
            Choice::Veto => &mut self.veto,
        };
        *sum = sum.saturating_add(amount);
    }

    /// All that voted.
    pub fn voted(&self) -> Amount {
        self.abstain.saturating_add(self.yes).saturating_add(self.no).saturating_add(self.veto)
    }

    /// What that means: [`Status::Passed`], [`Status::Rejected`], [`Status::NoQuorum`] or [`Status::Vetoed`]; `strong` is for what cannot be undone.
    pub fn outcome(&self, params: &Params, strong: bool) -> Status {
        let for_or_against = self.yes.saturating_add(self.no).saturating_add(self.veto);
        let needed = if strong { params.strong_pass_bps } else { params.pass_bps };
        if self.voted() == 0 || !reaches(self.voted(), self.bonded, params.quorum_bps) {
            Status::NoQuorum
        } else if exceeds(self.veto, self.voted(), params.veto_bps) {
            Status::Vetoed
        } else if exceeds(self.yes, for_or_against, needed) {
            Status::Passed
        } else {
            Status::Rejected
        }
    }
}

fn exceeds(part: Amount, whole: Amount, bps: u32) -> bool {
    u128::from(part).saturating_mul(BPS.into()) > u128::from(whole).saturating_mul(bps.into())
}

fn reaches(part: Amount, whole: Amount, bps: u32) -> bool {
    u128::from(part).saturating_mul(BPS.into()) >= u128::from(whole).saturating_mul(bps.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_comes_first_then_vetoes_then_those_for_among_those_for_or_against() {
        let params = Params::default();
        let outcome = |yes, no, abstain, veto| {
            let tally = Tally { yes, no, abstain, veto, bonded: 10_000 };
            [tally.outcome(&params, false), tally.outcome(&params, true)]
        };
        assert_eq!(outcome(0, 0, 0, 0), [Status::NoQuorum; 2]);
        assert_eq!(outcome(3_339, 0, 0, 0), [Status::NoQuorum; 2]);
        assert_eq!(outcome(0, 0, 0, 3_339), [Status::NoQuorum; 2], "too few to take a deposit");
        assert_eq!(outcome(3_340, 0, 0, 0), [Status::Passed; 2]);
        assert_eq!(outcome(1, 0, 9_999, 0), [Status::Passed; 2], "who abstains counts for the quorum alone");
        assert_eq!(outcome(0, 0, 10_000, 0), [Status::Rejected; 2]);
        assert_eq!(outcome(5_000, 5_000, 0, 0), [Status::Rejected; 2]);
        assert_eq!(outcome(5_001, 4_999, 0, 0), [Status::Passed, Status::Rejected]);
        assert_eq!(outcome(6_668, 3_332, 0, 0), [Status::Passed; 2]);
        assert_eq!(outcome(6_660, 0, 0, 3_340), [Status::Passed, Status::Rejected]);
        assert_eq!(outcome(6_659, 0, 0, 3_341), [Status::Vetoed; 2]);
        let most = Tally { yes: u64::MAX, bonded: u64::MAX, ..Tally::default() };
        assert_eq!(most.outcome(&params, true), Status::Passed);
        assert_eq!(Tally::default().outcome(&params, false), Status::NoQuorum, "no validators, no vote");
    }
}
