//! Somebody makes very much due at one moment: what a block does of it is bounded, the rest is done in order in the blocks after it, and
//! nobody else's deadline waits for it.

use std::time::Instant;

use bytes::Bytes;
use datanet_ledger::app::FinalizedBlock;
use datanet_ledger::component::validation::Phase;
use datanet_ledger::component::{Params, validation};
use datanet_types::action::{Contribute, OpenChannel, role};
use datanet_types::amount::DNT;
use datanet_types::{Action, ContributionId, Scores};

use super::judging::{ACCOMPLICE, ATTACKER, HONEST, Judging, keep, register};
use super::serving::verdict;
use crate::support::{CHAIN, FEE, address, key};

/// Channels that all end in one second.
const CHANNELS: u64 = 1_200;
/// Transactions of a block.
const A_BLOCK: u64 = 300;

fn of_kind<'a>(block: &'a FinalizedBlock, kind: &str) -> Vec<&'a datanet_ledger::component::Event> {
    block.events.iter().filter(|event| event.kind == kind).collect()
}

/// The attacker opens channels of one base unit that all end at `ends_at`.
fn stuff(judging: &mut Judging, ends_at: u64) {
    let expires_at = ends_at - Params::default().channel_min_seconds;
    let open = OpenChannel { node: key(100 + HONEST[0]).node_key(), deposit: 1, expires_at, voucher_key: None };
    for _ in 0..CHANNELS / A_BLOCK {
        let txs: Vec<Bytes> = (0..A_BLOCK).map(|_| judging.sign(ATTACKER, Action::OpenChannel(open.clone()))).collect();
        assert!(judging.block(&txs).outcomes.iter().all(|outcome| outcome.is_ok()));
    }
}

fn loud(silent: datanet_types::Address) -> impl Fn(u8) -> Option<Option<Scores>> {
    move |who| (address(who) != silent).then_some(Some(Scores::from_array([9_000; 4])))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what a block takes is told; no rule of the ledger is on time")]
fn a_thousand_channels_that_end_at_once_hold_up_nothing_but_one_another() {
    let mut judging = Judging::new(9);
    judging.done(HONEST[0], register(HONEST[0], role::ALL, 300 * DNT));
    let before = i128::from(judging.loot());
    let now = judging.ledger.info().time_seconds as u64;
    let ends_at = now + 2 * Params::default().channel_min_seconds + 60;
    stuff(&mut judging, ends_at);
    let cost = before - i128::from(judging.loot());
    // Somebody's contribution, of which a phase ends in that very second.
    judging.idle += (ends_at - judging.ledger.info().time_seconds as u64) as i64 - 200;
    let id = judging.give_to_three(7);
    let silent = judging.round(&id).committee[0].account;
    judging.commit(&id, loud(silent));
    let given = i128::from(judging.loot());
    judging.idle += 200;

    let started = Instant::now();
    let first = judging.block(&[]);
    let took = started.elapsed();
    assert_eq!(judging.round(&id).phase(), Phase::Reveal, "it is not held up by a block");
    judging.reveal(&id, loud(silent));
    let after_reveal = validation::round(&judging.ledger.reader(), &id, 0).unwrap().unwrap();
    assert_eq!(after_reveal.phase(), Phase::Judged);

    let mut closed =
        of_kind(&first, "channel.closed").iter().map(|e| e.get("channel").unwrap().to_owned()).collect::<Vec<_>>();
    let most = closed.len();
    let mut blocks = 1;
    while open_channels(&judging) > 0 {
        let block = judging.block(&[]);
        let ids: Vec<String> =
            of_kind(&block, "channel.closed").iter().map(|e| e.get("channel").unwrap().to_owned()).collect();
        assert!(!ids.is_empty() && ids.len() <= most + 1, "{}", ids.len());
        closed.extend(ids);
        blocks += 1;
    }
    println!(
        "agenda stuffing: {CHANNELS} channels that end at once cost {cost} base units; {most} were closed in the first block, in {took:?}, \
         and the last {blocks} blocks later"
    );
    let room = u64::from(Params::default().agenda_work);
    assert!(most as u64 <= room / 8 && (most as u64) < CHANNELS, "a block does no more than it has room for: {most}");
    assert!(cost >= i128::from(CHANNELS * FEE));
    let deposits = i128::from(CHANNELS);
    let other = given + deposits - i128::from(judging.loot());
    verdict("agenda stuffing", before, before - cost + deposits, 0);
    assert!(other <= 0 || other < i128::from(DNT), "{other}");
}

/// Channels of the attacker that are open.
fn open_channels(judging: &Judging) -> usize {
    datanet_ledger::component::channels::of_payer(&judging.ledger.reader(), &address(ATTACKER), None, usize::MAX)
        .unwrap()
        .len()
}

/// The same kind is done oldest first: whoever comes first has its turn before whatever was made due after it, however much that is.
#[test]
fn what_was_due_before_is_done_before_however_much_comes_after() {
    let mut judging = Judging::new(11);
    let id: ContributionId = judging.give_to_three(7);
    let silent = judging.round(&id).committee[0].account;
    judging.commit(&id, loud(silent));
    let before = i128::from(judging.loot());
    // Sixty contributions whose committees are silent, all due after it.
    let given: Vec<Contribute> = (100..160).map(|blob| super::judging::contribute([blob; 32])).collect();
    let later: Vec<String> = given.iter().map(|one| one.id(CHAIN, &address(ACCOMPLICE), 0).to_string()).collect();
    let mut txs: Vec<Bytes> = given.into_iter().map(|one| judging.sign(ACCOMPLICE, Action::Contribute(one))).collect();
    let ids: Vec<ContributionId> = later.iter().map(|one| one.parse().unwrap()).collect();
    txs.extend(ids.iter().map(|id| judging.sign(ATTACKER, keep(ATTACKER, id))));
    assert!(judging.block(&txs).outcomes.iter().all(|outcome| outcome.is_ok()));
    judging.block(&[]);
    judging.block(&[]);
    judging.idle += 2 * i64::try_from(Params::default().commit_seconds).unwrap();
    let block = judging.block(&[]);
    let place = |wanted: &dyn Fn(&str) -> bool| {
        block.events.iter().position(|event| event.get("contribution").is_some_and(wanted)).unwrap()
    };
    let (honest, first) = (place(&|of| of == id.to_string()), place(&|of| later.iter().any(|one| one == of)));
    assert!(honest < first, "{honest} {first}");
    assert_eq!(judging.round(&id).phase(), Phase::Reveal);
    println!("agenda stuffing: {} contributions behind an honest one, done before all of them", later.len());
    verdict("agenda stuffing of a kind", before, i128::from(judging.loot()), 0);
}
