//! An owner who names models of his own as what his model was made from, so that less of the lineage's part of a fee is left for what it was really
//! trained on; datanets of his own; models that name each other; and more behind a model than is looked at.

use datanet_ledger::code;
use datanet_ledger::component::models::{self, MAX_ANCESTORS, Model};
use datanet_ledger::state::{MemoryState, StateWrite};
use datanet_types::action::RegisterModel;
use datanet_types::release::DataSnapshot;
use datanet_types::{Action, Asset, DatanetId, Digest, ModelId};

use crate::support::{Chain, address, body, signed};

const OWNER: u8 = 1;
/// The lineage's part of some fees.
const PART: u64 = 50_000;
/// The default.
const FLOOR_BPS: u32 = 2_500;
/// Another's datanet, and another's model.
const DATA: DatanetId = DatanetId([7; 32]);
const BASE: u16 = 0;

fn id(n: u16) -> ModelId {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ModelId(bytes)
}

/// A model that is made from others and trained on something of each of these datanets.
fn put(state: &mut MemoryState, n: u16, parents: &[u16], data: &[DatanetId]) -> Model {
    let snapshots = data.iter().map(|datanet| DataSnapshot { count: 1, ..DataSnapshot::start(*datanet) }).collect();
    let parents = parents.iter().copied().map(id).collect();
    let model = Model { id: id(n), owner: address(OWNER), parents, snapshots, ..Model::default() };
    state.put(models::state_key::model(&model.id), &model);
    model
}

/// What an asset has of an answer of the model.
fn part(state: &MemoryState, model: &Model, asset: Asset) -> u64 {
    let shares = models::lineage_shares(state, model, PART, FLOOR_BPS).unwrap();
    assert_eq!(shares.iter().map(|share| share.amount).sum::<u64>(), PART);
    shares.iter().filter(|share| share.asset == asset).map(|share| share.amount).sum()
}

#[test]
fn models_of_ones_own_take_nothing_of_the_floor_of_the_data() {
    let mut state = MemoryState::default();
    put(&mut state, BASE, &[], &[]);
    let honest = put(&mut state, 1, &[BASE], &[DATA]);
    // As many as may be named, each made from all before it.
    for n in 2..17 {
        put(&mut state, n, &(2..n).collect::<Vec<_>>(), &[]);
    }
    let all: Vec<u16> = std::iter::once(BASE).chain(2..17).collect();
    let stuffed = put(&mut state, 17, &all, &[DATA]);
    let data = Asset::Datanet(DATA);
    assert_eq!((part(&state, &honest, data), part(&state, &stuffed, data)), (12_500, 12_500));
    // What they take is another parent's, of which the ledger knows no more than of them.
    let base = Asset::Model(id(BASE));
    let (before, after) = (part(&state, &honest, base), part(&state, &stuffed, base));
    println!("of {PART}, fifteen models of the owner's own leave {after} of {before} to the one parent that is not");
    assert!(before == 12_500 && after > 0 && after < before);
}

#[test]
fn datanets_of_ones_own_leave_an_equal_part_and_need_something_accepted_each() {
    let mut state = MemoryState::default();
    let own = (100..115).map(|n| DatanetId([n; 32]));
    let all: Vec<DatanetId> = std::iter::once(DATA).chain(own).collect();
    // A model names sixteen at most.
    let stuffed = put(&mut state, 1, &[], &all);
    assert_eq!(part(&state, &stuffed, Asset::Datanet(DATA)), PART / 16);
    // And nothing by naming one of which it took nothing.
    let mut empty = put(&mut state, 2, &[], &all);
    empty.snapshots.iter_mut().skip(1).for_each(|snapshot| snapshot.count = 0);
    assert_eq!(part(&state, &empty, Asset::Datanet(DATA)), 12_500);
}

#[test]
fn no_model_is_behind_itself() {
    let chain = Chain::new();
    let model = |manifest: u8, parents: &[u8]| {
        let of = |manifest: u8| RegisterModel {
            manifest: Digest([manifest; 32]),
            name: "m".into(),
            licence: "MIT".into(),
            ..RegisterModel::default()
        };
        let parents = parents.iter().map(|parent| of(*parent).id(&address(OWNER))).collect();
        Action::RegisterModel(RegisterModel { parents, ..of(manifest) })
    };
    for (nonce, (action, says)) in (1..).zip([
        (model(1, &[1]), code::MODEL_UNKNOWN),
        (model(1, &[2]), code::MODEL_UNKNOWN),
        (model(1, &[]), code::OK),
        (model(2, &[1]), code::OK),
        // What it was made from does not change, so that the first is never made from the second.
        (model(1, &[2]), code::MODEL_TAKEN),
    ]) {
        assert_eq!(Chain::codes(&chain.run(&[signed(OWNER, &body(action, 100, nonce))])), [says], "{nonce}");
    }
}

#[test]
fn behind_more_models_than_are_looked_at_the_data_has_its_floor_all_the_same() {
    let mut state = MemoryState::default();
    let last = MAX_ANCESTORS as u16 + 1;
    put(&mut state, 0, &[], &[]);
    for n in 1..last {
        put(&mut state, n, &[n - 1], &[]);
    }
    // Registration refuses it.
    let deep = put(&mut state, last, &[last - 1], &[DATA]);
    assert_eq!(models::ancestors(&state, &deep.parents).unwrap(), None);
    assert_eq!(part(&state, &deep, Asset::Datanet(DATA)), 12_500);
    assert_eq!(part(&state, &deep, Asset::Model(deep.id)), PART - 12_500);
}
