//! Models made on one node and used on others: trained, released, deployed, asked, proven, paid; and by other people's
//! clients.

use anyhow::{Context as _, Result, bail, ensure};
use datanet_testnet::api::{Client, FineTuningJob, JobUpdate};
use datanet_testnet::peer::{NodePackages, PythonPackages};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::passages::{Passages, SUBJECTS, passages, upload};
use crate::scene::{
    BASE, PATIENCE, PRICE, account, becomes_final, contribute, node, open_datanet, register_base, until,
};
use crate::stage::{play, play_alone};

#[test]
fn a_model_trained_on_one_node_answers_on_another_and_a_third_recomputes_the_receipt() -> Result<()> {
    play(async |network| {
        let clients = network.clients()?;
        let passages = passages();
        let datanet = filled(&clients[0], "factory", &passages, 2).await?;
        register_base(&clients[0]).await?;
        let job = finished(&clients[0], &classifier(&datanet, 8)).await?;
        let model = job.release.context("a job that succeeded has a model")?;

        // Another node fetches it from the first, and answers for money.
        until("node 1 knows the model", async || Ok(clients[1].deploy(&model).await.map(Some)?)).await?;
        account(&clients[1], "asker").await?;
        clients[1].open_channel("asker", None, 10 * PRICE).await?;
        let mut right = 0;
        let mut receipts = Vec::new();
        for asked in &passages.asked {
            let answer = clients[1].classify(&model, &asked.text, "asker").await?;
            right += usize::from(Some(&answer.label) == asked.label.as_ref());
            receipts.push(answer.receipt);
        }
        ensure!(right * SUBJECTS.len() > passages.asked.len(), "{right} of {} right", passages.asked.len());
        let paid: u64 = receipts.iter().flat_map(|receipt| &receipt.credits).map(|credit| credit.weight).sum();
        ensure!(paid > 0, "no answer credits anybody");

        // A third node, which never deployed it, recomputes a receipt from blobs.
        for receipt in receipts.iter().take(2) {
            let verdict = clients[2].verify_receipt(&receipt.id).await?;
            ensure!(verdict.stands(), "a true receipt of a model does not stand: {}", verdict.details);
        }
        Ok(())
    })
}

#[test]
fn a_training_that_is_killed_goes_on_and_gives_the_model_that_it_would_have_given() -> Result<()> {
    play_alone(async |network| {
        let passages = passages();
        let client = node(network, 0)?;
        let datanet = filled(&client, "killed", &passages, 1).await?;
        let undisturbed = finished(&client, &classifier(&datanet, 30)).await?;
        let job = client.create_job(&classifier(&datanet, 30)).await?;
        trains(&client, &job.id).await?;
        network.kill(0).await?;
        network.restart(0).await?;
        let client = node(network, 0)?;
        let resumed = end(&client, &job.id).await?;
        let adapter = async |job: &FineTuningJob| -> Result<Value> {
            let model = job.release.as_deref().with_context(|| format!("{} gave no model: {}", job.id, job.error))?;
            let shown: Value = client.get(&format!("/v1/models/{model}")).await?;
            let files = shown["manifest"]["files"].as_array().context("a model without files")?;
            let found = files.iter().find(|file| file["name"] == "adapter_model.safetensors");
            Ok(found.context("a model without an adapter")?["blob"].clone())
        };
        ensure!(adapter(&undisturbed).await? == adapter(&resumed).await?, "the resumed training gave another adapter");
        Ok(())
    })
}

#[test]
fn the_official_clients_of_openai_work_unmodified() -> Result<()> {
    play_alone(async |network| {
        let passages = passages();
        let client = node(network, 0)?;
        let datanet = filled(&client, "clients", &passages, 1).await?;
        let job = finished(&client, &decoder(&datanet)).await?;
        let model = job.release.context("a job that succeeded has a model")?;
        client.deploy(&model).await?;
        account(&client, "payer").await?;
        client.open_channel("payer", None, 20 * PRICE).await?;
        let (base, token) = (format!("{}/v1", network.nodes()[0].api()?), network.nodes()[0].token()?);
        let arguments = [base.as_str(), token.as_str(), model.as_str(), BASE, "payer"];
        let python =
            PythonPackages::OPENAI.ready().await?.run(include_str!("../clients/official.py"), &arguments).await?;
        satisfied(&python, &model).context("the client for Python")?;
        let node = NodePackages::OPENAI.run(include_str!("../clients/official.mjs"), &arguments).await?;
        satisfied(&node, &model).context("the client for JavaScript")?;
        ensure!(python["chat"] == node["chat"], "one seed gives {} and {}", python["chat"], node["chat"]);
        Ok(())
    })
}

/// What either client must have seen.
fn satisfied(seen: &Value, model: &str) -> Result<()> {
    let has = |what: &str, holds: bool| if holds { Ok(()) } else { bail!("{what}: {seen}") };
    let models = seen["models"].as_array().context("no models")?;
    has("the model is not listed by its name", models.iter().any(|listed| listed == "writer"))?;
    has("the model is not found by its id", seen["retrieved"] == model)?;
    has("vectors have 384 numbers", seen["embeddings"] == json!([384, 384]))?;
    has("base64 and float differ", seen["embedding_difference"].as_f64().is_some_and(|difference| difference < 1e-5))?;
    has("a chat says nothing", seen["chat"].as_str().is_some_and(|text| !text.is_empty()))?;
    has("streamed text differs", seen["chat"] == seen["streamed"])?;
    has("usage differs", seen["usage"] == seen["streamed_usage"] && seen["usage"].as_u64() > Some(0))?;
    has("two alternatives a token", seen["logprobs"].as_array().is_some_and(|all| all.iter().all(|n| n == 2)))?;
    has("no receipt", seen["receipt"].is_object() && seen["streamed_receipt"].is_object())?;
    has("an unknown model", seen["unknown_model"] == "model_not_found")?;
    has("a wrong token", seen["wrong_token"] == 401)?;
    has("absurd sampling", seen["absurd_temperature"].as_str().is_some_and(|text| text.contains("temperature")))
}

/// A datanet with one final contribution of two thirds of the passages, and one of the rest.
async fn filled(client: &Client, name: &str, passages: &Passages, judges: usize) -> Result<String> {
    let datanet = open_datanet(client, name, passages, judges, judges).await?;
    let (first, second) = passages.given.split_at(passages.given.len() / 2);
    for (giver, records) in [("giver-a", first), ("giver-b", second)] {
        account(client, giver).await?;
        let id = contribute(client, &datanet, giver, upload(records)).await?;
        becomes_final(client, &id).await?;
    }
    Ok(datanet)
}

/// A small classifier with the influence of its data.
fn classifier(datanet: &str, epochs: usize) -> Value {
    json!({
        "model": BASE, "training_file": datanet, "suffix": "subjects", "seed": 3,
        "job": {
            "task": "classify", "max_tokens": 48,
            "lora": { "rank": 4, "alpha": 8.0, "targets": ["query", "value"], "layers": [5] },
            "recipe": { "batch": 8, "epochs": epochs, "warmup": 4 },
            "evaluation": { "checkpoint": 2 },
            "attribution": { "method": "influence", "curvature": "all", "halves": 2 },
        },
    })
}

/// A decoder from nothing, small enough to be trained in seconds.
fn decoder(datanet: &str) -> Value {
    json!({
        "model": "scratch", "training_file": datanet, "suffix": "writer",
        "job": {
            "task": "generate", "max_tokens": 48,
            "scratch": { "vocabulary": 400, "hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 128, "max_positions": 128 },
            "recipe": { "batch": 8, "epochs": 4, "warmup": 4 },
        },
    })
}

/// Gives the node a job and waits for its good end.
async fn finished(client: &Client, job: &Value) -> Result<FineTuningJob> {
    let job = client.create_job(job).await?;
    end(client, &job.id).await
}

/// A job once it is over, which must be well.
async fn end(client: &Client, id: &str) -> Result<FineTuningJob> {
    let over = timeout(PATIENCE, async {
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
    ensure!(job.status == "succeeded", "{id} ended as {}: {}", job.status, job.error);
    Ok(job)
}

/// Returns once a job has done a few steps and not all.
async fn trains(client: &Client, id: &str) -> Result<()> {
    let seen = timeout(PATIENCE, async {
        let updates = client.job_updates(id).await?;
        let mut updates = std::pin::pin!(updates);
        while let Some(update) = updates.next().await {
            match update? {
                JobUpdate::Event(event) if event["data"]["step"].as_u64() >= Some(5) => return Ok(()),
                JobUpdate::Job(job) if job.is_over() => bail!("{id} was over before it could be killed"),
                _ => {}
            }
        }
        bail!("the events of {id} ended")
    });
    seen.await.with_context(|| format!("{id} does not train"))?
}
