//! Models: which there are, which serve here, and asking them.

use std::io::Write;

use anyhow::{Context, Result};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::args::{ClassifyArgs, CompleteArgs, ModelCommand};
use super::client::Client;
use super::output::{Output, excerpt, fields, money, short, table, text};

/// `model …`.
pub async fn run(client: &Client, command: ModelCommand, output: Output) -> Result<()> {
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
                        ("owner", &|model| text(&model["owner"])),
                        ("datanets", &|model| short_list(&model["ledger"]["datanets"])),
                        ("evaluation", &|model| evaluation(&model["ledger"]["evaluation"])),
                        ("deployed", &|model| deployed_as(model)),
                        ("tainted", &|model| if model["tainted"] == true { "yes" } else { "-" }.to_owned()),
                    ],
                );
            });
        }
        ModelCommand::Show { model } => {
            let value = client.get(&format!("/v1/models/{model}")).await?;
            output.show(&value, print_model);
        }
        ModelCommand::Deploy { model, name } => {
            let value = client.post(&format!("/v1/models/{model}/deploy"), &json!({ "name": name })).await?;
            output.show(&value, |value| fields(value, &["name", "model", "before"]));
        }
        ModelCommand::Undeploy { model } => {
            let value = client.json(client.request(Method::DELETE, &format!("/v1/models/{model}/deploy"))).await?;
            output.show(&value, |value| fields(value, &["id"]));
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

fn evaluation(metrics: &Value) -> String {
    let one = |metric: &Value| {
        let value = metric["value"].as_f64().unwrap_or_default() / 1e6;
        format!("{} {value:.3}", text(&metric["name"]))
    };
    metrics.as_array().into_iter().flatten().take(3).map(one).collect::<Vec<_>>().join(", ")
}

fn print_model(value: &Value) {
    fields(value, &["model_id", "name", "owner", "deployed", "names", "tainted"]);
    let manifest = &value["manifest"];
    if !manifest.is_object() {
        return;
    }
    fields(manifest, &["task", "base", "licence", "labels"]);
    say!("evaluation");
    for metric in manifest["evaluation"].as_array().into_iter().flatten() {
        say!("  {:32} {:.4}", text(&metric["name"]), metric["value"].as_f64().unwrap_or_default() / 1e6);
    }
    let gate = &manifest["attribution"];
    if gate.is_object() {
        let score = |name: &str| gate[name].as_f64().unwrap_or_default() / 1e6;
        let audit = match gate["subsets"].as_u64().unwrap_or_default() {
            0 => "not audited by retraining".to_owned(),
            subsets => format!(
                "audited by {subsets} retrainings: LDS {:.3}, who {:.3}, pay {:.3}, {}",
                score("lds"),
                score("who"),
                score("pay"),
                if gate["passed"] == true { "passed" } else { "failed" }
            ),
        };
        say!("attribution {}, {audit}", text(&gate["method"]));
    }
    table(
        &manifest["files"],
        &[
            ("file", &|file| text(&file["name"])),
            ("bytes", &|file| text(&file["size"])),
            ("blob", &|file| short(&file["blob"])),
        ],
    );
    table(
        &value["lineage"],
        &[
            ("made from", &|model| text(&model["name"])),
            ("id", &|model| short(&model["model_id"])),
            ("owner", &|model| text(&model["owner"])),
            ("licence", &|model| text(&model["licence"])),
        ],
    );
}

/// `classify`.
pub async fn classify(client: &Client, args: ClassifyArgs, output: Output) -> Result<()> {
    let mut body = json!({
        "model": args.model, "input": args.texts, "explain": args.explain, "counterfactual": args.counterfactual,
    });
    if let Some(account) = args.account {
        body["account"] = account.into();
    }
    let value = client.post("/v1/classify", &body).await?;
    output.show(&value, |value| {
        for answer in value["data"].as_array().into_iter().flatten() {
            print_answer(answer);
        }
    });
    Ok(())
}

fn print_answer(answer: &Value) {
    say!("{}", text(&answer["label"]));
    for probability in answer["probabilities"].as_array().into_iter().flatten() {
        say!("  {:24} {:.4}", text(&probability["label"]), probability["probability"].as_f64().unwrap_or_default());
    }
    if answer["counterfactual"].is_array() {
        table(
            &answer["counterfactual"],
            &[
                ("without", &|without| text(&without["contributor"])),
                ("it says", &|without| text(&without["label"])),
                ("surely", &|without| {
                    let all = without["probabilities"].as_array().into_iter().flatten();
                    let best = all.filter_map(|one| one["probability"].as_f64()).fold(0.0, f64::max);
                    format!("{best:.4}")
                }),
            ],
        );
    }
    say!("fee {}   receipt {}", money(&answer["fee"]), text(&answer["receipt"]["id"]));
}

/// `complete` and `chat`: the text as it comes.
pub async fn complete(client: &Client, args: CompleteArgs, chat: bool, output: Output) -> Result<()> {
    let (path, what, prompt) = match chat {
        true => ("/v1/chat/completions", "messages", json!([{ "role": "user", "content": args.prompt }])),
        false => ("/v1/completions", "prompt", args.prompt.into()),
    };
    let mut body = json!({ "model": args.model, what: prompt, "stream": !output.json });
    if let Some(limit) = args.max_tokens {
        body["max_tokens"] = limit.into();
    }
    if let Some(temperature) = args.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(seed) = args.seed {
        body["seed"] = seed.into();
    }
    if let Some(account) = args.account {
        body["account"] = account.into();
    }
    if output.json {
        let value = client.post(path, &body).await?;
        output.show(&value, |_| {});
        return Ok(());
    }
    let response = client.send(client.request(Method::POST, path).json(&body)).await?;
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
            let mut out = std::io::stdout();
            write!(out, "{}", text(&piece.into())).and_then(|()| out.flush()).context("cannot print")?;
            if part["datanet"].is_object() {
                last = part["datanet"].clone();
            }
        }
    }
    Ok(last)
}

/// `attribute`.
pub async fn attribute(client: &Client, receipt: &str, output: Output) -> Result<()> {
    let value = client.get(&format!("/v1/attributions/{receipt}")).await?;
    output.show(&value, |value| {
        say!("asked     {}\nanswered  {}", excerpt(&value["input"], 200), excerpt(&value["answer"], 200));
        say!("method    {}: {}\n", text(&value["method"]), text(&value["proves"]));
        let millionth =
            |value: &Value, unit: f64| value.as_f64().map_or_else(|| "-".to_owned(), |v| format!("{:+.6}", v / unit));
        table(
            &value["contributions"],
            &[
                ("contribution", &|part| short(&part["contribution"])),
                ("contributor", &|part| text(&part["contributor"])),
                ("value", &|part| millionth(&part["value"], 1e9)),
                ("pay", &|part| format!("{:.1} %", part["weight"].as_f64().unwrap_or_default() / 10_000.0)),
            ],
        );
        for (heading, which) in [("helped most", "helpful"), ("harmed most", "harmful")] {
            if value[which].as_array().is_some_and(|quotes| !quotes.is_empty()) {
                table(
                    &value[which],
                    &[
                        (heading, &|quote| excerpt(&quote["text"], 160)),
                        ("label", &|quote| text(&quote["label"])),
                        ("record", &|quote| format!("{} #{}", short(&quote["contribution"]), text(&quote["record"]))),
                    ],
                );
            }
        }
    });
    Ok(())
}
