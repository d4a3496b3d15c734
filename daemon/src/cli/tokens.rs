//! API keys: made, listed, ended, and what was done with them.

use std::time::Duration;

use anyhow::Result;
use indicatif::HumanDuration;
use serde_json::{Value, json};

use super::args::{NewTokenArgs, TokenCommand};
use super::client::Client;
use super::output::{Output, fields, money, table, text, until};

pub(super) async fn run(client: &Client, command: TokenCommand, output: Output) -> Result<()> {
    match command {
        TokenCommand::Create(args) => create(client, args, output).await,
        TokenCommand::List => list(client, output).await,
        TokenCommand::Revoke { token } => {
            let value = client.delete(&format!("/v1/tokens/{}", client.leave(&token))).await?;
            output.show(&value, |value| fields(value, &["id", "name", "state"]));
            Ok(())
        }
        TokenCommand::Log { limit, before } => log(client, limit, before, output).await,
    }
}

async fn create(client: &Client, args: NewTokenArgs, output: Output) -> Result<()> {
    let NewTokenArgs { name, scopes, accounts, limit, expires } = args;
    let name = match name {
        Some(name) => name,
        None => {
            let all = client.get("/v1/tokens").await?;
            let count = all["tokens"].as_array().map_or(0, Vec::len);
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            format!("{}-{}", scopes.join("-"), count.saturating_add(1))
        }
    };
    let accounts: Vec<String> = accounts.iter().map(|account| client.leave(account)).collect();
    let asked = json!({
        "name": name, "scopes": scopes, "accounts": accounts, "limit": limit, "lasts_seconds": expires,
    });
    let value = client.post("/v1/tokens", &asked).await?;
    output.show(&value, |value| {
        say!("{}", text(&value["secret"]));
        note!("keep it: it is shown this once. Send it as `Authorization: Bearer …`, or give it to a client of OpenAI's as its API key");
        fields(&value["token"], &["id", "name"]);
        say!("may {}", may(&value["token"]));
    });
    Ok(())
}

/// What a token may, in words.
fn may(token: &Value) -> String {
    let listed = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    let accounts = match listed(&token["accounts"]) {
        all if all.is_empty() => "all accounts of this node".to_owned(),
        some => some,
    };
    let spend = if token["limit"].is_null() { "as much as there is".to_owned() } else { limit(&token["limit"]) };
    format!("{} for {accounts}, and spend {spend}", listed(&token["scopes"]))
}

fn limit(limit: &Value) -> String {
    if limit.is_null() {
        "none".to_owned()
    } else {
        format!("{} ({})", money(&limit["amount"]), text(&limit["period"]))
    }
}

/// How long a second since 1970 is ago.
fn ago(value: &Value) -> String {
    let passed = crate::db::now().saturating_sub(value.as_u64().unwrap_or_default());
    format!("{} ago", HumanDuration(Duration::from_secs(passed)))
}

async fn list(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/tokens").await?;
    output.show(&value, |value| {
        let listed = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(",");
        table(
            &value["tokens"],
            &[
                ("id", &|token| text(&token["id"])),
                ("name", &|token| text(&token["name"])),
                ("scopes", &|token| listed(&token["scopes"])),
                ("accounts", &|token| match listed(&token["accounts"]) {
                    all if all.is_empty() => "all".to_owned(),
                    some => some,
                }),
                ("limit", &|token| limit(&token["limit"])),
                ("left", &|token| if token["left"].is_null() { String::new() } else { money(&token["left"]) }),
                ("state", &|token| text(&token["state"])),
                ("until", &|token| {
                    if token["expires_at"].is_null() { "it is revoked".to_owned() } else { until(&token["expires_at"]) }
                }),
            ],
        );
    });
    Ok(())
}

async fn log(client: &Client, limit: usize, before: Option<u64>, output: Output) -> Result<()> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(before.map(|before| ("before", before.to_string())));
    let value = client.get_with("/v1/tokens/log", &query).await?;
    output.show(&value, |value| {
        table(
            &value["entries"],
            &[
                ("number", &|entry| text(&entry["number"])),
                ("at", &|entry| ago(&entry["at"])),
                ("token", &|entry| text(&entry["name"])),
                ("event", &|entry| text(&entry["event"])),
                ("what", &|entry| text(&entry["detail"])),
                ("amount", &|entry| if entry["amount"].is_null() { String::new() } else { money(&entry["amount"]) }),
                ("times", &|entry| text(&entry["times"])),
            ],
        );
    });
    Ok(())
}
