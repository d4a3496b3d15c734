//! Keys on the node, and who else speaks for their accounts.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{GrantArgs, KeysCommand, LimitsArgs};
use super::client::{Client, told};
use super::confirm::confirm;
use super::output::{Output, fields, money, short, span, table, text, until};
use crate::keyring::NODE_ACCOUNT;

pub(super) async fn keys(client: &Client, command: KeysCommand, output: Output) -> Result<()> {
    match command {
        KeysCommand::List => list(client, output).await,
        KeysCommand::Add { name, account } => add(client, &name, account, output).await,
        KeysCommand::Show { account } => show(client, &account, output).await,
        KeysCommand::Grant(args) => grant(client, args, output).await,
        KeysCommand::Revoke { key, owner } => revoke(client, &key, owner, output).await,
        KeysCommand::Rotate { name, guardian, delay, yes } => {
            confirm(yes, &format!("The key {name} is replaced by a fresh one, and its account's sub-keys end."))
                .await?;
            rotate(client, &name, guardian, delay, output).await
        }
        KeysCommand::Recover { account, owners, guardian, yes } => {
            let keys = owners.len();
            confirm(yes, &format!("Account {account} is to be owned by {keys} other keys.")).await?;
            recover(client, &account, owners, &guardian, output).await
        }
        KeysCommand::CancelRecovery { name } => cancel_recovery(client, &name, output).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/keys").await?;
    output.show(&value, |value| {
        table(
            &value["keys"],
            &[
                ("name", &|key| text(&key["name"])),
                ("address", &|key| text(&key["address"])),
                ("public key", &|key| text(&key["public_key"])),
            ],
        );
    });
    Ok(())
}

async fn add(client: &Client, name: &str, account: Option<String>, output: Output) -> Result<()> {
    let account = match account {
        Some(account) => Some(client.address(&account).await?),
        None => None,
    };
    let value = client.post("/v1/keys", &json!({ "name": name, "account": account })).await?;
    output.show(&value, |value| {
        fields(value, &["name", "address", "public_key"]);
        if account.is_some() {
            say!(
                "it speaks for that account once an owner has granted it, for example: datanet keys grant {} --may transfer,open_channel --budget 1DNT --owner NAME",
                text(&value["public_key"])
            );
        }
    });
    Ok(())
}

async fn show(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.get(&format!("/v1/accounts/{address}/keys")).await?;
    output.show(&value, |value| {
        fields(value, &["address", "version", "threshold", "guardian"]);
        match value["owners"].as_array().filter(|owners| !owners.is_empty()) {
            Some(owners) => owners.iter().for_each(|owner| say!("owner {}", text(owner))),
            None => say!("owned by the key that its address was made of"),
        }
        if let Some(seconds) = value["recovery_seconds"].as_u64() {
            say!("its guardian can replace its owners, who have {} to object", span(seconds));
        }
        if !value["pending"].is_null() {
            say!("a recovery is under way; it is done {}", until(&value["pending"]["due"]));
        }
        sub_keys(&value["sub_keys"]);
    });
    Ok(())
}

fn sub_keys(keys: &Value) {
    let listed = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(",");
    table(
        keys,
        &[
            ("sub-key", &|key| text(&key["key"])),
            ("may", &|key| listed(&key["actions"])),
            ("with", &|key| match listed(&key["counterparties"]) {
                all if all.is_empty() => "anybody".to_owned(),
                some => some,
            }),
            ("left", &|key| money(&key["left"])),
            ("of", &|key| money(&key["budget"])),
            ("per", &|key| span(key["period_seconds"].as_u64().unwrap_or_default())),
            ("until", &|key| if key["ended"] == true { "ended".to_owned() } else { until(&key["expires"]) }),
        ],
    );
}

async fn grant(client: &Client, args: GrantArgs, output: Output) -> Result<()> {
    let GrantArgs { key, limits, owner } = args;
    let LimitsArgs { may, with, budget, per, lasts } = limits;
    let owner = owner_of(client, &key, owner).await?;
    let (key, owner) = (client.leave(&key), client.leave(&owner));
    let asked = json!({
        "key": key, "actions": may, "counterparties": with, "budget": budget, "period_seconds": per,
        "lasts_seconds": lasts,
    });
    let value = client.post(&format!("/v1/keys/{owner}/grants"), &asked).await?;
    output.show(&value, |value| {
        say!(
            "key {} may spend {} of account {} every {}, for {}",
            short(&value["key"]),
            money(&json!(budget)),
            text(&value["account"]),
            span(per),
            span(lasts)
        );
        fields(value, &["tx", "height"]);
    });
    Ok(())
}

/// The owner's key that is meant for a sub-key: where that one is here and signs for an account, that account's.
async fn owner_of(client: &Client, key: &str, named: Option<String>) -> Result<String> {
    if let Some(named) = named {
        return Ok(named);
    }
    let keys = client.node.keys().await.map_err(told)?;
    let sub_key = keys.iter().find(|one| one.name == key || one.public_key.to_string() == key);
    let owner = sub_key.and_then(|sub| keys.iter().find(|one| one.address == sub.address && one.name != sub.name));
    Ok(owner.map_or_else(|| NODE_ACCOUNT.to_owned(), |owner| owner.name.clone()))
}

async fn revoke(client: &Client, key: &str, owner: Option<String>, output: Output) -> Result<()> {
    let owner = owner_of(client, key, owner).await?;
    let (key, owner) = (client.leave(key), client.leave(&owner));
    let value = client.post(&format!("/v1/keys/{owner}/revoke"), &json!({ "key": key })).await?;
    output.show(&value, |value| fields(value, &["tx", "height"]));
    Ok(())
}

async fn rotate(
    client: &Client,
    name: &str,
    guardian: Option<String>,
    delay: Option<u64>,
    output: Output,
) -> Result<()> {
    let guardian = match guardian {
        Some(guardian) => Some(client.address(&guardian).await?),
        None => None,
    };
    let name = client.leave(name);
    let asked = json!({ "guardian": guardian, "recovery_seconds": delay });
    let value = client.post(&format!("/v1/keys/{name}/rotate"), &asked).await?;
    output.show(&value, |value| {
        fields(value, &["address", "public_key", "tx"]);
        say!("back up the home's keys/ again: what was backed up before signs for this account no more");
    });
    Ok(())
}

async fn recover(client: &Client, account: &str, owners: Vec<String>, guardian: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let guardian = client.leave(guardian);
    let asked = json!({ "guardian": guardian, "owners": owners });
    let value = client.post(&format!("/v1/accounts/{address}/recovery"), &asked).await?;
    output.show(&value, |value| {
        say!("the account has its new owners {}, unless the present ones object", until(&value["due"]));
        fields(value, &["tx"]);
    });
    Ok(())
}

async fn cancel_recovery(client: &Client, name: &str, output: Output) -> Result<()> {
    let name = client.leave(name);
    let value = client.delete(&format!("/v1/keys/{name}/recovery")).await?;
    output.show(&value, |value| fields(value, &["tx", "height"]));
    Ok(())
}
