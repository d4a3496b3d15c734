//! An agent's owner who would keep what its suppliers have part in: who drops them once it has earned, names himself between, or has them paid to nobody.

use datanet_ledger::code;
use datanet_ledger::component::accounts;
use datanet_types::action::{
    CloseDatanet, OpenChannel, RegisterAgent, RegisterNode, SettleEpoch, Supplier, UpdateAgent, role,
};
use datanet_types::epoch::{EpochTotals, FeeShares};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, Amount, Asset, BlobHash, DatanetId, Digest, SignedTx};

use super::agency::{Agency, OWNER, account, update};
use super::market;
use crate::support::{CHAIN, address, key};

/// Opened the datanet that the agent is made from.
pub(super) const SUPPLIER: u8 = 5;
const PAYER: u8 = 6;
const FEES: Amount = 1_000_000;
pub(super) const FLOOR_BPS: u32 = 4_000;

fn datanet() -> Asset {
    Asset::Datanet(DatanetId::derive(CHAIN, &address(SUPPLIER), "source"))
}

fn supplier() -> Supplier {
    Supplier { asset: Some(datanet()), floor_bps: FLOOR_BPS }
}

fn with(suppliers: Vec<Supplier>) -> UpdateAgent {
    UpdateAgent { suppliers, ..update() }
}

/// An agent that sells, with a datanet as its supplier.
pub(super) fn world() -> Agency {
    let mut agency = Agency::new(0);
    let create = market::datanet("source");
    agency.done(SUPPLIER, Action::CreateDatanet(create));
    agency.done(OWNER, Action::UpdateAgent(with(vec![supplier()])));
    sells_as(&mut agency, account(), 111);
    agency
}

/// A serving node of this account, which the owner speaks for.
pub(super) fn sells_as(agency: &mut Agency, of: Address, seed: u8) {
    let node = key(seed);
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &of, &node.node_key()));
    let (roles, name) = (role::SERVING, "n".to_owned());
    let register = RegisterNode { node: node.node_key(), proof, roles, stake: 0, name };
    let tx = agency.sign_for(of, OWNER, Action::RegisterNode(register), 0);
    assert_eq!(agency.run(&[tx]), [code::OK]);
}

/// What a node's epoch of [`FEES`] is, where nobody but the node earned anything; whoever speaks for it signs it.
fn epoch(agency: &mut Agency, of: Address, seed: u8, number: u64) -> bytes::Bytes {
    let node = key(seed).node_key();
    let open = OpenChannel { node, deposit: FEES, expires_at: 100_000, voucher_key: None };
    let tx = agency.sign_for(address(PAYER), PAYER, Action::OpenChannel(open), 0);
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    assert_eq!(agency.run(&[tx]), [code::OK]);
    let split = FeeShares::STANDARD.split(FEES);
    let settle = SettleEpoch {
        node,
        epoch: number,
        root: Digest::ZERO,
        totals: EpochTotals { answers: 1, fees: FEES, split, unearned: split.claimable() },
        vouchers: vec![SignedVoucher::sign(CHAIN, channel, FEES, &key(PAYER))],
        statement: BlobHash([9; 32]),
        accounts: 0,
        receipts: Digest([8; 32]),
        params: 0,
        carries: None,
        taken: Vec::new(),
    };
    agency.sign_for(of, OWNER, Action::SettleEpoch(settle), 0)
}

pub(super) fn supplied(agency: &Agency) -> Amount {
    accounts::balance(&agency.chain.ledger.reader(), address(SUPPLIER)).unwrap()
}

/// What of an epoch the supplier is owed.
fn owed() -> Amount {
    FeeShares::STANDARD.split(FEES).node * u64::from(FLOOR_BPS) / 10_000
}

#[test]
fn who_drops_a_supplier_in_the_block_in_which_he_settles_pays_it_all_the_same() {
    let mut agency = world();
    let before = supplied(&agency);
    let settle = epoch(&mut agency, account(), 111, 1);
    let drop = agency.sign_for(address(OWNER), OWNER, Action::UpdateAgent(with(Vec::new())), 0);
    assert_eq!(agency.run(&[drop, settle]), [code::OK, code::OK]);
    println!("the supplier was owed {} and had {}", owed(), supplied(&agency) - before);
    assert_eq!(supplied(&agency) - before, owed());
    // From the next block on it is no supplier any more, as was said.
    let settle = epoch(&mut agency, account(), 111, 2);
    assert_eq!(agency.run(&[settle]), [code::OK]);
    assert_eq!(supplied(&agency) - before, owed());
}

#[test]
fn agents_of_ones_own_between_make_no_suppliers_part_smaller() {
    let mut agency = world();
    // The agent is sold by another of the owner's, which names it as all there is to it.
    let outer = RegisterAgent {
        name: "outer".into(),
        suppliers: vec![Supplier { asset: Some(Asset::Agent(super::agency::id())), floor_bps: 10_000 }],
        ..super::agency::agent()
    };
    let outer_account = outer.id(CHAIN, &address(OWNER)).account();
    agency.done(OWNER, Action::RegisterAgent(RegisterAgent { funds: 10_000_000, ..outer.clone() }));
    // Which becomes a supplier of the first one's, so that each stands behind the other.
    let ring =
        vec![supplier(), Supplier { asset: Some(Asset::Agent(outer.id(CHAIN, &address(OWNER)))), floor_bps: 6_000 }];
    agency.done(OWNER, Action::UpdateAgent(with(ring)));
    sells_as(&mut agency, outer_account, 112);
    let before = supplied(&agency);
    for (number, (of, seed)) in [(account(), 111), (outer_account, 112)].into_iter().enumerate() {
        let settle = epoch(&mut agency, of, seed, 1);
        assert_eq!(agency.run(&[settle]), [code::OK]);
        let had = supplied(&agency) - before;
        println!("epoch {number}: the supplier was owed at least {}, and had {had}", owed() * (number as u64 + 1));
        assert!(had >= owed() * (number as u64 + 1));
    }
}

#[test]
fn a_supplier_that_is_gone_leaves_its_part_to_the_agent_and_stops_nothing() {
    let mut agency = world();
    let DatanetId(id) = DatanetId::derive(CHAIN, &address(SUPPLIER), "source");
    agency.done(SUPPLIER, Action::CloseDatanet(CloseDatanet { datanet: DatanetId(id) }));
    let (before, money) = (supplied(&agency), agency.money());
    let settle = epoch(&mut agency, account(), 111, 1);
    assert_eq!(agency.run(&[settle]), [code::OK]);
    assert_eq!(supplied(&agency), before);
    assert_eq!(agency.money(), money + FeeShares::STANDARD.split(FEES).node - crate::support::FEE);
}
