//! Models: which there are, which serve here, and asking them.

use anyhow::{Context, Result};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::args::{ClassifyArgs, CompleteArgs, ModelCommand};
use super::client::{Client, Refused};
use super::explain::Explained;
use super::measures::Measures;
use super::model_files;
use super::output::{self, Output, fields, money, short, table, table_if_any, text};
use super::page;
use super::people::People;

/// Tokens that are written where nobody says how many.
const MAX_TOKENS: u32 = 128;

/// `model …`.
pub(super) async fn run(client: &Client, command: ModelCommand, output: Output) -> Result<()> {
    match command {
        ModelCommand::List { deployed } => {
            let query = deployed.then(|| ("deployed", "true".to_owned()));
            let value = client.get_with("/v1/models", &query.into_iter().collect::<Vec<_>>()).await?;
            output.show(&value, |value| {
                table(
                    &value["data"],
                    &[
                        ("name", &|model| text(&model["name"])),
                        ("id", &|model| short(&model["model_id"])),
                        ("datanets", &|model| short_list(&model["ledger"]["datanets"])),
                        ("evaluation", &|model| Measures::of_manifest(&model["ledger"]["evaluation"]).brief()),
                        ("deployed", &|model| deployed_as(model)),
                        ("tainted", &|model| if model["tainted"] == true { "yes" } else { "-" }.to_owned()),
                    ],
                );
            });
        }
        ModelCommand::Show { model } => {
            let model = client.model(&model).await?;
            let value = client.get(&format!("/v1/models/{model}")).await?;
            match output.json {
                true => output.show(&value, |_| {}),
                false => page::print(client, &value).await?,
            }
        }
        ModelCommand::Import { folder, name, licence, account } => {
            let account = account.map(|name| client.leave(&name));
            let body = json!({ "folder": folder, "name": name, "licence": licence, "account": account });
            let value = client.post("/v1/models/import", &body).await?;
            client.tell_account(account.as_deref(), output).await;
            output.show(&value, |value| {
                fields(value, &["model", "name", "task", "labels", "dimensions"]);
                say!("\nnext: datanet model deploy {}", text(&value["name"]));
            });
        }
        ModelCommand::Export(args) => model_files::export(client, args, output).await?,
        ModelCommand::Pull { model } => model_files::pull(client, &model, output).await?,
        ModelCommand::Rm { model, yes } => model_files::remove(client, &model, yes, output).await?,
        ModelCommand::Deploy { model, name } => {
            let model = client.model(&model).await?;
            let value = client.post(&format!("/v1/models/{model}/deploy"), &json!({ "name": name })).await?;
            output.show(&value, |value| fields(value, &["name", "model", "before"]));
        }
        ModelCommand::Undeploy { model } => {
            let model = client.model(&model).await?;
            let value = client.delete(&format!("/v1/models/{model}/deploy")).await?;
            output.show(&value, |value| fields(value, &["id", "names", "models"]));
        }
        ModelCommand::Rollback { name } => {
            let value = client.post(&format!("/v1/models/{name}/rollback"), &json!({})).await?;
            output.show(&value, |value| fields(value, &["name", "model", "before"]));
        }
    }
    Ok(())
}

fn short_list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(short).collect::<Vec<_>>().join(" ")
}

fn deployed_as(model: &Value) -> String {
    match (model["deployed"] == true, text(&model["names"])) {
        (false, _) => "-".to_owned(),
        (true, names) => names,
    }
}

/// `classify`.
pub(super) async fn classify(client: &Client, args: ClassifyArgs, output: Output) -> Result<()> {
    let mut body = json!({
        "model": client.model(&args.model).await?, "input": args.texts,
        "explain": args.explain, "counterfactual": args.counterfactual,
    });
    if let Some(account) = args.account {
        body["account"] = client.leave(&account).into();
    }
    let value = client.post("/v1/classify", &body).await?;
    if output.json {
        output.show(&value, |_| {});
        return Ok(());
    }
    let people = People::here(client).await;
    for answer in value["data"].as_array().into_iter().flatten() {
        print_answer(answer, &people);
        let receipt = text(&answer["receipt"]["id"]);
        if args.explain {
            Explained::of(client, &receipt).await?.print_parts();
        }
        say!("fee {}   receipt {receipt}", money(&answer["fee"]));
    }
    Ok(())
}

fn print_answer(answer: &Value, people: &People) {
    say!("{}", text(&answer["label"]));
    for probability in answer["probabilities"].as_array().into_iter().flatten() {
        say!("  {:24} {:.4}", text(&probability["label"]), probability["probability"].as_f64().unwrap_or_default());
    }
    table_if_any(
        &answer["counterfactual"],
        &[
            ("without", &|without| people.full(&without["contributor"])),
            ("it says", &|without| text(&without["label"])),
            ("surely", &|without| {
                let all = without["probabilities"].as_array().into_iter().flatten();
                let best = all.filter_map(|one| one["probability"].as_f64()).fold(0.0, f64::max);
                format!("{best:.4}")
            }),
        ],
    );
}

fn is_too_long(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.code == "context-too-long")
}

/// `complete` and `chat`: the text as it comes.
pub(super) async fn complete(client: &Client, args: CompleteArgs, chat: bool, output: Output) -> Result<()> {
    let (path, what, prompt) = match chat {
        true => ("/v1/chat/completions", "messages", json!([{ "role": "user", "content": args.prompt }])),
        false => ("/v1/completions", "prompt", args.prompt.into()),
    };
    let model = client.model(&args.model).await?;
    let limit = args.max_tokens.unwrap_or(MAX_TOKENS);
    let mut body = json!({ "model": model, what: prompt, "stream": !output.json, "max_tokens": limit });
    if let Some(temperature) = args.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(seed) = args.seed {
        body["seed"] = seed.into();
    }
    if let Some(account) = args.account {
        body["account"] = client.leave(&account).into();
    }
    let send = |body: &Value| client.send(client.request(Method::POST, path).json(body));
    let response = match send(&body).await {
        // Nobody asked for so many: a model with less room writes what it has room for.
        Err(error) if args.max_tokens.is_none() && is_too_long(&error) => {
            body["max_tokens"] = Value::Null;
            send(&body).await?
        }
        other => other?,
    };
    if output.json {
        let value: Value = response.json().await.context("the node's answer broke off, or is no JSON")?;
        output.show(&value, |_| {});
        return Ok(());
    }
    let last = print_stream(response).await?;
    say!("\n\nfee {}   receipt {}", money(&last["fee"]), text(&last["receipt"]["id"]));
    Ok(())
}

async fn print_stream(response: reqwest::Response) -> Result<Value> {
    let (mut stream, mut buffer, mut last) = (response.bytes_stream(), Vec::new(), Value::Null);
    while let Some(chunk) = stream.next().await {
        buffer.extend_from_slice(&chunk.context("the answer broke off")?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ").filter(|data| !data.starts_with(b"[DONE]")) else { continue };
            let part: Value = serde_json::from_slice(data).context("the node sent a damaged event")?;
            anyhow::ensure!(!part["error"].is_object(), "{}", text(&part["error"]["message"]));
            let choice = &part["choices"][0];
            let piece = choice["delta"]["content"].as_str().or_else(|| choice["text"].as_str()).unwrap_or_default();
            output::piece(text(&piece.into()).as_bytes());
            if part["datanet"].is_object() {
                last = part["datanet"].clone();
            }
        }
    }
    Ok(last)
}

/// `attribute`.
pub(super) async fn attribute(client: &Client, receipt: &str, output: Output) -> Result<()> {
    let receipt = client.receipt(receipt).await?;
    let explained = Explained::of(client, &receipt).await?;
    output.show(&explained.attribution, |_| explained.print());
    Ok(())
}
