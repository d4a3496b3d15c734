//! What is refused around fees, channels, settlement and claims.

use datanet_types::action::{Action, Claim, ClaimItem, SettleEpoch, Transfer, role};
use datanet_types::epoch::MAX_ACCOUNTS;
use datanet_types::sum_tree::SumNode;
use datanet_types::tx::MAX_TTL;
use datanet_types::{BlobHash, ChannelId, Digest, TxBody};

use super::Chain;
use super::harness::{BALANCE, address, close_channel, node, open_channel, register};
use super::life_of_a_channel::{DEPOSIT, claim, item, leaves, open, settle, voucher};
use crate::code::{self, Code};
use crate::component::settlement::escrow;
use crate::component::{ActionError, Params, accounts, admission};

fn code_of(result: Result<impl std::fmt::Debug, ActionError>) -> Code {
    match result {
        Err(ActionError::Refused { code, .. }) => code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn pay(to: u8, amount: u64) -> Transfer {
    Transfer { to: address(to), amount }
}

#[test]
fn money_moves_and_the_fee_goes_to_the_treasury() {
    let mut chain = Chain::new();
    chain.act(0, pay(1, 5));
    assert_eq!(chain.balance(address(0)), BALANCE - 5 - 1_000);
    assert_eq!(chain.balance(address(1)), BALANCE + 5);
    chain.next();
    assert_eq!(chain.balance(accounts::treasury()), 1_000);
}

#[test]
fn a_transfer_of_nothing_to_oneself_or_beyond_the_balance_is_refused() {
    let mut chain = Chain::new();
    chain.refused(0, pay(1, 0), code::TRANSFER, "at least 1");
    chain.refused(0, pay(0, 1), code::TRANSFER, "another account");
    chain.refused(0, pay(1, BALANCE), code::FUNDS, "send it 0.001 DNT more");
    // The refused transfer still paid its fee.
    assert_eq!(chain.balance(address(0)), BALANCE - 1_000);
}

#[test]
fn expired_early_repeated_and_cheap_transactions_are_refused() {
    let mut chain = Chain::new();
    chain.skip_to(5);
    let action = || Action::Transfer(pay(1, 5));
    let mut with = |change: &dyn Fn(TxBody) -> TxBody| {
        let tx = chain.tx_body(0, change, action(), 1);
        code_of(chain.run(&tx))
    };
    assert_eq!(with(&|body| TxBody { expiry: 4, ..body }), code::EXPIRED);
    assert_eq!(with(&|body| TxBody { expiry: 6 + MAX_TTL, ..body }), code::EXPIRED);
    assert_eq!(with(&|body| TxBody { fee: 999, ..body }), code::FEE);
    assert_eq!(with(&|body| TxBody { fee: u64::MAX, tip: BALANCE, ..body }), code::FUNDS);
    let tx = chain.tx_body(0, |body| TxBody { expiry: 7, ..body }, action(), 1);
    chain.run(&tx).unwrap();
    assert_eq!(code_of(chain.run(&tx)), code::REPLAYED);
    chain.skip_to(7);
    assert_eq!(code_of(chain.run(&tx)), code::REPLAYED);
    assert!(admission::is_recorded(&chain.state, 7, &tx.id).unwrap());
    chain.next();
    assert_eq!(code_of(chain.run(&tx)), code::EXPIRED);
    assert!(!admission::is_recorded(&chain.state, 7, &tx.id).unwrap());
}

#[test]
fn a_channel_out_of_bounds_is_refused() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    chain.act(1, register(1, role::STORAGE, Params::default().min_storage_stake));
    let now = chain.now();
    let earliest = now + Params::default().channel_min_seconds;
    chain.refused(5, open_channel(0, 0, now + 900), code::CHANNEL_INVALID, "deposit");
    let words = format!("earliest now is {earliest}");
    chain.refused(5, open_channel(0, 5, earliest - 1), code::CHANNEL_INVALID, &words);
    let latest = now + Params::default().channel_max_seconds;
    chain.refused(5, open_channel(0, 5, latest + 1), code::CHANNEL_INVALID, "the latest now is");
    chain.refused(5, open_channel(1, 5, now + 900), code::NODE_ROLE, "a serving node");
    chain.refused(5, open_channel(2, 5, now + 900), code::NODE_UNKNOWN, "not registered");
    chain.refused(5, open_channel(0, BALANCE, now + 900), code::FUNDS, "more");
    let channel = open(&mut chain, 5);
    chain.refused(6, close_channel(channel), code::CHANNEL_FOREIGN, "only its payer");
    chain.refused(5, close_channel(ChannelId([1; 32])), code::CHANNEL_UNKNOWN, "no channel");
}

#[test]
fn vouchers_that_are_not_good_are_refused() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    chain.act(1, register(1, role::SERVING, 0));
    let channel = open(&mut chain, 5);
    let one = leaves(&[(11, 1)]);
    let with = |cumulative, signer| settle(1, cumulative, &one, vec![voucher(signer, channel, cumulative)]);
    chain.refused(0, with(DEPOSIT + 1_000, 5), code::VOUCHER, "its deposit is");
    chain.refused(0, with(100_000, 6), code::VOUCHER, "not signed by its payer");
    let foreign = SettleEpoch { node: node(1), ..with(100_000, 5) };
    chain.refused(1, foreign, code::CHANNEL_FOREIGN, "leave its voucher out");
    let unknown = settle(1, 100_000, &one, vec![voucher(5, ChannelId([1; 32]), 100_000)]);
    chain.refused(0, unknown, code::CHANNEL_UNKNOWN, "no channel");
    chain.act(0, with(100_000, 5));
    let again =
        |cumulative| SettleEpoch { epoch: 2, ..settle(2, 100_000, &one, vec![voucher(5, channel, cumulative)]) };
    chain.refused(0, again(100_000), code::VOUCHER, "charged already");
    chain.refused(0, again(50_000), code::VOUCHER, "charged already");
    chain.skip_until(chain.now() + 601);
    chain.act(5, close_channel(channel));
    chain.refused(0, again(200_000), code::CHANNEL_CLOSED, "was closed");
    chain.refused(5, close_channel(channel), code::CHANNEL_CLOSED, "was closed");
}

#[test]
fn an_epoch_that_does_not_add_up_is_refused() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let channel = open(&mut chain, 5);
    let good = settle(1, 100_000, &leaves(&[(11, 75_000)]), vec![voucher(5, channel, 100_000)]);
    let mut refused = |n: u8, code: Code, words: &str, change: &dyn Fn(&mut SettleEpoch)| {
        let mut action = good.clone();
        change(&mut action);
        chain.refused(n, action, code, words);
    };
    refused(1, code::NODE_ACCOUNT, "belongs to", &|_| {});
    refused(0, code::EPOCH_INVALID, "vouchers", &|epoch| epoch.vouchers.clear());
    refused(0, code::EPOCH_INVALID, "taken must say", &|epoch| epoch.taken = vec![1, 2]);
    refused(0, code::EPOCH_INVALID, "ordered", &|epoch| epoch.vouchers = vec![epoch.vouchers[0].clone(); 2]);
    refused(0, code::EPOCH_INVALID, "256", &|epoch| epoch.vouchers = vec![epoch.vouchers[0].clone(); 257]);
    refused(0, code::EPOCH_INVALID, "answers", &|epoch| epoch.totals.answers = 0);
    refused(0, code::EPOCH_INVALID, "count only paid ones", &|epoch| epoch.totals.answers = 1_001);
    refused(0, code::EPOCH_INVALID, "65536", &|epoch| epoch.totals.answers = 65_537);
    refused(0, code::EPOCH_INVALID, "receipts", &|epoch| epoch.receipts = Digest::ZERO);
    refused(0, code::EPOCH_INVALID, "root", &|epoch| epoch.root = Digest::ZERO);
    refused(0, code::EPOCH_INVALID, "statement", &|epoch| epoch.statement = BlobHash::ZERO);
    refused(0, code::EPOCH_ORDER, "next is 1", &|epoch| epoch.epoch = 2);
    refused(0, code::EPOCH_ORDER, "next is 1", &|epoch| epoch.epoch = 0);
    refused(0, code::EPOCH_INVALID, "shares", &|epoch| {
        epoch.totals.split.node += 1_000;
        epoch.totals.split.contributors -= 1_000;
    });
    let more = settle(1, 100_100, &leaves(&[(11, 1)]), Vec::new()).totals;
    refused(0, code::EPOCH_INVALID, "must agree", &|epoch| epoch.totals = more);
}

#[test]
fn a_tree_that_does_not_fit_its_totals_is_refused() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let channel = open(&mut chain, 5);
    let good = settle(1, 100_000, &leaves(&[(11, 80_000)]), vec![voucher(5, channel, 100_000)]);
    let mut refused = |words: &str, change: &dyn Fn(&mut SettleEpoch)| {
        let mut action = good.clone();
        change(&mut action);
        chain.refused(0, action, code::EPOCH_INVALID, words);
    };
    refused("accounts is the number of leaves", &|epoch| epoch.accounts = 0);
    refused("accounts is the number of leaves", &|epoch| epoch.accounts = 80_001);
    refused("settle more often", &|epoch| epoch.accounts = MAX_ACCOUNTS + 1);
    refused("accounts is the number of leaves", &|epoch| epoch.totals.unearned = 80_000);
    refused("no more unearned", &|epoch| {
        epoch.totals.unearned = 80_001;
        (epoch.accounts, epoch.root) = (0, Digest::ZERO);
    });
    refused("zeros if none", &|epoch| {
        epoch.totals.unearned = 80_000;
        epoch.accounts = 0;
    });
    // Where nobody earns anything there is no tree, and nothing to claim.
    chain.act(0, settle(1, 100_000, &[], vec![voucher(5, channel, 100_000)]));
    assert!(escrow::list(&chain.state, &node(0), None, 9).unwrap().is_empty());
    chain.next();
}

#[test]
fn claims_without_a_good_proof_are_refused_and_the_item_is_named() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let channel = open(&mut chain, 5);
    let one = leaves(&[(11, 50_000), (12, 25_000)]);
    chain.refused(11, claim(1, &one, 0), code::CLAIM_EPOCH, "item 1 (epoch 1 of node");
    chain.act(0, settle(1, 100_000, &one, vec![voucher(5, channel, 100_000)]));
    chain.next();
    let good = claim(1, &one, 0);
    let with = |change: &dyn Fn(&mut ClaimItem)| {
        let mut claim = good.clone();
        change(&mut claim.items[0]);
        claim
    };
    chain.refused(11, with(&|item| item.amount = 50_001), code::CLAIM_PROOF, "item 1 (epoch 1 of node");
    chain.refused(11, with(&|item| item.proof.total = 3), code::CLAIM_PROOF, "prove it from statement 0808");
    chain.refused(12, Claim { account: address(12), ..good.clone() }, code::CLAIM_PROOF, "leave it out");
    chain.refused(11, with(&|item| item.amount = 0), code::CLAIM_NOTHING, "claims 0");
    chain.refused(11, with(&|item| item.proof.siblings = vec![SumNode::default(); 65]), code::CLAIM_PROOF, "64");
    chain.refused(11, with(&|item| item.epoch = 2), code::CLAIM_EPOCH, "not settled yet");
    chain.refused(11, Claim { items: vec![], ..good.clone() }, code::CLAIM_ITEMS, "1 to 64 items, not 0");
    let twice = |count| Claim { items: vec![good.items[0].clone(); count], ..good.clone() };
    chain.refused(11, twice(2), code::CLAIM_ITEMS, "one for each");
    chain.refused(11, twice(65), code::CLAIM_ITEMS, "not 65");
    // One bad item refuses the good one before it too, and says which it is.
    let two = leaves(&[(11, 75_000)]);
    chain.act(0, settle(2, 100_000, &two, vec![voucher(5, channel, 200_000)]));
    chain.next();
    let mut both = Claim { items: vec![item(1, &one, 0), item(2, &two, 0)], ..good.clone() };
    both.items[1].amount = 1;
    chain.refused(11, both, code::CLAIM_PROOF, "item 2 (epoch 2 of node");
    chain.act(11, good);
}
