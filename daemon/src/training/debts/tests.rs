use datanet_training::job::{Job, Task};
use datanet_types::Amount;
use datanet_types::epoch::FeeShares;
use datanet_types::netting::Nets;
use datanet_types::receipt::{Influence, Method, Receipt};
use datanet_types::schema::Schema;

use super::*;

const FEE: Amount = 1_000;
const VICTIM: u8 = 1;
const HARMFUL: u8 = 2;

fn id(n: u8) -> ContributionId {
    ContributionId([n; 32])
}

/// A release that learnt from 1, 2 and 3, after answers at these fees with these worths, in billionths.
fn heard(model: u8, answers: &[(Amount, [i64; 3])]) -> Heard {
    let mut nets = Nets::default();
    for (fee, worth) in answers {
        let (method, split) = (Method::Influence as i32, FeeShares::STANDARD.split(*fee));
        let receipt = Receipt { model: ModelId([model; 32]), method, fee: *fee, split, ..Receipt::default() };
        let moved = (1..).zip(worth).map(|(n, worth)| Influence { contribution: id(n), value: 0, worth: *worth });
        nets.add(&receipt, &moved.collect::<Vec<_>>());
    }
    let asked = nets.pots().fold(Asked::default(), |sum, (_, pot)| Asked {
        answers: sum.answers + pot.answers,
        pots: sum.pots + pot.sum(),
    });
    let owed = nets.net(&[]).debts.into_iter().map(|debt| (debt.contribution, debt.amount)).collect();
    let learnt = Some((1..=3).map(id).collect());
    Heard { model: ModelId([model; 32]), name: format!("release-{model}"), asked, learnt, owed }
}

/// Thirty answers, each with these worths.
fn each(model: u8, worth: [i64; 3]) -> Heard {
    heard(model, &vec![(FEE, worth); 30])
}

const GOOD: i64 = 200_000_000;
const BAD: i64 = -200_000_000;

fn lasting(heard: &[Heard], last: usize) -> Vec<u8> {
    let standing = standing(heard, last);
    standing.into_iter().filter(|(_, one)| one.lasting).map(|(contribution, _)| contribution.0[0]).collect()
}

fn debts(releases: Vec<Owed>, worth: Option<i64>) -> ContributionDebts {
    ContributionDebts {
        contribution: id(VICTIM),
        contributor: Address([9; 20]),
        releases,
        lasting: true,
        held_out: worth.map(|worth| HeldOutWorth { records: 64, worth }),
        elsewhere: 0,
    }
}

#[test]
fn who_owes_by_each_of_the_last_releases_stands_in_debt_and_who_helped_once_does_not() {
    let releases: Vec<Heard> = (1..=3).map(|n| each(n, [BAD, GOOD, if n == 2 { GOOD } else { BAD }])).collect();
    assert_eq!(lasting(&releases, 3), [1]);
    assert_eq!(lasting(&releases[..2], 3), [0; 0], "two releases are not three");
    assert_eq!(lasting(&releases[..2], 2), [1]);
    let standing = standing(&releases, 3);
    let third = &standing[&id(3)];
    assert_eq!(third.releases.iter().map(|owed| owed.counts).collect::<Vec<_>>(), [true, false, true]);
    // Thirty answers of 1,000 at .2 of log-odds.
    assert_eq!(third.releases[0].amount, 30 * 1_000 * 200_000);
    // Newest first: what was owed long ago is not looked at.
    let mut cleared = vec![each(9, [GOOD, GOOD, GOOD])];
    cleared.extend(releases);
    assert_eq!(lasting(&cleared, 3), [0; 0]);
}

#[test]
fn a_release_that_did_not_learn_from_it_says_nothing_of_it() {
    let mut releases: Vec<Heard> = (1..=4).map(|n| each(n, [BAD, GOOD, GOOD])).collect();
    releases[0].learnt = Some([id(2), id(3)].into());
    releases[0].owed.clear();
    let standing = standing(&releases, 3);
    let of: Vec<u8> = standing[&id(1)].releases.iter().map(|owed| owed.model.0[0]).collect();
    assert!(standing[&id(1)].lasting && of == [2, 3, 4], "{of:?}");
    // Where nobody knows what it learnt from, it speaks for everybody who owes nothing by it.
    releases[0].learnt = None;
    assert_eq!(lasting(&releases, 3), [0; 0]);
}

#[test]
fn few_answers_and_noise_say_nothing() {
    let few = heard(9, &[(FEE, [GOOD, BAD, BAD]); 19]);
    let mut releases = vec![few];
    releases.extend((1..=3).map(|n| each(n, [BAD, GOOD, GOOD])));
    assert_eq!(lasting(&releases, 3), [1], "nineteen answers neither clear nor accuse");
    // Of each unit that follows worth a thousandth of log-odds must be owed: 700 of 1,000 do.
    let bar = |worth: i64| (1..=3).map(|n| each(n, [worth, GOOD, GOOD])).collect::<Vec<_>>();
    assert_eq!(lasting(&bar(-699_000), 3), [0; 0]);
    assert_eq!(lasting(&bar(-700_000), 3), [1]);
    assert!(!standing(&bar(-699_000), 3)[&id(1)].lasting, "it is named all the same");
}

#[test]
fn an_asker_who_asks_only_what_a_victim_is_bad_at_does_not_get_it_left_out() {
    // Honest people ask, and the victim helps; a stranger outbids them all, over three releases, with questions of his choice.
    let attacked = |n| {
        let honest = vec![(FEE, [GOOD, BAD, GOOD]); 30];
        heard(n, &[honest, vec![(10 * FEE, [BAD, GOOD, GOOD]); 30]].concat())
    };
    let releases: Vec<Heard> = (1..=3).map(attacked).collect();
    let standing = standing(&releases, 3);
    assert!(standing[&id(VICTIM)].lasting && !standing.contains_key(&id(HARMFUL)), "debts can be bought");
    // He doesn't choose the held-out records.
    let owed = standing[&id(VICTIM)].releases.clone();
    let victim = debts(owed.clone(), Some(64 * 50_000_000));
    assert!(!victim.is_left_out());
    assert!(
        victim.why().contains("raises the odds of the right answers to held-out records by 5.1 %"),
        "{}",
        victim.why()
    );
    let unknown = debts(owed.clone(), None);
    assert!(!unknown.is_left_out() && unknown.why().contains("no held-out records"));
    let harmful = debts(owed, Some(64 * -50_000_000));
    assert!(harmful.is_left_out() && harmful.why().contains("lowers the odds"), "{}", harmful.why());
    assert!(harmful.why().contains("by 4.9 %"), "{}", harmful.why());
}

#[test]
fn held_out_records_of_all_labels_are_asked_in_whatever_order_they_stand() {
    // One label after the other, as files are written; the first fifty of one that the model does not know.
    let schema = Schema::text_and_label(&["a", "b", "c"]);
    let record = |n: usize| {
        let label = ["c", "a", "b", "b"][n / 50];
        let json = serde_json::json!({ "text": format!("a sentence with the number {n}"), "label": label });
        Record::from_json(&json.to_string(), &schema).unwrap()
    };
    let shape = Shape::of(&Job::new("m", Task::Classify), &schema);
    let labels = ["a", "b"].map(str::to_owned);
    let all = drawn((0..200).map(record).collect(), &shape, &labels);
    let of_a = all.iter().filter(|(_, right)| *right == 0).count();
    assert!(all.len() == HELD_OUT_ASKED && (5..45).contains(&of_a), "{of_a} of {}", all.len());
    assert_eq!(drawn((0..200).rev().map(record).collect(), &shape, &labels), all);
}

#[test]
fn where_others_ask_more_than_he_does_he_buys_no_debt_at_all() {
    let outbid = |n| heard(n, &[vec![(FEE, [GOOD, GOOD, GOOD]); 30], vec![(FEE, [BAD, GOOD, GOOD]); 29]].concat());
    assert!(standing(&(1..=3).map(outbid).collect::<Vec<_>>(), 3).is_empty());
}

#[test]
fn what_other_nodes_state_decides_nothing() {
    let accused = ContributionDebts { lasting: false, elsewhere: 1_000, ..debts(Vec::new(), Some(-1)) };
    assert!(!accused.is_left_out());
    let accused = ContributionDebts { elsewhere: 1_000, ..debts(Vec::new(), Some(1)) };
    assert!(!accused.is_left_out());
}

#[test]
fn a_job_is_told_whom_it_leaves_out_or_why_nobody() {
    assert_eq!(LeftOut::default().told(), None);
    let left = LeftOut { in_debt: vec![debts(Vec::new(), Some(-1)); 10], unread: None };
    let told = left.told().unwrap();
    assert!(
        told.contains(&id(VICTIM).to_string()) && told.contains("and 2 more") && told.contains("leave_out"),
        "{told}"
    );
    let unread = LeftOut { unread: Some("it is gone".to_owned()), ..left };
    assert!(unread.told().unwrap().contains("could not be read: it is gone"));
}
