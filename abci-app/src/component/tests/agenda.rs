//! What is due is done: not before, in order, so much a block, and every kind in every block.

use datanet_types::ChannelId;
use datanet_types::action::role;

use super::Chain;
use super::harness::{BOND, STAKE, address, all, close_channel, open_channel, register};
use crate::component::contributions::Status;
use crate::component::validation::Phase;
use crate::component::{Event, Params, channels};

/// A chain with so much room for what is due, and a serving node of person 0's.
fn world(agenda_work: u32) -> Chain {
    let params = Params { agenda_work, challenge_seconds: 0, forget_seconds: 5, ..Params::default() };
    let mut chain = Chain::with(params);
    chain.validators(4);
    chain
}

fn opened(chain: &mut Chain, n: u8, expires_at: u64) -> ChannelId {
    let tx = chain.tx(n, open_channel(0, 10, expires_at));
    chain.run(&tx).unwrap();
    tx.channel_id()
}

fn closed(events: &[Event]) -> Vec<String> {
    let of = |event: &Event| event.get("channel").unwrap().to_owned();
    events.iter().filter(|event| event.kind == "channel.closed").map(of).collect()
}

#[test]
fn what_is_left_is_first_in_the_next_block_in_the_same_order() {
    let mut chain = world(1);
    let end = chain.now() + 2 * Params::default().channel_min_seconds;
    let mut ids: Vec<ChannelId> =
        (0..5).map(|_| opened(&mut chain, 5, end - Params::default().channel_min_seconds)).collect();
    let later = opened(&mut chain, 5, end + 1 - Params::default().channel_min_seconds);
    ids.sort_unstable();
    chain.skip_until(end - 1);
    let mut order = Vec::new();
    assert!(closed(&chain.next()).is_empty(), "nothing is done before it is due");
    for _ in 0..6 {
        let now = closed(&chain.next());
        assert_eq!(now.len(), 1, "one of a kind always has its turn, and there is room for no more");
        order.extend(now);
    }
    let expected: Vec<String> = ids.iter().chain([&later]).map(ToString::to_string).collect();
    assert_eq!(order, expected);
    assert!(closed(&chain.next()).is_empty());
}

#[test]
fn no_kind_waits_for_another() {
    let mut chain = world(1);
    let datanet = chain.datanet();
    let end = chain.now() + 2 * Params::default().channel_min_seconds;
    let many: Vec<ChannelId> =
        (0..9).map(|_| opened(&mut chain, 5, end - Params::default().channel_min_seconds)).collect();
    let open = |chain: &Chain, id: &ChannelId| {
        channels::get(&chain.state, id).unwrap().is_some_and(|channel| channel.is_open())
    };
    chain.skip_until(end - Params::default().commit_seconds - 3);
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    for n in &committee[..2] {
        chain.act(*n, chain.commit(*n, &id, all(9_000)));
    }
    // A node's stake comes home in that second as well.
    chain.act(3, register(3, role::STORAGE, STAKE / 2));
    chain.block.time_seconds += i64::try_from(Params::default().unbonding_seconds).unwrap();
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "stake.released"));
    let closed = |chain: &Chain| many.iter().filter(|id| !open(chain, id)).count();
    assert_eq!(closed(&chain), 1, "one of nine, and one of everything else");
    // Those that were given before, until one had a committee of three, were due before.
    let mut blocks = 1;
    while chain.round(&id).phase() == Phase::Commit {
        chain.next();
        blocks += 1;
        assert_eq!(closed(&chain), blocks);
    }
    assert_eq!(chain.round(&id).phase(), Phase::Reveal);
    for n in &committee[..2] {
        chain.act(*n, super::harness::reveal(*n, &id, all(9_000)));
    }
    chain.next();
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn what_is_cancelled_is_not_done_and_leaves_nothing() {
    let mut chain = world(4_096);
    let expires_at = chain.now() + 2 * Params::default().close_seconds;
    let channel = opened(&mut chain, 5, expires_at);
    chain.act(5, close_channel(channel));
    let under = |chain: &Chain, kind: &str| {
        let prefix = format!("derived/agenda/{kind}/");
        chain.state.0.keys().filter(|key| key.starts_with(&prefix)).count()
    };
    assert_eq!(under(&chain, "close-channel"), 2, "when it closes by itself, and when it would have ended");
    chain.pass(Params::default().close_seconds);
    assert_eq!((under(&chain, "close-channel"), under(&chain, "forget-channel")), (0, 1));
    chain.pass(6);
    let of_it = |key: &&String| key.contains(&channel.to_string()) && !key.starts_with("derived/admission/");
    assert_eq!(chain.state.0.keys().find(of_it), None);
}

/// Draws wait for heights and are done before a block's transactions, whatever the time.
#[test]
fn draws_do_not_wait_for_time() {
    let mut chain = world(4_096);
    let datanet = chain.datanet();
    let before = chain.now();
    let id = chain.give_unkept(11, datanet, 1);
    chain.store(&id);
    for _ in 0..3 {
        chain.next();
        chain.block.time_seconds = i64::try_from(before).unwrap();
    }
    let round = chain.round(&id);
    assert_eq!((round.phase(), chain.now()), (Phase::Commit, before));
    assert_eq!(round.commit_deadline, before + 1 + Params::default().commit_seconds);
    assert!(chain.balance(address(11)) < super::harness::BALANCE - BOND);
}
