//! Three ways in for who knows nothing of this project: a tool of the Model Context Protocol, OpenAI's interface, and x402 over plain HTTP.
//! Each finds a price, pays it and is answered.

use anyhow::{Context as _, Result, bail, ensure};
use datanet_types::SigningKey;
use datanet_types::amount::{DNT, display};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::Tour;
use super::stage::{DATANET, FACES};
use crate::api::{Client, FineTuningJob, JobUpdate};
use crate::scene::cli::{number, text};
use crate::scene::ledger::random;
use crate::scene::mcp::Mcp;
use crate::scene::{PATIENCE, PRICE, account, x402};

/// Who calls tools, with a token of its own.
const SCOUT: &str = "scout";
/// Who pays for a chat.
const WRITER: &str = "writer";
const QUESTION: &str = "What do bees make out of nectar?";

impl Tour {
    /// An agent with a token of its own asks for the price, opens a channel and asks.
    pub(super) async fn mcp(&mut self) -> Result<String> {
        let client = self.client(0)?;
        account(&client, SCOUT).await?;
        let limit = json!({ "amount": 2 * DNT, "period": "day" });
        let token = json!({ "name": SCOUT, "scopes": ["read", "search", "ask"], "accounts": [SCOUT], "limit": limit });
        let secret = text(&client.post::<Value>("/v1/tokens", &token).await?, "secret")?;
        let mcp = Mcp::new(client.base(), &secret)?;
        let price = number(&mcp.call("quote", json!({ "what": "ask", "datanet": DATANET })).await?, "max_price")?;
        mcp.call("channel_open", json!({ "deposit": 4 * price, "max_price": DNT })).await?;
        let asked = json!({ "datanet": DATANET, "question": QUESTION, "max_price": price });
        let answer = mcp.call("ask", asked).await?;
        let receipt = text(&answer, "receipt")?;
        let verified = mcp.call("verify", json!({ "receipt": receipt })).await?;
        ensure!(verified["verdict"] == "match" && number(&answer, "fee")? == price, "{answer} {verified}");
        Ok(format!(
            "a tool told the price, {}, another answered for it, and a third computed the receipt again",
            display(price)
        ))
    }

    /// A stranger with a key and some money, at another node's public face.
    pub(super) async fn x402(&mut self) -> Result<String> {
        let [seller, _] = FACES;
        let (client, stranger) = (self.client(seller)?, SigningKey::from_bytes(&random()?));
        let till = account(&client, "till").await?;
        client.open_channel("till", None, 20 * PRICE).await?;
        let address = stranger.address().to_string();
        client.transfer("node", &address, DNT).await?;
        let before = client.balance(&till.address).await?;
        let question = json!({ "datanet": DATANET, "question": QUESTION });
        let bought = x402::buy(&self.face(seller)?, &stranger, &question).await?;
        let paid = client.balance(&till.address).await?.saturating_sub(before);
        ensure!(paid == bought.price && bought.answer["receipt"]["id"].is_string(), "{paid} paid for {bought:?}");
        Ok(format!(
            "a stranger was told {} by a 402, paid by transfer {:.8}…, and was answered at node{seller}'s public face",
            display(bought.price),
            bought.transaction
        ))
    }

    /// A model trained on the datanet answers a chat as OpenAI's clients ask for it.
    pub(super) async fn openai(&mut self) -> Result<String> {
        let client = self.client(0)?;
        let job: FineTuningJob = client.create_job(&decoder(&self.datanet)).await?;
        let model = finished(&client, &job.id).await?;
        client.deploy(&model).await?;
        account(&client, WRITER).await?;
        client.open_channel(WRITER, None, 10 * PRICE).await?;
        let messages = json!([{ "role": "user", "content": QUESTION }]);
        let chat = json!({ "model": model, "messages": messages, "max_tokens": 12, "seed": 1, "user": WRITER });
        let quoted: Value = client.post("/v1/quotes", &json!({ "chat": chat })).await?;
        let price = number(&quoted["quote"], "price")?;
        let answer: Value = client.post("/v1/chat/completions", &chat).await?;
        let said = answer["choices"][0]["message"]["content"].as_str();
        let fee = number(&answer["datanet"], "fee")?;
        ensure!(said.is_some_and(|said| !said.is_empty()) && fee == price, "{quoted} {answer}");
        Ok(format!(
            "a model trained on the datanet was quoted at {}, answered a chat, and was paid that",
            display(price)
        ))
    }
}

/// A decoder from nothing, small enough to be trained in seconds.
fn decoder(datanet: &str) -> Value {
    json!({
        "model": "scratch", "training_file": datanet, "suffix": "writer",
        "job": {
            "task": "generate", "max_tokens": 48,
            "scratch": { "vocabulary": 400, "hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 128, "max_positions": 128 },
            "recipe": { "batch": 8, "epochs": 2, "warmup": 2 },
        },
    })
}

/// The model that a job released.
async fn finished(client: &Client, id: &str) -> Result<String> {
    let over = tokio::time::timeout(PATIENCE, async {
        let updates = client.job_updates(id).await?;
        let mut updates = std::pin::pin!(updates);
        while let Some(update) = updates.next().await {
            if let JobUpdate::Job(job) = update?
                && job.is_over()
            {
                return Ok(*job);
            }
        }
        bail!("the events of {id} ended before it was over")
    });
    let job = over.await.with_context(|| format!("{id} is not over after {} s", PATIENCE.as_secs()))??;
    job.release.with_context(|| format!("{id} ended as {}: {}", job.status, job.error))
}
