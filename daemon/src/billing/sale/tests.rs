use datanet_ledger::component::agents::{Agent, Release};
use datanet_ledger::component::channels::Channel;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::nodes::Node;
use datanet_ledger::state::{MemoryState, StateWrite};
use datanet_types::receipt::{AskInput, AskOutput, Credit, Method, Supplied};
use datanet_types::{Address, AgentId, Amount, ChannelId, ContributionId, DatanetId, Digest, Ppm, SigningKey};

use super::*;

const AGENT: AgentId = AgentId([1; 32]);
const ACCOUNT: Address = Address([2; 20]);
const OWNER: Address = Address([3; 20]);
const STRANGER: Address = Address([4; 20]);
const DATANET: DatanetId = DatanetId([5; 32]);
const PRICE: Amount = 30;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

/// The seller's node, the supplier's, and one of a stranger.
const SELLS: u8 = 11;
const SUPPLIES: u8 = 12;
const FOREIGN: u8 = 13;

fn channel(n: u8) -> ChannelId {
    ChannelId([n; 32])
}

/// An agent of height 10 whose second release is of height 50; three nodes; a datanet of a price; and channels of the agent's (1), of a
/// stranger's (2), of the agent's to another node (3), and one of after the answer (4).
fn ledger() -> MemoryState {
    let mut state = MemoryState::default();
    let (id, account, owner) = (AGENT, ACCOUNT, OWNER);
    let agent = Agent { id, account, owner, registered_height: 10, release: 1, ..Agent::default() };
    state.put(agents::state_key::agent(&id), &agent);
    for (number, height) in [(0, 10), (1, 50)] {
        state.put(agents::state_key::release(&id, number), &Release { height, ..Release::default() });
    }
    for (n, account) in [(SELLS, OWNER), (SUPPLIES, STRANGER), (FOREIGN, STRANGER)] {
        let node = key(n).node_key();
        let mut registered = Node::default();
        (registered.node, registered.account) = (node, account);
        state.put(nodes::state_key::node(&node), &registered);
    }
    state.put(datanets::state_key::datanet(&DATANET), &Datanet { id: DATANET, price: PRICE, ..Datanet::default() });
    let id = ContributionId([6; 32]);
    let mut given = Contribution { id, datanet: DATANET, final_height: 20, ..Contribution::default() };
    given.set_status(Status::Final);
    state.put(contributions::state_key::contribution(&id), &given);
    let ways = [
        (1, ACCOUNT, SUPPLIES, 30),
        (2, STRANGER, SUPPLIES, 30),
        (3, ACCOUNT, FOREIGN, 30),
        (4, ACCOUNT, SUPPLIES, 101),
    ];
    for (n, payer, node, opened_height) in ways {
        let (id, node) = (channel(n), key(node).node_key());
        let channel = Channel { id, payer, node, deposit: 1_000, opened_height, ..Channel::default() };
        state.put(channels::state_key::channel(&id), &channel);
    }
    state
}

/// What the agent says of an answer, before its suppliers are named.
fn plain() -> Receipt {
    let sale = Sale { agent: AGENT, release: 1, nonce: Digest([9; 32]), depth: 1, suppliers: Vec::new() };
    let (node, method) = (key(SELLS).node_key(), Method::Composed as i32);
    Receipt {
        chain_id: "c".into(),
        node,
        height: 100,
        method,
        fee: 100,
        params: 5,
        sale: Some(sale),
        ..Receipt::default()
    }
}

/// What an honest supplier gives for `sale`: an answer out of the datanet.
fn supply(sale: &Receipt) -> Receipt {
    let credit = Credit { contribution: ContributionId([6; 32]), weight: Ppm::ONE, ..Credit::default() };
    Receipt {
        chain_id: "c".into(),
        node: key(SUPPLIES).node_key(),
        datanet: DATANET,
        height: 90,
        fee: PRICE,
        credits: vec![credit],
        channel: Some(channel(1)),
        cumulative: 500,
        params: 5,
        order: sale.sale.as_ref().map(|of| of.order(sale)),
        ..Receipt::default()
    }
}

fn signed(receipt: Receipt) -> AnswerRecord {
    let by = [SELLS, SUPPLIES, FOREIGN].map(key).into_iter().find(|key| key.node_key() == receipt.node);
    AnswerRecord::sign(receipt, AskInput::default(), AskOutput::default(), &by.unwrap_or_else(|| key(99)))
}

/// The same sale with these suppliers named.
fn naming(mut sale: Receipt, records: &[AnswerRecord]) -> Receipt {
    let supplied = |one: &AnswerRecord| Supplied { receipt: one.id(), node: one.receipt.node, fee: one.receipt.fee };
    let deepest = records.iter().map(|one| one.receipt.sale.as_ref().map_or(1, |sale| sale.depth)).max().unwrap_or(0);
    if let Some(of) = &mut sale.sale {
        (of.suppliers, of.depth) = (records.iter().map(supplied).collect(), deepest + 1);
    }
    sale
}

/// Why a sale of what `supplier` says cannot be.
fn why(supplier: Receipt) -> Option<String> {
    let records = [signed(supplier)];
    contradiction(&ledger(), &naming(plain(), &records), &records, 200).unwrap()
}

fn is_refused(what: Option<String>, words: &str) {
    let what = what.unwrap_or_else(|| panic!("nothing is wrong, and should: {words}"));
    assert!(what.contains(words), "{what}");
}

#[test]
fn an_honest_sale_contradicts_nothing_whatever_comes_later() {
    let good = supply(&plain());
    assert_eq!(of_sale(&ledger(), &plain()).unwrap(), None);
    assert_eq!(why(good.clone()), None);
    // The rules changed while it was made; the agent had another release since, and was retired; the channel was added to and closed.
    assert_eq!(why(Receipt { params: 6, ..good.clone() }), None);
    let mut state = ledger();
    let agent = agents::get(&state, &AGENT).unwrap().unwrap();
    state.put(agents::state_key::release(&AGENT, 2), &Release { height: 150, ..Release::default() });
    state.put(agents::state_key::agent(&AGENT), &Agent { release: 2, retired_height: 180, ..agent });
    let before = channels::get(&state, &channel(1)).unwrap().unwrap();
    state.put(channels::state_key::channel(&channel(1)), &Channel { deposit: 2_000, closed_height: 170, ..before });
    let records = [signed(good)];
    assert_eq!(of_sale(&state, &plain()).unwrap(), None);
    assert_eq!(contradiction(&state, &naming(plain(), &records), &records, 200).unwrap(), None);
    // What found nothing was free.
    let nothing = Receipt { fee: 0, credits: vec![], channel: None, cumulative: 0, ..supply(&plain()) };
    assert_eq!(why(nothing), None);
}

#[test]
fn nobody_elses_node_names_an_agent_and_no_agent_sells_before_it_is_or_after() {
    let of = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = plain();
        change(&mut receipt);
        of_sale(&ledger(), &receipt).unwrap()
    };
    is_refused(of(&|receipt| receipt.node = key(FOREIGN).node_key()), "neither agent");
    is_refused(of(&|receipt| receipt.node = key(77).node_key()), "neither agent");
    is_refused(of(&|receipt| receipt.height = 9), "there was no agent");
    is_refused(of(&|receipt| receipt.sale.as_mut().unwrap().agent = AgentId([8; 32])), "there was no agent");
    is_refused(of(&|receipt| receipt.sale = None), "no agent");
    // With the release of before, suppliers that were named since would have nothing.
    is_refused(of(&|receipt| receipt.sale.as_mut().unwrap().release = 0), "names release 0");
    is_refused(of(&|receipt| receipt.sale.as_mut().unwrap().release = 7), "names release 7");
    let mut state = ledger();
    let agent = agents::get(&state, &AGENT).unwrap().unwrap();
    state.put(agents::state_key::agent(&AGENT), &Agent { retired_height: 100, ..agent });
    is_refused(of_sale(&state, &plain()).unwrap(), "was retired");
}

#[test]
fn anothers_receipt_is_no_supplier() {
    let good = supply(&plain());
    // A stranger bought it, under this very order: it says so, and the channel is his.
    is_refused(why(Receipt { channel: Some(channel(2)), ..good.clone() }), "not the agent's");
    // The agent bought it, for no sale, or for another question of the same agent.
    is_refused(why(Receipt { order: None, ..good.clone() }), "not bought for this answer");
    let other = Receipt { input: Digest([1; 32]), ..plain() };
    is_refused(why(supply(&other)), "not bought for this answer");
    // Or for the same question, sold before.
    let mut before = plain();
    before.sale.as_mut().unwrap().nonce = Digest([1; 32]);
    is_refused(why(supply(&before)), "not bought for this answer");
}

#[test]
fn a_supplier_that_is_made_up_is_none() {
    let good = supply(&plain());
    for (receipt, words) in [
        (Receipt { channel: None, ..good.clone() }, "no channel paid it"),
        (Receipt { channel: Some(channel(9)), ..good.clone() }, "not on the ledger"),
        (Receipt { channel: Some(channel(3)), ..good.clone() }, "pays another node"),
        (Receipt { channel: Some(channel(4)), ..good.clone() }, "after the answer"),
        (Receipt { cumulative: 1_001, ..good.clone() }, "holds less"),
        (Receipt { node: key(77).node_key(), ..good.clone() }, "not registered"),
        (Receipt { fee: PRICE + 1, ..good.clone() }, "the price is"),
        (Receipt { fee: 0, ..good.clone() }, "the price is"),
        (Receipt { height: 201, ..good.clone() }, "was settled at 200"),
        (Receipt { height: 19, ..good.clone() }, "was not final"),
        (Receipt { datanet: DatanetId([8; 32]), ..good.clone() }, "no datanet"),
        // Of rules that have long been others.
        (Receipt { params: 3, ..good.clone() }, "version 3"),
        (Receipt { params: 7, ..good.clone() }, "version 7"),
    ] {
        is_refused(why(receipt), words);
    }
}

#[test]
fn a_channel_that_is_forgotten_is_told_from_one_that_is_anothers() {
    let with = |channel| [signed(Receipt { channel, ..supply(&plain()) })];
    assert_eq!(forgotten(&ledger(), &with(Some(channel(1)))).unwrap(), None);
    assert_eq!(forgotten(&ledger(), &with(Some(channel(2)))).unwrap(), None);
    assert_eq!(forgotten(&ledger(), &with(None)).unwrap(), None);
    assert_eq!(forgotten(&ledger(), &with(Some(channel(9)))).unwrap(), Some(channel(9)));
}

#[test]
fn what_a_sale_says_of_its_suppliers_is_what_they_say() {
    let records = [signed(supply(&plain()))];
    let said = |change: &dyn Fn(&mut Sale)| {
        let mut sale = naming(plain(), &records);
        change(sale.sale.as_mut().unwrap());
        contradiction(&ledger(), &sale, &records, 200).unwrap()
    };
    assert_eq!(said(&|_| {}), None);
    is_refused(said(&|sale| sale.suppliers[0].fee -= 1), "nodes or fees");
    is_refused(said(&|sale| sale.suppliers[0].node = key(FOREIGN).node_key()), "nodes or fees");
    is_refused(said(&|sale| sale.suppliers[0].receipt.0[0] ^= 1), "nodes or fees");
    is_refused(said(&|sale| sale.suppliers.clear()), "nodes or fees");
    is_refused(said(&|sale| sale.depth = 3), "its depth is 3");
    is_refused(said(&|sale| sale.depth = 1), "its depth is 1");
}

#[test]
fn agents_that_buy_of_one_another_in_a_ring_come_to_an_end() {
    let mut state = ledger();
    // The agent's own account pays its own node, too: it is its own supplier.
    let own =
        Channel { id: channel(5), payer: ACCOUNT, node: key(SELLS).node_key(), deposit: 10_000, ..Channel::default() };
    state.put(channels::state_key::channel(&own.id), &own);
    let (mut inner, mut fee) = (plain(), 100);
    for depth in 2..=6u32 {
        let mut outer = Receipt { fee: fee + 100, ..plain() };
        outer.sale.as_mut().unwrap().nonce = Digest([depth as u8; 32]);
        let order = outer.sale.as_ref().map(|of| of.order(&outer));
        let bought = Receipt { order, channel: Some(own.id), cumulative: 5_000, ..inner.clone() };
        let records = [signed(bought)];
        let outer = naming(outer, &records);
        // Each is an answer that was paid for, at no less than what is behind it; and no more of them than may be.
        assert_eq!(contradiction(&state, &outer, &records, 200).unwrap(), None, "{depth}");
        let record = AnswerRecord::sign(
            Receipt { split: datanet_types::epoch::FeeShares::STANDARD.split(outer.fee), ..outer.clone() },
            AskInput::default(),
            AskOutput::default(),
            &key(SELLS),
        );
        let verified = AnswerRecord::verify(&record.to_bytes(), "c");
        let may = depth <= datanet_types::receipt::sale::MAX_DEPTH;
        assert_eq!(verified.is_ok(), may, "{depth}: {verified:?}");
        (inner, fee) = (outer, fee + 100);
    }
}
