//! What those who paid say of sellers.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::agent::percent;
use super::args::SellersCommand;
use super::client::Client;
use super::output::{Output, fields, money, table, text, until};
use super::shares::{named, sent};

pub(super) async fn run(client: &Client, command: SellersCommand, output: Output) -> Result<()> {
    match command {
        SellersCommand::List => {
            let value = client.get("/v1/sellers").await?;
            output.show(&value, |value| {
                table(
                    &value["sellers"],
                    &[
                        ("seller", &|one| text(&one["account"])),
                        ("score", &|one| score(&one["score_bps"])),
                        ("by", &|one| money(&one["counted"])),
                        ("of", &|one| money(&one["rated"])),
                        ("sold", &|one| money(&one["earned"])),
                    ],
                );
            });
        }
        SellersCommand::Show { account } => {
            let address = client.address(&account).await?;
            let value = client.get(&format!("/v1/sellers/{address}")).await?;
            output.show(&value, seller);
        }
        SellersCommand::Open { account } => {
            let address = client.address(&account).await?;
            let value = client.get(&format!("/v1/accounts/{address}/ratings")).await?;
            output.show(&value, |value| {
                table(
                    &value["open"],
                    &[
                        ("epoch", &|one| format!("{}/{}", text(&one["node"]), text(&one["epoch"]))),
                        ("paid", &|one| money(&one["amount"])),
                        ("seller", &|one| text(&one["seller"])),
                        ("until", &|one| until(&one["until"])),
                    ],
                );
            });
        }
        SellersCommand::Rate { epoch, percent, account } => {
            let parts = epoch.split_once('/').and_then(|(node, number)| Some((node, number.parse::<u64>().ok()?)));
            let Some((node, number)) = parts else {
                bail!("{epoch:?} is no epoch; write NODE/NUMBER, as `datanet sellers open` names it");
            };
            let body = json!({
                "account": named(client, account.as_deref()), "node": node, "epoch": number,
                "score_bps": percent.saturating_mul(100),
            });
            let value = client.post("/v1/ratings", &body).await?;
            client.tell_account(account.as_deref(), output).await;
            sent(&value, output);
        }
    }
    Ok(())
}

fn score(bps: &Value) -> String {
    if bps.is_null() { "nothing counts".to_owned() } else { percent(bps, 100) }
}

fn seller(one: &Value) {
    fields(one, &["account", "agent"]);
    say!("score {}, by {} ratings", score(&one["score_bps"]), text(&one["ratings"]));
    say!(
        "{} of payments were rated: {} count, {} are its own owner's, {} may have come back to who paid",
        money(&one["rated"]),
        money(&one["counted"]),
        money(&one["own"]),
        money(&one["circular"])
    );
    say!(
        "it was paid {} for answers and paid {} itself; all of this halves every ninety days",
        money(&one["earned"]),
        money(&one["paid"])
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_percentage_or_nothing() {
        assert_eq!((score(&Value::Null), score(&json!(10_000))), ("nothing counts".into(), "100.00 %".into()));
    }
}
