//! Statements in pages, between machines: who claims fetches the page that he is on, from whoever has it; who withholds a page keeps nobody from
//! another, and is found out by whoever looks at all of it.

use datanet::billing::statement::Paged;
use datanet::init::own_params;
use datanet_ledger::component::Params;
use datanet_types::epoch::FeeShares;
use datanet_types::{Address, SigningKey};
use serde_json::{Value, json};

use crate::claims::{FEES, Server, servers};
use crate::kept::{machine, show};
use crate::kit::{self, TestNode};

/// Accounts between the two that claim, in order: so many that those are on two pages.
const BETWEEN: u64 = 1_500;
/// Base units of each of them.
const LITTLE: u64 = 10;
/// Pages of the statement of all of them: leaves, lines, receipts.
const PAGES: u64 = 2 + 2 + 1;
/// Pages of one statement that are asked for at once.
const AT_ONCE: u64 = 4;

/// A node that looks at nothing of its own accord, on a chain where nobody must keep statements.
async fn world() -> TestNode {
    let mut config = kit::config();
    config.judging.watch_epochs = false;
    let params = Params { statement_quorum: 0, ..own_params() };
    TestNode::spawn_on(kit::tools_without_model(), config, params).await
}

/// The first and the last account of an epoch of more than a thousand, both of this node.
async fn first_and_last(node: &TestNode) -> [Address; 2] {
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let bob: Address = node.account("bob", 10_000_000).await.parse().unwrap();
    if alice < bob { [alice, bob] } else { [bob, alice] }
}

/// What each account earns: half of what is left to the first and the last.
fn leaves([first, last]: [Address; 2]) -> Vec<(Address, u64)> {
    let begin = u64::from_be_bytes(first.0[..8].try_into().unwrap());
    let between = (1..=BETWEEN).map(|more| {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&(begin + more).to_be_bytes());
        (Address(address), LITTLE)
    });
    let half = (FeeShares::STANDARD.split(FEES).claimable() - BETWEEN * LITTLE) / 2;
    let all: Vec<_> = [(first, half)].into_iter().chain(between).chain([(last, half)]).collect();
    assert!(all.is_sorted(), "as far apart as keys are");
    all
}

/// Settles them with a statement of which index and some pages are at `network`.
async fn settle(node: &TestNode, server: &Server, leaves: &[(Address, u64)], keep: impl AsyncFnOnce(&Paged)) {
    let services = node.services();
    server
        .settle_kept(&services, leaves, None, async |_, paged| {
            keep(&paged).await;
            paged.hash()
        })
        .await;
    kit::until("it is final", async || {
        node.get("/v1/epochs").await["epochs"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

async fn claim(node: &TestNode, account: &Address) -> Value {
    node.post(&format!("/v1/accounts/{account}/claim"), json!({})).await
}

/// Blobs and bytes that the node has fetched.
fn fetched(node: &TestNode) -> (u64, u64) {
    let metrics = node.services().network.metrics();
    (metrics.blobs_fetched, metrics.bytes_fetched)
}

#[tokio::test]
async fn who_claims_fetches_the_index_and_his_page_each_from_whoever_has_it() {
    let node = world().await;
    let accounts = first_and_last(&node).await;
    let leaves = leaves(accounts);
    let all = servers(&node.services(), 1, 1).await;
    let server = all.first().unwrap();
    // One machine has all but the second page of leaves, which another one alone has.
    let (network, _dir) = machine(&node, &server.node).await;
    let (other, _other_dir) = machine(&node, &SigningKey::from_bytes(&kit::random())).await;
    let mut sizes = Vec::new();
    settle(&node, server, &leaves, async |paged| {
        show(&network, paged.clone(), |page| page != 1).await;
        let held = other.blobs().add_bytes(paged.pages[1].clone()).await.unwrap();
        other.blobs().tags().keep(&datanet_p2p::TagKind::Checked.tag("page"), held.hash()).await.unwrap();
        sizes = std::iter::once(&paged.index).chain(&paged.pages).map(|blob| blob.len() as u64).collect();
    })
    .await;

    let [first, last] = accounts;
    let earned = leaves[0].1;
    let before = fetched(&node);
    assert_eq!(claim(&node, &last).await["total"], earned);
    let after = fetched(&node);
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, sizes[0] + sizes[2]), "the index, and one page");
    assert_eq!(claim(&node, &first).await["total"], earned);
    let again = fetched(&node);
    assert_eq!((again.0 - after.0, again.1 - after.1), (1, sizes[1]), "the other page");
    let earnings = node.get(&format!("/v1/accounts/{last}/earnings")).await;
    assert_eq!(
        (&earnings["claimed"], &earnings["lines"][0]["amount"]),
        (&json!(earned), &json!(earned)),
        "{earnings:#}"
    );
    let why = fetched(&node);
    assert_eq!((why.0 - again.0, why.1 - again.1), (1, sizes[4]), "why: the page with his lines");

    // Whoever keeps or audits it has all of it.
    let id = format!("{}-1", server.node.node_key());
    let check = node.post(&format!("/v1/epochs/{id}/check"), json!({})).await;
    let reason = check["reason"].as_str().unwrap();
    assert!(reason.contains("receipt"), "the statement is good, its receipts are nowhere: {check:#}");
    assert_eq!(fetched(&node).0 - before.0, 1 + PAGES);
}

#[tokio::test]
async fn a_page_that_is_nowhere_is_named_and_keeps_nobody_on_another_page_from_being_paid() {
    let node = world().await;
    let accounts = first_and_last(&node).await;
    let leaves = leaves(accounts);
    let all = servers(&node.services(), 1, 1).await;
    let server = all.first().unwrap();
    let (network, _dir) = machine(&node, &server.node).await;
    settle(&node, server, &leaves, async |paged| _ = show(&network, paged.clone(), |page| page != 0).await).await;
    let [first, last] = accounts;
    let id = format!("{}-1", server.node.node_key());
    let check = node.post(&format!("/v1/epochs/{id}/check"), json!({})).await;
    let reason = check["reason"].as_str().unwrap();
    assert_eq!(check["finding"], "missing", "{check:#}");
    assert!(reason.contains("page 1 of 2 of its leaves (blob"), "{reason}");
    assert_eq!(claim(&node, &last).await["total"], leaves[0].1);
    let failed = claim(&node, &first).await;
    let reason = failed["failed"][0]["reason"].as_str().unwrap();
    assert_eq!(failed["total"], 0);
    assert!(reason.contains("page 1 of 2 of its leaves"), "{reason}");
}

/// Whoever shows an index of many pages and none of those would have each of them asked for, of everybody.
#[tokio::test]
async fn an_index_without_pages_costs_a_few_questions_however_many_it_names() {
    let node = world().await;
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let all = servers(&node.services(), 1, 1).await;
    let server = all.first().unwrap();
    let (network, _dir) = machine(&node, &server.node).await;
    let many: Vec<(Address, u64)> = (0..20_000u64)
        .map(|n| {
            let mut address = [0; 20];
            address[..8].copy_from_slice(&n.to_be_bytes());
            (Address(address), 1)
        })
        .chain([(alice, FeeShares::STANDARD.split(FEES).claimable() - 20_000)])
        .collect();
    settle(&node, server, &many, async |paged| {
        assert!(paged.pages.len() > 40);
        show(&network, paged.clone(), |_| false).await;
    })
    .await;
    let failures = || node.services().network.metrics().provider_failures;
    let before = failures();
    let id = format!("{}-1", server.node.node_key());
    let check = node.post(&format!("/v1/epochs/{id}/check"), json!({})).await;
    assert_eq!(check["finding"], "missing", "{check:#}");
    let asked = failures() - before;
    assert!(asked <= 2 * AT_ONCE, "{asked}");
    let failed = claim(&node, &alice).await;
    assert!(failed["failed"][0]["reason"].as_str().unwrap().contains("of its leaves"), "{failed:#}");
    assert!(failures() - before - asked <= 2, "she asks for her page alone");
}
