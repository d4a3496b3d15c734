//! The commands about the chain's parameters and treasury.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::args::{ParamsCommand, TreasuryCommand};
use super::client::Client;
use super::confirm::confirm;
use super::output::{Output, fields, money, table, table_if_any, text, until};

pub(super) async fn treasury(client: &Client, command: TreasuryCommand, output: Output) -> Result<()> {
    match command {
        TreasuryCommand::Show => {
            let value = client.get("/v1/treasury").await?;
            output.show(&value, print_treasury);
            Ok(())
        }
        TreasuryCommand::Spend { to, amount, reason, account, yes } => {
            let to = client.address(&to).await?;
            let paid = money(&amount.into());
            confirm(yes, &format!("{paid} are to be paid to {to} out of the treasury, after the chain's delay."))
                .await?;
            let account = account.as_deref().map(|name| client.leave(name));
            let body = json!({ "account": account, "to": to, "amount": amount, "reason": reason });
            sent(&client.post("/v1/treasury/spends", &body).await?, output);
            Ok(())
        }
        TreasuryCommand::Retire { account, yes } => {
            confirm(yes, "The chain's authority is to end for good, with what it has announced.").await?;
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            sent(&client.post("/v1/authority/retire", &body).await?, output);
            Ok(())
        }
        TreasuryCommand::Cancel { number, account } => {
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            sent(&client.post(&format!("/v1/treasury/spends/{number}/cancel"), &body).await?, output);
            Ok(())
        }
    }
}

pub(super) async fn params(client: &Client, command: ParamsCommand, output: Output) -> Result<()> {
    match command {
        ParamsCommand::Show => {
            let value = client.get("/v1/params").await?;
            output.show(&value, print_params);
            Ok(())
        }
        ParamsCommand::Set { changes, account, yes } => {
            let changes = changes.iter().map(|typed| change(typed)).collect::<Result<Map<_, _>>>()?;
            let told = Value::Object(changes.clone());
            confirm(yes, &format!("The chain's parameters are to become {told}, after its delay.")).await?;
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)), "changes": changes });
            sent(&client.post("/v1/params", &body).await?, output);
            Ok(())
        }
        ParamsCommand::Reset { component, account } => {
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            sent(&client.post(&format!("/v1/components/{component}/reset"), &body).await?, output);
            Ok(())
        }
        ParamsCommand::Cancel { account } => {
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            sent(&client.post("/v1/params/cancel", &body).await?, output);
            Ok(())
        }
    }
}

/// `NAME=VALUE`, where the value is JSON: a number, or `{"node": 2000, …}`.
fn change(typed: &str) -> Result<(String, Value)> {
    let Some((name, value)) = typed.split_once('=') else {
        bail!("{typed:?} is no change of a parameter; write NAME=VALUE, such as min_fee=2000");
    };
    match serde_json::from_str(value) {
        Ok(value) => Ok((name.trim().to_owned(), value)),
        Err(error) => bail!("{value:?} is no value of {name}: {error}; write a number, or an object in JSON"),
    }
}

fn print_treasury(value: &Value) {
    say!("{} in the treasury", money(&value["balance"]));
    match value["authority"].as_str() {
        Some(authority) => {
            let (spent, most) = (money(&value["period_spent"]), money(&value["period_most"]));
            say!("account {authority} may spend {most} until {}; {spent} are announced", until(&value["period_ends"]));
        }
        None => say!("votes alone spend it"),
    }
    table_if_any(
        &value["announced"],
        &[
            ("payment", &|one| text(&one["number"])),
            ("amount", &|one| money(&one["amount"])),
            ("to", &|one| text(&one["to"])),
            ("made", &|one| until(&one["due"])),
            ("reason", &|one| text(&one["reason"])),
        ],
    );
}

fn print_params(value: &Value) {
    let rows = |map: &Value| {
        let row = |(name, value): (&String, &Value)| json!({ "name": name, "value": value });
        Value::Array(map.as_object().into_iter().flatten().map(row).collect())
    };
    let shown =
        |map: &Value| table(&rows(map), &[("name", &|row| text(&row["name"])), ("value", &|row| plain(&row["value"]))]);
    say!("version {} since height {}", text(&value["version"]), text(&value["from"]));
    shown(&value["params"]);
    if !value["announced"].is_null() {
        say!("\nannounced, to hold {}:", until(&value["announced"]["due"]));
        shown(&value["announced"]["changes"]);
    }
    if let Some(authority) = value["authority"].as_str() {
        say!("account {authority} may announce others");
    }
}

fn plain(value: &Value) -> String {
    if value.is_object() { value.to_string() } else { text(value) }
}

fn sent(value: &Value, output: Output) {
    output.show(value, |value| fields(value, &["tx", "height"]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_name_and_a_value_or_the_error_says_how_one_is_written() {
        assert_eq!(change("min_fee=2000").unwrap(), ("min_fee".to_owned(), json!(2_000)));
        assert_eq!(change(r#"fee_shares={"node": 1}"#).unwrap().1, json!({ "node": 1 }));
        for typed in ["min_fee", "min_fee=", "min_fee=2 DNT"] {
            let said = change(typed).unwrap_err().to_string();
            assert!(said.contains("write "), "{said}");
        }
    }
}
