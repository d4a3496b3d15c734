//! Epochs that are false, or can't be had, on a node that looks: it challenges them, its audit says what is so, and who paid has the
//! money back. The one that settles is a stranger whose node runs nowhere; its receipts and statements lie at the node under test.

use datanet::billing::statement::Statement;
use datanet::http::Services;
use datanet_ledger::component::{Params, settlement};
use datanet_p2p::TagKind;
use datanet_types::action::{OpenChannel, RegisterNode, SettleEpoch, Transfer, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Method, Receipt};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, BlobHash, ChannelId, DatanetId, SigningKey};
use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::claims::{keep_here, lines};
use crate::cli;
use crate::corpus;
use crate::kit::{self, CHAIN, TestNode, refused, until};

/// What an answer costs in the datanets here.
const PRICE: u64 = 1_000;
/// What the stranger has at stake.
const STAKE: u64 = 20 * DNT;
/// What the payer locks.
const DEPOSIT: u64 = 5 * DNT;

/// A node that looks at what others settle, on a chain where epochs can be challenged for so many seconds.
async fn watching(challenge_seconds: u64) -> (TestNode, Stranger) {
    let params =
        Params { challenge_seconds, audit_deposit: DNT, audit_seconds: 12, statement_quorum: 0, ..Params::default() };
    let node = TestNode::spawn_on(kit::tools_without_model(), kit::config(), params).await;
    let datanet = node.datanet("notes", &corpus::text_only(), corpus::jsonl_of_texts(&corpus::samples(0, 20))).await;
    let stranger = Stranger::register(&node.services(), datanet.parse().unwrap()).await;
    (node, stranger)
}

/// A serving node that runs nowhere, and who pays it.
struct Stranger {
    services: Services,
    datanet: DatanetId,
    node: SigningKey,
    account: SigningKey,
    payer: SigningKey,
    channel: ChannelId,
    charged: u64,
    epoch: u64,
}

impl Stranger {
    async fn register(services: &Services, datanet: DatanetId) -> Self {
        let [node, account, payer] = [(); 3].map(|()| SigningKey::from_bytes(&kit::random()));
        let funds = services.keyring.get("node").unwrap();
        let execute =
            async |key: &SigningKey, action| services.chain.execute(&key.clone().into(), action).await.unwrap().id;
        for (key, amount) in [(&account, 2 * STAKE), (&payer, 2 * DEPOSIT)] {
            execute(funds.secret(), Action::Transfer(Transfer { to: key.address(), amount })).await;
        }
        let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &account.address(), &node.node_key()));
        let (roles, name) = (role::SERVING, "stranger".to_owned());
        let register = RegisterNode { node: node.node_key(), proof, roles, stake: STAKE, name };
        execute(&account, Action::RegisterNode(register)).await;
        let expires_at = services.chain.block_seconds() + 100_000;
        let open = OpenChannel { node: node.node_key(), deposit: DEPOSIT, expires_at, voucher_key: None };
        let channel = ChannelId(execute(&payer, Action::OpenChannel(open)).await);
        Self { services: services.clone(), datanet, node, account, payer, channel, charged: 0, epoch: 0 }
    }

    /// A receipt for the next answer on the channel, which found nothing.
    fn answer(&self, at: u64, question: &str) -> AnswerRecord {
        let price = PRICE;
        let receipt = Receipt {
            chain_id: CHAIN.to_owned(),
            datanet: self.datanet,
            node: self.node.node_key(),
            height: 1,
            method: Method::Retrieval as i32,
            fee: price,
            split: FeeShares::STANDARD.split(price),
            channel: Some(self.channel),
            cumulative: self.charged + at * price,
            sequence: at,
            ..Receipt::default()
        };
        let input = AskInput { text: question.to_owned(), neighbours: 3, ..AskInput::default() };
        AnswerRecord::sign(receipt, input, AskOutput::default(), &self.node)
    }

    async fn keep(&self, record: &AnswerRecord) {
        let tag = TagKind::Receipt.tag(record.id());
        self.services.blobs.keep_bytes(&tag, record.to_bytes()).await.unwrap();
    }

    /// Settles these answers for `leaves`; what they leave nobody earned. Whether the statement can be had is for `shown` to say.
    async fn settle(&mut self, answers: &[AnswerRecord], leaves: &[(Address, u64)], shown: bool) -> String {
        let receipts: Vec<SettledReceipt> = answers.iter().map(|record| SettledReceipt::of(record).unwrap()).collect();
        let fees = PRICE * answers.len() as u64;
        let mut totals = EpochTotals::default();
        for record in answers {
            let (fees, split) = (record.receipt.fee, record.receipt.split);
            totals.add(&EpochTotals { answers: 1, fees, split, unearned: split.claimable() });
        }
        totals.unearned -= leaves.iter().map(|(_, amount)| amount).sum::<u64>();
        let leaves: Vec<EpochLeaf> =
            leaves.iter().map(|(account, amount)| EpochLeaf { account: (*account).into(), amount: *amount }).collect();
        self.epoch += 1;
        let (node, epoch, chain_id, lines) = (self.node.node_key(), self.epoch, CHAIN.to_owned(), lines(&leaves));
        let former = settlement::get(&self.services.chain.reader().unwrap(), &node).unwrap();
        let (carries, debts) = (former.and_then(|former| former.carried()), Vec::new());
        let statement = Statement { chain_id, node, epoch, totals, leaves, lines, receipts, carries, debts };
        let blob = match shown {
            true => keep_here(&self.services, format!("{node}-{epoch}"), &statement.paged().unwrap()).await,
            false => BlobHash(kit::random()),
        };
        self.charged += fees;
        let settle = SettleEpoch {
            node,
            epoch,
            root: statement.tree().unwrap().digest,
            totals,
            vouchers: vec![SignedVoucher::sign(CHAIN, self.channel, self.charged, &self.payer)],
            statement: blob,
            accounts: statement.accounts(),
            receipts: statement.receipts_tree().unwrap().digest,
            params: 0,
            carries: None,
            taken: Vec::new(),
        };
        self.services.chain.execute(&self.account.clone().into(), Action::SettleEpoch(settle)).await.unwrap();
        format!("{node}-{epoch}")
    }

    async fn paid_back(&self, node: &TestNode) -> u64 {
        node.balance(&self.payer.address().to_string()).await
    }

    async fn stake(&self, node: &TestNode) -> u64 {
        let path = format!("/v1/accounts/{}", self.account.address());
        node.get(&path).await["stake"].as_u64().unwrap()
    }
}

async fn own_account(node: &TestNode) -> String {
    node.get("/v1/status").await["account"].as_str().unwrap().to_owned()
}

async fn reaches(node: &TestNode, id: &str, status: &str) -> Value {
    let path = format!("/v1/epochs/{id}");
    until(&format!("epoch {id} is {status}"), async || {
        let epoch = node.get(&path).await;
        (epoch["status"] == status).then_some(epoch)
    })
    .await
}

#[tokio::test]
async fn what_follows_from_its_receipts_is_final_and_what_does_not_is_void() {
    let (node, mut stranger) = watching(20).await;
    let answers = [1, 2, 3].map(|at| stranger.answer(at, "who eats an owl?"));
    for record in &answers {
        stranger.keep(record).await;
    }
    let honest = stranger.settle(&answers, &[], true).await;
    let check = node.post(&format!("/v1/epochs/{honest}/check"), json!({})).await;
    assert_eq!((&check["finding"], &check["receipts"]), (&json!("correct"), &json!(3)), "{check:#}");
    let listed = node.get("/v1/epochs").await;
    assert_eq!((&listed["epochs"][0]["id"], &listed["epochs"][0]["status"]), (&json!(honest), &json!("open")));

    until("its statement is kept, should its node go away", async || {
        let kept = stranger.services.blobs.list_kept(TagKind::Witnessed).await.unwrap();
        kept.iter().any(|(tag, _)| tag.id() == honest).then_some(())
    })
    .await;

    // The next one names its own account, which no receipt does.
    let before = (stranger.paid_back(&node).await, node.balance(&own_account(&node).await).await);
    let more = [1, 2].map(|at| stranger.answer(at, "and who eats that?"));
    for record in &more {
        stranger.keep(record).await;
    }
    let loot = FeeShares::STANDARD.split(PRICE).claimable();
    let thief = stranger.account.address();
    let falsified = stranger.settle(&more, &[(thief, loot)], true).await;
    let epoch = reaches(&node, &falsified, "void").await;
    assert_eq!((&epoch["audit"]["phase"], &epoch["audit"]["committee"][0]["said"]), (&json!("false"), &json!("false")));
    let check = node.post(&format!("/v1/epochs/{falsified}/check"), json!({})).await;
    assert_eq!(check["finding"], "false", "{check:#}");
    assert_eq!(stranger.paid_back(&node).await, before.0 + 2 * PRICE, "who paid has it back");
    assert_eq!(
        stranger.stake(&node).await,
        STAKE - 2 * DNT,
        "twice what an audit costs, which is more than twice the fees"
    );
    // The node has been challenger and auditor, and has paid for three transactions.
    assert_eq!(node.balance(&own_account(&node).await).await, before.1 + 2 * DNT - 3_000);
    reaches(&node, &honest, "final").await;
    let earnings = node.get(&format!("/v1/accounts/{thief}/earnings")).await;
    assert_eq!((&earnings["earned"], &earnings["pending"]), (&json!(0), &json!(0)), "{earnings:#}");

    let home = node.home();
    let said = cli::said(home, &["epoch", "show", &falsified]);
    assert!(said.contains("audit false, challenged by") && said.contains("void"), "{said}");
    let said = cli::said(home, &["epoch", "list", "--node", &stranger.node.node_key().to_string()]);
    assert!(said.contains("final") && said.contains("void"), "{said}");
    cli::fails(home, &["epoch", "check", &falsified], "challenge it with");
    cli::fails(home, &["epoch", "challenge", &falsified, "--yes"], "void already");
    let none = node.raw(Verb::GET, &format!("/v1/epochs/{}-9", stranger.node.node_key()));
    refused("no such epoch", none, 404, "unknown-epoch", "has settled no epoch 9").await;
    refused("no epoch's name", node.raw(Verb::GET, "/v1/epochs/7"), 400, "bad-path", "a dash and its number").await;
}

#[tokio::test]
async fn what_nobody_can_read_is_void_before_it_is_paid() {
    let (node, mut stranger) = watching(16).await;
    let before = stranger.paid_back(&node).await;
    let answer = stranger.answer(1, "who eats an owl?");
    let id = stranger.settle(std::slice::from_ref(&answer), &[], false).await;
    let epoch = reaches(&node, &id, "void").await;
    assert_eq!(epoch["audit"]["phase"], "missing", "{epoch:#}");
    assert_eq!(stranger.paid_back(&node).await, before + PRICE);
    assert_eq!(stranger.stake(&node).await, STAKE - 2 * DNT, "what an audit costs, twice");
}

#[tokio::test]
async fn who_was_given_another_receipt_than_was_settled_proves_it_alone() {
    let (node, mut stranger) = watching(3_600).await;
    let before = stranger.paid_back(&node).await;
    let [given, settled] = ["who eats an owl?", "what pays the thief?"].map(|question| stranger.answer(1, question));
    stranger.keep(&given).await;
    stranger.keep(&settled).await;
    let id = stranger.settle(std::slice::from_ref(&settled), &[], true).await;
    let prove = |receipt: &AnswerRecord| format!("/v1/receipts/{}/prove", receipt.id());
    let same = node.raw(Verb::POST, &prove(&settled)).json(&json!({}));
    refused("the one that was settled", same, 409, "no-forgery", "settled as it was given").await;
    let proven = node.post(&prove(&given), json!({})).await;
    assert_eq!((&proven["epoch"], &proven["settled"]), (&json!(id), &json!(settled.id().to_string())));
    assert_eq!(node.get(&format!("/v1/epochs/{id}")).await["status"], "void");
    assert_eq!(stranger.paid_back(&node).await, before + PRICE);
    assert_eq!(stranger.stake(&node).await, STAKE - 2 * PRICE);
}

#[tokio::test]
async fn an_epoch_of_its_own_is_pending_and_then_paid() {
    let (node, mut stranger) = watching(8).await;
    let answer = stranger.answer(1, "who eats an owl?");
    stranger.keep(&answer).await;
    let id = stranger.settle(std::slice::from_ref(&answer), &[], true).await;
    let path = format!("/v1/epochs/{id}/challenge");
    let challenged = node.post(&path, json!({})).await;
    assert_eq!(challenged["deposit"], DNT);
    let again = node.raw(Verb::POST, &path).json(&json!({}));
    refused("challenged twice", again, 422, "transaction-refused", "is audited already").await;
    // Its committee finds nothing wrong with it, and it is final all the same.
    let epoch = reaches(&node, &id, "final").await;
    assert_eq!((&epoch["challenges"], &epoch["audit"]["phase"]), (&json!(1), &json!("upheld")));
    assert_eq!(epoch["audit"]["committee"][0]["reward"], DNT, "the deposit");
    assert_eq!(stranger.stake(&node).await, STAKE);
}

/// The node's own stake, through the interface and the command line.
#[tokio::test]
async fn stake_is_raised_and_taken_back() {
    let node = TestNode::spawn(kit::tools_without_model()).await;
    let account = own_account(&node).await;
    let at_stake = async || node.get(&format!("/v1/accounts/{account}")).await;
    let said = cli::said(node.home(), &["stake", "250DNT", "--yes"]);
    assert!(said.contains("at stake 250 DNT"), "{said}");
    assert_eq!(at_stake().await["stake"], 250 * DNT);
    node.post("/v1/stake", json!({ "stake": 100 * DNT })).await;
    let after = at_stake().await;
    assert_eq!((&after["stake"], &after["unbonding"]), (&json!(100 * DNT), &json!(150 * DNT)));
    let little = node.raw(Verb::POST, "/v1/stake").json(&json!({ "stake": 1 }));
    refused("too little for a validator", little, 422, "transaction-refused", "needs at least 100 DNT").await;
}
