//! From an account that no key controls to what it earns, passes on and leaves to its owner.

use std::sync::atomic::{AtomicU64, Ordering};

use datanet_types::action::{
    Action, ActionKind, ActionSet, ClaimIncome, GrantKey, IssueShares, RegisterAgent, RegisterModel, RegisterNode,
    RetireAgent, RevokeKey, SetKeys, Supplier, Transfer, UpdateAgent, role,
};
use datanet_types::epoch::{EpochLeaf, FeeShares};
use datanet_types::{Address, AgentId, Asset, BlobHash, Digest, TxBody};

use super::Chain;
use super::harness::{BALANCE, CHAIN, IntoAction, address, create_datanet, key, node, node_key, register};
use super::life_of_a_channel::{item, open, settle, voucher};
use crate::code::{self, Code};
use crate::component::agents::{self, Payee};
use crate::component::{ActionError, Event, authority, shares};

/// Owns the agent.
const OWNER: u8 = 5;
/// A key of no account, which runs it.
const RUNNER: u8 = 40;
/// Owns what the agent is made from.
const SUPPLIER: u8 = 7;
const PAYER: u8 = 6;
const BUDGET: u64 = 100_000;
const PERIOD: u64 = 60;
const FUNDS: u64 = 1_000_000;
/// What a transaction costs here.
const FEE: u64 = 1_000;

fn agent() -> RegisterAgent {
    named("owl")
}

fn named(name: &str) -> RegisterAgent {
    let (card, suppliers, budget, period_seconds) = (BlobHash([1; 32]), Vec::new(), BUDGET, PERIOD);
    RegisterAgent { name: name.to_owned(), card, suppliers, budget, period_seconds, funds: FUNDS }
}

fn id_of(owner: u8, name: &str) -> AgentId {
    AgentId::derive(CHAIN, &address(owner), name)
}

fn id() -> AgentId {
    id_of(OWNER, "owl")
}

fn account() -> Address {
    id().account()
}

fn update() -> UpdateAgent {
    let RegisterAgent { card, suppliers, budget, period_seconds, .. } = agent();
    UpdateAgent { agent: id(), card, suppliers, budget, period_seconds, end_keys: false }
}

/// The runner may pay anybody, and open channels.
fn grant(budget: u64) -> GrantKey {
    GrantKey {
        key: key(RUNNER).public_key(),
        actions: ActionSet::from_iter([ActionKind::Transfer, ActionKind::OpenChannel]).0,
        counterparties: Vec::new(),
        budget,
        period_seconds: PERIOD,
        expires: 2_000_000_000,
    }
}

/// What comes of it where the key of `n` signs for the agent's account.
fn try_for(chain: &mut Chain, n: u8, account: Address, action: impl IntoAction) -> Result<Vec<Event>, ActionError> {
    static NONCE: AtomicU64 = AtomicU64::new(1 << 40);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
    let tx = chain.tx_body(n, |body| TxBody { account, ..body }, action.into_action(), nonce);
    chain.run(&tx)
}

fn done_for(chain: &mut Chain, n: u8, account: Address, action: impl IntoAction) -> Vec<Event> {
    try_for(chain, n, account, action).unwrap()
}

fn refused_for(chain: &mut Chain, n: u8, account: Address, action: impl IntoAction, code: Code, words: &str) {
    match try_for(chain, n, account, action) {
        Err(ActionError::Refused { code: actual, message }) => {
            assert_eq!(actual, code, "{message}");
            assert!(message.contains(words), "{message:?} does not say {words:?}");
        }
        other => panic!("expected {code}, got {other:?}"),
    }
}

fn pay(to: u8, amount: u64) -> Transfer {
    Transfer { to: address(to), amount }
}

/// With an agent of person 5's, which a sub-key runs.
fn world() -> Chain {
    let mut chain = Chain::new();
    chain.act(OWNER, agent());
    done_for(&mut chain, OWNER, account(), grant(u64::MAX));
    chain
}

fn money(chain: &Chain) -> u64 {
    chain.balance(account())
}

#[test]
fn an_agents_account_is_no_keys_and_its_owner_speaks_for_it() {
    let mut chain = Chain::new();
    let before = chain.balance(address(OWNER));
    let events = chain.act(OWNER, agent());
    assert_eq!(events[0].get("account"), Some(account().to_string().as_str()));
    let spent = before - chain.balance(address(OWNER));
    assert!(spent > FUNDS + FEE, "records that stay are paid for");
    assert_eq!(money(&chain), FUNDS);
    let there = agents::get(&chain.state, &id()).unwrap().unwrap();
    assert_eq!((there.account, there.owner, there.release, there.is_active()), (account(), address(OWNER), 0, true));
    assert_eq!(agents::of_account(&chain.state, &account()).unwrap(), Some(there.clone()));
    assert_eq!(agents::of_owner(&chain.state, &address(OWNER), None, 9).unwrap(), [there]);
    done_for(&mut chain, OWNER, account(), pay(8, 10));
    assert_eq!((money(&chain), chain.balance(address(8))), (FUNDS - 10 - FEE, BALANCE + 10));
    refused_for(&mut chain, 8, account(), pay(8, 10), code::UNAUTHORISED, "an agent of");
    // The owner's sub-keys are none of the agent's, nor the other way round.
    chain.act(OWNER, grant(u64::MAX));
    refused_for(&mut chain, RUNNER, account(), pay(8, 10), code::UNAUTHORISED, "its owner's");
    chain.next();
}

#[test]
fn keys_of_the_owner_are_the_agents_as_they_stand_now() {
    let mut chain = world();
    done_for(&mut chain, RUNNER, account(), pay(8, 10));
    let owners = SetKeys { owners: vec![key(41).public_key()], threshold: 1, recovery: None };
    chain.act(OWNER, owners.clone());
    refused_for(&mut chain, OWNER, account(), pay(8, 10), code::UNAUTHORISED, "exactly 1 of its 1 owners");
    // With the owners the grants end, as anywhere.
    refused_for(&mut chain, RUNNER, account(), pay(8, 10), code::UNAUTHORISED, "");
    done_for(&mut chain, 41, account(), grant(u64::MAX));
    done_for(&mut chain, RUNNER, account(), pay(8, 10));
    refused_for(&mut chain, 41, account(), owners, code::KEYS_INVALID, "has no owners of its own");
    let own = GrantKey { key: key(41).public_key(), ..grant(1) };
    refused_for(&mut chain, 41, account(), own, code::GRANT_INVALID, "is an owner");
    chain.next();
}

#[test]
fn all_sub_keys_together_spend_one_budget_a_period() {
    let mut chain = world();
    let second = GrantKey { key: key(RUNNER + 1).public_key(), ..grant(u64::MAX) };
    done_for(&mut chain, OWNER, account(), second);
    let start = money(&chain);
    done_for(&mut chain, RUNNER, account(), pay(8, BUDGET / 2));
    done_for(&mut chain, RUNNER + 1, account(), pay(8, BUDGET / 2 - 3 * FEE));
    refused_for(&mut chain, RUNNER + 1, account(), pay(8, 1), code::GRANT_LIMITS, "with all its sub-keys together");
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::GRANT_LIMITS, "with all its sub-keys together");
    assert_eq!(start - money(&chain), BUDGET, "fees of what was refused in a block included");
    // What the owner does himself is not limited, nor does it count.
    done_for(&mut chain, OWNER, account(), pay(8, 2 * BUDGET));
    chain.pass(PERIOD);
    done_for(&mut chain, RUNNER, account(), pay(8, BUDGET / 2));
    // Another budget has nothing spent.
    chain.act(OWNER, UpdateAgent { budget: 10 * FEE, ..update() });
    refused_for(&mut chain, RUNNER, account(), pay(8, 10 * FEE), code::GRANT_LIMITS, "");
    done_for(&mut chain, RUNNER, account(), pay(8, 8 * FEE));
    let purse = authority::purse(&chain.state, &account()).unwrap().unwrap();
    assert_eq!(purse.left_at(chain.now()), 0);
    chain.next();
}

#[test]
fn one_word_ends_all_sub_keys_at_once() {
    let mut chain = world();
    done_for(&mut chain, RUNNER, account(), pay(8, 1));
    done_for(&mut chain, OWNER, account(), RevokeKey { key: key(RUNNER).public_key() });
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::UNAUTHORISED, "");
    done_for(&mut chain, OWNER, account(), grant(u64::MAX));
    chain.act(OWNER, UpdateAgent { end_keys: true, ..update() });
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::UNAUTHORISED, "");
    done_for(&mut chain, OWNER, account(), grant(u64::MAX));
    done_for(&mut chain, RUNNER, account(), pay(8, 1));
    chain.refused(OWNER, update(), code::AGENT_INVALID, "changes nothing");
    chain.next();
}

#[test]
fn a_retired_agent_leaves_its_money_to_its_owner_and_spends_nothing_again() {
    let mut chain = world();
    let (before, left) = (chain.balance(address(OWNER)), money(&chain));
    chain.act(OWNER, RetireAgent { agent: id() });
    assert_eq!((chain.balance(address(OWNER)), money(&chain)), (before + left - FEE, 0));
    assert!(agents::of_owner(&chain.state, &address(OWNER), None, 9).unwrap().is_empty());
    // What comes later is still the owner's, and no sub-key's.
    chain.act(8, Transfer { to: account(), amount: 50 * FEE });
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::UNAUTHORISED, "");
    done_for(&mut chain, OWNER, account(), grant(u64::MAX));
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::GRANT_LIMITS, "all its sub-keys together has");
    done_for(&mut chain, OWNER, account(), pay(8, 1));
    for action in [RetireAgent { agent: id() }.into_action(), update().into_action()] {
        chain.refused(OWNER, action, code::AGENT_RETIRED, "for good");
    }
    chain.refused(OWNER, agent(), code::AGENT_TAKEN, "another name");
    chain.next();
}

#[test]
fn what_is_no_agent_is_refused_and_says_why() {
    let mut chain = world();
    let half = |n: u8| Supplier { asset: Some(Asset::Agent(AgentId([n; 32]))), floor_bps: 5_001 };
    let with = |suppliers: Vec<Supplier>| RegisterAgent { suppliers, ..named("wren") };
    for (wrong, words) in [
        (RegisterAgent { name: String::new(), ..named("wren") }, "1 to 64 bytes"),
        (RegisterAgent { name: "x".repeat(65), ..named("wren") }, "1 to 64 bytes"),
        (RegisterAgent { card: BlobHash::ZERO, ..named("wren") }, "card"),
        (RegisterAgent { budget: 0, ..named("wren") }, "budget is 0"),
        (RegisterAgent { period_seconds: 0, ..named("wren") }, "a period is"),
        (RegisterAgent { period_seconds: u64::MAX, ..named("wren") }, "a period is"),
        (with(vec![half(1), half(2)]), "10002 basis points"),
        (with(vec![half(1), half(1)]), "named twice"),
        (with(vec![Supplier { asset: None, floor_bps: 1 }]), "names no asset"),
        (with(vec![Supplier { floor_bps: 0, ..half(1) }]), "a floor is 0"),
        (with((0..17).map(|n| Supplier { floor_bps: 1, ..half(n) }).collect()), "at most 16"),
    ] {
        chain.refused_before_it_pays(OWNER, wrong, code::AGENT_INVALID, words);
    }
    chain.refused(OWNER, with(vec![half(1)]), code::AGENT_SUPPLIER, "there is no agent:");
    chain.refused(OWNER, agent(), code::AGENT_TAKEN, "\"owl\"");
    chain.refused(OWNER, RegisterAgent { funds: BALANCE, ..named("wren") }, code::FUNDS, "");
    refused_for(&mut chain, OWNER, account(), named("wren"), code::AGENT_OWNER, "its owner");
    let unknown = AgentId([9; 32]);
    chain.refused(OWNER, RetireAgent { agent: unknown }, code::AGENT_UNKNOWN, "there is no agent");
    chain.refused(8, RetireAgent { agent: id() }, code::AGENT_FOREIGN, "only that account");
    chain.refused(8, update(), code::AGENT_FOREIGN, "only that account");
    let own = Supplier { asset: Some(Asset::Agent(id())), floor_bps: 1 };
    chain.refused(OWNER, UpdateAgent { suppliers: vec![own], ..update() }, code::AGENT_SUPPLIER, "of its own");
    chain.next();
}

/// A model of person 7's.
fn model() -> Asset {
    Asset::Model(model_of().id(&address(SUPPLIER)))
}

fn model_of() -> RegisterModel {
    RegisterModel { manifest: Digest([7; 32]), name: "m".into(), licence: "MIT".into(), ..RegisterModel::default() }
}

fn supplier(asset: Asset, floor_bps: u32) -> Supplier {
    Supplier { asset: Some(asset), floor_bps }
}

fn payees(chain: &Chain, id: &AgentId) -> Vec<(Asset, u32)> {
    let agent = agents::get(&chain.state, id).unwrap().unwrap();
    let release = agents::release(&chain.state, id, agent.release).unwrap().unwrap();
    release.payees.iter().map(|Payee { asset, ppm }| (asset.unwrap(), *ppm)).collect()
}

#[test]
fn floors_are_worked_out_through_agents_that_are_made_from_agents() {
    let mut chain = Chain::new();
    chain.act(SUPPLIER, model_of());
    chain.act(10, create_datanet("docs"));
    let datanet = Asset::Datanet(datanet_types::DatanetId::derive(CHAIN, &address(10), "docs"));
    chain.act(OWNER, RegisterAgent { suppliers: vec![supplier(model(), 5_000)], ..named("first") });
    let first = Asset::Agent(id_of(OWNER, "first"));
    let suppliers = vec![supplier(first, 3_000), supplier(datanet, 1_000)];
    chain.act(8, RegisterAgent { suppliers: suppliers.clone(), ..named("second") });
    let second = id_of(8, "second");
    let wanted = [(datanet, 100_000), (model(), 150_000), (first, 150_000)];
    assert_eq!(payees(&chain, &second), wanted);
    // The first one's next release names the second, which names the first: what comes back that way is its own anyway.
    let back = vec![supplier(Asset::Agent(second), 5_000), supplier(model(), 1_000)];
    let update = |suppliers| UpdateAgent { agent: id_of(OWNER, "first"), suppliers, ..update() };
    chain.act(OWNER, update(back));
    let wanted_first = [(datanet, 50_000), (model(), 175_000), (Asset::Agent(second), 300_000)];
    assert_eq!(payees(&chain, &id_of(OWNER, "first")), wanted_first);
    assert_eq!(payees(&chain, &second), wanted, "a release never changes");
    chain.act(OWNER, RetireAgent { agent: id_of(OWNER, "first") });
    chain.refused(9, RegisterAgent { suppliers, ..named("third") }, code::AGENT_SUPPLIER, "was retired");
    chain.next();
}

#[test]
fn a_supplier_that_is_gone_or_another_by_now_keeps_nobody_from_ending_keys_or_changing_a_budget() {
    let mut chain = Chain::new();
    chain.act(8, named("source"));
    let source = id_of(8, "source");
    let suppliers = vec![supplier(Asset::Agent(source), 3_000)];
    chain.act(OWNER, RegisterAgent { suppliers: suppliers.clone(), ..agent() });
    let update = || UpdateAgent { suppliers: suppliers.clone(), ..update() };
    let release = |chain: &Chain| agents::get(&chain.state, &id()).unwrap().unwrap().release;
    // A release of the supplier's is taken over where that is asked for, and not by the way.
    chain.act(8, UpdateAgent { agent: source, card: BlobHash([2; 32]), ..self::update() });
    chain.act(OWNER, UpdateAgent { budget: BUDGET + 1, ..update() });
    assert_eq!(release(&chain), 0);
    chain.act(OWNER, UpdateAgent { budget: BUDGET + 1, ..update() });
    assert_eq!(release(&chain), 1);
    chain.act(8, RetireAgent { agent: source });
    done_for(&mut chain, OWNER, account(), grant(u64::MAX));
    chain.act(OWNER, UpdateAgent { budget: BUDGET + 1, end_keys: true, ..update() });
    refused_for(&mut chain, RUNNER, account(), pay(8, 1), code::UNAUTHORISED, "");
    chain.act(OWNER, UpdateAgent { budget: 2 * BUDGET, ..update() });
    assert_eq!(release(&chain), 1);
    let other = UpdateAgent { budget: 2 * BUDGET, card: BlobHash([3; 32]), ..update() };
    chain.refused(OWNER, other, code::AGENT_SUPPLIER, "name another supplier");
    chain.next();
}

#[test]
fn no_more_have_part_in_it_than_can_be_paid_in_a_block() {
    let mut chain = Chain::new();
    let models = |n: u8| RegisterModel { manifest: Digest([n; 32]), ..model_of() };
    (1..=33).for_each(|n| drop(chain.act(SUPPLIER, models(n))));
    let of = |numbers: std::ops::RangeInclusive<u8>| -> Vec<Supplier> {
        numbers.map(|n| supplier(Asset::Model(models(n).id(&address(SUPPLIER))), 600)).collect()
    };
    chain.act(OWNER, RegisterAgent { suppliers: of(1..=16), funds: 0, ..named("first") });
    chain.act(OWNER, RegisterAgent { suppliers: of(17..=30), funds: 0, ..named("second") });
    let both = |more| {
        let agents = ["first", "second"].map(|name| supplier(Asset::Agent(id_of(OWNER, name)), 1_000));
        RegisterAgent { suppliers: agents.into_iter().chain(more).collect(), funds: 0, ..named("third") }
    };
    chain.refused(OWNER, both(of(31..=31)), code::AGENT_LINEAGE, "33 assets");
    chain.act(OWNER, both(Vec::new()));
    assert_eq!(payees(&chain, &id_of(OWNER, "third")).len(), agents::MAX_PAYEES);
    chain.next();
}

/// Registers node 0 for the agent's account.
fn sells(chain: &mut Chain) {
    let proof = node_key(0).sign(&RegisterNode::sign_bytes(CHAIN, &account(), &node(0)));
    let register = RegisterNode { proof, ..register(0, role::SERVING, 0) };
    done_for(chain, OWNER, account(), register);
}

/// The agent's node settles an epoch for so many fees, of which nobody else earned anything but `leaves`.
fn settles(chain: &mut Chain, epoch: u64, fees: u64, leaves: &[EpochLeaf]) {
    let channel = open(chain, PAYER);
    let settle = settle(epoch, fees, leaves, vec![voucher(PAYER, channel, fees)]);
    done_for(chain, OWNER, account(), settle);
}

#[test]
fn what_an_agent_earns_is_divided_by_the_floors_of_the_release_that_held() {
    let mut chain = Chain::new();
    chain.act(SUPPLIER, model_of());
    let suppliers = vec![supplier(model(), 2_500)];
    chain.act(OWNER, RegisterAgent { suppliers, ..agent() });
    sells(&mut chain);
    chain.next();
    let fees = 1_000_000;
    let split = FeeShares::STANDARD.split(fees);
    let asset = Asset::Agent(id());
    let leaves = vec![EpochLeaf { account: asset.income_account().into(), amount: split.claimable() }];
    let (before, supplied) = (money(&chain), chain.balance(address(SUPPLIER)));
    settles(&mut chain, 1, fees, &leaves);
    // Too late for what is settled.
    chain.act(OWNER, update());
    let events = chain.next();
    let paid: Vec<&Event> = events.iter().filter(|event| event.kind == "lineage.paid").collect();
    assert_eq!(paid.len(), 1);
    assert_eq!(paid[0].get("amount"), Some((split.node / 4).to_string().as_str()));
    assert_eq!(money(&chain), before - FEE + split.node - split.node / 4);
    assert_eq!(chain.balance(address(SUPPLIER)), supplied + split.node / 4);
    // The leaf of its income, claimed by anybody.
    let claim = ClaimIncome { asset: Some(asset), items: vec![item(1, &leaves, 0)] };
    let (before, supplied) = (money(&chain), chain.balance(address(SUPPLIER)));
    chain.act(9, claim);
    let part = split.claimable() / 4;
    assert_eq!(money(&chain), before + split.claimable() - part);
    assert_eq!(chain.balance(address(SUPPLIER)), supplied + part);
    // The next epoch is divided by what was said in the meantime.
    settles(&mut chain, 2, fees, &leaves);
    chain.next();
    assert_eq!(chain.balance(address(SUPPLIER)), supplied + part);
}

#[test]
fn an_agent_owns_what_it_earns_and_can_be_owned_in_shares() {
    let mut chain = Chain::new();
    chain.act(OWNER, agent());
    sells(&mut chain);
    let asset = Asset::Agent(id());
    let issue = IssueShares { asset: Some(asset), supply: 1_000 };
    chain.refused(OWNER, issue.clone(), code::SHARES_FOREIGN, "only that account");
    done_for(&mut chain, OWNER, account(), issue);
    assert_eq!(shares::holding(&chain.state, &asset, account()).unwrap().units, 1_000);
    let leaves = vec![EpochLeaf { account: asset.income_account().into(), amount: 1_000 }];
    settles(&mut chain, 1, 100_000, &leaves);
    chain.next();
    let node_part = FeeShares::STANDARD.split(100_000).node;
    assert_eq!(chain.balance(asset.income_account()), node_part, "what its node earns is the holders' too");
    chain.act(9, ClaimIncome { asset: Some(asset), items: vec![item(1, &leaves, 0)] });
    let record = shares::get(&chain.state, &asset).unwrap().unwrap();
    assert_eq!((record.income, chain.balance(asset.income_account())), (node_part + 1_000, node_part + 1_000));
    chain.next();
}

#[test]
fn no_sub_key_makes_changes_or_ends_agents() {
    let mut chain = world();
    for kind in [ActionKind::RegisterAgent, ActionKind::UpdateAgent, ActionKind::RetireAgent] {
        let grant = GrantKey { actions: ActionSet::from_iter([kind]).0, ..grant(1) };
        chain.refused_before_it_pays(OWNER, grant, code::GRANT_INVALID, kind.name());
    }
    let retire: Action = RetireAgent { agent: id() }.into_action();
    refused_for(&mut chain, RUNNER, account(), retire, code::GRANT_LIMITS, "may not retire_agent");
    chain.next();
}
