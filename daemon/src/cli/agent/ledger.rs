//! Agents on the ledger: what they are, and what they may spend.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::account;
use crate::cli::args::{AgentKeyArgs, LedgerAgentCommand, LimitsArgs, RegisterArgs, TransferArgs, UpdateArgs};
use crate::cli::client::Client;
use crate::cli::confirm::confirm;
use crate::cli::output::{Output, fields, money, short, span, table, text};
use crate::cli::shares::{brief, named, sent};

pub(in crate::cli) async fn run(client: &Client, command: LedgerAgentCommand, output: Output) -> Result<()> {
    match command {
        LedgerAgentCommand::List { owner } => list(client, owner.as_deref(), output).await,
        LedgerAgentCommand::Show { agent } => {
            let value = client.get(&format!("/v1/agents/{agent}")).await?;
            output.show(&value, print);
            Ok(())
        }
        LedgerAgentCommand::Register(args) => register(client, args, output).await,
        LedgerAgentCommand::Update(args) => update(client, args, output).await,
        LedgerAgentCommand::Grant(args) => grant(client, args, output).await,
        LedgerAgentCommand::Revoke { agent, key, account } => {
            let body = json!({ "account": named(client, account.as_deref()), "key": client.leave(&key) });
            let value = client.post(&format!("/v1/agents/{agent}/keys/revoke"), &body).await?;
            sent(&value, output);
            Ok(())
        }
        LedgerAgentCommand::Fund { agent, amount, account, yes } => {
            let to = text(&client.get(&format!("/v1/agents/{agent}")).await?["account"]);
            account::transfer(client, TransferArgs { to, amount, from: account, yes }, output).await
        }
        LedgerAgentCommand::Retire { agent, account, yes } => {
            let asked =
                format!("Agent {agent} is to end for good: its money is its owner's, and no key spends it again.");
            confirm(yes, &asked).await?;
            let body = json!({ "account": named(client, account.as_deref()) });
            let value = client.post(&format!("/v1/agents/{agent}/retire"), &body).await?;
            sent(&value, output);
            Ok(())
        }
    }
}

async fn list(client: &Client, owner: Option<&str>, output: Output) -> Result<()> {
    let value = match owner {
        Some(owner) => client.get_with("/v1/agents", &[("owner", client.address(owner).await?)]).await?,
        None => client.get("/v1/agents").await?,
    };
    output.show(&value, |value| {
        table(
            &value["agents"],
            &[
                ("agent", &|one| text(&one["id"])),
                ("name", &|one| text(&one["name"])),
                ("has", &|one| money(&one["balance"])),
                ("may spend", &|one| money(&one["left"])),
                ("owner", &|one| text(&one["owner"])),
            ],
        );
    });
    Ok(())
}

fn print(agent: &Value) {
    fields(agent, &["id", "name", "account", "owner", "card", "release", "registered_height"]);
    if agent["retired_height"].as_u64().is_some_and(|height| height > 0) {
        say!("retired at height {}", text(&agent["retired_height"]));
    }
    let period = span(agent["period_seconds"].as_u64().unwrap_or_default());
    say!(
        "it has {}, of which all its keys together may spend {} more in this period, of {} every {period}",
        money(&agent["balance"]),
        money(&agent["left"]),
        money(&agent["budget"])
    );
    table(
        &agent["suppliers"],
        &[("made from", &|one| brief(&one["asset"])), ("has at least", &|one| percent(&one["floor_bps"], 100))],
    );
    table(
        &agent["payees"],
        &[("of what it earns", &|one| brief(&one["asset"])), ("has", &|one| percent(&one["ppm"], 10_000))],
    );
}

/// So many parts, of which `of` are a hundredth.
pub(in crate::cli) fn percent(parts: &Value, of: u64) -> String {
    let parts = parts.as_u64().unwrap_or_default();
    let hundredths = parts.saturating_mul(100).checked_div(of).unwrap_or_default();
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

async fn register(client: &Client, args: RegisterArgs, output: Output) -> Result<()> {
    let RegisterArgs { name, card, made_from, budget, per, funds, account, yes } = args;
    let asked = format!(
        "An agent {name:?} is to be registered and given {}; its keys may spend {} every {} together.",
        money(&funds.into()),
        money(&budget.into()),
        span(per)
    );
    confirm(yes, &asked).await?;
    let body = json!({
        "account": named(client, account.as_deref()), "name": name, "card": card_of(&card)?,
        "suppliers": suppliers(client, &made_from).await?, "budget": budget, "period_seconds": per, "funds": funds,
    });
    let value = client.post("/v1/agents", &body).await?;
    client.tell_account(account.as_deref(), output).await;
    output.show(&value, |value| {
        fields(value, &["id", "account", "tx", "height"]);
        say!("a key runs it once it is let: datanet keys add NAME --account {}, then datanet agent grant {} NAME --may open_channel --budget 1DNT", text(&value["account"]), text(&value["id"]));
    });
    Ok(())
}

async fn update(client: &Client, args: UpdateArgs, output: Output) -> Result<()> {
    let UpdateArgs { agent, card, made_from, budget, per, end_keys, account } = args;
    let mut body = json!({ "account": named(client, account.as_deref()), "end_keys": end_keys });
    if let Some(card) = card {
        body["card"] = json!(card_of(&card)?);
    }
    if let Some(made_from) = made_from {
        body["suppliers"] = suppliers(client, &made_from).await?;
    }
    if let Some(budget) = budget {
        body["budget"] = json!(budget);
    }
    if let Some(per) = per {
        body["period_seconds"] = json!(per);
    }
    let value = client.post(&format!("/v1/agents/{agent}"), &body).await?;
    sent(&value, output);
    Ok(())
}

async fn grant(client: &Client, args: AgentKeyArgs, output: Output) -> Result<()> {
    let AgentKeyArgs { agent, key, limits, account } = args;
    let LimitsArgs { may, with, budget, per, lasts } = limits;
    let body = json!({
        "account": named(client, account.as_deref()), "key": client.leave(&key), "actions": may, "counterparties": with,
        "budget": budget, "period_seconds": per, "lasts_seconds": lasts,
    });
    let value = client.post(&format!("/v1/agents/{agent}/keys"), &body).await?;
    output.show(&value, |value| {
        say!(
            "key {} may spend {} of agent {} every {}, for {}",
            short(&value["key"]),
            money(&json!(budget)),
            short(&json!(agent)),
            span(per),
            span(lasts)
        );
        fields(value, &["tx", "height"]);
    });
    Ok(())
}

/// The hash of a card: as typed, or of the file of that name.
fn card_of(typed: &str) -> Result<String> {
    if typed.parse::<datanet_types::BlobHash>().is_ok() {
        return Ok(typed.to_owned());
    }
    let bytes = std::fs::read(typed).with_context(|| format!("{typed:?} is neither a blob's hash nor a file"))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

async fn suppliers(client: &Client, typed: &[String]) -> Result<Value> {
    let mut all = Vec::new();
    for one in typed.iter().filter(|one| !one.is_empty()) {
        let Some((asset, floor)) = one.split_once('=') else {
            bail!("{one:?} is no supplier; write ASSET=BPS, such as model:ID=2500");
        };
        let floor: u32 = floor.parse().with_context(|| format!("{floor:?} is no number of basis points"))?;
        all.push(json!({ "asset": client.asset(asset).await?, "floor_bps": floor }));
    }
    Ok(json!(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_said_in_hundredths() {
        assert_eq!(
            (percent(&json!(2_550), 100), percent(&json!(155_000), 10_000)),
            ("25.50 %".into(), "15.50 %".into())
        );
    }

    #[test]
    fn a_card_is_a_hash_or_a_file() {
        let hash = "0a".repeat(32);
        assert_eq!(card_of(&hash).unwrap(), hash);
        let told = format!("{:#}", card_of("/nothing/here.json").unwrap_err());
        assert!(told.contains("neither a blob's hash nor a file"), "{told}");
    }
}
