//! Adding to a channel, and closing it before its expiry.

use datanet_types::action::{CloseChannel, TopUpChannel, role};
use datanet_types::closing::ClosingStatement;
use datanet_types::{ChannelId, SigningKey};

use super::Chain;
use super::harness::{BALANCE, CHAIN, address, close_channel, node, node_key, open_channel, register};
use super::life_of_a_channel::{DEPOSIT, leaves, open, settle, voucher};
use crate::code;
use crate::component::channels::{self, Channel, deposit_account};
use crate::component::{Params, settlement};

const FEES: u64 = 1_000_000;

/// Person 5 has a channel to the node of person 0.
fn world(params: Params) -> (Chain, ChannelId) {
    let mut chain = Chain::with(params);
    chain.act(0, register(0, role::SERVING, super::harness::STAKE));
    let channel = open(&mut chain, 5);
    chain.next();
    (chain, channel)
}

fn quick() -> Params {
    Params { challenge_seconds: 0, ..Params::default() }
}

fn get(chain: &Chain, id: &ChannelId) -> Channel {
    channels::get(&chain.state, id).unwrap().unwrap()
}

/// Node 0 settles what person 5 promised in all.
fn settled(chain: &mut Chain, epoch: u64, channel: ChannelId, cumulative: u64) {
    let fees = cumulative - get(chain, &channel).charged;
    let earned = leaves(&[(11, fees / 4 * 3)]);
    chain.act(0, settle(epoch, fees, &earned, vec![voucher(5, channel, cumulative)]));
}

fn signed(channel: ChannelId, charged: u64, key: &SigningKey) -> CloseChannel {
    CloseChannel { channel, statement: Some(ClosingStatement::sign(CHAIN, channel, charged, key)) }
}

#[test]
fn deposit_and_expiry_grow_and_never_shrink() {
    let (mut chain, channel) = world(quick());
    let before = get(&chain, &channel);
    let top_up = |amount, expires_at| TopUpChannel { channel, amount, expires_at };
    let events = chain.act(5, top_up(500, 0));
    assert_eq!(events[0].get("deposit"), Some((DEPOSIT + 500).to_string().as_str()));
    chain.act(5, top_up(0, before.expires_at + 50));
    chain.act(5, top_up(7, before.expires_at + 50));
    let after = get(&chain, &channel);
    assert_eq!((after.deposit, after.expires_at), (DEPOSIT + 507, before.expires_at + 50));
    assert_eq!(chain.balance(deposit_account(&channel)), DEPOSIT + 507);

    chain.refused(5, top_up(1, before.expires_at), code::CHANNEL_INVALID, "can't be made earlier");
    chain.refused(5, top_up(0, after.expires_at), code::CHANNEL_INVALID, "changes nothing");
    let latest = chain.now() + Params::default().channel_max_seconds;
    chain.refused(5, top_up(1, latest + 1), code::CHANNEL_INVALID, "the latest now is");
    chain.refused(5, top_up(BALANCE, 0), code::FUNDS, "more");
    chain.refused(5, top_up(u64::MAX, 0), code::CHANNEL_INVALID, "can't grow so much");
    chain.refused(6, top_up(1, 0), code::CHANNEL_FOREIGN, "only its payer");
    let none = TopUpChannel { channel: ChannelId([1; 32]), amount: 1, expires_at: 0 };
    chain.refused(5, none, code::CHANNEL_UNKNOWN, "no channel");
    chain.act(5, close_channel(channel));
    chain.refused(5, top_up(1, 0), code::CHANNEL_CLOSING, "open a new one");
    chain.pass(Params::default().close_seconds);
    chain.refused(5, top_up(1, 0), code::CHANNEL_CLOSED, "was closed");
}

#[test]
fn a_voucher_that_was_too_much_is_good_once_the_deposit_covers_it_and_good_once_only() {
    let (mut chain, channel) = world(quick());
    let promised = DEPOSIT + FEES;
    let earned = leaves(&[(11, 1)]);
    let too_much = settle(1, promised, &earned, vec![voucher(5, channel, promised)]);
    chain.refused(0, too_much.clone(), code::VOUCHER, "its deposit is");
    chain.act(5, TopUpChannel { channel, amount: FEES, expires_at: 0 });
    chain.act(0, too_much);
    let again = settle(2, promised, &earned, vec![voucher(5, channel, promised)]);
    chain.refused(0, again, code::VOUCHER, "charged already");
    chain.act(5, TopUpChannel { channel, amount: promised, expires_at: 0 });
    let again = settle(2, promised, &earned, vec![voucher(5, channel, promised)]);
    chain.refused(0, again, code::VOUCHER, "charged already");
    assert_eq!(get(&chain, &channel).left(), promised);
}

#[test]
fn with_the_nodes_word_the_rest_is_back_at_once() {
    let (mut chain, channel) = world(quick());
    settled(&mut chain, 1, channel, FEES);
    let before = chain.balance(address(5));
    let events = chain.act(5, signed(channel, FEES, &node_key(0)));
    assert_eq!(events[0].kind, "channel.closed");
    assert_eq!(chain.balance(address(5)), before + DEPOSIT - FEES - 1_000);
    assert_eq!(chain.balance(deposit_account(&channel)), 0);
}

#[test]
fn a_word_that_is_not_the_nodes_on_this_channel_as_it_stands_closes_nothing() {
    let (mut chain, channel) = world(quick());
    let tx = chain.tx(5, open_channel(0, DEPOSIT, chain.now() + 900));
    chain.run(&tx).unwrap();
    let other = tx.channel_id();
    settled(&mut chain, 1, channel, FEES);
    let refused = |chain: &mut Chain, action, words| chain.refused(5, action, code::CLOSING_STATEMENT, words);
    refused(&mut chain, signed(channel, FEES, &super::harness::key(5)), "not signed by its node");
    refused(&mut chain, signed(channel, FEES, &node_key(1)), "not signed by its node");
    refused(&mut chain, signed(channel, 0, &node_key(0)), "by now");
    let of_other = ClosingStatement::sign(CHAIN, other, 0, &node_key(0));
    refused(&mut chain, CloseChannel { channel, statement: Some(of_other.clone()) }, "for another channel");
    let renamed = ClosingStatement { channel, charged: FEES, ..of_other };
    refused(&mut chain, CloseChannel { channel, statement: Some(renamed) }, "not signed by its node");
    let elsewhere = ClosingStatement::sign("another", channel, FEES, &node_key(0));
    refused(&mut chain, CloseChannel { channel, statement: Some(elsewhere) }, "not signed by its node");
    chain.refused(6, signed(channel, FEES, &node_key(0)), code::CHANNEL_FOREIGN, "only its payer");
    // What the node settles after its word makes that void.
    settled(&mut chain, 2, channel, 2 * FEES);
    refused(&mut chain, signed(channel, FEES, &node_key(0)), "ask its node for a new one");
    chain.act(5, signed(channel, 2 * FEES, &node_key(0)));
}

#[test]
fn without_it_the_node_has_its_time_and_then_the_channel_closes_by_itself() {
    let (mut chain, channel) = world(quick());
    let wait = Params::default().close_seconds;
    let expires_at = chain.now() + 2 * wait;
    chain.act(5, TopUpChannel { channel, amount: 0, expires_at });
    let events = chain.act(5, close_channel(channel));
    assert_eq!(events[0].kind, "channel.closing");
    let at = get(&chain, &channel).closing_at;
    assert_eq!(at, chain.now() + wait);
    chain.refused(5, close_channel(channel), code::CHANNEL_ACTIVE, "closes by itself at block time");
    // However many blocks anybody makes meanwhile, it is time that counts.
    chain.skip_to(chain.block.height + 50);
    chain.pass(wait - 60);
    settled(&mut chain, 1, channel, FEES);
    chain.next();
    let (before, mut events) = (chain.balance(address(5)), Vec::new());
    while get(&chain, &channel).is_open() {
        assert!(chain.now() <= at);
        events = chain.next();
    }
    assert!(events.iter().any(|event| event.kind == "channel.closed"));
    assert_eq!(chain.balance(address(5)), before + DEPOSIT - FEES);
    let late = settle(2, FEES, &leaves(&[(11, 1)]), vec![voucher(5, channel, 2 * FEES)]);
    chain.refused(0, late, code::CHANNEL_CLOSED, "was closed");
}

#[test]
fn the_nodes_word_and_the_expiry_still_count_while_it_closes() {
    let (mut chain, channel) = world(quick());
    chain.act(5, close_channel(channel));
    chain.act(5, signed(channel, 0, &node_key(0)));
    assert!(!get(&chain, &channel).is_open());
    let other = open(&mut chain, 6);
    chain.act(6, close_channel(other));
    let closing = get(&chain, &other);
    assert_eq!(closing.closing_at, closing.ends_at, "it would have ended before");
    chain.skip_until(get(&chain, &other).expires_at);
    chain.act(6, close_channel(other));
    assert!(!get(&chain, &other).is_open());
    let under = |prefix: &str| chain.state.0.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(under("derived/agenda/forget-channel/"), 2);
    assert_eq!(under("derived/agenda/close-channel/"), 0, "they will be forgotten, and that is all");
}

#[test]
fn a_channel_that_nobody_cares_for_ends_by_itself_after_its_expiry() {
    let (mut chain, channel) = world(quick());
    let other = open(&mut chain, 6);
    chain.act(6, TopUpChannel { channel: other, amount: 0, expires_at: get(&chain, &other).expires_at + 50 });
    let end = get(&chain, &channel).expires_at + Params::default().channel_min_seconds;
    assert_eq!(get(&chain, &channel).ends_at, end);
    chain.skip_until(end);
    settled(&mut chain, 1, channel, FEES);
    let before = chain.balance(address(5));
    let events = chain.next();
    assert_eq!(events.iter().filter(|event| event.kind == "channel.closed").count(), 1);
    assert_eq!(chain.balance(address(5)), before + DEPOSIT - FEES);
    assert!(get(&chain, &other).is_open(), "it was made to last longer");
    chain.skip_until(end + 60);
    assert!(!get(&chain, &other).is_open());
    assert!(!chain.state.0.keys().any(|key| key.starts_with("derived/agenda/close-channel/")));
}

#[test]
fn a_closed_channel_is_forgotten_but_not_before_the_epochs_it_paid_for_are_over() {
    let (challenge, forget) = (86_400, 1_000);
    let (mut chain, channel) =
        world(Params { challenge_seconds: challenge, forget_seconds: forget, ..Params::default() });
    settled(&mut chain, 1, channel, FEES);
    chain.act(5, signed(channel, FEES, &node_key(0)));
    chain.next();
    let idle = open(&mut chain, 6);
    chain.act(6, signed(idle, 0, &node_key(0)));
    chain.pass(forget);
    chain.next();
    assert!(channels::get(&chain.state, &idle).unwrap().is_none(), "nothing was paid from it");
    assert!(!get(&chain, &channel).is_open(), "its auditors may look at it");
    chain.pass(challenge);
    assert!(settlement::payments(&chain.state, &node(0), 1).unwrap().is_empty(), "the epoch is final");
    chain.pass(3_600);
    chain.next();
    assert!(channels::get(&chain.state, &channel).unwrap().is_none());
    chain.refused(5, close_channel(channel), code::CHANNEL_UNKNOWN, "no channel");
    let replayed = settle(2, FEES, &leaves(&[(11, 1)]), vec![voucher(5, channel, 2 * FEES)]);
    chain.refused(0, replayed, code::CHANNEL_UNKNOWN, "no channel");
}
