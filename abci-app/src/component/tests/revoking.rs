//! Taking contributions back, and what a datanet's history says of it.

use datanet_types::ContributionId;
use datanet_types::action::Revoke;
use datanet_types::release::DataSnapshot;
use proptest::prelude::*;

use super::Chain;
use super::harness::{address, all, attest, contribute, plain_root};
use crate::code;
use crate::component::contributions::{self, Status, bond_account};
use crate::component::datanets;
use crate::component::datanets::history;

pub(crate) fn revoke(id: &ContributionId) -> Revoke {
    Revoke { contribution: *id, records: None }
}

/// The same by whoever still has the records.
pub(crate) fn revoke_telling(id: &ContributionId, blob: u8) -> Revoke {
    Revoke { contribution: *id, records: Some(plain_root(blob)) }
}

/// Person `n` gives a batch that becomes final in this block.
pub(crate) fn give_final(chain: &mut Chain, n: u8, datanet: datanet_types::DatanetId, blob: u8) -> ContributionId {
    let id = chain.give(n, datanet, blob);
    chain.judge(&id, all(8_000));
    chain.act(0, attest(0, &id));
    chain.act(1, attest(1, &id));
    id
}

fn world() -> (Chain, datanet_types::DatanetId) {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    (chain, datanet)
}

#[test]
fn a_revoked_contribution_leaves_the_final_ones_and_stays_in_the_history() {
    let (mut chain, datanet) = world();
    let (first, second) = (give_final(&mut chain, 11, datanet, 1), give_final(&mut chain, 12, datanet, 2));
    let before = chain.block.height;
    chain.next();
    let events = chain.act(11, revoke(&first));
    assert_eq!((events[0].kind.as_str(), events[0].get("position")), ("contribution.revoked", Some("3")));
    let record = chain.contribution(&first);
    assert_eq!((record.status(), record.final_position, record.revoked_position), (Status::Revoked, 1, 3));
    assert_eq!(record.revoked_height, chain.block.height);

    let ids = |contributions: Vec<contributions::Contribution>| -> Vec<_> {
        contributions.into_iter().map(|contribution| contribution.id).collect()
    };
    let height = chain.block.height;
    let finals = contributions::final_in(&chain.state, &datanet, height, None, 9).unwrap();
    assert_eq!(ids(finals), [second]);
    assert_eq!(ids(contributions::final_at(&chain.state, &datanet, before).unwrap()), [first, second]);
    assert_eq!(ids(contributions::final_at(&chain.state, &datanet, height).unwrap()), [second]);
    assert_eq!(ids(contributions::revoked_in(&chain.state, &datanet, None, 9).unwrap()), [first]);
    assert_eq!(ids(contributions::revoked_in(&chain.state, &datanet, Some(3), 9).unwrap()), []);

    let counts = datanets::counts(&chain.state, &datanet).unwrap();
    assert_eq!((counts.contributions, counts.final_contributions, counts.revoked, counts.history), (2, 1, 1, 3));
    assert_eq!((counts.records, counts.bytes), (10, 1_000));
    let members = |count| history::members(&chain.state, &datanet, count).unwrap();
    assert_eq!(members(0), Some(vec![]));
    assert_eq!(members(1), Some(vec![first]));
    assert_eq!(members(2), Some(vec![first, second]));
    assert_eq!(members(3), Some(vec![second]));
    assert_eq!(members(4), None);
    let chained = DataSnapshot::start(datanet).then(&first, false).then(&second, false).then(&first, true);
    assert_eq!(history::latest(&chain.state, &datanet).unwrap(), chained);
    assert_eq!(history::at(&chain.state, &datanet, 9).unwrap(), None);

    let at_height = |height| history::at_height(&chain.state, &datanet, height).unwrap();
    assert_eq!((at_height(0).count, at_height(u64::MAX)), (0, chained));
    for count in 1..=3 {
        let height = history::entry(&chain.state, &datanet, count).unwrap().unwrap().height;
        assert!(at_height(height).count >= count && at_height(height - 1).count < count, "{count} at {height}");
        assert_eq!(Some(at_height(height)), history::at(&chain.state, &datanet, at_height(height).count).unwrap());
    }
}

#[test]
fn only_its_giver_takes_it_back_and_only_once() {
    let (mut chain, datanet) = world();
    let id = give_final(&mut chain, 11, datanet, 1);
    chain.refused(12, revoke(&id), code::CONTRIBUTION_FOREIGN, "only that account");
    chain.refused(11, revoke(&ContributionId([9; 32])), code::CONTRIBUTION_UNKNOWN, "no contribution");
    chain.act(11, revoke(&id));
    chain.refused(11, revoke(&id), code::CONTRIBUTION_REVOKED, "once is enough");
    chain.refused(2, attest(2, &id), code::CONTRIBUTION_REVOKED, "nobody may keep it");
    chain.refused(11, contribute(datanet, 1), code::CONTRIBUTION_TAKEN, "before");
    chain.next();
}

#[test]
fn what_was_final_leaves_its_plain_root_behind_and_only_its_own() {
    let (mut chain, datanet) = world();
    let (told, untold) = (give_final(&mut chain, 11, datanet, 1), give_final(&mut chain, 12, datanet, 2));
    let kept = |chain: &Chain, blob| {
        contributions::taken_back(&chain.state, &datanet, &plain_root(blob)).unwrap().map(|former| former.id)
    };
    let words = "compute it from its bytes, or leave it out";
    chain.refused(11, revoke_telling(&told, 2), code::CONTRIBUTION_INVALID, words);
    let keyed = Revoke { contribution: told, records: Some(chain.contribution(&told).record_root) };
    chain.refused(11, keyed, code::CONTRIBUTION_INVALID, words);
    assert_eq!(kept(&chain, 1), None);
    chain.act(11, revoke_telling(&told, 1));
    // Who has lost the bytes takes them back all the same; nobody will know them then.
    chain.act(12, revoke(&untold));
    assert_eq!((kept(&chain, 1), kept(&chain, 2)), (Some(told), None));
    assert_eq!(chain.contribution(&untold).status(), Status::Revoked);
    let waiting = chain.give(13, datanet, 3);
    chain.judge(&waiting, all(8_000));
    chain.act(13, revoke_telling(&waiting, 3));
    assert_eq!(kept(&chain, 3), None, "what never was final keeps nobody out");
}

#[test]
fn what_is_judged_is_judged_to_the_end() {
    let (mut chain, datanet) = world();
    let id = chain.give(11, datanet, 1);
    chain.refused(11, revoke(&id), code::CONTRIBUTION_JUDGING, "after the verdict");
    chain.judge(&id, all(100));
    chain.refused(11, revoke(&id), code::CONTRIBUTION_REFUSED, "was refused");
}

#[test]
fn what_waits_for_storage_has_its_bond_back() {
    let (mut chain, datanet) = world();
    let before = chain.balance(&address(11));
    let id = chain.give(11, datanet, 1);
    chain.judge(&id, all(8_000));
    assert_eq!(chain.balance(&bond_account(&id)), 0, "nobody can challenge the verdict");
    chain.act(11, revoke(&id));
    assert_eq!(chain.balance(&address(11)), before - 100_000 - 2 * 1_000);
    assert!(contributions::list_open(&chain.state).unwrap().is_empty());
    let counts = datanets::counts(&chain.state, &datanet).unwrap();
    assert_eq!((counts.revoked, counts.history, counts.final_contributions), (1, 0, 0));
    assert!(contributions::revoked_in(&chain.state, &datanet, None, 9).unwrap().is_empty(), "it never was final");
    assert!(chain.round(&id).committee.iter().all(|member| member.revealed), "who judged it stays known for a while");
    chain.next();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_place_in_a_history_says_what_was_there(choices in prop::collection::vec(any::<bool>(), 1..10)) {
        let (mut chain, datanet) = world();
        let (mut there, mut all) = (Vec::new(), vec![(Vec::new(), chain.block.height)]);
        for (n, revokes) in (1..).zip(choices) {
            if revokes && !there.is_empty() {
                let id = there.remove(usize::from(n) % there.len());
                chain.act(11, revoke(&id));
            } else {
                there.push(give_final(&mut chain, 11, datanet, n));
            }
            all.push((there.clone(), chain.block.height));
            chain.next();
        }
        for (count, (expected, height)) in all.into_iter().enumerate() {
            let members = history::members(&chain.state, &datanet, count as u64).unwrap().unwrap();
            prop_assert_eq!(&members, &expected);
            if count > 0 {
                let finals = contributions::final_at(&chain.state, &datanet, height).unwrap();
                prop_assert_eq!(finals.into_iter().map(|c| c.id).collect::<Vec<_>>(), expected);
            }
        }
    }
}
