//! A payer who has its answers and wants its money back before the node has settled them.

use datanet_ledger::code;
use datanet_ledger::component::Params;
use datanet_ledger::component::channels;
use datanet_types::action::{CloseChannel, TopUpChannel};
use datanet_types::closing::ClosingStatement;
use datanet_types::{Action, ChannelId};

use super::serving::{FEES, PAYER, STRANGER, Serving, verdict};
use crate::support::{CHAIN, Chain, FEE, key};

const DEPOSIT: u64 = 10 * FEES;

fn close(channel: ChannelId) -> Action {
    Action::CloseChannel(CloseChannel { channel, statement: None })
}

fn charged(serving: &Serving, channel: &ChannelId) -> (bool, u64) {
    let channel = channels::get(&serving.chain.ledger.reader(), channel).unwrap().unwrap();
    (channel.is_open(), channel.charged)
}

#[test]
fn a_payer_who_closes_right_after_its_answers_pays_for_them_all_the_same() {
    let mut serving = Serving::new();
    let before = i128::from(serving.chain.balance(PAYER));
    let channel = serving.channel(PAYER, DEPOSIT);
    // It holds answers for FEES that the node has not settled, and runs.
    serving.done(PAYER, close(channel));
    // Blocks are cheap to make; time is not his.
    for _ in 0..200 {
        serving.chain.run(&[]);
    }
    assert_eq!(serving.send(PAYER, close(channel)).code, code::CHANNEL_ACTIVE);
    // The node was down for most of its time. Its settlement and another try to close are in one block, the try first.
    serving.chain.idle += i64::try_from(Params::default().close_seconds).unwrap() - 300;
    let again = serving.sign(PAYER, close(channel));
    let settle = serving.redeeming(PAYER, channel, 0, FEES);
    let settle = serving.sign(super::serving::ATTACKER, Action::SettleEpoch(settle));
    assert_eq!(Chain::codes(&serving.chain.run(&[again, settle])), [code::CHANNEL_ACTIVE, code::OK]);
    serving.chain.pass(300);
    assert_eq!(charged(&serving, &channel), (false, FEES), "the node is paid, and the rest is back");
    let after = i128::from(serving.chain.balance(PAYER));
    assert_eq!(before - after, i128::from(FEES + 4 * FEE), "its answers and its fees");
    verdict("closing early", before, after, 0);
}

#[test]
fn neither_a_strangers_hand_nor_more_money_hurries_or_holds_up_a_closing() {
    let mut serving = Serving::new();
    let channel = serving.channel(PAYER, DEPOSIT);
    assert_eq!(serving.send(STRANGER, close(channel)).code, code::CHANNEL_FOREIGN);
    serving.done(PAYER, close(channel));
    let more = Action::TopUpChannel(TopUpChannel { channel, amount: 1, expires_at: 0 });
    assert_eq!(serving.send(PAYER, more).code, code::CHANNEL_CLOSING);
    serving.chain.pass(Params::default().close_seconds);
    assert_eq!(charged(&serving, &channel), (false, 0));
}

#[test]
fn a_word_from_before_the_last_answers_is_worth_nothing_once_they_are_settled() {
    let mut serving = Serving::new();
    let before = i128::from(serving.chain.balance(PAYER));
    let channel = serving.channel(PAYER, DEPOSIT);
    serving.redeem(PAYER, channel, 0, FEES);
    let word = ClosingStatement::sign(CHAIN, channel, FEES, &key(100));
    // A node that has given its word should sell nothing more; one that does can still settle it first.
    serving.redeem(PAYER, channel, FEES, 2 * FEES);
    let early = Action::CloseChannel(CloseChannel { channel, statement: Some(word) });
    assert_eq!(serving.send(PAYER, early).code, code::CLOSING_STATEMENT);
    serving.done(PAYER, close(channel));
    serving.chain.pass(Params::default().close_seconds);
    let after = i128::from(serving.chain.balance(PAYER));
    assert_eq!(before - after, i128::from(2 * FEES + 3 * FEE));
    verdict("an old word", before, after, 0);
}
