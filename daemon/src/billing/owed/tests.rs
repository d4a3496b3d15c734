use super::*;
use datanet_ledger::component::contributions::{Contribution, Keeper};
use datanet_ledger::component::models::Model;
use datanet_ledger::component::validation::{Member, Round};
use datanet_ledger::component::{Genesis, init_genesis};
use datanet_ledger::state::{MemoryState, StateWrite};
use datanet_types::epoch::FeeShares;
use datanet_types::receipt::{Influence, Method};
use datanet_types::release::DataSnapshot;
use datanet_types::{ContributionId, ModelId, NodeKey};
use proptest::prelude::*;

const DATANET: DatanetId = DatanetId([1; 32]);

/// Four models, each made from all before it, the fourth after the answers; and four contributions with a judge each, the last
/// one revoked since.
fn ledger() -> MemoryState {
    let mut state = MemoryState::default();
    init_genesis(&mut state, &Genesis::default(), "test").unwrap();
    for n in 1..=4u8 {
        let parents = (1..n).map(|parent| ModelId([parent; 32])).collect();
        let registered_height = if n == 4 { 9 } else { 1 };
        let (id, owner) = (ModelId([n; 32]), Address([n; 20]));
        let model = Model { id, owner, parents, registered_height, ..Model::default() };
        state.put(models::state_key::model(&model.id), &model);
        let mut contribution = Contribution {
            id: ContributionId([n; 32]),
            datanet: DATANET,
            contributor: Address([n + 100; 20]),
            ..Contribution::default()
        };
        contribution.set_status(if n == 4 { contributions::Status::Revoked } else { contributions::Status::Final });
        state.put(contributions::state_key::contribution(&contribution.id), &contribution);
        let member = Member { account: Address([n + 50; 20]), accuracy_bps: Some(9_000), ..Member::default() };
        let round = Round { contribution: contribution.id, committee: vec![member], ..Round::default() };
        state.put(validation::state_key::round(&contribution.id, 0), &round);
        for place in 0..2 {
            let account = Address([n + 150 + 50 * place; 20]);
            let keeper = Keeper { node: NodeKey([n; 32]), account };
            state.put(contributions::state_key::keeper(&contribution.id, place.into()), &keeper);
        }
    }
    state
}

fn credits(weights: &[u64]) -> Vec<Credit> {
    let parts = Ppm::split(weights);
    let credit = |(n, weight)| Credit { contribution: ContributionId([n; 32]), contributor: Address([99; 20]), weight };
    (1..).zip(parts).map(credit).filter(|credit| credit.weight > Ppm::ZERO).collect()
}

fn earned(lines: &[EarningLine], account: impl Into<Account>, role: EarningRole) -> Amount {
    let account = account.into();
    let of = lines.iter().filter(|(key, _)| key.account == account && key.role == role);
    of.map(|(_, earning)| earning.amount).sum()
}

fn of_model(n: u8) -> datanet_types::ModuleAddress {
    Asset::Model(ModelId([n; 32])).income_account()
}

fn receipt(model: u8, fee: Amount, weights: &[u64]) -> Receipt {
    let (model, credits, split) = (ModelId([model; 32]), credits(weights), FeeShares::STANDARD.split(fee));
    Receipt { datanet: DATANET, model, height: 8, credits, fee, split, ..Receipt::default() }
}

#[test]
fn owners_behind_a_model_earn_by_link_and_what_is_revoked_later_has_earned() {
    let state = ledger();
    let found = lines(&state, &receipt(3, 100_000, &[1, 1, 1, 1])).unwrap();
    // Three links behind model 3: two to model 1, one to model 2, a quarter of 5,000 each.
    assert_eq!(earned(&found, of_model(1), EarningRole::Lineage), 2_500);
    assert_eq!(earned(&found, of_model(2), EarningRole::Lineage), 1_250);
    assert_eq!(earned(&found, of_model(3), EarningRole::Owner), 5_000 + 1_250);
    assert_eq!(earned(&found, Address([103; 20]), EarningRole::Contributor), 15_000);
    assert_eq!(earned(&found, Address([104; 20]), EarningRole::Contributor), 15_000);
    assert_eq!(earned(&found, Address([54; 20]), EarningRole::Validator), 1_250);
    assert_eq!(earned(&found, Address([154; 20]), EarningRole::Storage), 625);
    assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 0);
}

#[test]
fn what_models_were_trained_on_earns_with_them() {
    let mut state = ledger();
    let snapshot = |n: u8| DataSnapshot { count: 1, ..DataSnapshot::start(DatanetId([n; 32])) };
    for (n, of) in [(1u8, vec![7]), (3, vec![7, 8])] {
        let model = models::get(&state, &ModelId([n; 32])).unwrap().unwrap();
        let model = Model { snapshots: of.into_iter().map(snapshot).collect(), ..model };
        state.put(models::state_key::model(&model.id), &model);
    }
    let found = lines(&state, &receipt(3, 100_000, &[1])).unwrap();
    let of = |n: u8| earned(&found, Asset::Datanet(DatanetId([n; 32])).income_account(), EarningRole::Lineage);
    // Of 5,000 a quarter for each of its two datanets; the other half for four links: two to model 1, one to model 2, one from model 1 to datanet 7.
    assert_eq!((of(7), of(8)), (1_250 + 625, 1_250));
    assert_eq!(earned(&found, of_model(1), EarningRole::Lineage), 1_250);
    assert_eq!(earned(&found, of_model(2), EarningRole::Lineage), 625);
    assert_eq!(earned(&found, of_model(3), EarningRole::Owner), 5_000);
}

#[test]
fn those_who_had_a_contribution_judged_share_what_falls_to_it_and_the_first_has_the_unit_that_is_left() {
    let found = lines(&ledger(), &receipt(3, 1_020, &[2, 1])).unwrap();
    // 51 of 1,020: 34 by the first, 17 by the second.
    let kept = [151, 201, 152, 202].map(|n| earned(&found, Address([n; 20]), EarningRole::Storage));
    assert_eq!(kept, [17, 17, 9, 8]);
}

#[test]
fn what_nobody_is_known_to_keep_is_the_treasurys() {
    let mut state = ledger();
    for place in 0..2 {
        state.delete(contributions::state_key::keeper(&ContributionId([1; 32]), place));
    }
    let found = lines(&state, &receipt(3, 100_000, &[1])).unwrap();
    assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 5_000);
}

#[test]
fn a_model_that_is_registered_after_the_answer_has_not_earned_by_it() {
    let found = lines(&ledger(), &receipt(4, 100_000, &[1])).unwrap();
    assert_eq!(earned(&found, of_model(4), EarningRole::Owner), 0);
    assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 10_000);
}

#[test]
fn where_nobody_owns_the_model_the_datanet_has_the_owners_part_of_what_rests_on_it() {
    let mut state = ledger();
    let datanet = Asset::Datanet(DATANET).income_account();
    let found = |state: &MemoryState, weights: &[u64]| lines(state, &receipt(9, 100_000, weights)).unwrap();
    assert_eq!(earned(&found(&state, &[1]), datanet, EarningRole::Owner), 0, "there is no such datanet");
    let record = datanets::Datanet { id: DATANET, ..datanets::Datanet::default() };
    state.put(datanets::state_key::datanet(&DATANET), &record);
    assert_eq!(earned(&found(&state, &[1]), datanet, EarningRole::Owner), 5_000);
    assert_eq!(earned(&found(&state, &[]), datanet, EarningRole::Owner), 0, "nothing was found, and it may be closed");
}

#[test]
fn shares_issued_after_an_answer_change_nothing_of_what_it_owes() {
    use datanet_ledger::component::shares::{Shares, state_key};
    let (mut state, receipt) = (ledger(), receipt(3, 100_000, &[1, 1]));
    let before = lines(&state, &receipt).unwrap();
    let asset = Asset::Model(ModelId([3; 32]));
    state.put(state_key::shares(&asset), &Shares { asset: Some(asset), supply: 100, ..Shares::default() });
    assert_eq!(lines(&state, &receipt).unwrap(), before);
}

/// Answers of models 1 and 2, which contributions 1 and 2 moved alike.
fn netted_by_two_models() -> Vec<EarningLine> {
    let mut nets = netting::Nets::default();
    for (model, worth) in [(1, [300, 100]), (2, [100, 100]), (2, [100, 100])] {
        let moved = |(n, worth)| Influence { contribution: ContributionId([n; 32]), value: 0, worth };
        let moved: Vec<Influence> = (1..).zip(worth.map(|worth| worth * 1_000_000)).map(moved).collect();
        let receipt = Receipt { method: Method::Influence as i32, ..receipt(model, 1_000, &[]) };
        nets.add(&receipt, &moved);
    }
    netted(&ledger(), &nets.net(&[])).unwrap()
}

#[test]
fn what_a_contribution_earned_by_each_model_is_a_line_with_its_share_of_that_models_fees() {
    let all = netted_by_two_models();
    let of = |n: u8| {
        let own = all.iter().filter(move |(key, _)| {
            key.role == EarningRole::Contributor && key.contribution == Some(ContributionId([n; 32]))
        });
        own.map(|(key, sum)| (key.by, sum.amount, sum.answers, sum.share.0, sum.left)).collect::<Vec<_>>()
    };
    let by = |n: u8| EarnedBy::Netted(Some(ModelId([n; 32])));
    assert_eq!(of(1), [(by(1), 450, 1, 750_000, 300_000_000), (by(2), 600, 2, 500_000, 200_000_000)]);
    assert_eq!(of(2), [(by(1), 150, 1, 250_000, 100_000_000), (by(2), 600, 2, 500_000, 200_000_000)]);
    assert!(all.iter().all(|(_, sum)| sum.weights == Ppm::ZERO));
}

#[test]
fn what_rests_on_passages_has_weights_and_no_share_of_what_was_netted() {
    let found = lines(&ledger(), &receipt(3, 100_000, &[3, 1])).unwrap();
    assert!(found.iter().all(|(key, sum)| key.by == EarnedBy::Answers && (sum.share, sum.left) == (Ppm::ZERO, 0)));
    let weights =
        |role| -> Vec<u64> { found.iter().filter(|(key, _)| key.role == role).map(|(_, sum)| sum.weights.0).collect() };
    assert_eq!(weights(EarningRole::Contributor), [750_000, 250_000]);
    assert_eq!(weights(EarningRole::Owner), [0]);
}

#[test]
fn the_account_of_two_keepers_of_a_contribution_has_its_share_once() {
    let mut state = ledger();
    for place in 0..2 {
        let keeper = Keeper { node: NodeKey([place; 32]), account: Address([150; 20]) };
        state.put(contributions::state_key::keeper(&ContributionId([1; 32]), place.into()), &keeper);
    }
    let found = lines(&state, &receipt(3, 100_000, &[1])).unwrap();
    let kept: Vec<_> = found.iter().filter(|(key, _)| key.role == EarningRole::Storage).collect();
    assert_eq!(kept.iter().map(|(_, sum)| (sum.amount, sum.weights)).collect::<Vec<_>>(), [(5_000, Ppm::ONE)]);
}

proptest! {
    #[test]
    fn every_fee_is_divided_to_the_last_unit(
        fee in 0u64..1 << 50,
        model in 0u8..6,
        weights in prop::collection::vec(0u64..1_000, 0..5),
    ) {
        let receipt = receipt(model, fee, &weights);
        let found = lines(&ledger(), &receipt).unwrap();
        let sum: Amount = found.iter().map(|(_, earning)| earning.amount).sum();
        prop_assert_eq!(sum, receipt.split.claimable());
        let totals = totals(&receipt, &found);
        prop_assert_eq!((totals.fees, totals.split), (fee, receipt.split));
    }
}
