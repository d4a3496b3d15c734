//! Buying a training at a node: priced, paid by a voucher that this node signs, followed to its end, registered here.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use datanet_api::trainings::{TrainingPayment, TrainingView};
use serde_json::{Value, json};

use super::args::BuyArgs;
use super::client::{Client, told};
use super::files::read_text;
use super::output::{Output, fields, money, text, until};
use super::train::table_of;
use crate::keyring::NODE_ACCOUNT;

/// How often it is asked how a training does.
const EVERY: Duration = Duration::from_secs(2);

/// The node that trains: at a public face, or the one of this home.
fn seller(client: &Client, at: Option<&str>) -> Result<datanet_api::Client> {
    match at {
        Some(url) => datanet_api::Client::new(url, "").map_err(told),
        None => Ok(client.node.clone()),
    }
}

/// Has a training priced, and orders it.
pub(super) async fn buy(client: &Client, args: BuyArgs, output: Output) -> Result<()> {
    let (node, request) = (seller(client, args.at.as_deref())?, request(&args)?);
    let quoted: Value = node.post("/v1/trainings/quote", &request).await.map_err(told)?;
    let quote = &quoted["quote"];
    if args.price {
        output.show(&quoted, |quoted| {
            let rate = &quote["rate"];
            say!(
                "it costs {} at most: {} and {} for each of up to {} steps; the quote expires {}",
                money(&quote["price"]),
                money(&rate["answer"]),
                money(&rate["step"]),
                text(&quoted["steps"]),
                until(&quote["expires_at"])
            );
            fields(quoted, &["count", "seconds"]);
        });
        return Ok(());
    }
    let account = args.account.clone().unwrap_or_else(|| NODE_ACCOUNT.to_owned());
    let channel = client.channel(&args.channel.context("name the channel that pays with --channel")?).await?;
    let price = quote["price"].as_u64().context("the node's quote has no price")?;
    if let Some(most) = args.most.filter(|most| price > *most) {
        bail!(
            "it would cost {} at most, more than the {} of --most; nothing was ordered",
            money(&price.into()),
            money(&most.into())
        );
    }
    let cumulative = match args.cumulative {
        Some(cumulative) => cumulative,
        None => promised(client, &account, &channel).await?.saturating_add(price),
    };
    let voucher = client.post(&format!("/v1/channels/{channel}/voucher"), &json!({ "cumulative": cumulative })).await?;
    let mut order = request;
    (order["voucher"], order["quote"]) = (voucher, quote.clone());
    let ordered: TrainingView = node.post("/v1/trainings", &order).await.map_err(told)?;
    if args.detach {
        output.show(&serde_json::to_value(&ordered)?, |ordered| {
            fields(ordered, &["id", "status", "payment"]);
            let at = args.at.as_deref().map(|at| format!(" --at {at}")).unwrap_or_default();
            say!("next: datanet train take {}{at} --account {account}", text(&ordered["id"]));
        });
        return Ok(());
    }
    if !output.json {
        note!(
            "training {} is ordered, for {} at most; `datanet train take` goes on with it",
            ordered.id,
            money(&price.into())
        );
    }
    finish(client, &node, &ordered.id, &account, output).await
}

/// Goes on with a training that was ordered.
pub(super) async fn take(
    client: &Client,
    id: &str,
    at: Option<String>,
    account: Option<String>,
    output: Output,
) -> Result<()> {
    let node = seller(client, at.as_deref())?;
    finish(client, &node, id, account.as_deref().unwrap_or(NODE_ACCOUNT), output).await
}

/// Waits until a training is paid or let go of, and registers what was paid for.
async fn finish(client: &Client, node: &datanet_api::Client, id: &str, account: &str, output: Output) -> Result<()> {
    let (path, mut phase) = (format!("/v1/trainings/{id}"), String::new());
    let done = loop {
        let seen: TrainingView = node.get(&path).await.map_err(told)?;
        if seen.payment != TrainingPayment::Held {
            break seen;
        }
        if !output.json && seen.progress.phase != phase {
            phase.clone_from(&seen.progress.phase);
            note!("{phase}");
        }
        tokio::time::sleep(EVERY).await;
    };
    let Some(receipt) = done.receipt else {
        bail!("nothing was trained, and nothing is paid: {}", done.reason.unwrap_or_default());
    };
    let body = json!({ "receipt": receipt, "account": account });
    let registered = client.post("/v1/models/bought", &body).await?;
    let shown = json!({ "training": done, "model": registered["model"], "name": registered["name"] });
    output.show(&shown, |shown| {
        fields(shown, &["model", "name"]);
        say!("paid {}, by receipt {receipt}", money(&shown["training"]["fee"]));
        let model = text(&shown["model"]);
        say!("next: datanet receipt verify {receipt}, datanet train verify {model}, datanet model deploy {model}");
    });
    Ok(())
}

/// What an account's channel has promised by now, as far as this node knows.
async fn promised(client: &Client, account: &str, channel: &str) -> Result<u64> {
    let list = client.get_with("/v1/channels", &[("account", client.leave(account))]).await?;
    let found = list["channels"].as_array().into_iter().flatten().find(|one| one["id"] == channel);
    let found =
        found.with_context(|| format!("account {account} has no channel {channel}; --account names whose it is"))?;
    Ok(found["promised"].as_u64().max(found["charged"].as_u64()).unwrap_or_default())
}

/// The job file as the interface takes it. The file is checked here already, with errors that name its keys.
fn request(args: &BuyArgs) -> Result<Value> {
    let mut table = table_of(&args.file, &read_text(&args.file)?)?;
    let object = table.as_object_mut().context("a job file is a table")?;
    let base = object
        .remove("base")
        .with_context(|| format!("{}: base is missing; name the model to adapt", args.file.display()))?;
    let mut request = json!({ "datanet": args.datanet, "base": base, "job": table });
    if let Some(count) = args.count {
        request["count"] = count.into();
    }
    if let Some(name) = &args.name {
        request["name"] = name.clone().into();
    }
    Ok(request)
}
