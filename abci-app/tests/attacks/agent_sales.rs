//! What an agent sells in its own name: the ledger pays its suppliers' floors and then the agent, to the unit; and an owner who has his agent buy of
//! himself, and buys of it himself, to look busy.

use datanet_ledger::code;
use datanet_ledger::component::accounts;
use datanet_types::action::{Claim, ClaimIncome, ClaimItem, OpenChannel, SettleEpoch};
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares, FeeSplit};
use datanet_types::sum_tree::{prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Account, Action, Address, Amount, Asset, BlobHash, Digest, SignedTx};

use super::agency::{Agency, OWNER, account, id};
use super::agent_floors::{FLOOR_BPS, SUPPLIER, sells_as, supplied, world};
use crate::support::{CHAIN, FEE, address, key};

const PAYER: u8 = 6;
/// Another account of the owner's.
const FRIEND: u8 = 7;
/// The agent's node, and one of its owner's that has it supplied.
const SELLS: u8 = 111;
const SUPPLIES: u8 = 112;

/// An answer as its node settles it.
struct Answer {
    /// Who pays, and whose key signs for him.
    payer: (Address, u8),
    /// The node, and whose it is.
    node: (u8, Address),
    fee: Amount,
    /// Who earns all that can be claimed of it.
    earner: Account,
}

fn split(fee: Amount) -> FeeSplit {
    FeeShares::STANDARD.split(fee)
}

/// Settles it as the node's epoch of this number: what its earner claims with.
fn settled(agency: &mut Agency, answer: &Answer, number: u64) -> ClaimItem {
    let Answer { payer: (payer, signer), node: (seed, of), fee, earner } = *answer;
    let node = key(seed).node_key();
    let voucher_key = Some(key(signer).public_key());
    let open = OpenChannel { node, deposit: fee, expires_at: 100_000, voucher_key };
    let tx = agency.sign_for(payer, signer, Action::OpenChannel(open), 0);
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    assert_eq!(agency.run(&[tx]), [code::OK]);
    let amount = split(fee).claimable();
    let leaf = EpochLeaf { account: earner, amount }.node(CHAIN, &node, number);
    let settle = SettleEpoch {
        node,
        epoch: number,
        root: root(&[leaf]).unwrap().digest,
        totals: EpochTotals { answers: 1, fees: fee, split: split(fee), unearned: 0 },
        vouchers: vec![SignedVoucher::sign(CHAIN, channel, fee, &key(signer))],
        statement: BlobHash([9; 32]),
        accounts: 1,
        receipts: Digest([8; 32]),
        params: 0,
        carries: None,
        taken: Vec::new(),
    };
    let tx = agency.sign_for(of, OWNER, Action::SettleEpoch(settle), 0);
    assert_eq!(agency.run(&[tx]), [code::OK]);
    ClaimItem { node, epoch: number, amount, proof: prove(&[leaf], 0).unwrap().unwrap() }
}

fn income() -> Account {
    Asset::Agent(id()).income_account().into()
}

fn balance(agency: &Agency, who: Address) -> Amount {
    accounts::balance(&agency.chain.ledger.reader(), who).unwrap()
}

fn claim_income(item: ClaimItem) -> Action {
    Action::ClaimIncome(ClaimIncome { asset: Some(Asset::Agent(id())), items: vec![item] })
}

#[test]
fn of_what_an_agent_sells_its_suppliers_have_their_floors_and_it_has_the_rest_to_the_unit() {
    let mut agency = world();
    // No number that divides well.
    let fee = 1_000_003;
    let (before, money) = (balance(&agency, address(SUPPLIER)), agency.money());
    let answer = Answer { payer: (address(PAYER), PAYER), node: (SELLS, account()), fee, earner: income() };
    let item = settled(&mut agency, &answer, 1);
    agency.done(PAYER, claim_income(item.clone()));
    let (floors, own) = (supplied(&agency) - before, agency.money() + FEE - money);
    println!("of {fee}: the supplier has {floors}, the agent {own}, the treasury {}", split(fee).treasury);
    assert_eq!(floors + own + split(fee).treasury, fee, "nothing is lost, and nothing made");
    let owed = |amount: Amount| amount * u64::from(FLOOR_BPS) / 10_000;
    let least = owed(split(fee).claimable()) + owed(split(fee).node);
    assert!((least..=least + 2).contains(&floors), "{floors} of {least}");
    let again = agency.sign_for(address(PAYER), PAYER, claim_income(item), 0);
    assert_eq!(agency.run(&[again]), [code::CLAIM_NOTHING], "once");
}

#[test]
fn an_owner_whose_agent_buys_of_himself_and_sells_to_himself_pays_the_treasury_for_each_hop() {
    let mut agency = Agency::new(0);
    sells_as(&mut agency, account(), SELLS);
    sells_as(&mut agency, address(OWNER), SUPPLIES);
    let (fee, cost) = (10_000_000, 4_000_000);
    let all = [account(), address(OWNER), address(FRIEND)];
    let sum = |agency: &Agency| all.iter().map(|who| balance(agency, *who)).sum::<Amount>();
    let (before, rounds) = (sum(&agency), 3);
    for round in 1..=rounds {
        let node = (SUPPLIES, address(OWNER));
        let supply = Answer { payer: (account(), OWNER), node, fee: cost, earner: address(OWNER).into() };
        let item = settled(&mut agency, &supply, round);
        agency.done(OWNER, Action::Claim(Claim { account: address(OWNER), items: vec![item] }));
        let node = (SELLS, account());
        let sale = Answer { payer: (address(FRIEND), FRIEND), node, fee, earner: income() };
        let item = settled(&mut agency, &sale, round);
        agency.done(OWNER, claim_income(item));
    }
    let (lost, least) = (before - sum(&agency), rounds * (split(fee).treasury + split(cost).treasury));
    println!(
        "{rounds} answers for {fee} each, of which {cost} to himself: profit -{lost}, the treasury's part is {least}"
    );
    assert!(lost >= least, "each hop costs the treasury's part: {lost} of {least}");
}
