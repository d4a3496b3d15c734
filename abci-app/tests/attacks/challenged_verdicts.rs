//! Challenges of verdicts by whoever has something against them: a committee that is bought, a rival, a plot of challenger and judges.

use datanet_ledger::code;
use datanet_ledger::component::contributions::{self, Contribution, Status, bond_account};
use datanet_ledger::component::validation::{self, Phase, challenge_deposit};
use datanet_ledger::component::{accounts, nodes, params};
use datanet_types::action::{ChallengeVerdict, CommitScores, Contribute, CreateDatanet, RevealScores, role};
use datanet_types::amount::DNT;
use datanet_types::scores::Commitment;
use datanet_types::{Action, Amount, BlobHash, ContributionId, DatanetId, Digest, Scores};

use super::judging::{BOND, contribute, create_datanet, keep, register};
use super::serving::verdict;
use crate::support::{CHAIN, Chain, FEE, address, body, genesis_with, signed};

/// Judge with the same stake each. The first three are in the plot: a third of all stake.
const JUDGES: [u8; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const PLOT: [u8; 3] = [1, 2, 3];
const STAKE: Amount = 100 * DNT;
/// Gives; creates the datanet too.
const GIVER: u8 = 9;
/// Keeps what is given.
const KEEPER: u8 = 8;
const WINDOW: u64 = 100;

fn all(score: u32) -> Option<Scores> {
    Some(Scores::from_array([score; 4]))
}

struct Court {
    chain: Chain,
    nonce: u64,
}

impl Court {
    fn new() -> Self {
        let chain = Chain::empty();
        chain.init_with(&genesis_with(
            &serde_json::json!({ "verdict_challenge_seconds": WINDOW, "commit_seconds": 20 }),
        ));
        let mut court = Self { chain, nonce: 0 };
        for judge in JUDGES {
            court.done(judge, register(judge, role::VALIDATOR | role::STORAGE, STAKE));
        }
        court.done(GIVER, Action::CreateDatanet(CreateDatanet { storage_quorum: 1, ..create_datanet() }));
        court
    }

    fn send(&mut self, who: u8, action: Action) -> datanet_ledger::app::TxOutcome {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.chain.next() + 99, self.nonce));
        self.chain.run(&[tx]).outcomes.remove(0)
    }

    fn done(&mut self, who: u8, action: Action) {
        let outcome = self.send(who, action);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
    }

    fn wait(&mut self, blocks: u32) {
        (0..blocks).for_each(|_| drop(self.chain.run(&[])));
    }

    fn given(&self, id: &ContributionId) -> Contribution {
        contributions::get(&self.chain.ledger.reader(), id).unwrap().unwrap()
    }

    fn round(&self, id: &ContributionId) -> validation::Round {
        validation::judging_round(&self.chain.ledger.reader(), &self.given(id)).unwrap().unwrap()
    }

    /// Bytes are given and kept, and their committee is drawn.
    fn give(&mut self, blob: u8) -> ContributionId {
        let datanet = DatanetId::derive(CHAIN, &address(GIVER), "docs");
        let action = Contribute { datanet, ..contribute([blob; 32]) };
        let id = action.id(CHAIN, &address(GIVER), 0);
        self.done(GIVER, Action::Contribute(action));
        self.done(KEEPER, keep(KEEPER, &id));
        self.wait(3);
        id
    }

    /// Seats of the plot on the committee that is at it, of all.
    fn seats(&self, id: &ContributionId) -> (u32, u32) {
        let round = self.round(id);
        let plot = PLOT.iter().filter_map(|who| round.member(&address(*who))).map(|member| member.seats).sum();
        (plot, round.seats())
    }

    /// Whoever has a seat says what `says` does.
    fn judge(&mut self, id: &ContributionId, says: impl Fn(u8) -> Option<Scores>) {
        let given = self.given(id);
        let round = self.round(id);
        let judges: Vec<u8> = JUDGES.into_iter().filter(|who| round.member(&address(*who)).is_some()).collect();
        for who in &judges {
            let scores = says(*who);
            let commitment = Commitment {
                chain_id: CHAIN,
                datanet: &given.datanet,
                contribution: id,
                blob: &given.blob,
                validator: &address(*who),
                scores: scores.as_ref(),
                report: &BlobHash([1; 32]),
                salt: &Digest([*who; 32]),
            };
            let commitment = commitment.digest();
            self.done(*who, Action::CommitScores(CommitScores { contribution: *id, commitment }));
        }
        assert_eq!(self.round(id).phase(), Phase::Reveal);
        for who in judges {
            let (scores, report, salt) = (says(who), BlobHash([1; 32]), Digest([who; 32]));
            self.done(who, Action::RevealScores(RevealScores { contribution: *id, scores, report, salt }));
        }
        self.wait(1);
    }

    fn challenge(&mut self, who: u8, id: &ContributionId) {
        self.done(who, Action::ChallengeVerdict(ChallengeVerdict { contribution: *id }));
        self.wait(3);
    }

    fn money(&self, whose: &[u8]) -> i128 {
        whose.iter().map(|who| i128::from(self.chain.balance(*who))).sum()
    }

    /// What is still held of a bond.
    fn bond(&self, id: &ContributionId) -> Amount {
        accounts::balance(&self.chain.ledger.reader(), bond_account(id)).unwrap()
    }

    /// What these were paid for a round.
    fn paid(&self, id: &ContributionId, number: u32, whose: &[u8]) -> i128 {
        let round = validation::round(&self.chain.ledger.reader(), id, number).unwrap().unwrap();
        whose.iter().filter_map(|who| round.member(&address(*who))).map(|member| i128::from(member.reward)).sum()
    }

    fn reputation(&self, who: u8) -> u32 {
        nodes::reputation(&self.chain.ledger.reader(), &address(who)).unwrap().unwrap().bps
    }

    /// Gives bytes until the plot has most of the seats, or at most so many.
    fn give_where(&mut self, wanted: impl Fn(u32, u32) -> bool) -> ContributionId {
        for blob in 1..200 {
            let id = self.give(blob);
            let (plot, seats) = self.seats(&id);
            if wanted(plot, seats) {
                return id;
            }
            self.judge(&id, |_| all(9_000));
            self.chain.pass(WINDOW);
        }
        panic!("no such committee")
    }
}

#[test]
fn a_committee_that_is_bought_to_refuse_loses_its_fee_and_standing_and_its_victim_nothing() {
    let unlucky = (0..20).take_while(|salt| !a_bought_refusal(*salt)).count();
    println!("with a third of the stake it drew the second committee too in {unlucky} of {} tries", unlucky + 1);
    assert!(unlucky < 4);
}

/// The plot has a majority of the first committee, by luck or for money, and refuses good data. False if it has the second one too.
fn a_bought_refusal(salt: u32) -> bool {
    let mut court = Court::new();
    court.wait(salt);
    let id = court.give_where(|plot, seats| 2 * plot > seats);
    let drawn: Vec<u8> = PLOT.into_iter().filter(|who| court.round(&id).member(&address(*who)).is_some()).collect();
    let (before, standing) = (court.money(&drawn), court.reputation(drawn[0]));
    court.judge(&id, |who| if PLOT.contains(&who) { all(100) } else { all(9_000) });
    assert_eq!(court.given(&id).status(), Status::Refused);
    let victim = court.money(&[GIVER]);
    court.challenge(GIVER, &id);
    let (plot, seats) = court.seats(&id);
    assert_eq!(seats, 7);
    if plot * 2 > seats {
        return false;
    }
    court.judge(&id, |who| if PLOT.contains(&who) { all(100) } else { all(9_000) });
    assert_eq!(court.given(&id).status(), Status::Final);
    let fees = i128::from(FEE);
    assert!(court.money(&[GIVER]) >= victim + i128::from(BOND) - 3 * fees, "bond and deposit are back");
    println!("reputation {standing} before, {} after", court.reputation(drawn[0]));
    assert!(court.reputation(drawn[0]) < standing);
    // The seats that some of it had on the second committee are paid as any, by how close they were.
    let again = court.paid(&id, 1, &drawn);
    println!("it has {again} for seats on the second committee, and nothing of the {} for the first", DNT / 10);
    verdict("a bought refusal", before, court.money(&drawn) - again, 0);
    true
}

/// The plot accepts rubbish of its own: whoever looks has it out of the datanet again, at the giver's cost.
#[test]
fn a_committee_that_is_bought_to_accept_is_overturned_and_the_bond_pays_who_looked() {
    let unlucky = (0..20).take_while(|salt| !a_bought_acceptance(*salt)).count();
    println!("with a third of the stake it drew the second committee too in {unlucky} of {} tries", unlucky + 1);
    assert!(unlucky < 4);
}

/// False if the plot has the second committee too, by luck.
fn a_bought_acceptance(salt: u32) -> bool {
    let mut court = Court::new();
    court.wait(salt);
    let id = court.give_where(|plot, seats| 2 * plot > seats);
    let plot_and_giver = [1, 2, 3, GIVER];
    let before = court.money(&plot_and_giver) + i128::from(BOND + DNT / 10);
    court.judge(&id, |who| if PLOT.contains(&who) { all(9_000) } else { all(100) });
    assert_eq!(court.given(&id).status(), Status::Final, "it is there for a moment");
    let onlooker = 8;
    let (deposit, had) = (challenge_deposit(&court.given(&id)), court.money(&[onlooker]));
    court.challenge(onlooker, &id);
    let (plot, seats) = court.seats(&id);
    if plot * 2 > seats {
        return false;
    }
    court.judge(&id, |who| if PLOT.contains(&who) { all(9_000) } else { all(100) });
    assert_eq!(court.given(&id).status(), Status::Revoked);
    assert_eq!(court.bond(&id), 0);
    let penalty = BOND / 2;
    let reward = (penalty / 2).min(deposit);
    assert!(court.money(&[onlooker]) >= had + i128::from(reward) - 3 * i128::from(FEE));
    println!("the bond of {BOND} paid {penalty}, of which {reward} went to who looked");
    verdict("a bought acceptance", before, court.money(&plot_and_giver), 0);
    true
}

/// Doubting all that a rival gives holds up his bond for a moment, and costs a deposit each time.
#[test]
fn challenging_everything_of_a_rival_costs_a_deposit_each_and_frees_his_bonds_sooner() {
    let mut court = Court::new();
    let rival = 2;
    let (before, mut deposits) = (court.money(&[rival]), 0);
    for blob in 1..6 {
        let id = court.give(blob);
        // Who challenges does not sit, and whoever else is there says what is so.
        court.judge(&id, |_| all(9_000));
        let had = court.money(&[GIVER]);
        deposits += challenge_deposit(&court.given(&id));
        court.challenge(rival, &id);
        assert_eq!(court.given(&id).status(), Status::Final, "it earns all the same");
        let again = court.send(rival, Action::ChallengeVerdict(ChallengeVerdict { contribution: id }));
        assert_eq!(again.code, code::CONTRIBUTION_JUDGING, "{}", again.log);
        court.judge(&id, |_| all(9_000));
        assert_eq!(court.money(&[GIVER]) - had, i128::from(BOND), "at once, and not after the window");
        let again = court.send(rival, Action::ChallengeVerdict(ChallengeVerdict { contribution: id }));
        assert_eq!(again.code, code::VERDICT_FINAL, "{}", again.log);
    }
    println!("five challenges in vain cost {deposits} of deposits; the rival's victim waited for no money longer");
    verdict("challenge spam", before, court.money(&[rival]), 0);
}

/// A challenger whose friends judge doubts good data, and hopes for a committee that is his.
#[test]
fn a_challenger_in_a_plot_with_a_third_of_the_judges_loses_what_he_stakes() {
    let (mut gained, mut won, mut tries) = (0i128, 0, 0);
    for salt in 0..30 {
        let mut court = Court::new();
        court.wait(salt);
        for blob in 1..4 {
            let id = court.give(blob);
            court.judge(&id, |_| all(9_000));
            let before = court.money(&PLOT);
            court.challenge(PLOT[0], &id);
            court.judge(&id, |who| if PLOT.contains(&who) { all(100) } else { all(9_000) });
            gained += court.money(&PLOT) - before;
            won += u32::from(court.given(&id).status() == Status::Revoked);
            tries += 1;
        }
    }
    println!("a plot with a third of the stake overturned {won} of {tries} good verdicts, and has {gained} more");
    assert!(won * 4 < tries);
    verdict("a challenger and his judges", 0, gained, 0);
}

/// Parameters hold a verdict's money no longer than they say, and nothing is left behind.
#[test]
fn what_nobody_challenges_is_settled_whoever_is_silent() {
    let mut court = Court::new();
    let id = court.give(1);
    court.judge(&id, |_| all(100));
    assert_eq!(court.bond(&id), BOND);
    let seconds = params::get(&court.chain.ledger.reader()).unwrap().verdict_challenge_seconds;
    court.chain.pass(seconds);
    assert_eq!(court.bond(&id), 0);
    let late = court.send(GIVER, Action::ChallengeVerdict(ChallengeVerdict { contribution: id }));
    assert_eq!(late.code, code::VERDICT_FINAL, "{}", late.log);
}
