//! What nodes have settled: looked at, made again, challenged.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::args::EpochCommand;
use super::client::Client;
use super::confirm::confirm;
use super::output::{Output, fields, lines, money, short, table, table_if_any, text, until};

pub(super) async fn run(client: &Client, command: EpochCommand, output: Output) -> Result<()> {
    match command {
        EpochCommand::List { node } => {
            let query: Vec<(&str, String)> = node.map(|node| ("node", node)).into_iter().collect();
            let value = client.get_with("/v1/epochs", &query).await?;
            output.show(&value, |value| {
                table(
                    &value["epochs"],
                    &[
                        ("epoch", &|epoch| text(&epoch["id"])),
                        ("is", &|epoch| text(&epoch["status"])),
                        ("final", &when),
                        ("kept", &|epoch| format!("{}/{}", epoch["attestations"], epoch["quorum"])),
                        ("answers", &|epoch| text(&epoch["totals"]["answers"])),
                        ("fees", &|epoch| money(&epoch["totals"]["fees"])),
                    ],
                );
            });
        }
        EpochCommand::Show { id } => {
            let id = client.epoch(&id).await?;
            let value = client.get(&format!("/v1/epochs/{id}")).await?;
            output.show(&value, print);
        }
        EpochCommand::Check { id } => {
            let id = client.epoch(&id).await?;
            let value = client.post(&format!("/v1/epochs/{id}/check"), &json!({})).await?;
            output.show(&value, |value| fields(value, &["finding", "reason", "receipts", "recomputed"]));
            if value["finding"] == "false" {
                let suspects: Vec<String> = value["suspects"].as_array().into_iter().flatten().map(text).collect();
                let named =
                    if suspects.is_empty() { String::new() } else { format!(" --suspects {}", suspects.join(",")) };
                bail!(
                    "the epoch is false: {}; challenge it with `datanet epoch challenge {id}{named}`",
                    text(&value["reason"])
                );
            }
        }
        EpochCommand::Challenge { id, suspects, account, yes } => {
            let id = client.epoch(&id).await?;
            let epoch = client.get(&format!("/v1/epochs/{id}")).await?;
            let deposit = &epoch["challenge"];
            if deposit.is_null() {
                bail!(
                    "epoch {id} is {} already; only an open one, that was not challenged too often, can be challenged",
                    text(&epoch["status"])
                );
            }
            confirm(
                yes,
                &format!(
                    "Epoch {id} is to be challenged, for a deposit of {}, which is lost if it is right.",
                    money(deposit)
                ),
            )
            .await?;
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)), "suspects": suspects });
            let value = client.post(&format!("/v1/epochs/{id}/challenge"), &body).await?;
            output.show(&value, |value| {
                lines(&[("deposit", money(&value["deposit"])), ("tx", text(&value["tx"]))]);
                say!("`datanet epoch show {id}` says what its committee finds");
            });
        }
    }
    Ok(())
}

fn when(epoch: &Value) -> String {
    if epoch["status"] == "open" { until(&epoch["final_at"]) } else { String::new() }
}

/// Who keeps its statement, and what that says of it.
fn print_kept(epoch: &Value) {
    if epoch["quorum"] != 0 {
        let keepers: Vec<String> = epoch["keepers"].as_array().into_iter().flatten().map(short).collect();
        let by = if keepers.is_empty() { String::new() } else { format!(": {}", keepers.join(", ")) };
        say!("statement attested by {} of {} storage nodes{by}", epoch["attestations"], epoch["quorum"]);
    }
    if let Some(waits) = epoch["waits_for"].as_str() {
        say!("waits {waits}");
        let is_kept = epoch["attestations"].as_u64() >= epoch["quorum"].as_u64();
        if !is_kept && epoch["status"] == "open" {
            say!("void {} without that", until(&epoch["attest_by"]));
        }
    }
}

fn print(epoch: &Value) {
    fields(epoch, &["id", "status", "height", "accounts", "root", "receipts", "statement"]);
    if epoch["status"] == "open" {
        say!(
            "final {}{}",
            until(&epoch["final_at"]),
            if epoch["challenges"] == 0 { "" } else { ", audited and found right" }
        );
    }
    print_kept(epoch);
    say!("{} answers, {}", text(&epoch["totals"]["answers"]), money(&epoch["totals"]["fees"]));
    let audit = &epoch["audit"];
    if epoch["unkept"] == true {
        say!("void: too few storage nodes attested its statement in time; who paid has the money back");
    } else if epoch["status"] == "void" && !matches!(audit["phase"].as_str(), Some("false" | "unavailable" | "missing"))
    {
        say!(
            "void: its node gave another receipt than it settled, shown by its own signatures; who paid has the money back"
        );
    }
    if !audit.is_object() {
        return;
    }
    say!("audit {}, challenged by {}", text(&audit["phase"]), text(&audit["challenger"]));
    table_if_any(
        &audit["committee"],
        &[
            ("auditor", &|one| text(&one["account"])),
            ("node", &|one| short(&one["node"])),
            ("seats", &|one| text(&one["seats"])),
            ("found", &|one| {
                if one["said"] == "nothing" && one["committed"] == true {
                    "hidden".to_owned()
                } else {
                    text(&one["said"])
                }
            }),
            ("paid", &|one| money(&one["reward"])),
        ],
    );
}
