//! Words that are not the serving node's, or not on this channel; and a node that gives none.

use datanet_ledger::code;
use datanet_ledger::component::Params;
use datanet_ledger::component::channels;
use datanet_types::Action;
use datanet_types::action::CloseChannel;
use datanet_types::closing::ClosingStatement;

use super::serving::{ATTACKER, FEES, PAYER, Serving, verdict};
use crate::support::{CHAIN, FEE, key};

const DEPOSIT: u64 = 10 * FEES;

#[test]
fn the_word_on_an_idle_channel_closes_no_other() {
    let mut serving = Serving::new();
    let before = i128::from(serving.chain.balance(PAYER));
    // Two channels of the same payer: one is idle, on the other answers for FEES are owed.
    let (idle, owing) = (serving.channel(PAYER, DEPOSIT), serving.channel(PAYER, DEPOSIT));
    let good = ClosingStatement::sign(CHAIN, idle, 0, &key(100));
    let made_up = [
        good.clone(),
        ClosingStatement { channel: owing, ..good.clone() },
        ClosingStatement::sign(CHAIN, owing, 0, &key(PAYER)),
        ClosingStatement::sign(CHAIN, owing, 0, &key(ATTACKER)),
        ClosingStatement::sign("another", owing, 0, &key(100)),
    ];
    let tries = made_up.len() as u64;
    for statement in made_up {
        let close = Action::CloseChannel(CloseChannel { channel: owing, statement: Some(statement) });
        let tx = serving.sign(PAYER, close.clone());
        let admitted = serving.chain.ledger.check_tx(&tx, false).unwrap();
        assert_eq!(admitted.code, code::CLOSING_STATEMENT, "{}", admitted.log);
        assert_eq!(serving.send(PAYER, close).code, code::CLOSING_STATEMENT);
    }
    serving.redeem(PAYER, owing, 0, FEES);
    serving.done(PAYER, Action::CloseChannel(CloseChannel { channel: idle, statement: Some(good.clone()) }));
    let again = Action::CloseChannel(CloseChannel { channel: idle, statement: Some(good) });
    assert_eq!(serving.send(PAYER, again).code, code::CHANNEL_CLOSED, "twice");
    let after = i128::from(serving.chain.balance(PAYER) + DEPOSIT - FEES);
    // The first is refused for naming another channel, before any block: it has paid nothing.
    println!("made-up words: {tries} tries");
    verdict("another channel's word", before, after, 0);
    let open = channels::get(&serving.chain.ledger.reader(), &owing).unwrap().unwrap();
    assert!(open.is_open() && open.charged == FEES);
}

#[test]
fn a_node_that_gives_no_word_gains_nothing_and_holds_the_money_for_its_time_only() {
    let mut serving = Serving::new();
    let (before, payer) = (serving.loot(), i128::from(serving.chain.balance(PAYER)));
    let channel = serving.channel(PAYER, DEPOSIT);
    serving.done(PAYER, Action::CloseChannel(CloseChannel { channel, statement: None }));
    serving.chain.pass(Params::default().close_seconds - 10);
    assert!(channels::get(&serving.chain.ledger.reader(), &channel).unwrap().unwrap().is_open());
    serving.chain.pass(10);
    // Nobody had to send anything for it.
    let paid = payer - i128::from(serving.chain.balance(PAYER));
    assert_eq!(paid, i128::from(2 * FEE), "all of the deposit is back");
    println!("a silent node: the payer waited {} s and paid two fees", Params::default().close_seconds);
    verdict("a silent node", before, serving.loot(), paid);
}
