//! What the ledger has forgotten, sent once more.

use datanet_ledger::code;
use datanet_ledger::component::ratings::{HALVING_SECONDS, LAPSE_HALVINGS};
use datanet_ledger::component::{Params, channels, settlement};
use datanet_ledger::state::StateRead;
use datanet_types::action::CloseChannel;
use datanet_types::closing::ClosingStatement;
use datanet_types::tx::MAX_TTL;
use datanet_types::{Action, SignedTx};

use super::serving::{ATTACKER, FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, good_claim, node, verdict};
use crate::support::{CHAIN, Chain, key};

/// State entries but for the memory of transactions.
fn entries(serving: &Serving) -> Vec<String> {
    let all = serving.chain.ledger.reader().scan("", None, usize::MAX).unwrap();
    all.into_iter().map(|(key, _)| key).filter(|key| !key.starts_with("derived/admission/")).collect()
}

#[test]
fn a_channel_and_an_epoch_that_are_forgotten_cannot_come_again() {
    let mut serving = Serving::new();
    let opening = serving.next_channel(PAYER, 2 * FEES);
    let channel = serving.channel(PAYER, 2 * FEES);
    assert_eq!(SignedTx::verify(&opening, CHAIN).unwrap().channel_id(), channel, "the very same");
    serving.redeem(PAYER, channel, 0, FEES);
    let earned = [(VICTIMS[0], claimable(FEES))];
    let claim = Action::Claim(good_claim(1, &earned, 0));
    serving.done(VICTIMS[0], claim.clone());
    let word = ClosingStatement::sign(CHAIN, channel, FEES, &key(100));
    let close = Action::CloseChannel(CloseChannel { channel, statement: Some(word) });
    serving.done(PAYER, close.clone());
    serving.chain.pass(Params::default().forget_seconds);
    let reader = serving.chain.ledger.reader();
    assert!(channels::get(&reader, &channel).unwrap().is_none());
    assert!(settlement::epoch(&reader, &node(), 1).unwrap().is_none());

    let before = serving.loot() + i128::from(serving.chain.balance(PAYER));
    // The old promise, in the next epoch, and in its own.
    let next = serving.redeeming(PAYER, channel, FEES, 2 * FEES);
    let mut old = serving.redeeming(PAYER, channel, 0, FEES);
    old.epoch = 1;
    let tries = [
        (ATTACKER, Action::SettleEpoch(next), code::CHANNEL_UNKNOWN),
        (ATTACKER, Action::SettleEpoch(old), code::EPOCH_ORDER),
        (VICTIMS[0], claim, code::CLAIM_NOTHING),
        (PAYER, close, code::CHANNEL_UNKNOWN),
    ];
    for (who, action, wanted) in tries {
        let outcome = serving.send(who, action);
        println!("refused: {}", outcome.log);
        assert_eq!(outcome.code, wanted, "{}", outcome.log);
    }
    // The transaction that opened it: remembered as long as it is good, and good no longer than that.
    assert_eq!(Chain::codes(&serving.chain.finalize(std::slice::from_ref(&opening))), [code::REPLAYED]);
    for _ in 0..MAX_TTL {
        serving.chain.run(&[]);
    }
    assert_eq!(Chain::codes(&serving.chain.finalize(&[opening])), [code::EXPIRED]);
    let after = serving.loot() + i128::from(serving.chain.balance(PAYER));
    verdict("what is forgotten", before, after, 0);
}

#[test]
fn whoever_fills_the_state_with_channels_and_epochs_fills_it_for_a_while_only() {
    let mut serving = Serving::short();
    // The node's own record and its epoch's number stay.
    serving.settle(PAYER, FEES, &[(VICTIMS[0], claimable(FEES))]);
    serving.all_claim(1, &[(VICTIMS[0], claimable(FEES))]);
    let before_entries: Vec<String> = entries(&serving);
    let before = i128::from(serving.chain.balance(STRANGER));
    for n in 0..20 {
        let channel = serving.channel(STRANGER, FEES);
        if n < 3 {
            serving.redeem(STRANGER, channel, 0, FEES);
            let epoch = 2 + n;
            serving.all_claim(epoch, &[(VICTIMS[0], claimable(FEES))]);
        } else {
            serving.done(STRANGER, Action::CloseChannel(CloseChannel { channel, statement: None }));
        }
    }
    let full = entries(&serving).len() - before_entries.len();
    serving.chain.pass(Params::default().close_seconds);
    serving.chain.pass(Params::default().forget_seconds);
    // Three are used up, and nobody closes them.
    for _ in 0..110 {
        serving.chain.run(&[]);
    }
    serving.chain.pass(Params::default().forget_seconds);
    let left = |serving: &Serving| -> Vec<String> {
        entries(serving).into_iter().filter(|key| !before_entries.contains(key)).collect()
    };
    let paid = before - i128::from(serving.chain.balance(STRANGER));
    // What it has bought counts for two years: a record of the account's, however much it was, and when that is due.
    let longest = left(&serving);
    println!("{full} entries for {paid} base units, {} after a while, none in the end", longest.len());
    let of_trader = |key: &String| key.starts_with("ratings/trader/") || key.contains("/forget-trader/");
    assert!(longest.len() <= 2 && longest.iter().all(of_trader), "{longest:#?}");
    serving.chain.pass((LAPSE_HALVINGS + 1) * HALVING_SECONDS);
    let left = left(&serving);
    assert!(left.is_empty(), "{left:#?}");
    verdict("state filled for a while", before, before - paid, 0);
}
