//! What becomes of epochs whose statements nobody has but who settled them, and of those who say that they have what they have not.

use datanet_ledger::code::{self, Code};
use datanet_ledger::component::settlement::{self, Status, bond};
use datanet_ledger::component::{Params, nodes};
use datanet_types::action::{AttestStatement, Finding, role};
use datanet_types::amount::DNT;
use datanet_types::{Action, Amount};

use super::serving::{
    ACCOMPLICE, ATTACKER, AUDITORS, FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, good_claim, node, verdict,
};
use crate::support::{FEE, key};

/// Seconds for a challenge, and after it for those who keep it.
const CHALLENGE: u64 = 30;
const LATER: u64 = 20;
/// The least stake of a storage node.
const MIN: Amount = 10 * DNT;

/// Everybody else keeps data, or so many accomplices do.
fn world(keepers: &[u8]) -> Serving {
    let mut chain = Serving::kept(CHALLENGE, LATER);
    for who in keepers {
        chain.register(*who, *who + 110, role::STORAGE, MIN);
    }
    chain
}

fn attest(who: u8, epoch: u64) -> Action {
    let node = key(who + 110).node_key();
    Action::AttestStatement(AttestStatement { node, serving: self::node(), epoch })
}

fn refused(chain: &mut Serving, who: u8, action: Action, code: Code) {
    let outcome = chain.send(who, action);
    assert_eq!(outcome.code, code, "{}", outcome.log);
    println!("refused: {}", outcome.log);
}

fn earned() -> Vec<(u8, Amount)> {
    vec![(VICTIMS[0], claimable(FEES))]
}

/// What a node has at stake, and what of it is on its way home.
fn staked(chain: &Serving, who: u8) -> Amount {
    let (reader, account) = (chain.chain.ledger.reader(), crate::support::address(who));
    let stake = nodes::of_account(&reader, &account).unwrap().map_or(0, |node| node.stake);
    stake + nodes::unbonding(&reader, &account).unwrap() - nodes::fined(&reader, &account).unwrap()
}

/// It shows the statement to nobody, so that nobody but itself could ever claim: nothing is paid at all, and its stake is bound meanwhile.
#[test]
fn a_node_that_shows_its_statement_to_nobody_earns_nothing() {
    let mut chain = world(&VICTIMS);
    let (before, payer) = (chain.wealth(), chain.chain.balance(PAYER));
    let epoch = chain.settle(PAYER, FEES, &earned());
    let locked = || bond::locked(&chain.chain.ledger.reader(), &node()).unwrap();
    assert_eq!(locked(), 2 * FEES);
    let until = settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().unwrap().attest_by;
    while chain.chain.now() <= until + 1 {
        chain.chain.run(&[]);
    }
    assert_eq!(chain.status(epoch), Status::Void);
    assert_eq!(bond::locked(&chain.chain.ledger.reader(), &node()).unwrap(), 0);
    let others = i128::from(payer) - i128::from(chain.chain.balance(PAYER)) - i128::from(FEE);
    verdict("a statement that nobody sees", before, chain.wealth(), others);
    assert_eq!((before - chain.wealth(), others), (FEE.into(), 0), "a fee, and an epoch's work for nothing");
    refused(&mut chain, VICTIMS[0], attest(VICTIMS[0], epoch), code::STATEMENT_CLOSED);
}

/// Its accomplice's nodes say blindly that they keep what is nowhere. Whoever doubts it is paid, the epoch is void, and each lie is fined.
#[test]
fn blind_words_cost_stake_and_bring_nothing() {
    let mut chain = world(&[ACCOMPLICE, STRANGER]);
    let wealth = |chain: &Serving| chain.wealth() + i128::from(staked(chain, ACCOMPLICE));
    let payer = chain.chain.balance(PAYER);
    let before = wealth(&chain);
    let epoch = chain.settle(PAYER, FEES, &[(ACCOMPLICE, claimable(FEES))]);
    chain.done(ACCOMPLICE, attest(ACCOMPLICE, epoch));
    chain.done(STRANGER, attest(STRANGER, epoch));
    let (stranger, victim) = (staked(&chain, STRANGER), chain.chain.balance(VICTIMS[1]));
    chain.audit(VICTIMS[1], epoch, |_| Finding::Missing);
    assert_eq!(chain.status(epoch), Status::Void);
    let fine = MIN / 2;
    assert_eq!(stranger - staked(&chain, STRANGER), fine, "who joins in pays as much");
    assert!(chain.chain.balance(VICTIMS[1]) > victim, "who found out is paid");
    let others = i128::from(payer) - i128::from(chain.chain.balance(PAYER)) - i128::from(FEE);
    verdict("blind words", before, wealth(&chain), others);
    let lost = before - wealth(&chain);
    // Two transactions, two deposits of the audit, a fine, and as much as both liars.
    assert_eq!(lost, i128::from(2 * FEE + 2 * Params::default().audit_deposit + 3 * fine));
    assert_eq!(others, 0);
    chain.refused(ACCOMPLICE, good_claim(epoch, &[(ACCOMPLICE, claimable(FEES))], 0), code::CLAIM_EPOCH);
}

/// It shows its statement and hides its receipts, and has its own judges call the epoch unavailable: honest nodes that keep the statement lose
/// nothing.
#[test]
fn who_keeps_a_statement_is_not_fined_for_receipts_that_are_nowhere() {
    let mut chain = world(&VICTIMS);
    let before = chain.wealth();
    let epoch = chain.settle(PAYER, FEES, &earned());
    VICTIMS.into_iter().for_each(|who| chain.done(who, attest(who, epoch)));
    let honest: Amount = VICTIMS.into_iter().map(|who| staked(&chain, who)).sum();
    chain.audit(STRANGER, epoch, |_| Finding::Unavailable);
    let theirs = honest - VICTIMS.into_iter().map(|who| staked(&chain, who)).sum::<Amount>();
    verdict("receipts that are nowhere", before, chain.wealth(), theirs.into());
    assert_eq!((chain.status(epoch), theirs), (Status::Void, 0));
}

/// Its own auditors lie that the statement is nowhere, which honest nodes keep: that costs it at least what it costs them.
#[test]
fn having_ones_own_epoch_called_missing_costs_at_least_what_it_takes_from_those_who_keep_it() {
    let mut chain = world(&VICTIMS);
    let before = chain.wealth();
    let epoch = chain.settle(PAYER, FEES, &earned());
    VICTIMS.into_iter().for_each(|who| chain.done(who, attest(who, epoch)));
    let honest: Amount = VICTIMS.into_iter().map(|who| staked(&chain, who)).sum();
    // All seats are taken to be its own, and what they and the challenger are paid to come back to it.
    let auditors =
        |chain: &Serving| -> i128 { AUDITORS.into_iter().map(|who| i128::from(chain.chain.balance(who))).sum() };
    let (before_all, challenger) = (before + auditors(&chain), i128::from(chain.chain.balance(STRANGER)));
    chain.audit(STRANGER, epoch, |_| Finding::Missing);
    let after = chain.wealth() + auditors(&chain) + i128::from(chain.chain.balance(STRANGER)) - challenger;
    let theirs = honest - VICTIMS.into_iter().map(|who| staked(&chain, who)).sum::<Amount>();
    verdict("fining those who keep a statement", before_all, after, theirs.into());
    let lost = before_all - after;
    assert!(theirs > 0 && lost >= i128::from(theirs), "{lost} for {theirs}");
}

/// Its own account's node has no word; another account's has. The epoch is paid with that, and what nobody else keeps nobody can claim who has not
/// seen it: it loses nothing itself, and has a stake at risk for it as long as somebody may doubt the epoch. An open end, with its price.
#[test]
fn ones_own_word_is_refused_and_that_of_a_second_account_takes_a_second_stake() {
    let mut chain = world(&[]);
    chain.register(ATTACKER, 100, role::SERVING | role::STORAGE, 100 * DNT);
    chain.register(ACCOMPLICE, ACCOMPLICE + 110, role::STORAGE, MIN);
    let (before, accomplice) = (chain.wealth(), staked(&chain, ACCOMPLICE));
    let epoch = chain.settle(PAYER, FEES, &earned());
    let own = AttestStatement { node: node(), serving: node(), epoch };
    refused(&mut chain, ATTACKER, Action::AttestStatement(own), code::STATEMENT_OWN);
    chain.done(ACCOMPLICE, attest(ACCOMPLICE, epoch));
    let until = settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().unwrap().final_at;
    while chain.chain.now() <= until + 1 {
        chain.chain.run(&[]);
    }
    assert_eq!(chain.status(epoch), Status::Final);
    let gained = chain.wealth() - before;
    let rightly = i128::from(FEES * 15 / 100);
    println!(
        "words of one's own: {gained}, of which {rightly} is its own part of the fees; {accomplice} of stake at risk, half of it for each lie"
    );
    assert!(gained <= rightly, "no more than an honest node earns");
    assert_eq!(
        chain.left(epoch),
        claimable(FEES),
        "what others earned is theirs, once somebody shows them the statement"
    );
}

/// All storage nodes hold their words back. It costs them nothing but what they would have been paid; it costs others that epoch, and no epoch of
/// a chain on which one more honest node than that keeps data.
#[test]
fn words_that_all_storage_nodes_hold_back_cost_an_epoch_and_nobody_more() {
    let mut chain = world(&[ACCOMPLICE]);
    let (others, payer) = (chain.chain.balance(VICTIMS[0]), chain.chain.balance(PAYER));
    let before = i128::from(chain.chain.balance(ACCOMPLICE));
    let epoch = chain.settle(PAYER, FEES, &earned());
    let until = settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().unwrap().attest_by;
    while chain.chain.now() <= until + 1 {
        chain.chain.run(&[]);
    }
    assert_eq!((chain.status(epoch), chain.chain.balance(VICTIMS[0])), (Status::Void, others));
    assert_eq!(chain.chain.balance(PAYER), payer - FEE, "who paid has it back");
    verdict("words held back", before, i128::from(chain.chain.balance(ACCOMPLICE)), claimable(FEES).into());
    // Somebody honest puts up ten DNT and is heard: one word of two is his, and where the quorum is one it is enough.
    chain.register(VICTIMS[1], VICTIMS[1] + 110, role::STORAGE, MIN);
    let epoch = chain.settle(PAYER, FEES, &earned());
    chain.done(VICTIMS[1], attest(VICTIMS[1], epoch));
    let waits = settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().unwrap();
    assert_eq!((waits.quorum, waits.attestations), (2, 1));
}

#[test]
fn a_word_counts_once_and_only_for_an_epoch_that_waits_for_it() {
    let mut chain = world(&VICTIMS);
    let before = chain.wealth();
    let epoch = chain.settle(PAYER, FEES, &earned());
    let word = chain.sign(VICTIMS[0], attest(VICTIMS[0], epoch));
    let run = |chain: &mut Serving, tx| chain.chain.run(&[tx]).outcomes.remove(0);
    assert_eq!(run(&mut chain, word.clone()).code, code::OK);
    assert_eq!(run(&mut chain, word.clone()).code, code::REPLAYED);
    refused(&mut chain, VICTIMS[0], attest(VICTIMS[0], epoch), code::STATEMENT_ATTESTED);
    refused(&mut chain, VICTIMS[0], attest(VICTIMS[0], epoch + 1), code::STATEMENT_UNKNOWN);
    chain.done(VICTIMS[1], attest(VICTIMS[1], epoch));
    let until = settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().unwrap().final_at;
    while chain.chain.now() <= until + 1 {
        chain.chain.run(&[]);
    }
    assert_eq!(chain.status(epoch), Status::Final);
    refused(&mut chain, VICTIMS[1], attest(VICTIMS[1], epoch), code::STATEMENT_CLOSED);
    chain.all_claim(epoch, &earned());
    chain.chain.idle += i64::try_from(Params::default().forget_seconds).unwrap();
    chain.chain.run(&[]);
    chain.chain.run(&[]);
    assert!(settlement::epoch(&chain.chain.ledger.reader(), &node(), epoch).unwrap().is_none());
    assert!(settlement::keepers(&chain.chain.ledger.reader(), &node(), epoch).unwrap().is_empty());
    refused(&mut chain, VICTIMS[1], attest(VICTIMS[1], epoch), code::STATEMENT_UNKNOWN);
    // Its own part of the fees, less what it put up for two words and what a transaction costs.
    let rightly = i128::from(FEES * 15 / 100) - i128::from(2 * Params::default().statement_fee + FEE);
    println!("words sent again: the node has {} more, which it earned", chain.wealth() - before);
    assert_eq!(chain.wealth() - before, rightly);
}
