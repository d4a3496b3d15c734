//! A sub-key in bad hands: it spends its budget where it was granted, and no more. What it has signed is worth nothing once it is revoked.

use datanet_ledger::app::Verdict;
use datanet_ledger::code::{self, Code};
use datanet_types::action::{
    ActionKind, ActionSet, CancelRecovery, CloseChannel, GrantKey, OpenChannel, RecoverKeys, RegisterNode, RevokeKey,
    role,
};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, SignedTx};

use super::keys::{Account, BUDGET, OWNERS, PERIOD, SHOP, SUB_KEY, THIEF, VICTIM, fees, grant, owners, pay, public};
use crate::support::{BALANCE, CHAIN, FEE, address, key};

#[test]
fn it_spends_its_budget_where_it_may_and_nothing_elsewhere() {
    let mut account = Account::with_sub_key();
    for (what, action) in [
        ("pays the thief", pay(THIEF, 1)),
        ("opens a channel", Action::OpenChannel(OpenChannel { deposit: 1, ..Default::default() })),
        ("closes one", Action::CloseChannel(CloseChannel::default())),
    ] {
        println!("the sub-key {what}");
        let tx = account.sign(&[SUB_KEY], action);
        assert_eq!(account.check(&tx), code::GRANT_LIMITS);
        assert!(matches!(account.chain.process(&[tx]), Verdict::Reject(_)));
    }
    assert_eq!(account.money(), BALANCE - fees(1), "what is not permitted has cost the account something");
    account.done(&[SUB_KEY], pay(SHOP, BUDGET - 3 * FEE));
    // What is left pays for one fee and no more than that: the refusal in the block costs it.
    assert_eq!(account.left(), 2 * FEE);
    assert_eq!(account.send(&[SUB_KEY], pay(SHOP, FEE + 1)), code::GRANT_LIMITS);
    assert_eq!(account.send(&[SUB_KEY], pay(SHOP, 1)), code::GRANT_LIMITS);
    assert_eq!(account.left(), 0);
    account.verdict("a stolen sub-key", fees(1) + BUDGET);
}

#[test]
fn a_fee_of_any_size_is_spent_too() {
    let mut account = Account::with_sub_key();
    let mut with_fee = |fee| {
        let tx = account.sign(&[SUB_KEY], pay(SHOP, 1));
        let mut body = SignedTx::verify(&tx, CHAIN).unwrap().body;
        (body.fee, body.tip) = (fee, fee - FEE);
        account.run(&[body.sign(&key(SUB_KEY)).to_bytes().into()])[0]
    };
    assert_eq!(with_fee(BUDGET + 1), code::GRANT_LIMITS);
    assert_eq!(with_fee(BUDGET - 1), code::OK);
    assert_eq!(with_fee(FEE), code::GRANT_LIMITS);
    account.verdict("a sub-key that burns money", fees(1) + BUDGET);
}

#[test]
fn one_budget_is_not_spent_twice_in_one_block() {
    let mut account = Account::with_sub_key();
    let half = pay(SHOP, BUDGET / 2 - FEE);
    let txs: Vec<_> = (0..5).map(|_| account.sign(&[SUB_KEY], half.clone())).collect();
    let checked: Vec<Code> = txs.iter().map(|tx| account.check(tx)).collect();
    assert_eq!(checked, [vec![code::OK; 2], vec![code::GRANT_LIMITS; 3]].concat());
    assert!(matches!(account.chain.process(&txs), Verdict::Reject(_)));
    assert_eq!(account.run(&txs), [vec![code::OK; 2], vec![code::GRANT_LIMITS; 3]].concat());
    account.verdict("five halves of a budget at once", fees(1) + BUDGET);
}

#[test]
fn what_waits_in_the_mempool_is_worth_nothing_once_the_key_is_revoked() {
    let mut account = Account::with_sub_key();
    let waiting = account.sign(&[SUB_KEY], pay(SHOP, 50_000));
    assert_eq!(account.check(&waiting), code::OK);
    account.done(&[VICTIM], Action::RevokeKey(RevokeKey { key: key(SUB_KEY).public_key() }));
    assert_eq!(account.chain.ledger.check_tx(&waiting, true).unwrap().code, code::UNAUTHORISED);
    assert_eq!(
        account
            .chain
            .ledger
            .prepare_proposal(&account.chain.block(std::slice::from_ref(&waiting)), 1 << 20)
            .unwrap()
            .len(),
        0
    );
    assert!(matches!(account.chain.process(std::slice::from_ref(&waiting)), Verdict::Reject(_)));
    assert_eq!(account.run(&[waiting]), [code::UNAUTHORISED]);
    // In the very block of the revocation, and behind it.
    account.done(&[VICTIM], Action::GrantKey(grant()));
    let revoke = account.sign(&[VICTIM], Action::RevokeKey(RevokeKey { key: key(SUB_KEY).public_key() }));
    let behind = account.sign(&[SUB_KEY], pay(SHOP, 50_000));
    assert_eq!(account.run(&[revoke, behind]), [code::OK, code::UNAUTHORISED]);
    account.verdict("signed before the revocation", fees(4));
}

#[test]
fn it_ends_with_its_time_and_with_the_owners_that_granted_it() {
    let mut account = Account::new();
    let expires = account.now() + 3;
    account.done(&[VICTIM], Action::GrantKey(GrantKey { expires, ..grant() }));
    account.done(&[SUB_KEY], pay(SHOP, 1));
    account.wait(expires - account.now());
    assert_eq!(account.send(&[SUB_KEY], pay(SHOP, 1)), code::GRANT_LIMITS);
    account.done(&[VICTIM], Action::GrantKey(grant()));
    account.done(&[VICTIM], Action::SetKeys(owners(&OWNERS, 2)));
    assert_eq!(account.send(&[SUB_KEY], pay(SHOP, 1)), code::UNAUTHORISED);
    account.verdict("a sub-key whose time is over", fees(4) + 1);
}

#[test]
fn it_never_decides_who_speaks_for_the_account() {
    let mut account = Account::with_sub_key();
    let more = GrantKey { key: key(THIEF).public_key(), budget: u64::MAX, ..grant() };
    let recover = RecoverKeys { account: address(VICTIM), owners: public(&[THIEF]), threshold: 1 };
    for action in [
        Action::SetKeys(owners(&[THIEF], 1)),
        Action::GrantKey(GrantKey { budget: u64::MAX, ..grant() }),
        Action::GrantKey(more),
        Action::RevokeKey(RevokeKey { key: key(SUB_KEY).public_key() }),
        Action::CancelRecovery(CancelRecovery {}),
        Action::RecoverKeys(recover),
    ] {
        assert_eq!(account.send(&[SUB_KEY], action), code::GRANT_LIMITS);
    }
    // Nor can its owner let it.
    for kind in ActionKind::ALL.iter().copied().filter(|kind| kind.is_for_owners()) {
        let actions = ActionSet::from_iter([ActionKind::Transfer, kind]).0;
        assert_eq!(account.send(&[VICTIM], Action::GrantKey(GrantKey { actions, ..grant() })), code::GRANT_INVALID);
    }
    account.verdict("a sub-key that would be an owner", fees(1 + 5));
}

/// Whatever the moment, each period has one budget, and where periods begin is not the spender's to say.
#[test]
fn waiting_for_the_next_period_gives_one_budget_and_never_two() {
    let mut account = Account::with_sub_key();
    let granted = account.now() - 1;
    let (mut spent, mut periods) = (0, std::collections::BTreeMap::<u64, u64>::new());
    // Greedily, a little before and after each boundary, and all at once after a pause of three periods.
    for pause in [0, PERIOD - 2, 0, 0, PERIOD - 3, 1, 1, 3 * PERIOD, 0, PERIOD / 2, PERIOD / 2] {
        account.wait(pause);
        for amount in [BUDGET, BUDGET - FEE, BUDGET / 2, FEE] {
            let before = account.money();
            let period = (account.now() - granted) / PERIOD;
            account.send(&[SUB_KEY], pay(SHOP, amount));
            spent += before - account.money();
            *periods.entry(period).or_default() += before - account.money();
        }
    }
    println!("spent by period: {periods:?}");
    assert!(periods.values().all(|spent| *spent <= BUDGET), "{periods:?}");
    assert!(periods.len() > 3 && spent > 2 * BUDGET, "{periods:?}");
    account.verdict("a budget spent at the turn of its periods", fees(1) + periods.len() as u64 * BUDGET);
}

/// What a sub-key has put into a channel was within its budget; with the key revoked the payer takes back what is not spent.
#[test]
fn a_channel_takes_no_more_than_the_budget_and_its_own_key_signs_for_it() {
    use datanet_types::action::SettleEpoch;
    use datanet_types::epoch::EpochTotals;
    let mut account = Account::new();
    let node = key(100);
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &address(SHOP), &node.node_key()));
    let register =
        RegisterNode { node: node.node_key(), proof, roles: role::SERVING, stake: 10_000_000, name: "shop".into() };
    let register = account.sign_as(SHOP, Action::RegisterNode(register));
    assert_eq!(account.run(&[register]), [code::OK]);
    let actions = ActionSet::from_iter([ActionKind::OpenChannel]).0;
    account.done(&[VICTIM], Action::GrantKey(GrantKey { actions, counterparties: Vec::new(), ..grant() }));
    let open = |deposit| {
        Action::OpenChannel(OpenChannel { node: node.node_key(), deposit, expires_at: 10_000, voucher_key: None })
    };
    assert_eq!(account.send(&[SUB_KEY], open(BUDGET)), code::GRANT_LIMITS);
    let tx = account.sign(&[SUB_KEY], open(50_000));
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    assert_eq!(account.run(&[tx]), [code::OK]);
    account.done(&[VICTIM], Action::RevokeKey(RevokeKey { key: key(SUB_KEY).public_key() }));
    // The node was promised 20,000 by the sub-key; nobody else could sign for the channel, the owner included.
    let split = datanet_types::epoch::FeeShares::STANDARD.split(20_000);
    let claimable = split.claimable();
    let leaf = datanet_types::epoch::EpochLeaf { account: address(5).into(), amount: claimable };
    let settle = |signer: u8| {
        Action::SettleEpoch(SettleEpoch {
            node: node.node_key(),
            epoch: 1,
            root: leaf.node(CHAIN, &node.node_key(), 1).digest,
            totals: EpochTotals { answers: 1, fees: 20_000, split, unearned: 0 },
            vouchers: vec![SignedVoucher::sign(CHAIN, channel, 20_000, &key(signer))],
            statement: datanet_types::BlobHash([9; 32]),
            accounts: 1,
            receipts: datanet_types::Digest([8; 32]),
            params: 0,
            carries: None,
            taken: Vec::new(),
        })
    };
    for (signer, expected) in [(THIEF, code::VOUCHER), (VICTIM, code::VOUCHER), (SUB_KEY, code::OK)] {
        let tx = account.sign_as(SHOP, settle(signer));
        assert_eq!(account.run(&[tx]), [expected]);
    }
    account.verdict("a sub-key's channel", fees(2) + 2 * FEE + 50_000);
}
