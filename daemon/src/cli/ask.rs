//! Asking, receipts, channels, settling.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::args::{AskArgs, ChannelCommand, ReceiptCommand};
use super::client::Client;
use super::output::{Output, excerpt, fields, money, short, table, text};

pub async fn ask(client: &Client, args: AskArgs, output: Output) -> Result<()> {
    let what = if args.classify { "text" } else { "question" };
    let mut body = json!({ "datanet": args.datanet, what: args.text });
    if let Some(neighbours) = args.neighbours {
        body["neighbours"] = neighbours.into();
    }
    if let Some(account) = args.account {
        body["account"] = account.into();
    }
    let value = client.post("/v1/ask", &body).await?;
    output.show(&value, |value| {
        say!("{}\n", text(&value["answer"]));
        passages(&value["passages"]);
        say!("fee {}   receipt {}", money(&value["fee"]), text(&value["receipt"]["id"]));
    });
    Ok(())
}

fn passages(passages: &Value) {
    table(
        passages,
        &[
            ("weight", &|p| format!("{:.1} %", p["weight"].as_f64().unwrap_or_default() / 10_000.0)),
            ("label", &|p| text(&p["label"])),
            ("contribution", &|p| format!("{} #{}", short(&p["contribution"]), text(&p["record"]))),
            ("text", &|p| excerpt(&p["text"], 160)),
        ],
    );
}

pub async fn receipt(client: &Client, command: ReceiptCommand, output: Output) -> Result<()> {
    match command {
        ReceiptCommand::List => {
            let value = client.get("/v1/receipts").await?;
            output.show(&value, |value| {
                table(&value["receipts"], &[("#", &|r| text(&r["sequence"])), ("receipt", &|r| text(&r["id"]))]);
            });
        }
        ReceiptCommand::Show { id } => {
            let value = client.get(&format!("/v1/receipts/{id}")).await?;
            output.show(&value, print_record);
        }
        ReceiptCommand::Verify { id } => {
            let value = client.post(&format!("/v1/receipts/{id}/verify"), &json!({})).await?;
            output.show(&value, |value| {
                fields(value, &["verdict", "difference_ppm", "tolerance_ppm"]);
                table(
                    &value["checks"],
                    &[
                        ("check", &|c| text(&c["name"])),
                        ("ok", &|c| text(&c["ok"])),
                        ("detail", &|c| text(&c["detail"])),
                    ],
                );
            });
            if value["verdict"] == "mismatch" {
                anyhow::bail!("the receipt does not hold: {}", text(&value["details"]));
            }
        }
    }
    Ok(())
}

fn print_record(value: &Value) {
    say!("asked     {}", text(&value["input"]["text"]));
    say!("answered  {}\n", text(&value["output"]["answer"]));
    passages(&value["output"]["passages"]);
    let receipt = &value["receipt"];
    fields(receipt, &["id", "datanet", "node", "model", "height", "snapshot", "sequence", "channel"]);
    table(
        &receipt["credits"],
        &[
            ("contribution", &|c| text(&c["contribution"])),
            ("contributor", &|c| text(&c["contributor"])),
            ("weight", &|c| format!("{:.1} %", c["weight"].as_f64().unwrap_or_default() / 10_000.0)),
        ],
    );
    say!("fee {}", money(&receipt["fee"]));
    for part in ["node", "owner", "contributors", "validators", "treasury"] {
        say!("  {part:12} {}", money(&receipt["split"][part]));
    }
}

pub async fn channel(client: &Client, command: ChannelCommand, output: Output) -> Result<()> {
    match command {
        ChannelCommand::Open { account, deposit, node, blocks } => {
            let mut body = json!({ "account": account, "deposit": deposit });
            if let Some(node) = node {
                body["node"] = node.into();
            }
            if let Some(blocks) = blocks {
                body["blocks"] = blocks.into();
            }
            let value = client.post("/v1/channels", &body).await?;
            output.show(&value, |value| fields(value, &["channel", "tx"]));
        }
        ChannelCommand::List { account } => {
            let query: Vec<(&str, String)> = account.map(|account| ("account", account)).into_iter().collect();
            let value = client.get_with("/v1/channels", &query).await?;
            output.show(&value, |value| {
                table(
                    &value["channels"],
                    &[
                        ("channel", &|c| text(&c["id"])),
                        ("payer", &|c| text(&c["payer"])),
                        ("deposit", &|c| money(&c["deposit"])),
                        ("promised", &|c| money(&c["promised"])),
                        ("charged", &|c| money(&c["charged"])),
                        ("expiry", &|c| text(&c["expiry"])),
                        ("closed at", &|c| text(&c["closed_height"])),
                    ],
                );
            });
        }
        ChannelCommand::Close { channel } => {
            let value = client.json(client.request(Method::DELETE, &format!("/v1/channels/{channel}"))).await?;
            output.show(&value, |value| fields(value, &["tx"]));
        }
    }
    Ok(())
}

pub async fn settle(client: &Client, output: Output) -> Result<()> {
    let value = client.post("/v1/epochs/settle", &json!({})).await?;
    output.show(&value, |value| {
        fields(value, &["epoch", "root", "statement", "tx"]);
        say!("{} answers, {}", text(&value["totals"]["answers"]), money(&value["totals"]["fees"]));
    });
    Ok(())
}
