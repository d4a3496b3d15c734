//! Keys that owned an account once, too few of those that do, and a guardian's that was stolen.

use datanet_ledger::app::Verdict;
use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::action::{CancelRecovery, RecoverKeys};

use super::keys::{Account, DELAY, GUARDIAN, OWNERS, SUB_KEY, THIEF, VICTIM, fees, grant, owners, pay, public};
use crate::support::{BALANCE, FEE, address};

#[test]
fn what_old_owners_signed_is_worth_nothing_once_there_are_new_ones() {
    let mut account = Account::new();
    let (birth, both) = (account.sign(&[VICTIM], pay(THIEF, 5)), account.sign(&OWNERS[..2], pay(THIEF, 5)));
    assert_eq!((account.check(&birth), account.check(&both)), (code::OK, code::UNAUTHORISED));
    account.done(&[VICTIM], Action::SetKeys(owners(&OWNERS, 2)));
    assert_eq!(account.chain.ledger.check_tx(&birth, true).unwrap().code, code::UNAUTHORISED);
    assert!(matches!(account.chain.process(std::slice::from_ref(&birth)), Verdict::Reject(_)));
    // Two of the owners signed it; now they are others, of whom one stays.
    let next = [OWNERS[0], 24, 25];
    account.done(&[OWNERS[0], OWNERS[2]], Action::SetKeys(owners(&next, 2)));
    assert_eq!(account.run(&[birth, both]), [code::UNAUTHORISED; 2]);
    // Back to the very same owners: what was signed under them is theirs again, and is still executed once.
    account.done(&next[1..], Action::SetKeys(owners(&OWNERS, 2)));
    let again = account.sign(&OWNERS[..2], pay(5, 1));
    assert_eq!(account.run(&[again.clone(), again]), [code::OK, code::REPLAYED]);
    account.verdict("old signatures", fees(4) + 1);
}

#[test]
fn fewer_owners_than_it_takes_are_nobody_however_often_they_sign() {
    let mut account = Account::shared();
    let one = account.sign(&[OWNERS[0]], pay(THIEF, 1));
    let with_a_stranger = account.sign(&[OWNERS[0], THIEF], pay(THIEF, 1));
    let all = account.sign(&OWNERS, pay(THIEF, 1));
    for tx in [one, with_a_stranger, all] {
        assert_eq!(account.check(&tx), code::UNAUTHORISED);
        assert_eq!(account.run(&[tx]), [code::UNAUTHORISED]);
    }
    // One key twice: no canonical transaction.
    let mut twice =
        <datanet_types::SignedTx as prost::Message>::decode(account.sign(&OWNERS[..1], pay(THIEF, 1))).unwrap();
    twice.signatures.push(twice.signatures[0]);
    assert_eq!(account.run(&[twice.to_bytes().into()]), [code::CODEC]);
    account.done(&OWNERS[1..], pay(5, 1));
    account.verdict("one owner of two", fees(2) + 1);
}

#[test]
fn a_stolen_guardian_takes_nothing_while_an_owner_looks() {
    let mut account = Account::shared();
    let take = RecoverKeys { account: address(VICTIM), owners: public(&[THIEF]), threshold: 1 };
    let begun = account.sign_as(GUARDIAN, Action::RecoverKeys(take.clone()));
    assert_eq!(account.run(&[begun]), [code::OK]);
    // Not before its time, by whatever it would do then.
    account.wait(DELAY - 3);
    assert_eq!(account.send(&[THIEF], pay(THIEF, 1_000)), code::UNAUTHORISED);
    account.done(&OWNERS[..2], Action::CancelRecovery(CancelRecovery {}));
    account.wait(2 * DELAY);
    assert_eq!(account.send(&[THIEF], pay(THIEF, 1_000)), code::UNAUTHORISED);
    // The owners take another guardian; the stolen one has lost its say.
    account
        .done(&OWNERS[..2], Action::SetKeys(datanet_types::action::SetKeys { recovery: None, ..owners(&OWNERS, 2) }));
    let again = account.sign_as(GUARDIAN, Action::RecoverKeys(take));
    assert_eq!(account.run(&[again]), [code::KEYS_GUARDIAN]);
    account.verdict("a stolen guardian", fees(3));
}

/// The race for the last block: before the time the owners win it, from then on the guardian has.
#[test]
fn a_recovery_is_cancelled_until_it_is_due_and_not_after() {
    for late in [false, true] {
        let mut account = Account::shared();
        let recover = RecoverKeys { account: address(VICTIM), owners: public(&[41]), threshold: 1 };
        let due = account.now() + DELAY;
        let begun = account.sign_as(GUARDIAN, Action::RecoverKeys(recover));
        account.run(&[begun]);
        account.wait(due - account.now() - u64::from(!late));
        let cancel = account.sign(&OWNERS[..2], Action::CancelRecovery(CancelRecovery {}));
        let pay_old = account.sign(&OWNERS[1..], pay(THIEF, 5));
        let pay_new = account.sign(&[41], pay(5, 5));
        let expected = match late {
            false => [code::OK, code::OK, code::UNAUTHORISED],
            true => [code::UNAUTHORISED, code::UNAUTHORISED, code::OK],
        };
        assert_eq!(account.run(&[cancel, pay_old, pay_new]), expected, "late: {late}");
    }
}

#[test]
fn whoever_lost_every_key_has_the_account_back_and_the_sub_keys_of_a_thief_are_gone() {
    let mut account = Account::shared();
    account.done(&OWNERS[..2], Action::GrantKey(grant()));
    let recover = RecoverKeys { account: address(VICTIM), owners: public(&[41, 42]), threshold: 2 };
    let begun = account.sign_as(GUARDIAN, Action::RecoverKeys(recover.clone()));
    assert_eq!(account.run(&[begun]), [code::OK]);
    // Anybody else says the same in vain.
    let thief =
        account.sign_as(THIEF, Action::RecoverKeys(RecoverKeys { owners: public(&[THIEF]), threshold: 1, ..recover }));
    assert_eq!(account.run(&[thief]), [code::KEYS_GUARDIAN]);
    account.done(&[SUB_KEY], pay(super::keys::SHOP, 1));
    account.wait(DELAY);
    assert_eq!(account.send(&[SUB_KEY], pay(super::keys::SHOP, 1)), code::UNAUTHORISED);
    assert_eq!(account.send(&OWNERS[..2], pay(THIEF, 1)), code::UNAUTHORISED);
    account.done(&[41, 42], pay(5, 1));
    account.verdict("after a recovery", fees(4) + 2);
    assert_eq!(account.chain.balance(THIEF), BALANCE - FEE);
}
