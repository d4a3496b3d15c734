//! Validators, and the stake behind them.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{StakeArgs, ValidatorCommand};
use super::client::Client;
use super::confirm::confirm;
use super::output::{Output, fields, lines, money, short, table, table_if_any, text, until};

pub(super) async fn run(client: &Client, command: ValidatorCommand, output: Output) -> Result<()> {
    match command {
        ValidatorCommand::List => list(client, output).await,
        ValidatorCommand::Show { validator } => {
            let id = client.validator(&validator).await?;
            let value = client.get(&format!("/v1/validators/{id}")).await?;
            output.show(&value, print);
            Ok(())
        }
        ValidatorCommand::Create { amount, commission_bps, name, account, yes } => {
            let asked = format!(
                "This node's consensus key is to order blocks, with {} at stake. What signs two histories loses part of it.",
                money(&amount.into())
            );
            confirm(yes, &asked).await?;
            let account = account.as_deref().map(|name| client.leave(name));
            let body = json!({ "account": account, "amount": amount, "commission_bps": commission_bps, "name": name });
            sent(&client.post("/v1/validators", &body).await?, output);
            Ok(())
        }
        ValidatorCommand::Delegate(args) => change(client, "delegate", "staked on", args, output).await,
        ValidatorCommand::Undelegate(args) => change(client, "undelegate", "taken back from", args, output).await,
        ValidatorCommand::Redelegate { stake, to } => moved(client, stake, &to, output).await,
        ValidatorCommand::Delegations { account } => delegations(client, &account, output).await,
        ValidatorCommand::Withdraw { account } => {
            let address = client.address(&account).await?;
            let value = client.post(&format!("/v1/accounts/{address}/rewards"), &json!({})).await?;
            output.show(&value, |value| lines(&[("paid", money(&value["amount"])), ("tx", text(&value["tx"]))]));
            Ok(())
        }
        ValidatorCommand::Unjail { validator, account } => {
            let id = client.validator(&validator).await?;
            let account = account.as_deref().map(|name| client.leave(name));
            let body = json!({ "account": account });
            sent(&client.post(&format!("/v1/validators/{id}/unjail"), &body).await?, output);
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/validators").await?;
    output.show(&value, |value| {
        table(
            &value["validators"],
            &[
                ("validator", &|one| short(&one["id"])),
                ("name", &|one| text(&one["name"])),
                ("is", &status),
                ("stake", &|one| money(&one["stake"])),
                ("power", &|one| text(&one["power"])),
                ("commission", &|one| format!("{:.2} %", one["commission_bps"].as_f64().unwrap_or_default() / 100.0)),
                ("missed", &|one| text(&one["missed"])),
            ],
        );
    });
    Ok(())
}

fn status(validator: &Value) -> String {
    match &validator["jailed_until"] {
        Value::Null => text(&validator["status"]),
        until_when => format!("jailed, free {}", until(until_when)),
    }
}

fn print(validator: &Value) {
    fields(validator, &["id", "name", "operator", "key", "power", "commission_bps", "missed"]);
    say!("{}, {} behind it", status(validator), money(&validator["stake"]));
}

async fn change(client: &Client, verb: &str, words: &str, args: StakeArgs, output: Output) -> Result<()> {
    let id = client.validator(&args.validator).await?;
    let asked = format!("{} are to be {words} validator {}.", money(&args.amount.into()), short(&json!(id)));
    confirm(args.yes, &asked).await?;
    let account = args.account.as_deref().map(|name| client.leave(name));
    let body = json!({ "account": account, "amount": args.amount });
    let value = client.post(&format!("/v1/validators/{id}/{verb}"), &body).await?;
    client.tell_account(args.account.as_deref(), output).await;
    sent(&value, output);
    Ok(())
}

async fn moved(client: &Client, args: StakeArgs, to: &str, output: Output) -> Result<()> {
    let (from, to) = (client.validator(&args.validator).await?, client.validator(to).await?);
    let amount = money(&args.amount.into());
    let asked = format!("{amount} are to be moved from validator {} to {}.", short(&json!(from)), short(&json!(to)));
    confirm(args.yes, &asked).await?;
    let account = args.account.as_deref().map(|name| client.leave(name));
    let body = json!({ "account": account, "amount": args.amount, "to": to });
    let value = client.post(&format!("/v1/validators/{from}/redelegate"), &body).await?;
    client.tell_account(args.account.as_deref(), output).await;
    sent(&value, output);
    Ok(())
}

async fn delegations(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.get(&format!("/v1/accounts/{address}/delegations")).await?;
    output.show(&value, |value| {
        table(
            &value["delegations"],
            &[
                ("validator", &|one| short(&one["validator"])),
                ("name", &|one| text(&one["name"])),
                ("stake", &|one| money(&one["amount"])),
                ("moved here", &|one| money(&one["moved"])),
                ("earned", &|one| money(&one["earned"])),
            ],
        );
        table_if_any(
            &value["unbonding"],
            &[
                ("on its way from", &|one| short(&one["validator"])),
                ("amount", &|one| money(&one["amount"])),
                ("arrives", &|one| until(&one["arrives"])),
            ],
        );
    });
    Ok(())
}

fn sent(value: &Value, output: Output) {
    output.show(value, |value| fields(value, &["tx", "height"]));
}
