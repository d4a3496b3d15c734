//! Strangers who register nodes and settle what they made up: everybody else is paid all the same, and soon.

use std::sync::atomic::{AtomicU64, Ordering};

use datanet::billing::statement::{Paged, Statement};
use datanet::chain::Chain;
use datanet::db::accruals::{EarnedBy, Earning, EarningKey, EarningLine, EarningRole};
use datanet::http::Services;
use datanet_ledger::component::settlement;
use datanet_types::action::{OpenChannel, RegisterNode, SettleEpoch, Transfer, role};
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, BlobHash, ChannelId, DatanetId, Digest, Ppm, SigningKey};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::kit::{self, CHAIN, TestNode};

/// What each of these nodes settles: one answer.
pub const FEES: u64 = 100_000;
/// Nodes of strangers: more than the node holds in its hands at a time, and more than it waits for.
const STRANGERS: usize = 1_000;
/// Epochs that one stranger makes up: more than one claim waits for.
const MADE_UP: u64 = 100;
/// Nodes that one claim may wait for, those in flight included.
const MAX_ASKED: u64 = 32;

#[tokio::test]
async fn a_thousand_nodes_with_made_up_statements_keep_nobody_from_being_paid() {
    let node = TestNode::spawn(kit::tools_without_model()).await;
    let services = node.services();
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let servers = servers(&services, STRANGERS + 3, 1).await;
    let [honest, liar, boaster, silent @ ..] = servers.as_slice() else { panic!("too few") };

    let owed = FeeShares::STANDARD.split(FEES).claimable();
    honest.settle(&services, &[(alice, owed)], None).await;
    liar.settle(&services, &[(alice, owed)], Some(Digest([7; 32]))).await;
    boaster.settle(&services, &[(alice, owed + 1)], None).await;
    let settle = async |server: &Server| server.settle_nothing(&services.chain).await;
    stream::iter(silent).for_each_concurrent(100, settle).await;
    kit::until("all of them are final", async || {
        node.get("/v1/epochs").await["epochs"].as_array().unwrap().is_empty().then_some(())
    })
    .await;

    let (claim, before) = (format!("/v1/accounts/{alice}/claim"), services.network.metrics().provider_failures);
    let balance = node.balance(&alice.to_string()).await;
    let paid = node.post(&claim, json!({})).await;
    assert_eq!((&paid["total"], &paid["claims"][0]["amount"]), (&json!(owed), &json!(owed)));
    assert_eq!(paid["claims"][0]["node"], json!(honest.node.node_key()));
    assert_eq!(node.balance(&alice.to_string()).await, balance + owed - 1_000, "one fee, for the one that pays");
    assert_eq!(paid["failed"].as_array().unwrap().len(), STRANGERS + 2);
    assert!(why(&paid, liar).contains("root"), "{}", why(&paid, liar));
    let promised = format!("promises {} where {owed} were settled", owed + 1);
    assert!(why(&paid, boaster).contains(&promised), "{}", why(&paid, boaster));
    assert!(services.network.metrics().provider_failures - before <= MAX_ASKED);

    let earnings = node.get(&format!("/v1/accounts/{alice}/earnings")).await;
    assert_eq!((&earnings["earned"], &earnings["claimed"]), (&json!(owed), &json!(owed)), "what is readable");
    assert_eq!(earnings["claimable"], 0);
    assert_eq!(earnings["missing"].as_array().unwrap().len(), STRANGERS + 2);
    let again = node.post(&claim, json!({})).await;
    assert_eq!((&again["total"], why(&again, liar)), (&json!(0), why(&paid, liar)), "bad for good");
}

#[tokio::test]
async fn one_node_with_many_made_up_epochs_keeps_nobody_from_being_paid_nor_its_own_good_epochs_from_paying() {
    let node = TestNode::spawn(kit::tools_without_model()).await;
    let services = node.services();
    let alice: Address = node.account("alice", 10_000_000).await.parse().unwrap();
    let servers = servers(&services, 2, MADE_UP + 3).await;
    let [honest, stranger] = servers.as_slice() else { panic!("two") };
    let owed = FeeShares::STANDARD.split(FEES).claimable();
    for _ in 0..MADE_UP / 2 {
        stranger.settle_nothing(&services.chain).await;
    }
    stranger.settle(&services, &[(alice, owed)], None).await;
    for _ in 0..MADE_UP / 2 {
        stranger.settle_nothing(&services.chain).await;
    }
    // Less than a fee in each: it is the sum that must be worth one.
    let rest = Address([7; 20]);
    for _ in 0..3 {
        honest.settle(&services, &[(alice, 400), (rest, owed - 400)], None).await;
    }

    let (claim, before) = (format!("/v1/accounts/{alice}/claim"), services.network.metrics().provider_failures);
    let balance = node.balance(&alice.to_string()).await;
    let paid = node.post(&claim, json!({})).await;
    assert_eq!(paid["total"], json!(owed + 1_200), "{paid:#}");
    assert_eq!(node.balance(&alice.to_string()).await, balance + owed + 1_200 - 1_000, "one fee for all");
    let of = |server: &Server| {
        let key = json!(server.node.node_key());
        paid["claims"].as_array().unwrap().iter().find(|claim| claim["node"] == key).cloned().unwrap()
    };
    assert_eq!((&of(honest)["epochs"], &of(honest)["amount"]), (&json!(3), &json!(1_200)));
    assert_eq!((&of(stranger)["epochs"], &of(stranger)["tx"]), (&json!(1), &of(honest)["tx"]));
    assert_eq!((&paid["failed"][0]["epochs"], paid["failed"].as_array().unwrap().len()), (&json!(MADE_UP), 1));
    assert!(services.network.metrics().provider_failures - before <= MAX_ASKED);

    let again = node.post(&claim, json!({})).await;
    assert_eq!((&again["total"], &again["failed"][0]["epochs"]), (&json!(0), &json!(MADE_UP)));
    let earnings = node.get(&format!("/v1/accounts/{alice}/earnings")).await;
    assert_eq!((&earnings["claimed"], &earnings["claimable"]), (&json!(owed + 1_200), &json!(0)));
    let others = node.get(&format!("/v1/accounts/{rest}/earnings")).await;
    assert_eq!((&others["earned"], &others["claimable"]), (&json!(3 * (owed - 400)), &json!(3 * (owed - 400))));
}

/// Why a server did not pay.
fn why(claims: &Value, server: &Server) -> String {
    let node = json!(server.node.node_key());
    let failed = claims["failed"].as_array().unwrap().iter().find(|failed| failed["node"] == node);
    failed.map(|failed| failed["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}

/// A registered serving node that runs nowhere, and a channel of its own that it may charge.
pub struct Server {
    /// Its key.
    pub node: SigningKey,
    account: SigningKey,
    channel: ChannelId,
    settled: AtomicU64,
}

/// So many of them, each of which can settle so many epochs.
pub async fn servers(services: &Services, count: usize, epochs: u64) -> Vec<Server> {
    let funds = services.keyring.get("node").unwrap();
    let make = |_| {
        let (chain, funds) = (services.chain.clone(), funds.clone());
        async move { Server::register(&chain, funds.secret(), epochs).await }
    };
    stream::iter(0..count).map(make).buffer_unordered(100).collect().await
}

impl Server {
    async fn register(chain: &Chain, funds: &SigningKey, epochs: u64) -> Self {
        let (node, account) = (SigningKey::from_bytes(&kit::random()), SigningKey::from_bytes(&kit::random()));
        let execute = async |key: &SigningKey, action| chain.execute(&key.clone().into(), action).await.unwrap().id;
        execute(funds, Action::Transfer(Transfer { to: account.address(), amount: (9 + epochs) * FEES })).await;
        let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &account.address(), &node.node_key()));
        let (roles, name) = (role::SERVING, "stranger".to_owned());
        let register = RegisterNode { node: node.node_key(), proof, roles, stake: 0, name };
        execute(&account, Action::RegisterNode(register)).await;
        let expires_at = chain.block_seconds() + 100_000;
        let open = OpenChannel { node: node.node_key(), deposit: epochs * FEES, expires_at, voucher_key: None };
        let channel = ChannelId(execute(&account, Action::OpenChannel(open)).await);
        Self { node, account, channel, settled: AtomicU64::new(0) }
    }

    /// Settles one answer for `leaves`, with a statement that is at the node under test; `root` if not the true one.
    async fn settle(&self, services: &Services, leaves: &[(Address, u64)], root: Option<Digest>) {
        self.settle_kept(services, leaves, root, async |name, paged| keep_here(services, name, &paged).await).await;
    }

    /// The same, with the statement wherever `keep` puts it.
    pub async fn settle_kept(
        &self,
        services: &Services,
        leaves: &[(Address, u64)],
        root: Option<Digest>,
        keep: impl AsyncFnOnce(String, Paged) -> BlobHash,
    ) -> BlobHash {
        let mut leaves: Vec<_> =
            leaves.iter().map(|(account, amount)| EpochLeaf { account: (*account).into(), amount: *amount }).collect();
        leaves.sort_by_key(|leaf| leaf.account);
        let (node, epoch) = (self.node.node_key(), self.settled.load(Ordering::Relaxed) + 1);
        let (chain_id, lines) = (CHAIN.to_owned(), lines(&leaves));
        let receipts = vec![SettledReceipt {
            channel: self.channel,
            cumulative: epoch * FEES,
            fee: FEES,
            ..SettledReceipt::default()
        }];
        let former = settlement::get(&services.chain.reader().unwrap(), &node).unwrap();
        let (totals, carries, debts) = (totals(), former.and_then(|former| former.carried()), Vec::new());
        let statement = Statement { chain_id, node, epoch, totals, leaves, lines, receipts, carries, debts };
        let blob = keep(format!("{node}-{epoch}"), statement.paged().unwrap()).await;
        let root = root.unwrap_or_else(|| statement.tree().unwrap().digest);
        let receipts = statement.receipts_tree().unwrap().digest;
        self.send(&services.chain, root, statement.accounts(), blob, receipts).await;
        blob
    }

    /// Settles one answer with a statement that nobody has.
    pub async fn settle_nothing(&self, chain: &Chain) {
        self.send(chain, Digest(kit::random()), 1, BlobHash(kit::random()), Digest(kit::random())).await;
    }

    async fn send(&self, chain: &Chain, root: Digest, accounts: u64, statement: BlobHash, receipts: Digest) {
        let (node, epoch) = (self.node.node_key(), self.settled.fetch_add(1, Ordering::Relaxed) + 1);
        let vouchers = vec![SignedVoucher::sign(CHAIN, self.channel, epoch * FEES, &self.account)];
        let totals = totals();
        let (params, carries, taken) = (0, None, Vec::new());
        let settle =
            SettleEpoch { node, epoch, root, totals, vouchers, statement, accounts, receipts, params, carries, taken };
        chain.execute(&self.account.clone().into(), Action::SettleEpoch(settle)).await.unwrap();
    }
}

/// Why leaves are what they are: a reason each.
pub fn lines(leaves: &[EpochLeaf]) -> Vec<EarningLine> {
    let line = |leaf: &EpochLeaf| {
        let (role, datanet, contribution) = (EarningRole::Contributor, DatanetId([3; 32]), None);
        let key = EarningKey { account: leaf.account, role, datanet, contribution, by: EarnedBy::Answers };
        (key, Earning { amount: leaf.amount, answers: 1, weights: Ppm::ONE, ..Earning::default() })
    };
    leaves.iter().map(line).collect()
}

/// Keeps a statement at the node under test, as if it were its own.
pub async fn keep_here(services: &Services, name: String, paged: &Paged) -> BlobHash {
    for (page, bytes) in paged.pages.iter().enumerate() {
        let tag = datanet_p2p::TagKind::StatementPage.tag(format!("{name}/{page}"));
        services.blobs.keep_bytes(&tag, bytes.clone()).await.unwrap();
    }
    services.blobs.keep_bytes(&datanet_p2p::TagKind::Statement.tag(name), paged.index.clone()).await.unwrap()
}

fn totals() -> EpochTotals {
    EpochTotals { answers: 1, fees: FEES, split: FeeShares::STANDARD.split(FEES), unearned: 0 }
}
