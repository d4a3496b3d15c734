//! Accounts, money, earnings.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::TransferArgs;
use super::client::Client;
use super::confirm::confirm;
use super::costs;
use super::output::{Output, fields, money, percent, short, table, text, until};

pub(super) async fn show(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.get(&format!("/v1/accounts/{address}")).await?;
    output.show(&value, |value| {
        fields(value, &["address", "name", "node", "reputation"]);
        say!("balance {}\nstake {}", money(&value["balance"]), money(&value["stake"]));
        if value["unbonding"].as_u64().is_some_and(|amount| amount > 0) {
            say!("unbonding {}", money(&value["unbonding"]));
        }
    });
    Ok(())
}

pub(super) async fn transfer(client: &Client, args: TransferArgs, output: Output) -> Result<()> {
    let to = client.address(&args.to).await?;
    let asked = match args.yes {
        true => String::new(),
        false => costs::of_transfer(&costs::Fees::of(client).await?, args.amount, &args.from, &args.to, &to),
    };
    confirm(args.yes, &asked).await?;
    let value = client
        .post("/v1/transfers", &json!({ "from": client.leave(&args.from), "to": to, "amount": args.amount }))
        .await?;
    output.show(&value, |value| {
        fields(value, &["tx", "height"]);
        say!("sent {} from {} to {to}", money(&args.amount.into()), args.from);
    });
    Ok(())
}

/// Beside lines of answers that were netted.
const WHY_LEFT: &str = "worth left: the fees of an epoch's answers times what your data was worth for each, harm and former debts taken from help; \
what is left shares the model's fees, so that pay is no sum of what single answers led you to expect. Of other answers the share is the mean of their shares.";

pub(super) async fn stake(client: &Client, amount: u64, yes: bool, output: Output) -> Result<()> {
    let asked = format!("This node's account is to have {} at stake in all.", money(&amount.into()));
    confirm(yes, &asked).await?;
    let value = client.post("/v1/stake", &json!({ "stake": amount })).await?;
    output.show(&value, |value| {
        fields(value, &["tx", "height"]);
        say!("at stake {}; `datanet account` shows what is on its way back", money(&amount.into()));
    });
    Ok(())
}

pub(super) async fn earnings(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.get(&format!("/v1/accounts/{address}/earnings")).await?;
    output.show(&value, |value| {
        say!(
            "earned {}   claimed {}   claimable {}",
            money(&value["earned"]),
            money(&value["claimed"]),
            money(&value["claimable"])
        );
        say_pending(value);
        table(
            &value["lines"],
            &[
                ("epoch", &|line| format!("{} of {}", text(&line["epoch"]), short(&line["node"]))),
                ("as", &|line| text(&line["role"])),
                ("answers", &|line| text(&line["answers"])),
                ("worth left", &|line| left(line)),
                ("share", &|line| share(line)),
                ("amount", &|line| money(&line["amount"])),
                ("why", &|line| text(&line["why"])),
            ],
        );
        if value["lines"].as_array().into_iter().flatten().any(|line| line["netted"].is_object()) {
            say!("{WHY_LEFT}");
        }
        for missing in value["missing"].as_array().into_iter().flatten() {
            let (node, epochs) = (short(&missing["node"]), text(&missing["epochs"]));
            say!("missing: {epochs} epochs of node {node}: {}", text(&missing["reason"]));
        }
    });
    Ok(())
}

/// What was left of a line's worth, where its answers were netted.
fn left(line: &Value) -> String {
    match line["netted"]["worth_left"].as_f64() {
        Some(left) if left > 0.0 => format!("{:.3}", left / 1e6),
        _ => "-".to_owned(),
    }
}

/// A line's share of what its model's answers left; where each answer paid by itself, the mean of its shares.
fn share(line: &Value) -> String {
    let mean = || Some(line["weight_ppm_sum"].as_u64()? / line["answers"].as_u64().unwrap_or(0).max(1));
    let share = line["netted"]["share_ppm"].as_u64().or_else(mean);
    share.map_or_else(|| "-".to_owned(), |share| percent(&share.into()))
}

/// What can be claimed later, and when.
fn say_pending(earnings: &Value) {
    if earnings["pending"].as_u64().is_some_and(|amount| amount > 0) {
        say!(
            "pending {}: it can be claimed once its epochs can't be challenged any more, the first {}",
            money(&earnings["pending"]),
            until(&earnings["next_final"])
        );
    }
}

/// What was claimed, node by node.
pub(super) fn claims(value: &Value) {
    table(
        &value["claims"],
        &[
            ("from node", &|claim| short(&claim["node"])),
            ("epochs", &|claim| text(&claim["epochs"])),
            ("amount", &|claim| money(&claim["amount"])),
            ("transaction", &|claim| text(&claim["tx"])),
        ],
    );
}

/// What could not be; `done` is what it is called where it could.
pub(super) fn not_claimed(value: &Value, done: &str) {
    for failed in value["failed"].as_array().into_iter().flatten() {
        let (node, epochs) = (short(&failed["node"]), text(&failed["epochs"]));
        say!("not {done}: {epochs} epochs of node {node}: {}", text(&failed["reason"]));
    }
}

pub(super) async fn claim(client: &Client, account: &str, output: Output) -> Result<()> {
    let address = client.address(account).await?;
    let value = client.post(&format!("/v1/accounts/{address}/claim"), &json!({})).await?;
    if value["total"] == 0 && !output.json {
        say_pending(&client.get(&format!("/v1/accounts/{address}/earnings")).await?);
    }
    output.show(&value, |value| {
        claims(value);
        say!("paid {}", money(&value["total"]));
        not_claimed(value, "paid");
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_line_is_of_all_netted_answers_or_the_mean_of_each() {
        let netted = json!({ "answers": 3, "netted": { "share_ppm": 681_818, "worth_left": 450_000_000 } });
        assert_eq!((share(&netted), left(&netted)), ("68.2 %".to_owned(), "450.000".to_owned()));
        let by_passages = json!({ "answers": 4, "weight_ppm_sum": 1_000_000 });
        assert_eq!((share(&by_passages), left(&by_passages)), ("25.0 %".to_owned(), "-".to_owned()));
        let owner = json!({ "answers": 4 });
        assert_eq!((share(&owner), left(&owner)), ("-".to_owned(), "-".to_owned()));
    }
}
