//! Where the ledger contradicts itself, a component stops and the chain goes on.

use datanet_types::action::{CloseChannel, ResetComponent};
use datanet_types::{Action, ChannelId, Digest};

use super::*;
use crate::app::{AppError, TxOutcome};
use crate::code;
use crate::component::accounts::{Balance, treasury};
use crate::component::beacon::Moved;
use crate::component::breaker::{self, Tripped};
use crate::component::channels::{self, deposit_account};
use crate::component::{BlockContext, Component, ConsensusInfo, Event};
use crate::state::{StateError, StateRead, StateWrite};

fn close(channel: ChannelId) -> Action {
    Action::CloseChannel(CloseChannel { channel, statement: None })
}

/// Moves what is in a channel's account to the treasury, or from there back: the deposit that the channel's record tells of is not there.
fn move_deposit(state: &mut ChangeLog<'_>, channel: &ChannelId, back: bool) {
    let accounts = [accounts::Account::from(&deposit_account(channel)), accounts::Account::from(&treasury())];
    let balances = accounts.map(|account| accounts::balance(state, account).unwrap());
    let [deposit, rest] = if back {
        [balances[0] + DEPOSIT, balances[1] - DEPOSIT]
    } else {
        [balances[0] - DEPOSIT, balances[1] + DEPOSIT]
    };
    state.put(accounts::state_key::balance(accounts[0]), &Balance { amount: deposit });
    state.put(accounts::state_key::balance(accounts[1]), &Balance { amount: rest });
}

/// A block, for what only needs its time.
fn context() -> BlockContext {
    BlockContext {
        chain_id: CHAIN.into(),
        height: 1,
        time_seconds: 1,
        app_hash: [0; 32],
        last_block_hash: [0; 32],
        beacon: Digest::ZERO,
        moved: Moved::default(),
        consensus: ConsensusInfo::default(),
        knows: 1.into(),
    }
}

fn tripped(node: &Node) -> Vec<(Component, Tripped)> {
    breaker::all_tripped(&node.app.reader()).unwrap()
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// Until the block before the channels' own end, when they are past their expiry.
fn expire(node: &Node) {
    for _ in 0..CHANNEL_BLOCKS {
        assert!(node.block(&[]).events.is_empty());
    }
}

/// A channel whose deposit is gone is closed; then other things are done. Returns what became of each transaction, and the app hashes.
fn story(restarts: bool) -> (Vec<TxOutcome>, Vec<[u8; 32]>) {
    let mut node = Node::start();
    node.serve();
    let (broken, good) = (node.open(2), node.open(3));
    node.fault(|state| move_deposit(state, &broken, false));
    expire(&node);
    let (mut outcomes, mut hashes) = (Vec::new(), Vec::new());
    for script in [
        |node: &mut Node, broken, _| vec![node.transfer(4, 1), node.sign(2, close(broken)), node.transfer(2, 1)],
        |node: &mut Node, _, good| vec![node.sign(3, close(good)), node.opening(4), node.transfer(4, 1)],
    ] {
        let txs = script(&mut node, broken, good);
        let block = node.block(&txs);
        assert!(block.events.is_empty(), "{:?}", block.events);
        outcomes.extend(block.outcomes);
        hashes.push(block.app_hash);
        if restarts {
            node = node.restart();
        }
    }
    (outcomes, hashes)
}

#[test]
fn an_action_in_which_the_ledger_contradicts_itself_is_refused_and_stops_its_component_alone() {
    let (outcomes, _) = story(false);
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.code).collect();
    assert_eq!(codes, [code::OK, code::CONTRADICTION, code::OK, code::TRIPPED, code::TRIPPED, code::OK]);
    let [event] = &outcomes[1].events[..] else { panic!("{:?}", outcomes[1].events) };
    assert_eq!((event.kind.as_str(), event.get("component")), ("component.tripped", Some("channels")));
    assert!(event.get("key").unwrap().starts_with("accounts/module/dnmod1"), "{event:?}");
    assert!(outcomes[1].log.contains("escrow falls short"), "{}", outcomes[1].log);
    assert!(outcomes[3].log.starts_with("channels stands still since height 8"), "{}", outcomes[3].log);
}

#[test]
fn nodes_trip_alike_whether_they_were_started_anew_or_not() {
    assert_eq!(story(false), story(true));
}

#[test]
fn a_contradiction_costs_who_finds_it_the_fee_and_everybody_else_nothing_but_the_component() {
    let mut node = Node::start();
    node.serve();
    let channel = node.open(2);
    node.fault(|state| move_deposit(state, &channel, false));
    expire(&node);
    let closing = node.sign(2, close(channel));
    let before = [2, 3].map(|n| node.balance(address(n)));
    // It enters no mempool, and trying trips nothing: only a decided block does.
    let refused = node.app.check_tx(&closing, false).unwrap();
    assert_eq!(refused.code, code::CONTRADICTION, "{}", refused.log);
    assert_eq!(node.app.simulate(&closing).unwrap().code, code::CONTRADICTION);
    assert!(tripped(&node).is_empty());
    node.block(std::slice::from_ref(&closing));
    println!("who closed the channel: {} -> {}", before[0], node.balance(address(2)));
    assert_eq!([2, 3].map(|n| node.balance(address(n))), [before[0] - FEE, before[1]]);
    let height = node.height();
    let key = accounts::state_key::balance(deposit_account(&channel));
    assert_eq!(tripped(&node), [(Component::Channels, Tripped { height, key })]);
    // What is due of it waits, and refusals of it are free before a block.
    for _ in 0..2 * CHANNEL_BLOCKS {
        assert!(node.block(&[]).events.is_empty());
    }
    assert!(channels::get(&node.app.reader(), &channel).unwrap().unwrap().is_open());
    let opening = node.opening(3);
    assert_eq!(node.app.check_tx(&opening, false).unwrap().code, code::TRIPPED);
    assert_eq!(node.balance(address(3)), before[1]);
}

#[test]
fn a_deadline_in_which_the_ledger_contradicts_itself_is_taken_back_and_told_once() {
    let mut node = Node::start();
    node.serve();
    let openings = [2, 3, 4].map(|n| node.opening(n));
    assert!(node.block(&openings).outcomes.iter().all(TxOutcome::is_ok));
    let channels = openings.map(|tx| id_of(&tx));
    node.fault(|state| move_deposit(state, &channels[1], false));
    let mut told = Vec::new();
    for _ in 0..4 * CHANNEL_BLOCKS {
        told.extend(node.block(&[]).events);
    }
    // What was due before it is done, and what is due behind it waits with it.
    let before = channels.iter().filter(|channel| **channel < channels[1]).count();
    assert_eq!(kinds(&told), [vec!["channel.closed"; before], vec!["component.tripped"]].concat());
    assert_eq!(told[before].get("component"), Some("channels"));
    for channel in channels {
        let open = channels::get(&node.app.reader(), &channel).unwrap().unwrap().is_open();
        assert_eq!(open, channel >= channels[1]);
    }
    let transfer = node.transfer(4, 1);
    assert!(node.block(&[transfer]).outcomes[0].is_ok());
}

#[test]
fn a_component_that_is_mended_and_reset_does_what_was_due_and_one_that_is_not_trips_again() {
    let mut node = Node::start();
    node.serve();
    let channel = node.open(2);
    node.fault(|state| move_deposit(state, &channel, false));
    for _ in 0..3 * CHANNEL_BLOCKS {
        node.block(&[]);
    }
    let first = tripped(&node);
    let reset = |state: &mut ChangeLog<'_>| {
        let event = breaker::reset(state, &context(), Component::Channels).unwrap().unwrap();
        assert_eq!((event.kind.as_str(), event.get("component")), ("component.reset", Some("channels")));
        assert_eq!(breaker::reset(state, &context(), Component::Channels).unwrap(), None, "it runs");
    };
    node.fault(reset);
    let second = tripped(&node);
    assert!(second.len() == 1 && second[0].1.height > first[0].1.height, "{second:?}");
    node.fault(|state| {
        reset(state);
        move_deposit(state, &channel, true);
    });
    assert!(tripped(&node).is_empty());
    assert!(!channels::get(&node.app.reader(), &channel).unwrap().unwrap().is_open(), "its turn was over");
    let transfer = node.opening(3);
    assert!(node.block(&[transfer]).outcomes[0].is_ok());
}

#[test]
fn the_chains_authority_lets_a_component_run_again_and_nobody_else_does() {
    let mut node = Node::start();
    node.serve();
    let channel = node.open(2);
    let reset = |component: &str| Action::ResetComponent(ResetComponent { component: component.to_owned() });
    let send = |node: &mut Node, n, component| {
        let tx = node.sign(n, reset(component));
        node.block(&[tx]).outcomes.remove(0)
    };
    assert_eq!(send(&mut node, 4, "channels").code, code::NOT_TRIPPED);
    node.fault(|state| move_deposit(state, &channel, false));
    for _ in 0..3 * CHANNEL_BLOCKS {
        node.block(&[]);
    }
    assert_eq!(tripped(&node).len(), 1);
    assert_eq!(send(&mut node, 3, "channels").code, code::AUTHORITY);
    for unknown in ["channel", "accounts", ""] {
        let tx = node.sign(4, reset(unknown));
        let told = node.app.check_tx(&tx, false).unwrap();
        assert!(told.code == code::NOT_TRIPPED && told.log.contains("channels"), "{}", told.log);
    }
    assert_eq!(tripped(&node).len(), 1);
    node.fault(|state| move_deposit(state, &channel, true));
    let done = send(&mut node, 4, "channels");
    assert_eq!(kinds(&done.events), ["component.reset"]);
    assert!(tripped(&node).is_empty());
}

#[test]
fn a_store_that_holds_what_does_not_decode_is_fatal_and_trips_nothing() {
    let mut node = Node::start();
    node.serve();
    let channel = node.open(2);
    node.fault(|state| state.set_raw(channels::state_key::channel(&channel), Some(vec![0xff; 9])));
    let closing = node.sign(2, close(channel));
    let height = node.height() + 1;
    let failed = node.app.finalize_block(&Block::alone(height, height as i64, [0; 32], &[closing])).unwrap_err();
    assert!(matches!(failed, AppError::State(StateError::Corrupt { .. })), "{failed}");
    assert!(node.app.reader().get_raw(&breaker::state_key::tripped(Component::Channels)).unwrap().is_none());
}
