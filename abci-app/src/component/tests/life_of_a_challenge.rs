//! From a verdict that somebody doubts to one that is final.

use datanet_types::action::{ChallengeVerdict, Revoke};
use datanet_types::amount::DNT;
use datanet_types::{Address, ContributionId, DatanetId, Scores};

use super::Chain;
use super::harness::{BOND, address, all, contribute, reveal};
use crate::code;
use crate::component::contributions::{Contribution, Status, bond_account, review_account};
use crate::component::datanets::history::{self, Change};
use crate::component::validation::{self, Challenge, ChallengeOutcome, challenge_account};
use crate::component::{Params, datanets, nodes};

/// Gives.
const GIVER: u8 = 11;
/// Doubts.
const DOUBTER: u8 = 12;
const FEE: u64 = DNT / 10;
const DEPOSIT: u64 = 3 * FEE;
const WINDOW: u64 = 60;
const TX: u64 = 1_000;

/// Nine validators with the same stake, so that any three leave two thirds of it; and a contribution before three of them.
struct World {
    chain: Chain,
    datanet: DatanetId,
    id: ContributionId,
}

impl World {
    fn new() -> Self {
        let params = Params { challenge_seconds: 0, verdict_challenge_seconds: WINDOW, ..Params::default() };
        let mut chain = Chain::with(params);
        chain.validators(9);
        let datanet = chain.datanet();
        let id = chain.give_to(GIVER, datanet, 1, 3);
        Self { chain, datanet, id }
    }

    /// The first committee has said this.
    fn judged(scores: Scores) -> Self {
        let mut world = Self::new();
        world.chain.judge(&world.id, scores);
        world
    }

    fn given(&self) -> Contribution {
        self.chain.contribution(&self.id)
    }

    fn doubt(&self) -> ChallengeVerdict {
        ChallengeVerdict { contribution: self.id }
    }

    /// Somebody challenges, and the second committee says this.
    fn challenged(&mut self, who: u8, scores: Scores) {
        let doubt = self.doubt();
        self.chain.act(who, doubt);
        self.chain.drawn();
        self.chain.judge(&self.id, scores);
    }

    fn challenge(&self) -> Challenge {
        validation::challenge(&self.chain.state, &self.id).unwrap().unwrap()
    }

    fn members(&self, round: u32) -> Vec<Address> {
        let round = validation::round(&self.chain.state, &self.id, round).unwrap().unwrap();
        round.committee.iter().map(|member| member.account).collect()
    }

    fn balance(&self, n: u8) -> u64 {
        self.chain.balance(address(n))
    }

    fn reputation(&self, account: &Address) -> u32 {
        nodes::reputation(&self.chain.state, account).unwrap().unwrap().bps
    }

    /// Nothing is held for it any more, and nobody can challenge it.
    fn check_final(&mut self) {
        let id = self.id;
        for account in [bond_account(&id), review_account(&id), challenge_account(&id)] {
            assert_eq!(self.chain.balance(account), 0);
        }
        assert!(!self.given().is_disputable());
        let doubt = self.doubt();
        self.chain.refused(GIVER, doubt, code::VERDICT_FINAL, "is final");
    }
}

#[test]
fn a_verdict_that_nobody_challenges_is_final_after_its_time_and_then_everybody_has_his_money() {
    let mut world = World::new();
    let before: Vec<u64> = (0..9).map(|n| world.balance(n)).collect();
    world.chain.judge(&world.id, all(8_000));
    let (id, judges) = (world.id, world.members(0));
    let judging = |n: u8| judges.contains(&address(n));
    assert!(
        (0..9).filter(|n| judging(*n)).all(|n| world.balance(n) == before[usize::from(n)] - 2 * TX),
        "not paid yet"
    );
    assert_eq!(world.given().status(), Status::Final, "it earns at once");
    assert_eq!((world.chain.balance(bond_account(&id)), world.chain.balance(review_account(&id))), (BOND, FEE));
    let (giver, until) = (world.balance(GIVER), world.given().challenge_until);
    world.chain.skip_until(until);
    assert_eq!(world.balance(GIVER), giver);
    world.chain.next();
    assert_eq!(world.balance(GIVER), giver + BOND);
    let paid: u64 =
        validation::round(&world.chain.state, &id, 0).unwrap().unwrap().committee.iter().map(|m| m.reward).sum();
    assert_eq!(paid, FEE);
    world.check_final();
}

#[test]
fn bytes_that_a_second_committee_judges_were_to_be_had_and_nobody_who_keeps_them_is_fined() {
    let mut world = World::new();
    let id = world.id;
    let stakes =
        |world: &World| [0, 1].map(|n| nodes::of_account(&world.chain.state, &address(n)).unwrap().unwrap().stake);
    let (before, giver) = (stakes(&world), world.balance(GIVER));
    let judges = world.chain.committee(&id);
    for n in &judges {
        world.chain.act(*n, world.chain.commit(*n, &id, None));
    }
    for n in &judges {
        world.chain.act(*n, reveal(*n, &id, None));
    }
    world.chain.next();
    assert!(world.given().unavailable);
    world.challenged(GIVER, all(2_000));
    let given = world.given();
    assert_eq!((given.status(), given.unavailable, given.scores), (Status::Refused, false, Some(all(2_000))));
    assert_eq!(world.challenge().outcome(), ChallengeOutcome::Stands);
    assert_eq!(world.balance(GIVER), giver + BOND / 2 - 3 * FEE - TX, "it is refused for what it is");
    assert_eq!(stakes(&world), before);
    world.check_final();
}

#[test]
fn a_refusal_that_a_second_committee_overturns_costs_its_giver_nothing_and_the_first_judges_their_fee() {
    let mut world = World::judged(all(2_000));
    let (giver, treasury) = (world.balance(GIVER), world.chain.treasury());
    assert_eq!(world.given().status(), Status::Refused);
    let doubt = world.doubt();
    world.chain.refused(DOUBTER, doubt, code::CONTRIBUTION_FOREIGN, "only");
    let first = world.members(0);
    let before: Vec<u32> = first.iter().map(|judge| world.reputation(judge)).collect();
    world.challenged(GIVER, all(9_000));
    assert!(world.members(1).iter().all(|judge| !first.contains(judge)), "others judge");
    let seats = validation::round(&world.chain.state, &world.id, 1).unwrap().unwrap().seats();
    assert_eq!(seats, 7, "one more than twice as many");
    let given = world.given();
    assert_eq!((given.status(), given.round, given.scores), (Status::Final, 1, Some(all(9_000))));
    assert_eq!(world.balance(GIVER), giver - TX + BOND, "bond and deposit are back whole");
    let second = validation::round(&world.chain.state, &world.id, 1).unwrap().unwrap();
    assert_eq!(second.committee.iter().map(|member| member.reward).sum::<u64>(), FEE, "the review fee is theirs");
    assert!(first.iter().zip(before).all(|(judge, before)| world.reputation(judge) < before), "they were far off");
    assert!(world.chain.treasury() < treasury + BOND / 2, "no penalty");
    assert_eq!(world.challenge().outcome(), ChallengeOutcome::Overturned);
    assert_eq!(world.given().status(), Status::Final);
    let counts = datanets::counts(&world.chain.state, &world.datanet).unwrap();
    assert_eq!((counts.refused, counts.final_contributions), (0, 1));
    world.check_final();
}

#[test]
fn an_acceptance_that_a_second_committee_overturns_leaves_the_datanet_and_pays_who_doubted() {
    let mut world = World::judged(all(8_000));
    let (giver, doubter, treasury) = (world.balance(GIVER), world.balance(DOUBTER), world.chain.treasury());
    assert_eq!(world.given().status(), Status::Final);
    let doubt = world.doubt();
    world.chain.act(DOUBTER, doubt.clone());
    assert_eq!(world.given().status(), Status::Final, "it earns until it is decided");
    world.chain.refused(
        GIVER,
        Revoke { contribution: world.id, records: None },
        code::CONTRIBUTION_JUDGING,
        "after the verdict",
    );
    world.chain.refused(DOUBTER, doubt, code::CONTRIBUTION_JUDGING, "wait for the verdict");
    world.chain.drawn();
    let members = world.chain.committee(&world.id).len() as u64;
    world.chain.judge(&world.id, all(1_000));
    let given = world.given();
    assert_eq!((given.status(), given.round), (Status::Revoked, 0));
    assert!(given.reason().contains("refused: validity is 1000"), "{}", given.reason());
    assert_eq!(given.refusals_so_far(), 1, "giving it again costs as much as after a refusal");
    let penalty = BOND / 2;
    let part = (penalty / 2).min(DEPOSIT);
    assert_eq!(world.balance(GIVER), giver - TX + BOND - penalty);
    assert_eq!(world.balance(DOUBTER), doubter - 2 * TX + part);
    assert_eq!(world.chain.treasury(), treasury + penalty - 2 * part + (3 + 2 * members) * TX);
    let second = validation::round(&world.chain.state, &world.id, 1).unwrap().unwrap();
    assert_eq!(second.committee.iter().map(|member| member.reward).sum::<u64>(), FEE + part);
    let entry = history::entry(&world.chain.state, &world.datanet, 2).unwrap().unwrap();
    assert_eq!((entry.contribution, entry.change()), (world.id, Change::Revoked));
    world.check_final();
}

#[test]
fn who_doubts_a_good_verdict_pays_a_second_committee_for_saying_so() {
    let mut world = World::judged(all(8_000));
    let (giver, doubter) = (world.balance(GIVER), world.balance(DOUBTER));
    world.challenged(DOUBTER, all(7_000));
    let given = world.given();
    assert_eq!((given.status(), given.round, given.scores), (Status::Final, 0, Some(all(8_000))));
    assert_eq!(world.balance(DOUBTER), doubter - TX - DEPOSIT);
    assert_eq!(world.balance(GIVER), giver + BOND, "sooner than if nobody had doubted it");
    let reward = |round| -> u64 {
        let round = validation::round(&world.chain.state, &world.id, round).unwrap().unwrap();
        round.committee.iter().map(|member| member.reward).sum()
    };
    assert_eq!((reward(0), reward(1)), (FEE, DEPOSIT));
    assert_eq!(world.challenge().outcome(), ChallengeOutcome::Stands);
    world.check_final();
}

#[test]
fn a_second_committee_that_says_nothing_changes_nothing() {
    let mut world = World::judged(all(2_000));
    let giver = world.balance(GIVER);
    let doubt = world.doubt();
    world.chain.act(GIVER, doubt);
    while world.given().challenged {
        world.chain.next();
    }
    assert_eq!(world.given().status(), Status::Refused);
    assert_eq!(world.balance(GIVER), giver - TX + BOND / 2, "the deposit is back, the penalty is not");
    assert_eq!(world.challenge().outcome(), ChallengeOutcome::Undecided);
    world.check_final();
}

#[test]
fn what_is_not_judged_yet_was_given_again_or_is_final_cannot_be_challenged() {
    let mut world = World::new();
    let doubt = world.doubt();
    world.chain.refused(DOUBTER, doubt.clone(), code::CONTRIBUTION_JUDGING, "before its judges");
    let unknown = ChallengeVerdict { contribution: ContributionId([9; 32]) };
    world.chain.refused(DOUBTER, unknown, code::CONTRIBUTION_UNKNOWN, "no contribution");
    world.chain.judge(&world.id, all(2_000));
    let blob = world.given().blob.0[0];
    let mut again = contribute(world.datanet, blob);
    (again.attempt, again.bond) = (1, 2 * BOND);
    world.chain.act(GIVER, again);
    world.chain.refused(GIVER, doubt.clone(), code::CONTRIBUTION_TAKEN, "given again");
    let until = world.given().challenge_until;
    world.chain.skip_until(until + 1);
    world.chain.refused(GIVER, doubt, code::VERDICT_FINAL, "is final");
}

#[test]
fn who_takes_it_back_before_anybody_doubts_it_has_its_bond_back_and_judges_are_paid() {
    let mut world = World::judged(all(8_000));
    let giver = world.balance(GIVER);
    world.chain.act(GIVER, Revoke { contribution: world.id, records: None });
    assert_eq!(world.balance(GIVER), giver - TX + BOND);
    world.check_final();
    let judge = world.chain.committee(&world.id)[0];
    let late = reveal(judge, &world.id, all(1));
    world.chain.refused(judge, late, code::WRONG_PHASE, "the round is over");
}

#[test]
fn where_the_first_committee_has_most_of_the_stake_everybody_may_judge_again() {
    let params = Params { challenge_seconds: 0, verdict_challenge_seconds: WINDOW, ..Params::default() };
    let mut chain = Chain::with(params);
    chain.validators(4);
    let datanet = chain.datanet();
    let id = chain.give_to(GIVER, datanet, 1, 3);
    chain.judge(&id, all(2_000));
    chain.act(GIVER, ChallengeVerdict { contribution: id });
    chain.drawn();
    assert!(chain.committee(&id).len() > 1, "the one that is left does not decide alone");
}
