//! Asking, receipts, channels, settling.

use std::path::PathBuf;

use anyhow::{Context, Result};
use datanet_config::read_text;
use serde_json::{Value, json};

use super::args::{AskArgs, ChannelCommand, QuoteArgs, ReceiptCommand};
use super::client::Client;
use super::confirm::confirm;
use super::costs;
use super::explain::{fee, record, warn_of_taint};
use super::measures::print_attribution;
use super::output::{Output, excerpt, fields, money, percent, table, table_if_any, text, until};
use super::people::People;
use crate::ppm;

pub(super) async fn ask(client: &Client, args: AskArgs, output: Output) -> Result<()> {
    let what = if args.classify { "text" } else { "question" };
    let datanet = client.datanet(&args.datanet).await?;
    costs::of_answers(&client.get(&format!("/v1/datanets/{datanet}")).await?, 1, args.account.as_deref(), output);
    let mut body = json!({ "datanet": datanet, what: args.text });
    if let Some(neighbours) = args.neighbours {
        body["neighbours"] = neighbours.into();
    }
    if let Some(account) = args.account {
        body["account"] = client.leave(&account).into();
    }
    let value = client.post("/v1/ask", &body).await?;
    output.show(&value, |value| {
        say!("{}\n", text(&value["answer"]));
        passages(&value["passages"]);
        say!("fee {}   receipt {}", money(&value["fee"]), text(&value["receipt"]["id"]));
    });
    Ok(())
}

pub(super) async fn quote(client: &Client, args: QuoteArgs, output: Output) -> Result<()> {
    let body = match (args.datanet, args.model) {
        (Some(datanet), _) => json!({ "datanet": client.datanet(&datanet).await? }),
        (None, model) => json!({ "model": model }),
    };
    let value = client.post("/v1/quotes", &body).await?;
    output.show(&value, |value| {
        let quote = &value["quote"];
        say!("an answer costs {} at most; the quote expires {}", money(&quote["price"]), until(&quote["expires_at"]));
        fields(quote, &["kind", "subject", "node"]);
    });
    Ok(())
}

fn passages(passages: &Value) {
    table_if_any(
        passages,
        &[
            ("weight", &|p| percent(&p["weight"])),
            ("label", &|p| text(&p["label"])),
            ("contribution", &record),
            ("text", &|p| excerpt(&p["text"], 160)),
        ],
    );
}

pub(super) async fn receipt(client: &Client, command: ReceiptCommand, output: Output) -> Result<()> {
    match command {
        ReceiptCommand::List => {
            let value = client.get("/v1/receipts").await?;
            output.show(&value, |value| {
                table(&value["receipts"], &[("#", &|r| text(&r["sequence"])), ("receipt", &|r| text(&r["id"]))]);
            });
        }
        ReceiptCommand::Show { id } => {
            let id = client.receipt(&id).await?;
            let value = client.get(&format!("/v1/receipts/{id}")).await?;
            let people = if output.json { People::default() } else { People::here(client).await };
            output.show(&value, |value| print_record(value, &people));
        }
        ReceiptCommand::Prove { id, account } => {
            let id = client.receipt(&id).await?;
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            let value = client.post(&format!("/v1/receipts/{id}/prove"), &body).await?;
            output.show(&value, |value| {
                fields(value, &["epoch", "settled", "tx"]);
                say!("the epoch is void: who paid has the money back, and half of the fine is yours");
            });
        }
        ReceiptCommand::Verify { id } => {
            let id = client.receipt(&id).await?;
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

fn print_record(value: &Value, people: &People) {
    let (receipt, answer) = (&value["receipt"], &value["output"]);
    say!("asked     {}", text(&value["input"]["text"]));
    say!("answered  {}\n", text(&answer["answer"]));
    passages(&answer["passages"]);
    table_if_any(
        &answer["scores"],
        &[("label", &|score| text(&score["label"])), ("probability", &|score| percent(&score["probability"]))],
    );
    fields(receipt, &["id", "datanet", "node", "model", "height", "snapshot", "sequence", "channel"]);
    say!("credits by {}", text(&value["attribution"]));
    print_attribution(&value["gate"], ppm::WHOLE);
    table_if_any(
        &receipt["credits"],
        &[
            ("contribution", &|credit| text(&credit["contribution"])),
            ("contributor", &|credit| people.full(&credit["contributor"])),
            ("weight", &|credit| percent(&credit["weight"])),
        ],
    );
    fee(receipt);
    warn_of_taint(value, &receipt["model"]);
}

pub(super) async fn channel(client: &Client, command: ChannelCommand, output: Output) -> Result<()> {
    match command {
        ChannelCommand::Open { account, deposit, node, seconds, voucher_key } => {
            let mut body = json!({ "account": client.leave(&account), "deposit": deposit });
            if let Some(node) = node {
                body["node"] = node.into();
            }
            if let Some(seconds) = seconds {
                body["seconds"] = seconds.into();
            }
            if let Some(key) = voucher_key {
                body["voucher_key"] = key.into();
            }
            costs::of_channel(client, deposit, output).await?;
            let value = client.post("/v1/channels", &body).await?;
            output.show(&value, |value| {
                fields(value, &["channel", "tx"]);
                say!("locked {}", money(&deposit.into()));
            });
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
                        ("expires", &|c| until(&c["expires_at"])),
                        ("closes", &|c| match c["closing_at"].as_u64() {
                            None | Some(0) => String::new(),
                            Some(_) => until(&c["closing_at"]),
                        }),
                    ],
                );
            });
        }
        ChannelCommand::TopUp { channel, amount, seconds } => {
            let channel = client.channel(&channel).await?;
            let body = json!({ "amount": amount.unwrap_or_default(), "seconds": seconds });
            let value = client.post(&format!("/v1/channels/{channel}/top-up"), &body).await?;
            output.show(&value, |value| {
                fields(value, &["tx"]);
                say!("expires {}", until(&value["expires_at"]));
                say!("locked {} in all", money(&value["deposit"]));
            });
        }
        ChannelCommand::Close { channel, statement, yes } => close(client, &channel, statement, yes, output).await?,
        ChannelCommand::Voucher { channel, cumulative } => {
            let channel = client.channel(&channel).await?;
            let body = json!({ "cumulative": cumulative });
            let value = client.post(&format!("/v1/channels/{channel}/voucher"), &body).await?;
            // The same for people: it is to be handed on as it is.
            output.show(&value, |value| say!("{value}"));
        }
        ChannelCommand::Statement { channel } => {
            let channel = client.channel(&channel).await?;
            let value = client.post(&format!("/v1/channels/{channel}/statement"), &json!({})).await?;
            // The same for people: it is to be handed on as it is.
            output.show(&value, |value| say!("{value}"));
        }
    }
    Ok(())
}

async fn close(client: &Client, channel: &str, statement: Option<PathBuf>, yes: bool, output: Output) -> Result<()> {
    let channel = client.channel(channel).await?;
    let statement: Option<Value> = match statement {
        Some(path) => {
            let text = read_text(&path)?;
            Some(serde_json::from_str(&text).with_context(|| format!("{} is no statement", path.display()))?)
        }
        None => None,
    };
    confirm(yes, &format!("Channel {channel} is to be closed and what is left in it taken back.")).await?;
    let value = client.post(&format!("/v1/channels/{channel}/close"), &json!({ "statement": statement })).await?;
    output.show(&value, |value| {
        fields(value, &["tx"]);
        if value["closes_at"].is_null() {
            say!("closed: what was left in it is back");
        } else {
            say!(
                "it closes by itself {}, once its node had time to settle; with what `datanet channel statement {channel}` prints on that node, \
                 `datanet channel close {channel} --statement FILE` closes it at once",
                until(&value["closes_at"])
            );
        }
    });
    Ok(())
}

pub(super) async fn settle(client: &Client, output: Output) -> Result<()> {
    let value = client.post("/v1/epochs/settle", &json!({})).await?;
    output.show(&value, |value| {
        fields(value, &["epoch", "root", "statement", "tx"]);
        say!("{} answers, {}", text(&value["totals"]["answers"]), money(&value["totals"]["fees"]));
    });
    Ok(())
}
