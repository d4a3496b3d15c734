//! A contribution that is given under several names, at random or sorted into good and bad, and a node that settles often: what that gains where an epoch's
//! answers are netted and debts are carried on.

use std::collections::BTreeMap;

use datanet_types::epoch::FeeShares;
use datanet_types::netting::{Debt, Nets};
use datanet_types::receipt::{Influence, Method, Receipt};
use datanet_types::split::split;
use datanet_types::{Amount, ContributionId, ModelId};

const FEE: Amount = 10_000;
/// Contributors of as many records each; the last one attacks.
const CONTRIBUTORS: usize = 10;
const RECORDS: usize = 40;
const ANSWERS: usize = 600;

/// A stream of numbers that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// About normal, in thousandths.
    fn normal(&mut self) -> i64 {
        (0..12).map(|_| (self.next() % 1_001) as i64).sum::<i64>() - 6_000
    }
}

/// Worth of every record for every answer: of a record a mean, which is below zero for one in twelve, and twice as much that is chance.
fn worths() -> Vec<Vec<i64>> {
    let mut dice = Dice(88_172_645_463_325_252);
    let means: Vec<i64> = (0..CONTRIBUTORS * RECORDS).map(|_| 1_400 + dice.normal()).collect();
    (0..ANSWERS).map(|_| means.iter().map(|mean| mean + 2 * dice.normal()).collect()).collect()
}

/// What the attacker is paid where `name_of` says under which name each of his records is, and an epoch has so many answers.
fn paid(worths: &[Vec<i64>], name_of: &[usize], answers: usize) -> Amount {
    let attacker = CONTRIBUTORS - 1;
    let split_of = FeeShares::STANDARD.split(FEE);
    let receipt = Receipt {
        model: ModelId([1; 32]),
        method: Method::Influence as i32,
        fee: FEE,
        split: split_of,
        ..Receipt::default()
    };
    let (mut debts, mut paid): (Vec<Debt>, Amount) = (Vec::new(), 0);
    for epoch in worths.chunks(answers) {
        let mut nets = Nets::default();
        for answer in epoch {
            let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
            for (record, worth) in answer.iter().enumerate() {
                let contributor = record / RECORDS;
                let name = if contributor < attacker { contributor } else { attacker + name_of[record % RECORDS] };
                *sums.entry(name).or_default() += worth;
            }
            let moved = |(name, worth): (usize, i64)| Influence { contribution: id(name), value: 0, worth };
            nets.add(&receipt, &sums.into_iter().map(moved).collect::<Vec<_>>());
        }
        let netted = nets.net(&debts);
        for shared in &netted.shared {
            let weights: Vec<u64> = shared.shares.iter().map(|share| share.weight).collect();
            let parts = shared.shares.iter().zip(split(shared.pot.contributors, &weights));
            paid += parts.filter(|(share, _)| share.contribution >= id(attacker)).map(|(_, part)| part).sum::<Amount>();
        }
        debts = netted.debts;
    }
    paid
}

fn id(name: usize) -> ContributionId {
    ContributionId([name as u8; 32])
}

fn at_random(names: usize) -> Vec<usize> {
    let mut dice = Dice(names as u64 + 7);
    (0..RECORDS).map(|_| (dice.next() >> 20) as usize % names).collect()
}

fn gain(attack: &str, honest: Amount, gained: Amount, most: f64) {
    let times = gained as f64 / honest as f64;
    println!("{attack}: the attacker had {honest} and has {gained}, {times:.3} times");
    assert!(times <= most, "{times}");
}

#[test]
fn names_for_the_same_records_gain_nothing_but_the_harm_of_what_is_truly_bad() {
    let worths = worths();
    let one = paid(&worths, &[0; RECORDS], 60);
    for names in [2, 10] {
        gain(&format!("{names} names at random"), one, paid(&worths, &at_random(names), 60), 1.01);
    }
    let mean = |record: usize| worths.iter().map(|answer| answer[(CONTRIBUTORS - 1) * RECORDS + record]).sum::<i64>();
    let sorted: Vec<usize> = (0..RECORDS).map(|record| usize::from(mean(record) < 0)).collect();
    // Records that harm are as if they had not been given: their debt is their name's, which never earns again.
    gain("good and bad sorted", one, paid(&worths, &sorted, 60), 1.12);
    let each: Vec<usize> = (0..RECORDS).collect();
    gain("a name a record", one, paid(&worths, &each, 60), 1.15);
}

#[test]
fn a_node_that_settles_after_each_answer_or_once_gives_nobody_more() {
    let worths = worths();
    let usual = paid(&worths, &[0; RECORDS], 60);
    gain("settled after every answer", usual, paid(&worths, &[0; RECORDS], 1), 1.02);
    gain("settled once", usual, paid(&worths, &[0; RECORDS], ANSWERS), 1.02);
    gain("ten names, settled after every answer", usual, paid(&worths, &at_random(10), 1), 1.05);
}

#[test]
fn whoever_harms_on_the_whole_is_paid_nothing_and_owes() {
    let harmed: Vec<Vec<i64>> = worths()
        .into_iter()
        .map(|mut answer| {
            answer[(CONTRIBUTORS - 1) * RECORDS..].iter_mut().for_each(|worth| *worth -= 3_000);
            answer
        })
        .collect();
    assert_eq!(paid(&harmed, &[0; RECORDS], 60), 0, "answers that a contribution made worse earn it nothing");
    println!("ten names of bad records: {}", paid(&harmed, &at_random(10), 60));
}
