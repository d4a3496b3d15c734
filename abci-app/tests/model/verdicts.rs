//! Verdicts: passed, challenged, final.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::validation::ChallengeOutcome as Outcome;
use datanet_types::action::ChallengeVerdict;
use datanet_types::{Address, Amount, ContributionId, NodeKey, Scores};

use super::committee::Candidate;
use super::judging::{Given, Status, bond, review, share};
use super::ledger::{Done, Model, ensure, escrow, user};
use super::rounds::{Round, accuracy};

#[derive(Debug, Clone)]
pub struct Challenge {
    pub challenger: Address,
    pub deposit: Amount,
    pub round: u32,
    pub outcome: Outcome,
}

fn held(id: &ContributionId) -> Account {
    escrow("verdict", &[&id.0])
}

impl Model {
    fn is_good(&self, id: &ContributionId, scores: Option<Scores>) -> bool {
        let threshold = self.judging.datanets[&self.judging.given[id].datanet].threshold;
        scores.is_some_and(|scores| scores.combined() >= threshold)
    }

    /// All of the bond where it was not to be had, part of it where it was not good enough.
    fn penalty(&self, id: &ContributionId) -> Amount {
        let given = &self.judging.given[id];
        match given.scores {
            _ if given.unavailable => given.bond,
            Some(_) if !self.is_good(id, given.scores) => {
                share(given.bond, self.rules.at(given.height).bond_penalty_bps)
            }
            _ => 0,
        }
    }

    /// A first verdict waits for somebody who doubts it; a second is final.
    pub fn pass(&mut self, id: &ContributionId, number: u32, scores: Option<Scores>) {
        if self.judging.given[id].challenged {
            return self.second_verdict(id, number, scores);
        }
        self.assign(id, number, self.judging.given[id].review_fee);
        match scores {
            Some(good) if self.is_good(id, scores) => self.accept(id, good),
            _ => self.refuse(id, scores, scores.is_none()),
        }
        let given = self.judging.given.get_mut(id).expect("it was judged");
        match self.rules.at(given.height).verdict_challenge_seconds {
            0 => self.settle_verdict(id),
            seconds => given.challenge_until = self.now + seconds,
        }
    }

    pub fn settle_verdicts(&mut self) {
        let now = self.now;
        let due = |given: &Given| given.challenge_until != 0 && given.challenge_until <= now;
        let due: Vec<_> = self.judging.given.iter().filter(|(_, given)| due(given)).map(|(id, _)| *id).collect();
        due.iter().for_each(|id| self.settle_verdict(id));
    }

    /// The first verdict is final.
    pub fn settle_verdict(&mut self, id: &ContributionId) {
        let (given, penalty) = (self.judging.given[id].clone(), self.penalty(id));
        self.pay_judges(id, given.round, review(id));
        self.release(bond(id), Self::treasury(), penalty);
        self.release(bond(id), user(&given.giver), given.bond - penalty);
        self.close_window(id);
    }

    fn close_window(&mut self, id: &ContributionId) {
        let given = self.judging.given.get_mut(id).expect("it was judged");
        (given.challenge_until, given.challenged) = (0, false);
        let given = given.clone();
        if given.unavailable {
            self.fine_keepers(&given);
        }
        self.forget_some_day(id);
    }

    fn pay_judges(&mut self, id: &ContributionId, number: u32, from: Account) {
        let judges = self.judging.rounds[&(*id, number)].judges.clone();
        judges.iter().for_each(|judge| self.release(from, user(&judge.account), judge.reward));
    }

    pub fn challenge_verdict(&mut self, who: Address, action: &ChallengeVerdict) -> Done {
        let id = action.contribution;
        let given = self.judging.given.get(&id).ok_or("no such contribution")?.clone();
        ensure(!given.is_before_judges(), "it is before judges")?;
        ensure(self.now <= given.challenge_until, "the verdict is final")?;
        if given.status == Status::Refused {
            ensure(given.giver == who, "another's refusal")?;
            let next =
                ContributionId::derive(&self.chain, &given.datanet, &given.giver, &given.blob, given.attempt + 1);
            ensure(!self.judging.given.contains_key(&next), "given again")?;
        }
        ensure(self.anybody_judges(), "nobody judges")?;
        let deposit = (3 * given.review_fee) << given.attempt;
        self.pay(user(&who), held(&id), deposit)?;
        let (round, delay) = (given.round + 1, self.rules.at(given.height).draw_delay);
        let challenge = Challenge { challenger: who, deposit, round, outcome: Outcome::Open };
        self.judging.challenges.insert(id, challenge);
        self.judging.rounds.insert((id, round), Round::waiting(self.height + delay));
        let given = self.judging.given.get_mut(&id).expect("it is there");
        (given.challenge_until, given.challenged) = (0, true);
        Ok(())
    }

    /// Neither party, and none of the first committee unless it has more than a third of the stake.
    pub fn second_judges(
        &self,
        given: &Given,
        id: &ContributionId,
        mut before: BTreeSet<Address>,
        delay: u64,
    ) -> BTreeMap<NodeKey, Candidate> {
        let challenger = self.judging.challenges[id].challenger;
        let all = self.candidates(&given.giver, &BTreeSet::from([challenger]), delay);
        before.insert(challenger);
        let others = self.candidates(&given.giver, &before, delay);
        let stake =
            |these: &BTreeMap<NodeKey, Candidate>| -> u128 { these.values().map(|one| u128::from(one.stake)).sum() };
        if 3 * stake(&others) >= 2 * stake(&all) { others } else { all }
    }

    fn over(&mut self, id: &ContributionId, outcome: Outcome) -> Challenge {
        let challenge = self.judging.challenges.get_mut(id).expect("it is challenged");
        challenge.outcome = outcome;
        challenge.clone()
    }

    pub fn second_undecided(&mut self, id: &ContributionId) {
        let challenge = self.over(id, Outcome::Undecided);
        self.release(held(id), user(&challenge.challenger), challenge.deposit);
        self.settle_verdict(id);
    }

    fn second_verdict(&mut self, id: &ContributionId, number: u32, scores: Option<Scores>) {
        let given = self.judging.given.get_mut(id).expect("it is challenged");
        let accepted = given.status != Status::Refused;
        if given.unavailable && scores.is_some() {
            (given.unavailable, given.scores) = (false, scores);
        }
        if self.is_good(id, scores) == accepted {
            let challenge = self.over(id, Outcome::Stands);
            self.assign(id, number, challenge.deposit);
            self.pay_judges(id, number, held(id));
            return self.settle_verdict(id);
        }
        let challenge = self.over(id, Outcome::Overturned);
        self.measure_first(id, scores);
        self.release(held(id), user(&challenge.challenger), challenge.deposit);
        match scores {
            Some(good) if !accepted => {
                let given = self.judging.given.get_mut(id).expect("it is challenged");
                given.round = number;
                self.accept(id, good);
            }
            _ => self.overturn_acceptance(id, scores),
        }
        let (given, penalty) = (self.judging.given[id].clone(), self.penalty(id));
        let part = (penalty / 2).min(challenge.deposit);
        self.release(bond(id), user(&challenge.challenger), part);
        self.release(bond(id), review(id), part);
        self.assign(id, number, given.review_fee + part);
        self.pay_judges(id, number, review(id));
        self.release(bond(id), Self::treasury(), penalty - 2 * part);
        self.release(bond(id), user(&given.giver), given.bond - penalty);
        self.close_window(id);
    }

    fn overturn_acceptance(&mut self, id: &ContributionId, scores: Option<Scores>) {
        let given = self.judging.given.get_mut(id).expect("it is challenged");
        let datanet = self.judging.datanets.get_mut(&given.datanet).expect("it is there");
        datanet.entries += 1;
        (given.status, given.scores, given.unavailable) = (Status::Revoked, scores, scores.is_none());
        (given.revoked_position, given.revoked_height) = (datanet.entries, self.height);
    }

    /// Whoever gave scores that were overturned is measured by the second ones, twice.
    fn measure_first(&mut self, id: &ContributionId, scores: Option<Scores>) {
        let Some(scores) = scores else { return };
        let given = self.judging.given[id].clone();
        for judge in self.judging.rounds[&(*id, given.round)].judges.clone() {
            if let Some(Some(said)) = judge.revealed {
                let accuracy = Some(accuracy(&said, &scores));
                (0..2).for_each(|_| self.judged(judge.account, accuracy, given.height));
            }
        }
    }
}
