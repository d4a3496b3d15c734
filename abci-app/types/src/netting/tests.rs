use proptest::prelude::*;

use super::*;
use crate::epoch::FeeShares;
use crate::receipt::MAX_WORTH;
use crate::split::split;

const MODEL: ModelId = ModelId([7; 32]);

fn id(n: u8) -> ContributionId {
    ContributionId([n; 32])
}

fn receipt(fee: Amount) -> Receipt {
    let split = FeeShares::STANDARD.split(fee);
    Receipt { model: MODEL, method: Method::Influence as i32, fee, split, ..Receipt::default() }
}

/// Worth by contribution, counted from 1.
fn moved(worth: &[i64]) -> Vec<Influence> {
    let one = |(n, worth): (u8, &i64)| Influence { contribution: id(n), value: 0, worth: *worth };
    (1..).zip(worth).map(one).collect()
}

fn epoch(answers: &[(Amount, Vec<i64>)]) -> Nets {
    let mut nets = Nets::default();
    answers.iter().for_each(|(fee, worth)| nets.add(&receipt(*fee), &moved(worth)));
    nets
}

/// What contributors are paid, by contribution.
fn paid(netted: &Netted) -> BTreeMap<ContributionId, Amount> {
    let mut paid = BTreeMap::new();
    for one in &netted.shared {
        let weights: Vec<u64> = one.shares.iter().map(|share| share.weight).collect();
        for (share, amount) in one.shares.iter().zip(split(one.pot.contributors, &weights)) {
            *paid.entry(share.contribution).or_insert(0) += amount;
        }
    }
    paid
}

fn owed(netted: &Netted) -> Vec<(u8, u64)> {
    netted.debts.iter().map(|debt| (debt.contribution.0[0], debt.amount)).collect()
}

#[test]
fn harm_is_taken_from_help_by_fees_before_anybody_is_paid() {
    // Two answers of 1,000 and one of 3,000: 60 % are the contributors'.
    let nets = epoch(&[(1_000, vec![300, -80, 0]), (1_000, vec![100, 50, 0]), (3_000, vec![-50, 100, -10])]);
    let netted = nets.net(&[]);
    assert_eq!(paid(&netted), BTreeMap::from([(id(1), 1_442), (id(2), 1_558)]));
    assert_eq!(
        netted.shared[0].shares.iter().map(|one| (one.left, one.answers)).collect::<Vec<_>>(),
        [(250_000, 3), (270_000, 3)]
    );
    assert_eq!(owed(&netted), [(3, 30)]);
}

#[test]
fn who_makes_wrong_answers_likelier_makes_right_ones_less_likely_and_is_paid_for_the_difference_alone() {
    // The answer that was given is what is attributed. The second helps wrong ones by as much as it harms right ones.
    let (right, wrong) = ((1_000, vec![200, -100]), (1_000, vec![-200, 100]));
    let epoch_of = |wrongs: usize| epoch(&[vec![right.clone(); 10 - wrongs], vec![wrong.clone(); wrongs]].concat());
    for wrongs in 0..5 {
        let netted = epoch_of(wrongs).net(&[]);
        assert!(!paid(&netted).contains_key(&id(2)), "{wrongs} of 10 were wrong");
        assert_eq!(owed(&netted), [(2, (10 - 2 * wrongs as u64) * 100)], "{wrongs} of 10 were wrong");
    }
    // Where a model is mostly wrong, whoever makes it so earns: held-out records say so, and no netting can.
    assert!(paid(&epoch_of(8).net(&[])).contains_key(&id(2)));
}

#[test]
fn a_debt_is_paid_off_before_anything_is_earned() {
    let first = epoch(&[(1_000, vec![100, -100])]).net(&[]);
    assert_eq!((owed(&first), paid(&first)), (vec![(2, 100)], BTreeMap::from([(id(1), 600)])));
    let second = epoch(&[(1_000, vec![100, 40])]).net(&first.debts);
    assert_eq!((owed(&second), paid(&second)), (vec![(2, 60)], BTreeMap::from([(id(1), 600)])));
    let third = epoch(&[(1_000, vec![0, 80])]).net(&second.debts);
    assert_eq!((owed(&third), paid(&third)), (vec![], BTreeMap::from([(id(2), 600)])));
}

/// docs/attribution.md.
#[test]
fn the_worked_example_of_the_documentation() {
    let answers = [[300, 150, 50, -60], [100, -70, 90, 20], [50, 40, -20, -10]];
    let answer = |worth: [i64; 4]| (1_000, worth.iter().map(|worth| worth * 1_000_000).collect());
    let carol = Debt { model: MODEL, contribution: id(3), amount: 30_000_000 };
    let netted = epoch(&answers.map(answer)).net(&[carol]);
    assert_eq!(paid(&netted), BTreeMap::from([(id(1), 1_227), (id(2), 327), (id(3), 246)]));
    assert_eq!(owed(&netted), [(4, 50_000_000)]);
}

#[test]
fn a_debt_is_of_one_model_and_stays_while_that_does_not_answer() {
    let debt = Debt { model: ModelId([9; 32]), contribution: id(1), amount: 5 };
    let netted = epoch(&[(1_000, vec![100])]).net(&[debt]);
    assert_eq!((netted.debts, netted.shared[0].shares.len()), (vec![debt], 1));
}

#[test]
fn of_more_debts_than_a_statement_lists_the_least_are_forgiven() {
    let debts: Vec<Debt> = [9, 1, 5, 5, 5]
        .into_iter()
        .zip(1..)
        .map(|(amount, n)| Debt { model: MODEL, contribution: id(n), amount })
        .collect();
    let kept = |most| greatest(debts.clone(), most).iter().map(|debt| debt.contribution.0[0]).collect::<Vec<_>>();
    assert_eq!((kept(5), kept(4), kept(3), kept(1)), (vec![1, 2, 3, 4, 5], vec![1, 3, 4, 5], vec![1, 3, 4], vec![1]));

    let numbered = |n: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ContributionId(id)
    };
    let most = u32::try_from(MAX_DEBTS).unwrap();
    let before: Vec<Debt> = (0..most)
        .map(|n| Debt { model: ModelId([1; 32]), contribution: numbered(n), amount: u64::from(n) + 2 })
        .collect();
    let after = epoch(&[(1_000, vec![-1])]).net(&before).debts;
    assert_eq!(after, before, "a debt of one is the least");
}

#[test]
fn where_nothing_is_left_above_zero_nobody_shares_the_pot() {
    let netted = epoch(&[(1_000, vec![-5, 0])]).net(&[]);
    assert_eq!((netted.shared.len(), netted.shared[0].shares.len(), netted.shared[0].pot.sum()), (1, 0, 700));
}

#[test]
fn answers_by_passages_are_not_netted() {
    let retrieval = Receipt { method: Method::Retrieval as i32, ..receipt(1_000) };
    assert!(Nets::of(&retrieval, &moved(&[5])).is_empty() && Nets::of(&receipt(0), &moved(&[5])).is_empty());
}

#[test]
fn sums_of_the_greatest_answers_saturate_and_share_what_there_is() {
    let (most, half) = (vec![MAX_WORTH, MAX_WORTH, -MAX_WORTH], vec![MAX_WORTH, MAX_WORTH / 2, -MAX_WORTH]);
    let mut nets = epoch(&[(u64::MAX, most), (u64::MAX, half)]);
    let netted = nets.net(&[]);
    let total: u128 = paid(&netted).values().map(|one| u128::from(*one)).sum();
    assert_eq!((total, owed(&netted)), (u128::from(netted.shared[0].pot.contributors), vec![(3, u64::MAX)]));
    for _ in 0..80 {
        let twice = nets.clone();
        nets.merge(&twice);
    }
    let netted = nets.net(&netted.debts);
    assert_eq!(owed(&netted), [(3, u64::MAX)]);
    assert!(netted.shared[0].shares.iter().all(|share| share.weight > 0));
}

#[test]
fn what_models_give_together_is_the_sum_of_what_each_gives() {
    let mut nets = epoch(&[(1_000, vec![5, -3]), (10, vec![0, 1])]);
    let other = Receipt { model: ModelId([8; 32]), ..receipt(1_000) };
    nets.add(&other, &moved(&[7]));
    let models = nets.by_model();
    assert_eq!(models[&MODEL], epoch(&[(1_000, vec![5, -3]), (10, vec![0, 1])]));
    assert_eq!((models.len(), &models[&other.model]), (2, &Nets::of(&other, &moved(&[7]))));
    let mut sum = Nets::default();
    models.values().for_each(|of_model| sum.merge(of_model));
    assert_eq!(sum, nets);
}

#[test]
fn what_is_stored_is_what_is_read() {
    let nets = epoch(&[(u64::MAX, vec![MAX_WORTH, -MAX_WORTH]), (1_000, vec![1, 0])]);
    let text = serde_json::to_vec(&nets).unwrap();
    assert_eq!(serde_json::from_slice::<Nets>(&text).unwrap(), nets);
}

fn answers(most: usize) -> impl Strategy<Value = Vec<(Amount, Vec<i64>)>> {
    let worth = -1_000_000_000i64..=1_000_000_000;
    prop::collection::vec((1u64..1 << 40, prop::collection::vec(worth, 4)), 1..most)
}

proptest! {
    #[test]
    fn what_is_paid_sums_to_the_fees_to_the_unit_and_who_owes_is_paid_nothing(answers in answers(30)) {
        let netted = epoch(&answers).net(&[]);
        let paid = paid(&netted);
        let pot = netted.shared[0].pot.contributors;
        prop_assert_eq!(paid.values().sum::<Amount>(), if netted.shared[0].shares.is_empty() { 0 } else { pot });
        prop_assert!(netted.debts.iter().all(|debt| !paid.contains_key(&debt.contribution) && debt.amount > 0));
    }

    #[test]
    fn the_order_of_answers_and_their_channels_change_nothing(answers in answers(20), at in any::<prop::sample::Index>()) {
        let (first, second) = answers.split_at(at.index(answers.len()));
        let mut merged = epoch(second);
        merged.merge(&epoch(first));
        prop_assert_eq!(merged, epoch(&answers));
    }

    /// Somebody has contribution 1 under two names, 1 and 5, that are both of use.
    #[test]
    fn two_names_of_the_same_sign_are_paid_as_one(answers in answers(20), parts in prop::collection::vec(0i64..=1_000, 20)) {
        let one = paid(&epoch(&answers).net(&[]));
        let under_two: Vec<(Amount, Vec<i64>)> = answers.iter().zip(&parts).map(|((fee, worth), part)| {
            let other = (i128::from(worth[0]) * i128::from(*part) / 1_000) as i64;
            (*fee, [&[worth[0] - other], &worth[1..], &[other]].concat())
        }).collect();
        let nets = epoch(&under_two);
        let sum = |n: u8| nets.nets.get(&(MODEL, id(n))).map_or(0, |net| net.sum);
        prop_assume!((sum(1) >= 0) == (sum(5) >= 0));
        let two = paid(&nets.net(&[]));
        let of = |paid: &BTreeMap<ContributionId, Amount>, n| paid.get(&id(n)).copied().unwrap_or(0);
        // Each share is rounded to a unit of the pot, and to a unit of 64 bits.
        prop_assert!((of(&two, 1) + of(&two, 5)).abs_diff(of(&one, 1)) <= 2);
    }

    /// A node that settles after each answer leaves no smaller debts than one that settles once, and no contribution that is in debt at the end has paid
    /// less of it off.
    #[test]
    fn settling_often_cuts_no_debt(answers in answers(20)) {
        let once = epoch(&answers).net(&[]);
        let mut debts = Vec::new();
        for answer in &answers {
            debts = epoch(std::slice::from_ref(answer)).net(&debts).debts;
        }
        let often: BTreeMap<u8, u64> = debts.iter().map(|debt| (debt.contribution.0[0], debt.amount)).collect();
        for (n, amount) in owed(&once) {
            prop_assert!(often.get(&n).is_some_and(|debt| *debt >= amount), "{n}: {amount} {often:?}");
        }
    }

    #[test]
    fn debts_are_ordered_each_once(answers in answers(10), before in answers(10)) {
        let opening = epoch(&before).net(&[]).debts;
        let debts = epoch(&answers).net(&opening).debts;
        prop_assert!(debts.is_sorted_by(|a, b| (a.model, a.contribution) < (b.model, b.contribution)));
    }
}
