//! From the deposit to the last claim.

use datanet_types::action::{Claim, CloseChannel, SettleEpoch, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::merkle::{prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{BlobHash, ChannelId};

use super::Chain;
use super::harness::{BALANCE, CHAIN, address, key, node, open_channel, register};
use crate::code;
use crate::component::channels::{self, deposit_account};
use crate::component::settlement::{self, pool_account};
use crate::component::{Event, accounts};

pub(crate) const DEPOSIT: u64 = 10 * DNT;

/// Person `n` opens a channel to node 0.
pub(crate) fn open(chain: &mut Chain, n: u8) -> ChannelId {
    let tx = chain.tx(n, open_channel(0, DEPOSIT, chain.block.height + 600));
    chain.run(&tx).unwrap();
    tx.channel_id()
}

pub(crate) fn voucher(n: u8, channel: ChannelId, cumulative: u64) -> SignedVoucher {
    SignedVoucher::sign(CHAIN, channel, cumulative, &key(n))
}

/// Cumulative earnings with node 0, ordered as given.
pub(crate) fn leaves(earned: &[(u8, u64)]) -> Vec<EpochLeaf> {
    earned.iter().map(|(n, cumulative)| EpochLeaf { account: address(*n), cumulative: *cumulative }).collect()
}

pub(crate) fn hashes(leaves: &[EpochLeaf]) -> Vec<datanet_types::Digest> {
    leaves.iter().map(|leaf| leaf.hash(CHAIN, &node(0))).collect()
}

pub(crate) fn settle(epoch: u64, fees: u64, leaves: &[EpochLeaf], mut vouchers: Vec<SignedVoucher>) -> SettleEpoch {
    vouchers.sort_by_key(|voucher| voucher.channel);
    let totals = EpochTotals { answers: 3, fees, split: FeeShares::STANDARD.split(fees) };
    let root = root(&hashes(leaves));
    SettleEpoch { node: node(0), epoch, root, totals, vouchers, statement: BlobHash([8; 32]) }
}

pub(crate) fn claim(leaves: &[EpochLeaf], index: usize) -> Claim {
    let leaf = leaves[index];
    let proof = prove(&hashes(leaves), index).unwrap();
    Claim { node: node(0), account: leaf.account, cumulative: leaf.cumulative, proof }
}

#[test]
fn answers_are_settled_and_everybody_claims() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let (first, second) = (open(&mut chain, 5), open(&mut chain, 6));
    assert_eq!(chain.balance(&deposit_account(&first)), DEPOSIT);
    assert_eq!(channels::of_node(&chain.state, &node(0), None, 9).unwrap().len(), 2);
    assert_eq!(channels::of_payer(&chain.state, &address(5), None, 9).unwrap()[0].id, first);
    chain.next();

    // 1,000,000 of fees: 200,000 node, 750,000 to be claimed, 50,000 treasury.
    let (operator, treasury) = (chain.balance(&address(0)), chain.balance(&accounts::treasury()));
    let one = leaves(&[(11, 500_000), (12, 200_000), (13, 50_000)]);
    let vouchers = vec![voucher(5, first, 600_000), voucher(6, second, 400_000)];
    chain.act(0, settle(1, 1_000_000, &one, vouchers));
    assert_eq!(chain.balance(&address(0)), operator + 200_000 - 1_000);
    assert_eq!(chain.balance(&accounts::treasury()), treasury + 50_000 + 1_000);
    assert_eq!(chain.balance(&pool_account(&node(0))), 750_000);
    assert_eq!(channels::get(&chain.state, &first).unwrap().unwrap().left(), DEPOSIT - 600_000);

    // Anyone may send a claim; it pays the account in the leaf.
    chain.act(15, claim(&one, 0));
    assert_eq!(chain.balance(&address(11)), BALANCE + 500_000);
    chain.refused(15, claim(&one, 0), code::CLAIM_NOTHING, "nothing more");
    chain.act(12, claim(&one, 1));
    chain.next();

    // The second epoch's leaves are cumulative: who claimed gets the difference, who did not gets all.
    let two = leaves(&[(11, 800_000), (12, 200_000), (13, 125_000)]);
    chain.act(0, settle(2, 500_000, &two, vec![voucher(5, first, 1_100_000)]));
    chain.act(11, claim(&two, 0));
    assert_eq!(chain.balance(&address(11)), BALANCE + 800_000 - 1_000);
    chain.refused(12, claim(&two, 1), code::CLAIM_NOTHING, "nothing more");
    chain.refused(13, claim(&one, 2), code::CLAIM_PROOF, "latest epoch, 2");
    chain.act(13, claim(&two, 2));
    assert_eq!(settlement::claimed(&chain.state, &node(0), &address(13)).unwrap(), 125_000);
    assert_eq!(chain.balance(&pool_account(&node(0))), 0);
    let all = settlement::get(&chain.state, &node(0)).unwrap().unwrap();
    assert_eq!((all.answers, all.fees, all.pooled, all.claimed), (6, 1_500_000, 1_125_000, 1_125_000));
    let epochs = settlement::epochs(&chain.state, &node(0), None, 9).unwrap();
    assert_eq!(epochs.iter().map(|epoch| epoch.epoch).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(settlement::epoch(&chain.state, &node(0), 2).unwrap(), Some(all.latest));

    // After expiry the payer takes back the rest.
    let expiry = channels::get(&chain.state, &first).unwrap().unwrap().expiry;
    chain.refused(5, CloseChannel { channel: first }, code::CHANNEL_ACTIVE, "can be closed from");
    chain.skip_to(expiry);
    let before = chain.balance(&address(5));
    let events: Vec<Event> = chain.act(5, CloseChannel { channel: first });
    assert_eq!(events[0].get("returned"), Some("8900000"));
    assert_eq!(chain.balance(&address(5)), before + 8_900_000 - 1_000);
    assert_eq!(chain.balance(&deposit_account(&first)), 0);
    assert!(channels::of_payer(&chain.state, &address(5), None, 9).unwrap().is_empty());
    chain.next();
}
