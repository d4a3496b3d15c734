//! From the deposit to the last claim.

use datanet_types::action::{Claim, ClaimItem, SettleEpoch, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{BlobHash, ChannelId, Digest};

use super::Chain;
use super::harness::{BALANCE, CHAIN, address, close_channel, key, node, open_channel, register};
use crate::code;
use crate::component::channels::{self, deposit_account};
use crate::component::settlement::{self, escrow};
use crate::component::{Event, accounts};

pub(crate) const DEPOSIT: u64 = 10 * DNT;

/// Person `n` opens a channel to node 0.
pub(crate) fn open(chain: &mut Chain, n: u8) -> ChannelId {
    let tx = chain.tx(n, open_channel(0, DEPOSIT, chain.now() + 600));
    chain.run(&tx).unwrap();
    tx.channel_id()
}

pub(crate) fn voucher(n: u8, channel: ChannelId, cumulative: u64) -> SignedVoucher {
    SignedVoucher::sign(CHAIN, channel, cumulative, &key(n))
}

/// What people earned in an epoch, ordered as given.
pub(crate) fn leaves(earned: &[(u8, u64)]) -> Vec<EpochLeaf> {
    earned.iter().map(|(n, amount)| EpochLeaf { account: address(*n).into(), amount: *amount }).collect()
}

/// The leaves in the tree of node 0's epoch.
pub(crate) fn nodes(epoch: u64, leaves: &[EpochLeaf]) -> Vec<SumNode> {
    leaves.iter().map(|leaf| leaf.node(CHAIN, &node(0), epoch)).collect()
}

/// Settles so many fees for so much that is to be claimed: what is left of it nobody earned.
pub(crate) fn settle(epoch: u64, fees: u64, leaves: &[EpochLeaf], mut vouchers: Vec<SignedVoucher>) -> SettleEpoch {
    vouchers.sort_by_key(|voucher| voucher.channel);
    let split = FeeShares::STANDARD.split(fees);
    let root = root(&nodes(epoch, leaves)).unwrap();
    let unearned = split.claimable().saturating_sub(root.sum);
    let totals = EpochTotals { answers: 3, fees, split, unearned };
    let accounts = leaves.len() as u64;
    SettleEpoch {
        node: node(0),
        epoch,
        root: root.digest,
        totals,
        vouchers,
        statement: BlobHash([8; 32]),
        accounts,
        receipts: Digest([7; 32]),
        params: 0,
        carries: None,
        taken: Vec::new(),
    }
}

/// What a leaf of node 0's epoch says.
pub(crate) fn item(epoch: u64, leaves: &[EpochLeaf], index: usize) -> ClaimItem {
    let proof = prove(&nodes(epoch, leaves), index).unwrap().unwrap();
    ClaimItem { node: node(0), epoch, amount: leaves[index].amount, proof }
}

/// A claim of one leaf.
pub(crate) fn claim(epoch: u64, leaves: &[EpochLeaf], index: usize) -> Claim {
    Claim { account: leaves[index].account.user().unwrap(), items: vec![item(epoch, leaves, index)] }
}

#[test]
fn answers_are_settled_and_everybody_claims() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let (first, second) = (open(&mut chain, 5), open(&mut chain, 6));
    assert_eq!(chain.balance(deposit_account(&first)), DEPOSIT);
    assert_eq!(channels::of_node(&chain.state, &node(0), None, 9).unwrap().len(), 2);
    assert_eq!(channels::of_payer(&chain.state, &address(5), None, 9).unwrap()[0].id, first);
    chain.next();

    // 1,000,000 of fees: 200,000 node, 750,000 to be claimed, 50,000 treasury.
    let (operator, treasury) = (chain.balance(address(0)), chain.balance(accounts::treasury()));
    let one = leaves(&[(11, 500_000), (12, 200_000), (13, 50_000)]);
    let vouchers = vec![voucher(5, first, 600_000), voucher(6, second, 400_000)];
    chain.act(0, settle(1, 1_000_000, &one, vouchers));
    assert_eq!(chain.balance(escrow::account(&node(0), 1)), 1_000_000, "nobody is paid before it is final");
    chain.refused(15, claim(1, &one, 0), code::CLAIM_EPOCH, "can still be challenged");
    chain.next();
    assert_eq!(chain.balance(address(0)), operator + 150_000 - 1_000);
    assert_eq!(
        chain.balance(accounts::treasury()),
        treasury + 50_000 + 50_000 + 2_000,
        "its part, and what nobody keeps data for"
    );
    assert_eq!(chain.balance(escrow::account(&node(0), 1)), 750_000);
    assert_eq!(channels::get(&chain.state, &first).unwrap().unwrap().left(), DEPOSIT - 600_000);

    // Anyone may send a claim; it pays the account in the leaf.
    chain.act(15, claim(1, &one, 0));
    assert_eq!(chain.balance(address(11)), BALANCE + 500_000);
    chain.refused(15, claim(1, &one, 0), code::CLAIM_NOTHING, "nothing more");
    chain.act(12, claim(1, &one, 1));
    chain.next();

    // The second epoch has its own money and leaves; 50,000 of it nobody was there to earn.
    let two = leaves(&[(11, 275_000), (13, 75_000)]);
    let treasury = chain.balance(accounts::treasury());
    chain.act(0, settle(2, 500_000, &two, vec![voucher(5, first, 1_100_000)]));
    chain.next();
    assert_eq!(chain.balance(accounts::treasury()), treasury + 25_000 + 50_000 + 1_000);
    let left = |chain: &Chain| -> Vec<(u64, u64)> {
        escrow::list(&chain.state, &node(0), None, 9).unwrap().iter().map(|open| (open.epoch, open.left)).collect()
    };
    assert_eq!(left(&chain), [(1, 50_000), (2, 350_000)]);
    assert_eq!(escrow::list(&chain.state, &node(0), Some(1), 9).unwrap()[0].epoch, 2);
    chain.act(11, claim(2, &two, 0));
    assert_eq!(chain.balance(address(11)), BALANCE + 775_000 - 1_000);
    // Who waited is paid from both at once, and what of it somebody else claimed first is passed over.
    chain.act(15, claim(2, &two, 1));
    let both = Claim { account: address(13), items: vec![item(1, &one, 2), item(2, &two, 1)] };
    let events = chain.act(13, both.clone());
    assert_eq!(events.iter().map(|event| event.get("epoch")).collect::<Vec<_>>(), [Some("1")]);
    assert_eq!(chain.balance(address(13)), BALANCE + 125_000 - 1_000);
    chain.refused(13, both, code::CLAIM_NOTHING, "nothing more");
    assert_eq!(left(&chain), []);
    for epoch in [1, 2] {
        assert_eq!(chain.balance(escrow::account(&node(0), epoch)), 0);
        assert!(escrow::is_claimed(&chain.state, &node(0), epoch, 0).unwrap());
    }
    assert!(!chain.state.0.keys().any(|key| key.starts_with("settlement/claimed/")), "what is closed is forgotten");
    let all = settlement::get(&chain.state, &node(0)).unwrap().unwrap();
    assert_eq!((all.answers, all.fees, all.escrowed, all.claimed), (6, 1_500_000, 1_100_000, 1_100_000));
    let epochs = settlement::epochs(&chain.state, &node(0), None, 9).unwrap();
    assert_eq!(epochs.iter().map(|epoch| (epoch.epoch, epoch.accounts)).collect::<Vec<_>>(), [(1, 3), (2, 2)]);
    assert_eq!(settlement::epoch(&chain.state, &node(0), 2).unwrap(), Some(all.latest));

    // After expiry the payer takes back the rest.
    let expiry = channels::get(&chain.state, &first).unwrap().unwrap().expires_at;
    chain.skip_until(expiry);
    let before = chain.balance(address(5));
    let events: Vec<Event> = chain.act(5, close_channel(first));
    assert_eq!(events[0].get("returned"), Some("8900000"));
    assert_eq!(chain.balance(address(5)), before + 8_900_000 - 1_000);
    assert_eq!(chain.balance(deposit_account(&first)), 0);
    assert!(channels::of_payer(&chain.state, &address(5), None, 9).unwrap().is_empty());
    chain.next();
}

#[test]
fn what_was_promised_and_not_used_stays_in_the_channel_and_pays_for_what_comes_later() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let (first, second) = (open(&mut chain, 5), open(&mut chain, 6));
    let earned = leaves(&[(11, 75_000)]);
    let charged = |chain: &Chain, id| channels::get(&chain.state, &id).unwrap().unwrap().charged;
    // Of two that were paid ahead one is used in part.
    let vouchers = vec![voucher(5, first, 900_000), voucher(6, second, 40_000)];
    let both = settle(1, 100_000, &earned, vouchers);
    let taken = both.vouchers.iter().map(|one| if one.channel == first { 60_000 } else { 40_000 }).collect();
    chain.act(0, SettleEpoch { taken, ..both });
    assert_eq!((charged(&chain, first), charged(&chain, second)), (60_000, 40_000));
    assert_eq!(chain.balance(deposit_account(&first)), DEPOSIT - 60_000);
    // The same voucher pays for more of what it promises, and for no more than that.
    let again = |number, fees, upto| SettleEpoch {
        taken: vec![upto],
        ..settle(number, fees, &leaves(&[(11, fees / 4 * 3)]), vec![voucher(5, first, 900_000)])
    };
    chain.refused(0, again(2, 40_000, 60_000), code::VOUCHER, "charged already");
    chain.refused(0, again(2, 840_001, 900_001), code::VOUCHER, "its voucher promises");
    chain.refused(0, again(2, 40_000, 100_001), code::EPOCH_INVALID, "they must agree");
    chain.act(0, again(2, 40_000, 100_000));
    chain.act(0, again(3, 800_000, 900_000));
    assert_eq!(charged(&chain, first), 900_000);
    chain.refused(0, again(4, 1_000, 900_000), code::VOUCHER, "charged already");
}
