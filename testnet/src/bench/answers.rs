//! Paid answers a second, against the very same answers unpaid: what holding, capturing and proving a payment costs.
//!
//! Both sides go through a node's own service, in this process and without HTTP, which would be the same on both and hide the difference.
//! An unpaid answer is numbered, signed and kept like a paid one; paid ones are held for before and captured after, each by a voucher of
//! its own, on as many channels as there are payers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use datanet::billing::payment::Payment;
use datanet::http::Services;
use datanet::init::{init_home, own_genesis, own_params, write_genesis};
use datanet::{NodeHandle, NodeOptions, Tools};
use datanet_config::{Engine, Home, NodeConfig};
use datanet_data::retrieval::Mode;
use datanet_ledger::component::datanets::Datanet;
use datanet_types::receipt::AskInput;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{ChannelId, SigningKey};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::encoder::passages;
use super::{Measure, median};
use crate::api::Client;
use crate::network::{self, Network};
use crate::ui::Ui;

/// The ratio to reach.
const GOAL: f64 = 0.9;
/// Base units of an answer.
const PRICE: u64 = 1_000;
/// Passages that answers are found in.
const PASSAGES: usize = 128;
/// Passages of the held-out set.
const HELD_OUT: usize = 32;
const CHAIN: &str = "bench-answers";

/// What to measure.
#[derive(Debug, Clone)]
pub struct AnswersBench {
    /// Answers a round.
    pub answers: usize,
    /// Payers at once.
    pub payers: usize,
    /// Rounds of each side, in turn.
    pub rounds: usize,
    /// Threads of the model.
    pub threads: u32,
}

/// Measures.
///
/// # Errors
/// When the node does not start, or an answer fails.
pub async fn run(bench: &AnswersBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let (tools, _) = network::setup(&ui).await?;
    let tools = Tools {
        cometbft: Err("it is not needed here".to_owned()),
        model: Ok((tools.onnxruntime.clone(), tools.model_dir.clone())),
    };
    let root = Network::default_root();
    std::fs::create_dir_all(&root)?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&root)?;
    let step = ui.step("starting a node with something to find");
    let node = start(folder.path(), tools, bench.threads).await?;
    let measured = tokio::select! {
        measured = measure(&node, bench, &ui, step) => measured,
        () = crate::signals::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    node.stop().await?;
    measured
}

async fn start(folder: &Path, tools: Tools, threads: u32) -> Result<NodeHandle> {
    let mut config = NodeConfig::default();
    config.node.name = "bench".into();
    config.consensus.engine = Engine::Solo;
    config.consensus.block_interval_ms = 20;
    config.api.listen = "127.0.0.1:0".parse()?;
    config.inference.threads = threads;
    // Nothing but answers while it measures.
    config.serving.settle_every_seconds = 0;
    let home = Home::new(folder.join("n"));
    let outcome = init_home(&home, &config)?;
    write_genesis(&home, &own_genesis(CHAIN, &outcome, "bench", own_params(), 1_700_000_000))?;
    datanet::spawn(NodeOptions { home, config, tools, rules: Default::default() }).await
}

/// A payer: its channel, and what it has promised so far.
struct Payer {
    channel: ChannelId,
    promised: u64,
}

async fn measure(node: &NodeHandle, bench: &AnswersBench, ui: &Ui, step: crate::ui::Step) -> Result<Vec<Measure>> {
    let client = Client::new(&node.api_url(), node.token())?;
    let services = node.services();
    let datanet = prepare(&client, services).await?;
    let mut payers = Vec::new();
    for _ in 0..bench.payers.max(1) {
        // Each pays its part with the others, and then all of it alone.
        let deposit = 2 * PRICE * (bench.answers as u64 + 1) * (bench.rounds as u64 + 1);
        let channel = client.open_channel("node", None, deposit).await?.parse()?;
        payers.push(Payer { channel, promised: 0 });
    }
    let secret = services.keyring.get("node")?.secret().clone();
    let questions = passages(bench.answers)?;
    step.done(format!("{PASSAGES} passages, {} channels", payers.len()));
    let mut measures = Vec::new();
    for at_once in [payers.len(), 1] {
        let (mut paid, mut unpaid) = (Vec::new(), Vec::new());
        let step = ui.bar(format!("{at_once} at once"), bench.rounds + 1);
        for round in 0..=bench.rounds {
            // In turn, the other first each time; the first round warms both up.
            for pays in [round % 2 == 0, round % 2 != 0] {
                let rate = match pays {
                    true => sell(services, &datanet, &questions, &mut payers[..at_once], &secret).await?,
                    false => give(services, &datanet, &questions, at_once).await?,
                };
                if round > 0 {
                    if pays { paid.push(rate) } else { unpaid.push(rate) }
                }
            }
            step.one(String::new());
        }
        let (paid, unpaid) = (median(paid), median(unpaid));
        step.done(format!("{paid:.1} / {unpaid:.1} per second"));
        let (name, goal) = match at_once {
            1 => ("paid answers, one payer alone".to_owned(), 0.0),
            many => (format!("paid answers, {many} payers at once"), GOAL),
        };
        measures.push(Measure::rate(&name, "1/s", paid, unpaid, "the same answers unpaid", goal));
    }
    Ok(measures)
}

/// A datanet with final records, on the ledger of `services`.
async fn prepare(client: &Client, services: &Services) -> Result<Datanet> {
    ready(client).await?;
    let mut texts = passages(PASSAGES + HELD_OUT)?;
    let line = |text: String| format!("{}\n", json!({ "text": text }));
    // Of the same kind, or what is given would be of no use to it.
    let held_out: String = texts.split_off(PASSAGES.min(texts.len())).into_iter().map(line).collect();
    client
        .create_datanet(&json!({
            "name": "bench", "description": "Passages", "licence": "CC0-1.0", "price": PRICE, "min_bond": 100,
            "schema": { "fields": [{ "name": "text", "kind": "string", "role": "text", "required": true }] },
            "accept_threshold": 1, "committee_size": 1, "storage_quorum": 1, "holdout": held_out,
        }))
        .await?;
    let records: String = texts.into_iter().map(line).collect();
    let given = client.contribute("bench", "node", "application/x-ndjson", "bench", records).await?;
    let mut events = Box::pin(client.contribution_events(&given.id).await?);
    let mut last = None;
    while let Some(view) = events.next().await {
        last = Some(view?);
    }
    let state = last.context("the contribution has no events")?.state;
    ensure!(state == crate::api::State::Final, "the passages are {}", state.as_str());
    let (_, datanet) = services.chain.datanet_in_view("bench")?;
    // Answers need the index, which is filled a moment later.
    let found = async || Ok(!services.indexes.search("the", Some(datanet.id), Mode::Text, 1).await?.is_empty());
    until("the passages are indexed", found).await?;
    Ok(datanet)
}

async fn ready(client: &Client) -> Result<()> {
    until("the node is ready", async || Ok(client.is_ready().await)).await
}

/// Looks again and again, for a minute.
async fn until(what: &str, mut is: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is().await? {
        ensure!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn question(text: &str) -> AskInput {
    AskInput { text: text.to_owned(), ..AskInput::default() }
}

/// Answers that cost nothing, `at_once`; a second.
async fn give(services: &Services, datanet: &Datanet, questions: &[String], at_once: usize) -> Result<f64> {
    let free = &Datanet { price: 0, ..datanet.clone() };
    let began = Instant::now();
    let given: Vec<u64> = stream::iter(questions)
        .map(|text| async move {
            let payment = Payment::none();
            Ok::<_, anyhow::Error>(services.answers.ask(free, question(text), payment).await?.record.receipt.fee)
        })
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(given.len() == questions.len() && given.iter().all(|fee| *fee == 0), "an unpaid answer was charged");
    Ok(given.len() as f64 / seconds)
}

/// The same answers for vouchers, each payer one after the other and all payers at once; a second.
async fn sell(
    services: &Services,
    datanet: &Datanet,
    questions: &[String],
    payers: &mut [Payer],
    secret: &SigningKey,
) -> Result<f64> {
    let share = questions.len().div_ceil(payers.len());
    let began = Instant::now();
    let each = payers.iter_mut().zip(questions.chunks(share)).map(|(payer, questions)| async move {
        for text in questions {
            let voucher = SignedVoucher::sign(CHAIN, payer.channel, payer.promised + PRICE, secret);
            let payment = services.billing.payment(Some(voucher), None)?;
            let sold = services.answers.ask(datanet, question(text), payment).await?;
            ensure!(sold.record.receipt.fee == PRICE, "a paid answer cost {}", sold.record.receipt.fee);
            payer.promised += PRICE;
        }
        Ok::<_, anyhow::Error>(questions.len())
    });
    let sold: usize = futures::future::try_join_all(each).await?.into_iter().sum();
    let seconds = began.elapsed().as_secs_f64();
    ensure!(sold == questions.len(), "{sold} answers were sold");
    Ok(sold as f64 / seconds)
}
