//! What happens before a committee is drawn: nodes keep a contribution, or it is not judged; and what their word costs them.

use datanet_types::action::{Contribute, role};
use datanet_types::amount::DNT;
use datanet_types::{ContributionId, DatanetId};

use super::Chain;
use super::harness::{BALANCE, BOND, CHAIN, STAKE, address, all, attest, contribute_of, register, reveal};
use crate::code;
use crate::component::contributions::{self, Status, bond_account, review_account};
use crate::component::{Params, nodes, validation};

/// The least stake of a storage node.
const MIN: u64 = 10 * DNT;
const REVIEW: u64 = DNT / 10;
/// What a transaction costs here.
const TX: u64 = 1_000;

/// Three judges, who keep nothing, and nodes 5, 6 and 7, which do nothing else.
fn world() -> (Chain, DatanetId) {
    let mut chain = Chain::new();
    for n in 0..3 {
        chain.act(n, register(n, role::VALIDATOR, STAKE));
    }
    for n in 5..8 {
        chain.act(n, register(n, role::STORAGE, MIN));
    }
    let datanet = chain.datanet();
    (chain, datanet)
}

/// Everybody who was drawn could not get the bytes.
fn unavailable(chain: &mut Chain, id: &ContributionId) {
    let committee = chain.committee(id);
    for n in &committee {
        chain.act(*n, chain.commit(*n, id, None));
    }
    for n in &committee {
        chain.act(*n, reveal(*n, id, None));
    }
    chain.next();
    assert!(chain.contribution(id).unavailable);
}

fn stake(chain: &Chain, n: u8) -> u64 {
    nodes::of_account(&chain.state, &address(n)).unwrap().unwrap().stake
}

#[test]
fn nobody_is_drawn_before_enough_nodes_keep_it() {
    let (mut chain, datanet) = world();
    let id = chain.give_unkept(11, datanet, 1);
    chain.act(5, attest(5, &id));
    chain.drawn();
    assert_eq!(chain.contribution(&id).status(), Status::Storing);
    assert_eq!(validation::round(&chain.state, &id, 0).unwrap(), None);
    chain.refused(0, chain.commit(0, &id, all(1)), code::WRONG_PHASE, "");
    chain.act(6, attest(6, &id));
    let height = chain.block.height;
    assert_eq!(
        (chain.contribution(&id).status(), chain.round(&id).draw_height),
        (Status::Judging, height + Params::default().draw_delay)
    );
    chain.drawn();
    assert!(!chain.committee(&id).is_empty());
    // Whoever comes later says so too, and is not one of those who had it judged.
    chain.act(7, attest(7, &id));
    let keepers = contributions::keepers(&chain.state, &id).unwrap();
    assert_eq!(keepers.iter().map(|keeper| keeper.account).collect::<Vec<_>>(), [address(5), address(6)]);
    assert_eq!(contributions::attestations(&chain.state, &id, None, 9).unwrap().len(), 3);
    chain.judge(&id, all(9_000));
    assert_eq!((chain.contribution(&id).status(), chain.contribution(&id).attestations), (Status::Final, 3));
}

#[test]
fn what_too_few_keep_in_time_costs_the_fee_for_judging_and_may_be_given_again() {
    let (mut chain, datanet) = world();
    let before = chain.balance(address(11));
    let id = chain.give_unkept(11, datanet, 1);
    let store_by = chain.contribution(&id).store_by;
    assert_eq!(store_by, chain.now() + Params::default().storing_seconds);
    chain.act(5, attest(5, &id));
    let treasury = chain.treasury();
    chain.skip_until(store_by);
    assert_eq!(chain.contribution(&id).status(), Status::Storing);
    // The first block behind the deadline comes late.
    chain.block.time_seconds += 5;
    chain.refused(6, attest(6, &id), code::CONTRIBUTION_REFUSED, "it is too late");
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "contribution.refused"), "{events:?}");
    let refused = chain.contribution(&id);
    assert!(refused.unstored && !refused.is_unjudged() && refused.reason().contains("not stored"));
    assert_eq!((chain.balance(bond_account(&id)), chain.balance(review_account(&id))), (0, 0));
    assert_eq!(chain.balance(address(11)), before - REVIEW - TX);
    assert_eq!(chain.treasury() - treasury, REVIEW + TX);
    assert!(contributions::list_open(&chain.state).unwrap().is_empty());
    let again = Contribute { attempt: 1, ..contribute_of(11, datanet, 1) };
    let id = again.id(CHAIN, &address(11), 1);
    chain.act(11, again);
    assert_eq!(chain.contribution(&id).refusals, 0);
    for n in 5..7 {
        chain.act(n, attest(n, &id));
    }
    chain.judge(&id, all(9_000));
    assert_eq!(chain.contribution(&id).status(), Status::Final);
    chain.pass(Params::default().forget_seconds);
    chain.next();
    let first = contribute_of(11, datanet, 1).id(CHAIN, &address(11), 0);
    assert!(contributions::attestations(&chain.state, &first, None, 9).unwrap().is_empty());
    assert!(contributions::keepers(&chain.state, &first).unwrap().is_empty());
    assert_eq!(contributions::keepers(&chain.state, &id).unwrap().len(), 2, "they keep what is final");
}

#[test]
fn the_last_second_is_in_time() {
    let (mut chain, datanet) = world();
    let id = chain.give_unkept(11, datanet, 1);
    chain.act(5, attest(5, &id));
    chain.skip_until(chain.contribution(&id).store_by);
    chain.act(6, attest(6, &id));
    chain.drawn();
    assert_eq!(chain.contribution(&id).status(), Status::Judging);
}

#[test]
fn who_said_that_it_is_there_pays_for_it_as_much_as_its_giver() {
    let (mut chain, datanet) = world();
    let before = chain.balance(address(11));
    let id = chain.give_unkept(11, datanet, 1);
    chain.act(5, attest(5, &id));
    chain.act(6, attest(6, &id));
    chain.act(7, attest(7, &id));
    let other = chain.give_unkept(11, datanet, 2);
    chain.drawn();
    chain.next();
    let treasury = chain.treasury();
    unavailable(&mut chain, &id);
    assert_eq!(chain.balance(address(11)), before - 2 * (BOND + REVIEW + TX));
    assert_eq!([5, 6, 7].map(|n| stake(&chain, n)), [MIN - BOND / 2, MIN - BOND / 2, MIN]);
    let drawn = u64::try_from(chain.committee(&id).len()).unwrap();
    assert_eq!(chain.treasury() - treasury, 2 * BOND + 2 * drawn * TX);
    chain.refused(5, attest(5, &other), code::NODE_STAKE, "a storage node needs at least 10 DNT");
    chain.act(7, attest(7, &other));
    chain.refused(12, contribute_of(12, datanet, 3), code::NO_KEEPERS, "1 storage nodes have a stake");
    chain.act(5, register(5, role::STORAGE, MIN));
    chain.act(5, attest(5, &other));
}

#[test]
fn stake_that_is_taken_back_after_the_word_is_fined_on_its_way() {
    let (mut chain, datanet) = world();
    let id = chain.give_unkept(11, datanet, 1);
    chain.act(5, attest(5, &id));
    chain.act(6, attest(6, &id));
    chain.act(5, register(5, role::SERVING, 2 * DNT));
    chain.drawn();
    unavailable(&mut chain, &id);
    assert_eq!((stake(&chain, 5), nodes::fined(&chain.state, &address(5)).unwrap()), (0, BOND / 2 - 2 * DNT));
    let treasury = chain.treasury();
    chain.pass(Params::default().unbonding_seconds);
    assert_eq!(nodes::unbonding(&chain.state, &address(5)).unwrap(), 0);
    assert_eq!(nodes::fined(&chain.state, &address(5)).unwrap(), 0);
    assert_eq!(chain.balance(address(5)), BALANCE - BOND / 2 - 3 * TX);
    assert_eq!(chain.treasury() - treasury, BOND / 2 - 2 * DNT);
}

#[test]
fn a_fine_is_never_more_than_there_is() {
    let (mut chain, datanet) = world();
    let ids: Vec<ContributionId> = (1..4).map(|blob| chain.give_unkept(11, datanet, blob)).collect();
    for id in &ids {
        chain.act(5, attest(5, id));
        chain.act(6, attest(6, id));
    }
    chain.act(5, register(5, role::SERVING, 3 * DNT));
    chain.drawn();
    for id in &ids {
        unavailable(&mut chain, id);
    }
    assert_eq!((stake(&chain, 5), stake(&chain, 6)), (0, 0));
    assert_eq!(nodes::fined(&chain.state, &address(5)).unwrap(), 7 * DNT);
    chain.pass(Params::default().unbonding_seconds);
    assert_eq!(nodes::unbonding(&chain.state, &address(5)).unwrap(), 0);
    assert_eq!(chain.balance(address(5)), BALANCE - MIN - 5 * TX, "all that it had, and no more");
}

/// Who speaks last, proposes the drawing block and fills the ones between knows the beacon of the first: what he does to stakes from the block
/// with his word on is too late.
#[test]
fn stakes_tried_with_the_last_word_change_nothing_about_the_draw() {
    let committee = |more: u64| {
        let (mut chain, datanet) = world();
        let id = chain.give_unkept(11, datanet, 7);
        chain.act(5, attest(5, &id));
        chain.skip_to(20);
        if more > 0 {
            chain.act(0, register(0, role::VALIDATOR, STAKE + more));
        }
        chain.act(6, attest(6, &id));
        chain.drawn();
        (chain.block.beacon, chain.committee(&id))
    };
    let (beacon, honest) = committee(0);
    for more in 1..60 {
        assert_eq!(committee(more), (beacon, honest.clone()), "{more}");
    }
}
