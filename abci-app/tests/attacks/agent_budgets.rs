//! The crash test of budgets: whoever has an agent's sub-keys spends no more of it than its budget in a period, across restarts, from ten replicas at
//! once, by any asset and any action, and through several nodes' mempools.

use bytes::Bytes;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::code;
use datanet_types::action::{
    BuyShares, CloseChannel, GrantKey, PayIncome, RecoverKeys, RegisterNode, RetireAgent, SetKeys, SubmitProposal,
    TopUpChannel, TransferShares, role,
};
use datanet_types::amount::DNT;
use datanet_types::staking::{Delegate as Staked, Redelegate, Undelegate};
use datanet_types::{Action, Amount, SignedTx};

use super::agency::{Agency, BUDGET, PERIOD, RUNNER, THIEF, account, asset, id, open, pay, update, verdict};
use super::market::datanet;
use crate::support::{CHAIN, Chain, FEE, address, genesis_of_validators, key, validator};

#[test]
fn a_restart_in_the_middle_of_a_period_gives_no_second_budget() {
    let mut agency = Agency::new(1);
    let before = agency.money();
    for round in 0..6 {
        agency.send(RUNNER, pay(THIEF, BUDGET / 4));
        agency = agency.restart();
        // And what was signed before is sent again after it.
        let again = agency.sign(RUNNER, pay(THIEF, BUDGET / 4));
        agency.run(std::slice::from_ref(&again));
        agency = agency.restart();
        agency.run(&[again]);
        println!("after restart {round}: {} left", agency.left());
    }
    verdict("spending before and after restarts", before, agency.money(), 1);
    assert!(agency.left() < BUDGET / 4, "it was spent");
}

#[test]
fn ten_replicas_that_sign_at_once_have_one_budget() {
    for (what, keys) in [("ten replicas of one key", 1u8), ("ten replicas with keys of their own", 10)] {
        let mut agency = Agency::new(keys);
        let before = agency.money();
        // None of them knows of the others: each spends all there is, in one block and then in others.
        let most = BUDGET - FEE;
        let all: Vec<Bytes> = (0..10).map(|n| agency.sign(RUNNER + n % keys, pay(THIEF, most))).collect();
        let done = agency.run(&all);
        assert_eq!(done.iter().filter(|code| code.is_ok()).count(), 1, "{done:?}");
        for n in 0..10 {
            agency.send(RUNNER + n % keys, pay(THIEF, 1));
        }
        verdict(what, before, agency.money(), 1);
    }
}

/// Each way in which money leaves an account that a sub-key may ever be let take, each for all of the budget, one after the other.
#[test]
fn no_other_asset_and_no_other_action_gets_around_it() {
    let mut agency = Agency::new(2);
    let (before, now) = (agency.money(), agency.chain.now());
    let expires = now + 500;
    let datanet = datanet("way-out");
    let own = key(110);
    let proof = own.sign(&RegisterNode::sign_bytes(CHAIN, &account(), &own.node_key()));
    let registered = |stake| {
        let (node, name) = (own.node_key(), "n".to_owned());
        Action::RegisterNode(RegisterNode { node, proof, roles: role::SERVING, stake, name })
    };
    let asset = Some(asset());
    let staked = |amount| Action::Delegate(Staked { validator: validator(1).address(), amount });
    let part = BUDGET / 4;
    let ways: Vec<(&str, Action)> = vec![
        ("money", pay(THIEF, part)),
        ("a channel of which the thief signs the vouchers", open(part)),
        (
            "shares of the thief's out of his pool",
            Action::BuyShares(BuyShares { asset, amount: part, min_shares: 0, deadline: expires }),
        ),
        ("income for the thief's shares", Action::PayIncome(PayIncome { asset, amount: part })),
        ("stake behind a validator", staked(part)),
        ("a node's stake", registered(part)),
        ("a name", Action::CreateDatanet(datanet)),
        ("stake again", staked(part)),
        ("a channel again", open(part)),
        ("all that is left", pay(THIEF, BUDGET)),
    ];
    let (mut done, mut refused) = (0, 0);
    for (n, (what, action)) in ways.into_iter().enumerate() {
        let code = agency.send(RUNNER + n as u8 % 2, action);
        println!("{what}: {code}, {} left", agency.left());
        assert!(code.is_ok() || code == code::GRANT_LIMITS, "{what}: {code}");
        if code.is_ok() { done += 1 } else { refused += 1 }
    }
    assert!(done >= 3 && refused >= 3, "{done} and {refused}");
    // With a tip for all there is: no such place in a block is to be had.
    let tipped = agency.sign_for(account(), RUNNER, pay(THIEF, 1), 2 * BUDGET);
    assert_eq!(agency.run(&[tipped]), [code::GRANT_LIMITS]);
    verdict("ten ways out", before, agency.money(), 1);
}

#[test]
fn what_comes_back_is_no_budget_and_stake_that_is_moved_is_spent() {
    let mut agency = Agency::new(1);
    let part = BUDGET / 2;
    let before = agency.money();
    let tx = agency.sign(RUNNER, open(part));
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    assert_eq!(agency.run(&[tx]), [code::OK]);
    // It comes back only when the node says so, which is the thief's: and is gone from the budget all the same.
    let word = datanet_types::closing::ClosingStatement::sign(CHAIN, channel, 0, &key(100));
    let close = Action::CloseChannel(CloseChannel { channel, statement: Some(word) });
    assert_eq!(agency.send(RUNNER, close), code::OK);
    assert_eq!(agency.money(), before - 2 * FEE);
    assert_eq!(agency.send(RUNNER, open(part)), code::GRANT_LIMITS);
    assert_eq!(
        agency.send(RUNNER, Action::TopUpChannel(TopUpChannel { channel, amount: 1, expires_at: 0 })),
        code::CHANNEL_CLOSED
    );
    // The owner has staked; a sub-key takes away no more of that than its budget either.
    let owned = Action::Delegate(Staked { validator: validator(1).address(), amount: 20 * DNT });
    let owned = agency.sign(super::agency::OWNER, owned);
    assert_eq!(agency.run(&[owned]), [code::OK]);
    let (from, to) = (validator(1).address(), validator(2).address());
    assert_eq!(agency.send(RUNNER, Action::Redelegate(Redelegate { from, to, amount: 15 * DNT })), code::GRANT_LIMITS);
    assert_eq!(
        agency.send(RUNNER, Action::Undelegate(Undelegate { validator: from, amount: 15 * DNT })),
        code::GRANT_LIMITS
    );
    assert_eq!(agency.send(RUNNER, Action::Undelegate(Undelegate { validator: from, amount: 2 * DNT })), code::OK);
    verdict("money that comes and goes", before - 20 * DNT, agency.money(), 1);
}

#[test]
fn a_sub_key_makes_no_others_and_is_gone_at_once() {
    let mut agency = Agency::new(1);
    let before = agency.money();
    let own = key(THIEF).public_key();
    let grants = super::agency::grant(THIEF);
    for action in [
        Action::GrantKey(GrantKey { budget: u64::MAX, ..grants }),
        Action::SetKeys(SetKeys { owners: vec![own], threshold: 1, recovery: None }),
        Action::RecoverKeys(RecoverKeys { account: account(), owners: vec![own], threshold: 1 }),
        Action::UpdateAgent(datanet_types::action::UpdateAgent { budget: u64::MAX, ..update() }),
        Action::RetireAgent(RetireAgent { agent: id() }),
        Action::TransferShares(TransferShares { asset: Some(asset()), to: address(THIEF), shares: 1 }),
    ] {
        assert_eq!(agency.send(RUNNER, action), code::GRANT_LIMITS);
    }
    let proposal = SubmitProposal { deposit: u64::MAX, title: "t".into(), reason: "r".into(), proposed: None };
    assert!(!agency.send(RUNNER, Action::SubmitProposal(proposal)).is_ok());
    // What waits when the owner ends all keys, in the very block of it.
    let ends = datanet_types::action::UpdateAgent { end_keys: true, ..update() };
    let waiting = agency.sign(RUNNER, pay(THIEF, BUDGET / 2));
    assert_eq!(agency.chain.ledger.check_tx(&waiting, false).unwrap().code, code::OK);
    let ended = agency.sign_for(address(super::agency::OWNER), super::agency::OWNER, Action::UpdateAgent(ends), 0);
    assert_eq!(agency.run(&[ended, waiting]), [code::OK, code::UNAUTHORISED]);
    assert_eq!(agency.money(), before);
}

#[test]
fn each_period_has_one_budget_wherever_it_is_spent() {
    let mut agency = Agency::new(2);
    let before = agency.money();
    let mut periods = std::collections::BTreeSet::new();
    for pause in [0, PERIOD - 9, 0, 0, PERIOD / 2, PERIOD / 2, 3 * PERIOD, 0] {
        agency.chain.idle += i64::try_from(pause).unwrap();
        for amount in [BUDGET, BUDGET - FEE, BUDGET / 2, FEE] {
            // The registration was in the first block.
            periods.insert((agency.chain.now() - 1_001) / PERIOD);
            agency.send(RUNNER + (pause % 2) as u8, pay(THIEF, amount));
        }
    }
    println!("periods: {periods:?}");
    verdict("a budget spent at the turn of its periods", before, agency.money(), periods.len() as u64);
}

/// Four nodes have the same chain and other transactions each: all that their mempools take, and whatever one of them proposes, is within budget.
#[test]
fn nodes_that_know_nothing_of_one_anothers_mempools_spend_one_budget() {
    let first = Agency::new(1);
    let others: Vec<Chain> = (0..3).map(|_| replay(&first.blocks.borrow())).collect();
    let nodes: Vec<&Chain> = std::iter::once(&first.chain).chain(&others).collect();
    assert!(nodes.iter().all(|node| node.ledger.info().app_hash == nodes[0].ledger.info().app_hash));
    let before = first.money();
    let half = BUDGET / 2 - FEE;
    let mut nonce = 1_000_000;
    for round in 0..3 {
        // Each node's clients spend all of the budget there.
        let mut all = Vec::new();
        for node in &nodes {
            for _ in 0..3 {
                nonce += 1;
                let body = crate::support::body(pay(THIEF, half), node.next() + 100, nonce);
                let body = datanet_types::TxBody { account: account(), ..body };
                let tx: Bytes = body.sign(&key(RUNNER)).to_bytes().into();
                let taken = node.ledger.check_tx(&tx, false).unwrap().code;
                println!("round {round}: {taken}");
                all.push(tx);
            }
        }
        // Whoever proposes has heard of all of them.
        let proposer = nodes[round % nodes.len()];
        let proposed = proposer.ledger.prepare_proposal(&proposer.block(&all), 1 << 20).unwrap();
        assert!(proposed.len() <= 2, "{} fit", proposed.len());
        // And a proposer who does not care has all of them in: they are refused there, on every node alike.
        let hashes: Vec<_> = nodes.iter().map(|node| node.run(&all).app_hash).collect();
        assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    }
    verdict("four nodes' mempools", before, first.money(), 1);
}

fn replay(blocks: &[Vec<Bytes>]) -> Chain {
    let chain = Chain::empty();
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2])).unwrap();
    genesis["params"]["challenge_seconds"] = 0.into();
    let app_state = serde_json::to_vec(&genesis).unwrap();
    chain.ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state }).unwrap();
    for txs in blocks {
        let block: Block<'_> = chain.block(txs);
        chain.ledger.finalize_block(&block).unwrap();
        chain.ledger.commit().unwrap();
    }
    chain
}

/// All of the thief's ways are the agent's losses alone.
#[test]
fn nobody_else_pays_for_a_stolen_sub_key() {
    let mut agency = Agency::new(1);
    let owner = agency.chain.balance(super::agency::OWNER);
    let (before, loot): (Amount, Amount) = (agency.money(), agency.chain.balance(THIEF));
    agency.send(RUNNER, pay(THIEF, BUDGET - FEE));
    agency.send(RUNNER, pay(THIEF, 1));
    assert_eq!(agency.chain.balance(super::agency::OWNER), owner);
    println!("the thief gained {}, as granted", agency.chain.balance(THIEF) - loot);
    verdict("a stolen sub-key", before, agency.money(), 1);
}
