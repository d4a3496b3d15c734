//! Shares in what datanets and models earn.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::account::{claims, not_claimed};
use super::args::SharesCommand;
use super::client::Client;
use super::confirm::confirm;
use super::costs::{self, Fees};
use super::output::{Output, fields, lines, money, short, table, text, until};

pub(super) async fn run(client: &Client, command: SharesCommand, output: Output) -> Result<()> {
    match command {
        SharesCommand::Issue { asset, supply, account, yes } => {
            let asset = client.asset(&asset).await?;
            let costs = costs::of_shares(client).await?;
            let asked = format!(
                "{supply} shares of {asset} are to be issued, once and for good; who holds them has its income from then on. {costs}."
            );
            confirm(yes, &asked).await?;
            let body = json!({ "account": named(client, account.as_deref()), "supply": supply });
            let value = client.post(&format!("/v1/shares/{asset}"), &body).await?;
            client.tell_account(account.as_deref(), output).await;
            sent(&value, output);
            Ok(())
        }
        SharesCommand::List { account: None } => list(client, output).await,
        SharesCommand::List { account: Some(account) } => held(client, &account, output).await,
        SharesCommand::Show { asset } => {
            let asset = client.asset(&asset).await?;
            let value = client.get(&format!("/v1/shares/{asset}")).await?;
            output.show(&value, print);
            Ok(())
        }
        SharesCommand::Transfer { asset, shares, to, account, yes } => {
            let (asset, to) = (client.asset(&asset).await?, client.address(&to).await?);
            let costs = costs::of_holding(client).await?;
            confirm(yes, &format!("{shares} shares of {asset} are to go to {to}; {costs}.")).await?;
            let body = json!({ "account": named(client, account.as_deref()), "to": to, "shares": shares });
            let value = client.post(&format!("/v1/shares/{asset}/transfer"), &body).await?;
            client.tell_account(account.as_deref(), output).await;
            sent(&value, output);
            Ok(())
        }
        SharesCommand::Claim { asset, account } => claim(client, &asset, account.as_deref(), output).await,
        SharesCommand::Withdraw { asset, account } => {
            let asset = client.asset(&asset).await?;
            let body = json!({ "account": named(client, account.as_deref()) });
            let value = client.post(&format!("/v1/shares/{asset}/withdraw"), &body).await?;
            client.tell_account(account.as_deref(), output).await;
            sent(&value, output);
            Ok(())
        }
        SharesCommand::Pay { asset, amount, account, yes } => {
            let asset = client.asset(&asset).await?;
            let (paid, fee) = (money(&amount.into()), money(&Fees::of(client).await?.transaction.into()));
            confirm(yes, &format!("{paid} are to go to the holders of {asset}, for a fee of {fee}.")).await?;
            let body = json!({ "account": named(client, account.as_deref()), "amount": amount });
            let value = client.post(&format!("/v1/shares/{asset}/income"), &body).await?;
            client.tell_account(account.as_deref(), output).await;
            sent(&value, output);
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/shares").await?;
    output.show(&value, |value| {
        table(
            &value["shares"],
            &[
                ("asset", &|one| brief(&one["asset"])),
                ("shares", &|one| text(&one["supply"])),
                ("income", &|one| money(&one["income"])),
                ("issued by", &|one| text(&one["issuer"])),
            ],
        );
    });
    Ok(())
}

async fn held(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.get(&format!("/v1/accounts/{address}/shares")).await?;
    output.show(&value, |value| {
        table(
            &value["held"],
            &[
                ("asset", &|one| brief(&one["asset"])),
                ("shares", &|one| format!("{} of {}", text(&one["shares"]), text(&one["supply"]))),
                ("units of the pool", &|one| text(&one["units"])),
                ("to withdraw", &|one| money(&one["owed"])),
            ],
        );
    });
    Ok(())
}

fn print(shares: &Value) {
    fields(shares, &["asset", "supply", "issuer", "issued_height"]);
    say!("income {} since they were issued", money(&shares["income"]));
    if shares["undivided"].as_u64().is_some_and(|amount| amount > 0) {
        say!("{} of it are divided evenly until {}", money(&shares["undivided"]), until(&shares["divided_until"]));
    }
    table(
        &shares["holders"],
        &[
            ("holder", &|one| text(&one["account"])),
            ("shares", &|one| text(&one["shares"])),
            ("to withdraw", &|one| money(&one["owed"])),
        ],
    );
}

async fn claim(client: &Client, asset: &str, account: Option<&str>, output: Output) -> Result<()> {
    let asset = client.asset(asset).await?;
    let body = json!({ "account": named(client, account) });
    let value = client.post(&format!("/v1/shares/{asset}/claim"), &body).await?;
    output.show(&value, |value| {
        claims(value);
        lines(&[("claimed", money(&value["total"]))]);
        not_claimed(value, "claimed");
    });
    Ok(())
}

/// An account's name, which is left to the node to find.
pub(super) fn named(client: &Client, account: Option<&str>) -> Option<String> {
    account.map(|name| client.leave(name))
}

pub(super) fn sent(value: &Value, output: Output) {
    output.show(value, |value| fields(value, &["tx", "height"]));
}

/// An asset with the beginning of its id.
pub(super) fn brief(asset: &Value) -> String {
    match text(asset).split_once(':') {
        Some((kind, id)) => format!("{kind}:{}", short(&json!(id))),
        None => text(asset),
    }
}

impl Client {
    /// An asset as paths have it, from `datanet:NAME` or `model:NAME`, or the beginning of an id in the name's place.
    pub(super) async fn asset(&self, typed: &str) -> Result<String> {
        match typed.split_once(':') {
            Some(("datanet", datanet)) => {
                let datanet = self.datanet(datanet).await?;
                let id = self.get(&format!("/v1/datanets/{datanet}")).await?;
                Ok(format!("datanet:{}", text(&id["id"])))
            }
            Some(("model", model)) => {
                let model = self.model(model).await?;
                let found = self.get(&format!("/v1/models/{model}")).await?;
                Ok(format!("model:{}", text(&found["model_id"])))
            }
            Some(("agent", _)) => Ok(typed.to_owned()),
            _ => bail!("{typed:?} is no asset; write datanet:NAME, model:NAME or agent:ID"),
        }
    }
}
