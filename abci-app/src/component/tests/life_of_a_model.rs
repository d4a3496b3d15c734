//! From a snapshot of data to a released model, its lineage and its taint.

use std::collections::BTreeMap;

use datanet_types::action::RegisterModel;
use datanet_types::release::{DataSnapshot, Metric};
use datanet_types::{Asset, DatanetId, Digest, ModelId, SignedPpm};
use proptest::prelude::*;

use super::Chain;
use super::harness::address;
use super::revoking::{give_final, revoke};
use crate::code;
use crate::component::datanets::history;
use crate::component::models::{self, MAX_ANCESTORS, Model, Taint};

/// Who registers model `n`.
fn owner(n: u16) -> u8 {
    5 + (n % 10) as u8
}

fn manifest(n: u16) -> Digest {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    Digest(bytes)
}

fn id(n: u16) -> ModelId {
    ModelId::derive(&address(owner(n)), &manifest(n))
}

fn model(n: u16, parents: &[u16]) -> RegisterModel {
    RegisterModel {
        manifest: manifest(n),
        name: format!("model {n}"),
        licence: "MIT".into(),
        parents: parents.iter().copied().map(id).collect(),
        ..RegisterModel::default()
    }
}

fn trained(n: u16, parents: &[u16], snapshot: DataSnapshot) -> RegisterModel {
    let evaluation = vec![Metric { name: "accuracy".into(), value: SignedPpm(611_000) }];
    let (datanets, snapshots) = (vec![snapshot.datanet], vec![snapshot]);
    RegisterModel { datanets, snapshots, evaluation, release: true, ..model(n, parents) }
}

fn get(chain: &Chain, n: u16) -> Model {
    models::get(&chain.state, &id(n)).unwrap().unwrap()
}

fn taint(chain: &Chain, n: u16) -> Vec<Taint> {
    let model = get(chain, n);
    let taint = models::taint(&chain.state, &model, 99).unwrap();
    assert_eq!(models::is_tainted(&chain.state, &model).unwrap(), !taint.is_empty());
    taint
}

fn world() -> (Chain, DatanetId) {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    (chain, datanet)
}

#[test]
fn a_release_names_a_place_in_the_history_that_was_really_there() {
    let (mut chain, datanet) = world();
    give_final(&mut chain, 11, datanet, 1);
    let early = history::latest(&chain.state, &datanet).unwrap();
    give_final(&mut chain, 12, datanet, 2);
    chain.act(owner(1), model(1, &[]));
    let events = chain.act(owner(2), trained(2, &[1], early));
    assert_eq!(events[0].get("release"), Some("true"));
    let released = get(&chain, 2);
    assert_eq!((released.snapshots.as_slice(), released.release), ([early].as_slice(), true));
    assert_eq!(released.evaluation[0].value, SignedPpm(611_000));

    let forged = DataSnapshot { digest: Digest([1; 32]), ..early };
    chain.refused(owner(3), trained(3, &[], forged), code::MODEL_SNAPSHOT, "another digest");
    let beyond = DataSnapshot { count: 3, ..early };
    chain.refused(owner(3), trained(3, &[], beyond), code::MODEL_SNAPSHOT, "has 2 entries");
    let empty = DataSnapshot::start(datanet);
    chain.refused(owner(3), trained(3, &[], empty), code::MODEL_INVALID, "snapshot of nothing");
    let elsewhere = RegisterModel { datanets: vec![], ..trained(3, &[], early) };
    chain.refused(owner(3), elsewhere, code::MODEL_INVALID, "among the model's datanets");
    let twice = RegisterModel { snapshots: vec![early; 2], ..trained(3, &[], early) };
    chain.refused(owner(3), twice, code::MODEL_INVALID, "one for each");
    let metric = |name: String| Metric { name, value: SignedPpm(-5) };
    let evaluation: Vec<Metric> = (0..65).map(|n| metric(n.to_string())).collect();
    chain.refused(owner(3), RegisterModel { evaluation, ..trained(3, &[], early) }, code::MODEL_INVALID, "64 numbers");
    let evaluation = vec![metric(String::new())];
    chain.refused(
        owner(3),
        RegisterModel { evaluation, ..trained(3, &[], early) },
        code::MODEL_INVALID,
        "metric's name",
    );
}

#[test]
fn exactly_the_models_whose_data_was_taken_back_are_tainted() {
    let (mut chain, datanet) = world();
    let (first, second) = (give_final(&mut chain, 11, datanet, 1), give_final(&mut chain, 12, datanet, 2));
    let both = history::latest(&chain.state, &datanet).unwrap();
    let one = history::at(&chain.state, &datanet, 1).unwrap().unwrap();
    chain.act(owner(1), model(1, &[]));
    chain.act(owner(2), trained(2, &[1], one));
    chain.act(owner(3), trained(3, &[1], both));
    chain.act(owner(4), model(4, &[3]));
    chain.act(12, revoke(&second));
    let height = chain.block.height;
    let found = Taint { model: id(3), contribution: second, height };
    assert_eq!(taint(&chain, 1), []);
    assert_eq!(taint(&chain, 2), [], "the second was not there yet");
    assert_eq!(taint(&chain, 3), [found]);
    assert_eq!(taint(&chain, 4), [found], "through its parent");

    let after = history::latest(&chain.state, &datanet).unwrap();
    chain.act(owner(5), trained(5, &[1], after));
    assert_eq!(taint(&chain, 5), [], "the second was gone already");
    chain.act(11, revoke(&first));
    assert_eq!(taint(&chain, 5).len(), 1);
    assert_eq!(taint(&chain, 3).len(), 2);
    let model = get(&chain, 3);
    assert_eq!(models::taint(&chain.state, &model, 1).unwrap().len(), 1);
    chain.act(owner(6), trained(6, &[], both));
    assert_eq!(taint(&chain, 6).len(), 2, "registered late, trained on it all the same");
}

#[test]
fn every_parent_link_is_counted_once() {
    let (mut chain, _) = world();
    // A diamond: 4 is made from 2 and 3, and both from 1.
    for (n, parents) in [(1, &[][..]), (2, &[1]), (3, &[1]), (4, &[2, 3]), (5, &[4, 1])] {
        chain.act(owner(n), model(n, parents));
    }
    let ancestors = models::ancestors(&chain.state, &get(&chain, 5).parents).unwrap().unwrap();
    let edges: BTreeMap<ModelId, u64> = ancestors.iter().map(|a| (a.model.id, a.edges)).collect();
    assert_eq!(edges, BTreeMap::from([(id(1), 3), (id(2), 1), (id(3), 1), (id(4), 1)]));
    let shares = |n: u16, amount: u64, floor: u32| paid(&chain, n, amount, floor);
    assert_eq!(shares(1, 1_000, 2_500), [(of(1), 1_000)]);
    assert_eq!(shares(2, 1_000, 2_500), [(of(2), 750), (of(1), 250)]);
    assert_eq!(shares(4, 1_000, 2_000), [(of(4), 200), (of(1), 400), (of(2), 200), (of(3), 200)]);
    // Six links at a quarter each would be more than all: they share all of it.
    let all: Vec<u64> = shares(5, 1_200, 2_500).into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(all, [0, 600, 200, 200, 200]);
    assert_eq!(shares(5, 1_000, 0)[0], (of(5), 1_000));
}

fn of(n: u16) -> Asset {
    Asset::Model(id(n))
}

/// How the lineage's part of a fee is divided: the model first, and what is behind it in the order of its numbers, datanets last.
fn paid(chain: &Chain, n: u16, amount: u64, floor: u32) -> Vec<(Asset, u64)> {
    let shares = models::lineage_shares(&chain.state, &get(chain, n), amount, floor).unwrap();
    let mut paid: Vec<_> = shares.into_iter().map(|share| (share.asset, share.amount)).collect();
    paid[1..].sort_by_key(|(asset, _)| (1..6).find(|n| of(*n) == *asset).unwrap_or(u16::MAX));
    paid
}

#[test]
fn each_hop_from_a_snapshot_to_a_model_has_its_floor() {
    let (mut chain, datanet) = world();
    give_final(&mut chain, 11, datanet, 1);
    let snapshot = history::latest(&chain.state, &datanet).unwrap();
    chain.act(owner(1), model(1, &[]));
    chain.act(owner(2), trained(2, &[1], snapshot));
    chain.act(owner(3), model(3, &[2]));
    let data = Asset::Datanet(datanet);
    assert_eq!(paid(&chain, 2, 1_000, 2_500), [(of(2), 500), (of(1), 250), (data, 250)]);
    // Two hops away it is one link of three behind the model.
    assert_eq!(paid(&chain, 3, 1_000, 2_500), [(of(3), 250), (of(1), 250), (of(2), 250), (data, 250)]);
    assert_eq!(paid(&chain, 2, 1_000, 0), [(of(2), 1_000), (of(1), 0), (data, 0)]);
    assert_eq!(paid(&chain, 2, 1_000, 10_000), [(of(2), 0), (of(1), 0), (data, 1_000)]);
}

#[test]
fn a_lineage_has_an_end() {
    let (mut chain, _) = world();
    chain.act(owner(0), model(0, &[]));
    for n in 1..=MAX_ANCESTORS as u16 {
        chain.act(owner(n), model(n, &[n - 1]));
    }
    let next = MAX_ANCESTORS as u16 + 1;
    chain.refused(owner(next), model(next, &[next - 1]), code::MODEL_LINEAGE, "more than 1024 models");
    chain.act(owner(next), model(next, &[next - 2]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_lineage_part_is_divided_to_the_last_unit(
        links in prop::collection::vec(prop::collection::btree_set(0u16..12, 0..5), 12),
        amount in 0u64..1 << 50,
        floor in 0u32..=10_000,
    ) {
        let (mut chain, _) = world();
        for (n, parents) in (0u16..).zip(&links) {
            let parents: Vec<u16> = parents.iter().copied().filter(|parent| *parent < n).collect();
            chain.act(owner(n), model(n, &parents));
        }
        for n in 0..12 {
            let shares = models::lineage_shares(&chain.state, &get(&chain, n), amount, floor).unwrap();
            prop_assert_eq!(shares.iter().map(|share| share.amount).sum::<u64>(), amount);
            prop_assert_eq!(shares[0].asset, of(n));
        }
    }
}
