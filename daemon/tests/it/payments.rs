//! Payments under attack and under bad luck: whatever happens, nobody pays twice, nothing is served unpaid, and nothing that was paid
//! for is lost.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use datanet::answers::Answers;
use datanet::billing::payment::Payment;
use datanet::billing::price::Price;
use datanet::billing::purchase::{Admission, Answer, Order};
use datanet::billing::reservation::{Asked, Kind};
use datanet::error::{Code, ServiceResult};
use datanet_types::action::CloseChannel;
use datanet_types::rate::Rate;
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Method, Receipt};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, ChannelId, DatanetId, NodeKey};
use futures::future::join_all;
use reqwest::Method as Verb;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::corpus;
use crate::crash::Process;
use crate::kit::{self, Api, CHAIN, TestNode, read, refused};
use crate::payer::Payer;

const PRICE: u64 = 1_000;

/// A node without a model, whose answers these tests make up.
struct World {
    node: TestNode,
    payer: Payer,
    datanet: DatanetId,
}

impl World {
    async fn new() -> Self {
        let node = TestNode::spawn(kit::tools_without_model()).await;
        let id = node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
        let payer = Payer::new(&node).await;
        Self { node, payer, datanet: id.parse().unwrap() }
    }

    fn answers(&self) -> Answers {
        self.node.services().answers
    }

    fn this(&self) -> NodeKey {
        self.node.services().identity.node_key()
    }

    async fn channel(&self, deposit: u64) -> ChannelId {
        self.payer.open(&self.node, self.this(), deposit, 100_000).await
    }

    fn asked(&self, question: &str) -> Asked {
        Asked::of(Kind::Ask, &self.datanet.0, question.as_bytes())
    }

    fn voucher(&self, channel: ChannelId, cumulative: u64) -> Payment {
        Payment::by_voucher(SignedVoucher::sign(CHAIN, channel, cumulative, &self.payer.key))
    }

    fn order(&self, payment: Payment, question: &str) -> Order {
        Order { payment, asked: self.asked(question), price: PRICE.into() }
    }

    /// An answer that rests on nothing: what it pays for has no taker but the treasury.
    fn answer(&self, question: &str, fee: u64) -> Answer {
        let services = self.node.services();
        let receipt = Receipt {
            chain_id: CHAIN.into(),
            datanet: self.datanet,
            node: services.identity.node_key(),
            height: services.chain.reader().unwrap().height(),
            method: Method::Retrieval as i32,
            fee,
            ..Receipt::default()
        };
        let input = AskInput { text: question.into(), ..AskInput::default() };
        Answer { receipt, input, output: AskOutput { answer: format!("to {question}"), ..AskOutput::default() } }
    }

    /// Buys an answer that takes a moment; counts how often it was made.
    async fn buy(&self, payment: Payment, question: &str, made: &Arc<AtomicUsize>) -> ServiceResult<AnswerRecord> {
        let (billing, answer, made) = (self.answers().billing, self.answer(question, PRICE), made.clone());
        let bought = billing.purchase(self.order(payment, question), async move {
            made.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok((answer, ()))
        });
        Ok(bought.await?.record)
    }

    fn promised(&self, channel: &ChannelId) -> u64 {
        self.answers().billing.last_amount(channel).unwrap()
    }
}

fn made() -> Arc<AtomicUsize> {
    Arc::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_with_one_voucher_buy_one_answer_and_all_who_ask_the_same_are_given_it() {
    let world = World::new().await;
    let channel = world.channel(100 * PRICE).await;
    let count = made();
    let voucher = || world.voucher(channel, PRICE);
    let same = join_all((0..100).map(|_| world.buy(voucher(), "the same?", &count))).await;
    let records: BTreeSet<_> = same.into_iter().map(|bought| bought.unwrap().id()).collect();
    assert_eq!((records.len(), count.load(Ordering::SeqCst), world.promised(&channel)), (1, 1, PRICE));

    let count = made();
    let questions: Vec<String> = (0..100).map(|n| format!("question {n}?")).collect();
    let next = || world.voucher(channel, 2 * PRICE);
    let others = join_all(questions.iter().map(|question| world.buy(next(), question, &count))).await;
    let (served, refused): (Vec<_>, Vec<_>) = others.into_iter().partition(Result::is_ok);
    assert_eq!((served.len(), count.load(Ordering::SeqCst), world.promised(&channel)), (1, 1, 2 * PRICE));
    let codes: BTreeSet<_> = refused.into_iter().map(|refused| refused.unwrap_err().code).collect();
    assert!(codes.iter().all(|code| [Code::AnswerUnderWay, Code::VoucherSpent].contains(code)), "{codes:?}");
}

/// An asker pays for 500 tokens ahead, and stops, or is answered shortly; a node would take all that was promised, or more.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_takes_what_it_used_of_what_was_paid_ahead_and_the_rest_pays_for_the_next() {
    let world = World::new().await;
    let channel = world.channel(100 * PRICE).await;
    let billing = world.answers().billing;
    let price = Price::of_text(Rate { answer: 1_000, thousand: 1_000, step: 0 }, 500);
    let buy = async |cumulative: u64, question: &'static str, fee: u64| {
        let answer = world.answer(question, fee);
        let order = Order { price, ..world.order(world.voucher(channel, cumulative), question) };
        billing.purchase(order, async move { Ok((answer, ())) }).await.map(|bought| bought.record)
    };
    let first = buy(1_500, "one?", 1_100).await.unwrap();
    assert_eq!((first.receipt.fee, first.receipt.cumulative, world.promised(&channel)), (1_100, 1_100, 1_100));
    // A voucher is one payment, whatever it has left.
    assert_eq!(buy(1_500, "one?", 1_100).await.unwrap().id(), first.id());
    assert_eq!(buy(1_500, "two?", 1_000).await.err().unwrap().code, Code::VoucherSpent);
    // Nor is what was bought lost by the node's having other prices for text since; what was not is at none that were not quoted.
    let quote = billing.quote(Kind::Ask, world.datanet.0, price, None);
    let dearer = Price::of_text(Rate { answer: 2_000, thousand: 1_000, step: 0 }, 500);
    let since = async |cumulative: u64, question: &'static str| {
        let payment = world.voucher(channel, cumulative).quoted(Some(quote.clone()));
        billing.reserve(Order { price: dearer, ..world.order(payment, question) }).await
    };
    let Ok(Admission::Again(again)) = since(1_500, "one?").await else { panic!("it was bought at the former prices") };
    assert_eq!(again.id(), first.id());
    for (cumulative, question) in [(1_500, "two?"), (3_600, "two?")] {
        assert_eq!(since(cumulative, question).await.err().unwrap().code, Code::BadQuote, "{cumulative}");
    }
    let short = buy(2_100, "two?", 1_000).await.err().unwrap();
    assert!(short.code == Code::WrongVoucherAmount && short.detail.contains("sign for 2600"), "{short}");
    // For fewer tokens than were asked for: as many as it pays for, and no more.
    assert_eq!(buy(2_300, "two?", 1_201).await.err().unwrap().code, Code::OverCharge);
    let second = buy(2_300, "two?", 1_200).await.unwrap();
    assert_eq!((second.receipt.cumulative, world.promised(&channel)), (2_300, 2_300));
    buy(3_800, "three?", 1_000).await.unwrap();
    assert_eq!(world.promised(&channel), 3_300);
    // The ledger takes what was used, not what was promised.
    let settled = billing.settle().await.unwrap().unwrap();
    assert_eq!(settled.totals.fees, 3_300);
    let stands = billing.stands(&channel).unwrap();
    assert_eq!((stands.taken, stands.promised), (3_300, 3_800));
    let charged = datanet_ledger::component::channels::get(&world.node.services().chain.reader().unwrap(), &channel);
    assert_eq!(charged.unwrap().unwrap().charged, 3_300);
}

/// A payer who counts what he has promised, up to the end of the channel's deposit, of texts that are shorter than he pays for ahead.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_promised_all_that_there_is_is_told_how_to_go_on() {
    let world = World::new().await;
    let channel = world.channel(10 * PRICE).await;
    let billing = world.answers().billing;
    let rate = Rate { answer: 1_000, thousand: 1_000, step: 0 };
    let buy = async |cumulative: u64, question: &'static str, (tokens, fee): (u32, u64)| {
        let answer = world.answer(question, fee);
        let order =
            Order { price: Price::of_text(rate, tokens), ..world.order(world.voucher(channel, cumulative), question) };
        billing.purchase(order, async move { Ok((answer, ())) }).await.map(|bought| bought.record)
    };
    buy(9_000, "one?", (8_000, 1_100)).await.unwrap();
    let beyond = buy(10_500, "two?", (500, 1_000)).await.err().unwrap();
    assert!(beyond.code == Code::WrongVoucherAmount && beyond.detail.contains("sign for 9001"), "{beyond}");
    buy(9_001, "two?", (500, 1_000)).await.unwrap();
    buy(10_000, "three?", (500, 1_000)).await.unwrap();
    let all = buy(10_001, "four?", (500, 1_000)).await.err().unwrap();
    assert!(all.code == Code::ChannelExhausted && all.detail.contains("is promised"), "{all}");
    assert_eq!(world.promised(&channel), 3_100, "and no more is taken than was used");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_costs_nothing_and_what_found_nothing_neither_and_the_voucher_is_good_for_another_question() {
    let world = World::new().await;
    let channel = world.channel(100 * PRICE).await;
    let billing = world.answers().billing;
    let failing =
        || async { Err::<(Answer, ()), _>(datanet::error::ServiceError::new(Code::ModelFailed, "a bad day")) };
    let failed = billing.purchase(world.order(world.voucher(channel, PRICE), "one?"), failing()).await;
    assert_eq!(failed.err().unwrap().code, Code::ModelFailed);
    let nothing = world.answer("two?", 0);
    let found = async move { Ok((nothing, ())) };
    let free = billing.purchase(world.order(world.voucher(channel, PRICE), "two?"), found).await.unwrap();
    assert_eq!((free.record.receipt.fee, world.promised(&channel)), (0, 0));
    let dearer = world.answer("three?", PRICE + 1);
    let over = async move { Ok((dearer, ())) };
    let over = billing.purchase(world.order(world.voucher(channel, PRICE), "three?"), over).await.err().unwrap();
    assert_eq!((over.code, world.promised(&channel)), (Code::OverCharge, 0), "never more than was promised");
    let panicking = async {
        let answer: Option<ServiceResult<(Answer, ())>> = std::hint::black_box(None);
        answer.expect("fails as a model might")
    };
    let broken = billing.purchase(world.order(world.voucher(channel, PRICE), "four?"), panicking).await.err().unwrap();
    assert_eq!(broken.code, Code::Panic);
    let again = kit::until("the voucher is let go of", async || {
        world.buy(world.voucher(channel, PRICE), "five?", &made()).await.ok()
    });
    assert_eq!(again.await.receipt.cumulative, PRICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_at_any_moment_has_paid_once_or_not_at_all_and_finds_what_it_paid_for() {
    let world = World::new().await;
    let channel = world.channel(500 * PRICE).await;
    let (mut paid, mut left) = (0, 0);
    for n in 0..200_u32 {
        let question = format!("question {n}?");
        let voucher = world.voucher(channel, paid + PRICE);
        let count = made();
        let leaving = world.buy(voucher.clone(), &question, &count);
        left += u32::from(dropped(leaving, 1 + n % 10, n % 20 < 10).await);
        let record = loop {
            match world.buy(voucher.clone(), &question, &count).await {
                // What the one before left behind may still find out that it was bought.
                Err(error) if error.code == Code::AnswerUnderWay => tokio::task::yield_now().await,
                bought => break bought.unwrap(),
            }
        };
        paid += PRICE;
        assert_eq!((record.receipt.cumulative, world.promised(&channel)), (paid, paid));
        assert_eq!(world.buy(voucher, &question, &count).await.unwrap(), record);
        assert!(count.load(Ordering::SeqCst) <= 2);
    }
    assert!(left >= 40, "{left} left early");
}

/// Drops a future where it waits for the so many-th time, as a connection that breaks drops its handler's: at once, or when what it
/// waits for is there. Whether it was dropped before its end.
async fn dropped(leaving: impl Future, polls: u32, at_once: bool) -> bool {
    let (mut leaving, mut left) = (pin!(leaving), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        match leaving.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending if left == 0 && at_once => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_takes_its_channel_back_while_an_answer_is_written_pays_for_it() {
    let world = World::new().await;
    let channel = world.channel(10 * PRICE).await;
    let billing = world.answers().billing;
    let order = world.order(world.voucher(channel, PRICE), "long?");
    let Admission::Charge(held) = billing.reserve(order).await.unwrap() else { panic!("it is new") };
    // It has read the stream, and wants its money back before the last word.
    world.node.execute(&world.payer.key, Action::CloseChannel(CloseChannel { channel, statement: None })).await;
    let statement = tokio::spawn({
        let billing = billing.clone();
        async move { billing.closing_statement(&channel).await }
    });
    let late = billing.reserve(world.order(world.voucher(channel, PRICE), "another?")).await.err().unwrap();
    assert!([Code::AnswerUnderWay, Code::ChannelExpired].contains(&late.code), "{late}");
    assert!(!statement.is_finished(), "what is under way is paid first");
    let record = billing.capture(*held, world.answer("long?", PRICE)).await.unwrap();
    assert_eq!(record.receipt.cumulative, PRICE);
    let statement = statement.await.unwrap().unwrap();
    assert_eq!(statement.charged, PRICE, "and is on the ledger");
    let close = CloseChannel { channel, statement: Some(statement) };
    world.node.execute(&world.payer.key, Action::CloseChannel(close)).await;
    let spent = world.buy(world.voucher(channel, 2 * PRICE), "more?", &made()).await.unwrap_err();
    assert_eq!(spent.code, Code::ChannelExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_to_its_payer_alone() {
    let world = World::new().await;
    let channel = world.channel(10 * PRICE).await;
    let first = world.buy(world.voucher(channel, PRICE), "mine?", &made()).await.unwrap();
    let stranger = Payer::new(&world.node).await;
    let guessed = SignedVoucher::sign(CHAIN, channel, PRICE, &stranger.key);
    let refused = world.buy(Payment::by_voucher(guessed), "mine?", &made()).await.unwrap_err();
    assert_eq!(refused.code, Code::BadVoucher);
    assert!(!refused.detail.contains(&first.id().to_string()), "{refused}");
    let other_chain = SignedVoucher::sign("elsewhere", channel, PRICE, &world.payer.key);
    let refused = world.buy(Payment::by_voucher(other_chain), "mine?", &made()).await.unwrap_err();
    assert_eq!(refused.code, Code::BadVoucher);
    let refused = world.buy(world.voucher(channel, PRICE), "something else?", &made()).await.unwrap_err();
    assert_eq!(refused.code, Code::VoucherSpent);
    assert_eq!(refused.kind(), datanet::error::ErrorKind::Conflict);

    // The same for accounts of the node, which give their payments names.
    for name in ["alice", "bob"] {
        world.node.account(name, 1_000_000).await;
        world.node.post("/v1/channels", json!({ "account": name, "deposit": 10 * PRICE })).await;
    }
    let by = |name: &str, payment: &str| {
        let payment = Some(payment.to_owned());
        world.answers().billing.payment(None, Some(name.into())).unwrap().named(payment).unwrap()
    };
    let count = made();
    let alices = world.buy(by("alice", "x"), "mine?", &count).await.unwrap();
    assert_eq!(world.buy(by("alice", "x"), "mine?", &count).await.unwrap(), alices);
    let bobs = world.buy(by("bob", "x"), "mine?", &count).await.unwrap();
    assert_ne!(alices.id(), bobs.id());
    assert_ne!(world.buy(by("alice", "y"), "mine?", &count).await.unwrap().id(), alices.id());
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let refused = world.buy(by("alice", "x"), "something else?", &count).await.unwrap_err();
    assert_eq!((refused.code, refused.kind()), (Code::PaymentSpent, datanet::error::ErrorKind::Conflict));
    let at_once = join_all((0..20).map(|_| world.buy(by("bob", "z"), "at once?", &count))).await;
    let at_once: BTreeSet<_> = at_once.into_iter().map(|bought| bought.unwrap().id()).collect();
    assert_eq!((at_once.len(), count.load(Ordering::SeqCst)), (1, 4), "a client that retries while it waits pays once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_payer_holds_its_own_channel_and_no_other() {
    let world = World::new().await;
    let (held, free) = (world.channel(10 * PRICE).await, world.channel(10 * PRICE).await);
    let billing = world.answers().billing;
    let _under_way = billing.reserve(world.order(world.voucher(held, PRICE), "slow?")).await.unwrap();
    let other = world.buy(world.voucher(free, PRICE), "quick?", &made()).await.unwrap();
    assert_eq!(other.receipt.cumulative, PRICE);
    let same = world.buy(world.voucher(held, PRICE), "quick?", &made()).await.unwrap_err();
    assert_eq!(same.code, Code::AnswerUnderWay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_and_nothing_else_that_looks_like_one() {
    let world = World::new().await;
    let channel = world.channel(10 * PRICE).await;
    let node = &world.node;
    let quoted = |body: Value| async move { node.post("/v1/quotes", body).await["quote"].clone() };
    let any = quoted(json!({ "datanet": "topics" })).await;
    assert_eq!((&any["price"], &any["kind"], &any["subject"]), (&json!(PRICE), &json!("ask"), &json!(world.datanet)));
    let one = quoted(json!({ "ask": { "datanet": "topics", "question": "how?" } })).await;
    assert!(one["payload"].is_string() && any["payload"].is_null());
    let two = node.raw(Verb::POST, "/v1/quotes").json(&json!({ "datanet": "topics", "model": "m" }));
    refused("two at once", two, 400, "what-to-ask", "exactly one of").await;
    let none = node.raw(Verb::POST, "/v1/quotes").json(&json!({}));
    refused("nothing", none, 400, "what-to-ask", "exactly one of").await;
    let unknown = node.raw(Verb::POST, "/v1/quotes").json(&json!({ "datanet": "nowhere" }));
    refused("no such datanet", unknown, 404, "unknown-datanet", "nowhere").await;

    let voucher = world.payer.voucher(channel, PRICE);
    let ask = |question: &str, quote: &Value| {
        let body = json!({ "datanet": "topics", "question": question, "voucher": voucher, "quote": quote });
        node.raw(Verb::POST, "/v1/ask").json(&body)
    };
    let mut cheap = any.clone();
    cheap["price"] = json!(1);
    refused("forged", ask("how?", &cheap), 402, "bad-quote", "not signed by this node").await;
    let mut longer = any.clone();
    longer["expires_at"] = json!(u64::MAX);
    refused("prolonged", ask("how?", &longer), 402, "bad-quote", "not signed by this node").await;
    let mut elsewhere = any.clone();
    elsewhere["node"] = json!(NodeKey([7; 32]));
    refused("of another node", ask("how?", &elsewhere), 402, "bad-quote", "is of node").await;
    refused("for another question", ask("what?", &one), 402, "bad-quote", "another question").await;
    // It is good, and only then is it seen that there is no model here; nothing is paid for that.
    for quote in [&any, &one] {
        refused("no model", ask("how?", quote), 503, "no-model", "").await;
    }
    assert_eq!(world.promised(&channel), 0);
}

/// A node in a process of its own, with something to find, and a channel to it.
struct Mortal {
    dir: tempfile::TempDir,
    channel: String,
}

impl Mortal {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Process::start(dir.path()).await;
        let api = node.api();
        api.given_topics().await;
        let opened = api.post("/v1/channels", json!({ "account": "alice", "deposit": 100 * PRICE })).await;
        Self { dir, channel: opened["channel"].as_str().unwrap().to_owned() }
    }

    /// Starts it again, to die at a step if one is named, and waits until there is something to find.
    async fn start(&self, dies_at: Option<&str>) -> Process {
        let node = match dies_at {
            Some(step) => Process::start_dying_at(self.dir.path(), step).await,
            None => Process::start(self.dir.path()).await,
        };
        kit::until("the index is filled", async || {
            let hits = node.api().get("/v1/search?q=lentils+soup+goal&datanet=topics&mode=text").await;
            (hits["hits"] != json!([])).then_some(())
        })
        .await;
        node
    }

    async fn body(&self, api: &Api, cumulative: u64, question: &str) -> Value {
        let path = format!("/v1/channels/{}/voucher", self.channel);
        let voucher = api.post(&path, json!({ "cumulative": cumulative })).await;
        json!({ "datanet": "topics", "question": question, "voucher": voucher })
    }

    async fn promised(&self, api: &Api) -> u64 {
        let channels = api.get("/v1/channels?account=alice").await;
        channels["channels"][0]["promised"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_a_node_sells_each_answer_once_whoever_asks_again_and_however_many() {
    if kit::tools_with_model().await.is_none() {
        return;
    }
    let mortal = Mortal::new().await;
    let mut cumulative = 0;
    for step in ["held", "served", "kept", "recorded"] {
        cumulative += PRICE;
        let question = format!("how is rice cooked when one dies at {step}?");
        let mut node = mortal.start(Some(step)).await;
        let body = mortal.body(node.api(), cumulative, &question).await;
        let died = node.api().raw(Verb::POST, "/v1/ask").json(&body).send().await;
        assert!(died.is_err(), "{step}: {died:?}");
        node.has_ended().await;
        drop(node);

        let node = mortal.start(None).await;
        let api = node.api();
        let paid_already = step == "recorded";
        assert_eq!(mortal.promised(api).await, cumulative - if paid_already { 0 } else { PRICE }, "{step}");
        let other = mortal.body(api, cumulative, "something else, for what was lost?").await;
        let (status, code) = if paid_already { (409, "voucher-spent") } else { (409, "answer-under-way") };
        refused(step, api.raw(Verb::POST, "/v1/ask").json(&other), status, code, "another question").await;
        // Its ten replicas come back at once, each with the same voucher.
        let replicas = (0..10).map(|_| api.post("/v1/ask", body.clone()));
        let receipts: BTreeSet<String> =
            join_all(replicas).await.iter().map(|answer| answer["receipt"]["id"].to_string()).collect();
        assert_eq!((receipts.len(), mortal.promised(api).await), (1, cumulative), "{step}: {receipts:?}");
        let id = receipts.first().unwrap().trim_matches('"').to_owned();
        let verified = api.post(&format!("/v1/receipts/{id}/verify"), json!({})).await;
        assert_eq!(verified["verdict"], "match", "{step}: {verified:#}");
    }
    let node = mortal.start(None).await;
    let settled = node.api().post("/v1/epochs/settle", json!({})).await;
    assert_eq!((&settled["totals"]["fees"], &settled["totals"]["answers"]), (&json!(4 * PRICE), &json!(4)));
}

/// A request over a connection of its own, as bytes.
fn bytes_of(api: &Api, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "POST /v1/ask HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        api.authority(),
        api.token(),
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Sends so much of a request, reads so much of what comes back, and hangs up.
async fn cut(api: &Api, request: &[u8], read: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(api.authority()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.take(read as u64).read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_every_byte_costs_one_answer_or_none_and_loses_none() {
    let Some(node) = kit::node_with_model().await else { return };
    let upload = node.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(130, 6)));
    let given = read("the upload", upload).await;
    assert_eq!(node.follow(given["id"].as_str().unwrap()).await.1["state"], "final");
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(&node).await;
    node.post("/v1/transfers", json!({ "from": "node", "to": payer.key.address(), "amount": 5_000 * PRICE })).await;
    let body = |channel: ChannelId, cumulative: u64, question: &str| json!({ "datanet": "topics", "question": question, "neighbours": 1, "voucher": payer.voucher(channel, cumulative) });
    let channel = payer.open(&node, this, 10 * PRICE, 1_000).await;
    let whole = bytes_of(&node, &body(channel, PRICE, "cut?"));
    let billing = node.services().billing;
    // A request that is not all there buys nothing.
    for sent in (0..whole.len()).rev() {
        let mut stream = TcpStream::connect(node.authority()).await.unwrap();
        stream.write_all(&whole[..sent]).await.unwrap();
    }
    assert_eq!(billing.last_amount(&channel).unwrap(), 0);
    let length = cut(&node, &whole, usize::MAX).await.len();
    assert!((400..4_000).contains(&length), "{length}");

    // Cut at every byte of the answer, on channels that know nothing of one another.
    let lanes = 8;
    let each = |lane: usize| {
        let (node, payer, billing, body) = (&node, &payer, &billing, &body);
        async move {
            let channel = payer.open(node, this, 550 * PRICE, 1_000).await;
            let mut paid = 0;
            for at in (lane..=length).step_by(lanes) {
                paid += PRICE;
                let question = format!("cut after {at} bytes?");
                let request = body(channel, paid, &question);
                cut(node, &bytes_of(node, &request), at).await;
                let answer = node.post("/v1/ask", request.clone()).await;
                assert_eq!(answer["receipt"]["cumulative"], paid, "{at}");
                assert_eq!(billing.last_amount(&channel).unwrap(), paid, "cut after {at} bytes it was paid once");
                if at % 64 == lane {
                    assert_eq!(node.post("/v1/ask", request).await["receipt"]["id"], answer["receipt"]["id"]);
                }
            }
        }
    };
    join_all((0..lanes).map(each)).await;
}
