//! The pools in which shares are traded. What a trade brings is shown before it is meant.

use anyhow::Result;
use datanet_types::amount::{BPS, mul_div};
use serde_json::{Value, json};

use super::args::{Meant, PoolCommand, Side, Slippage};
use super::client::Client;
use super::confirm::confirm;
use super::costs;
use super::output::{Output, fields, money, table, text};
use super::shares::{brief, named, sent};

pub(super) async fn run(client: &Client, command: PoolCommand, output: Output) -> Result<()> {
    match command {
        PoolCommand::List => list(client, output).await,
        PoolCommand::Show { asset } => {
            let asset = client.asset(&asset).await?;
            let value = client.get(&format!("/v1/pools/{asset}")).await?;
            output.show(&value, |pool| {
                fields(pool, &["asset", "shares", "units", "fee_bps", "creator", "created_height"]);
                say!("money {}\na share costs about {}", money(&pool["amount"]), money(&pool["price"]));
            });
            Ok(())
        }
        PoolCommand::Create { asset, shares, amount, meant } => {
            let asset = client.asset(&asset).await?;
            let put = format!("{shares} shares and {}", money(&amount.into()));
            let asked = format!("{put} are to open the pool of {asset} and make its first price");
            let body =
                json!({ "account": named(client, meant.account.as_deref()), "shares": shares, "amount": amount });
            done(client, &format!("/v1/pools/{asset}"), &asked, &body, &meant, output).await
        }
        PoolCommand::Add { asset, shares, amount, slippage, meant } => {
            let asset = client.asset(&asset).await?;
            add(client, &asset, (shares, amount), &slippage, &meant, output).await
        }
        PoolCommand::Remove { asset, units, slippage, meant } => {
            let asset = client.asset(&asset).await?;
            remove(client, &asset, units, &slippage, &meant, output).await
        }
        PoolCommand::Swap { asset, side, slippage, meant } => {
            let asset = client.asset(&asset).await?;
            swap(client, &asset, &side, &slippage, &meant, output).await
        }
        PoolCommand::Quote { asset, side } => {
            let asset = client.asset(&asset).await?;
            let value = quote(client, &asset, &side).await?;
            output.show(&value, |value| say!("{}", told(value, &side)));
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/pools").await?;
    output.show(&value, |value| {
        table(
            &value["pools"],
            &[
                ("asset", &|pool| brief(&pool["asset"])),
                ("shares", &|pool| text(&pool["shares"])),
                ("money", &|pool| money(&pool["amount"])),
                ("a share", &|pool| money(&pool["price"])),
            ],
        );
    });
    Ok(())
}

/// The least that is taken where `amount` is what it would be now.
fn least(amount: u64, slippage: &Slippage) -> u64 {
    mul_div(amount, BPS.saturating_sub(slippage.slippage_bps), BPS).unwrap_or(0)
}

async fn add(
    client: &Client,
    asset: &str,
    (shares, amount): (u64, u64),
    slippage: &Slippage,
    meant: &Meant,
    output: Output,
) -> Result<()> {
    let pool = client.get(&format!("/v1/pools/{asset}")).await?;
    let number = |name: &str| pool[name].as_u64().unwrap_or_default();
    let units = |max, reserve| mul_div(max, number("units"), reserve).unwrap_or(u64::MAX);
    let units = units(shares, number("shares")).min(units(amount, number("amount")));
    let min_units = least(units, slippage);
    let most = format!("at most {shares} shares and {}", money(&amount.into()));
    let asked =
        format!("{most} are to go into the pool of {asset} for about {units} of its units, {min_units} at least");
    let body = json!({
        "account": named(client, meant.account.as_deref()), "max_shares": shares, "max_amount": amount,
        "min_units": min_units, "seconds": slippage.seconds,
    });
    done(client, &format!("/v1/pools/{asset}/add"), &asked, &body, meant, output).await
}

async fn remove(
    client: &Client,
    asset: &str,
    units: u64,
    slippage: &Slippage,
    meant: &Meant,
    output: Output,
) -> Result<()> {
    let pool = client.get(&format!("/v1/pools/{asset}")).await?;
    let number = |name: &str| pool[name].as_u64().unwrap_or_default();
    let part = |reserve| mul_div(units, reserve, number("units")).unwrap_or_default();
    let (shares, amount) = (part(number("shares")), part(number("amount")));
    let (min_shares, min_amount) = (least(shares, slippage), least(amount, slippage));
    let asked = format!(
        "{units} units of the pool of {asset} are to be given up for about {shares} shares and {}, {min_shares} and {} at least",
        money(&amount.into()),
        money(&min_amount.into())
    );
    let body = json!({
        "account": named(client, meant.account.as_deref()), "units": units, "min_shares": min_shares,
        "min_amount": min_amount, "seconds": slippage.seconds,
    });
    done(client, &format!("/v1/pools/{asset}/remove"), &asked, &body, meant, output).await
}

async fn quote(client: &Client, asset: &str, side: &Side) -> Result<Value> {
    let asked = match (side.buy, side.sell) {
        (Some(amount), _) => ("buy", amount),
        (None, shares) => ("sell", shares.unwrap_or_default()),
    };
    client.get_with(&format!("/v1/pools/{asset}/quote"), &[(asked.0, asked.1.to_string())]).await
}

/// A quote in words.
fn told(quote: &Value, side: &Side) -> String {
    let (give, take, fee) = (&quote["give"], &quote["take"], &quote["fee"]);
    let worse =
        format!("{:.2} % less than at the present price", quote["worse_bps"].as_f64().unwrap_or_default() / 100.0);
    match side.buy {
        Some(_) => {
            format!("{} buy {} shares ({} of it stay in the pool): {worse}", money(give), text(take), money(fee))
        }
        None => {
            format!("{} shares bring {} ({} of them stay in the pool): {worse}", text(give), money(take), text(fee))
        }
    }
}

async fn swap(
    client: &Client,
    asset: &str,
    side: &Side,
    slippage: &Slippage,
    meant: &Meant,
    output: Output,
) -> Result<()> {
    let now = quote(client, asset, side).await?;
    let (give, take) = (now["give"].as_u64().unwrap_or_default(), now["take"].as_u64().unwrap_or_default());
    let least = least(take, slippage);
    let in_words = if side.buy.is_some() { format!("{least} shares") } else { money(&least.into()) };
    let asked = format!("{}. Less than {in_words} is refused", told(&now, side));
    let body = json!({
        "account": named(client, meant.account.as_deref()), "give": give, "least": least, "seconds": slippage.seconds,
    });
    let verb = if side.buy.is_some() { "buy" } else { "sell" };
    done(client, &format!("/v1/pools/{asset}/{verb}"), &asked, &body, meant, output).await
}

/// Asks whether it is meant, and does it.
async fn done(client: &Client, path: &str, asked: &str, body: &Value, meant: &Meant, output: Output) -> Result<()> {
    let asked = format!("{asked}; {}.", costs::of_holding(client).await?);
    if meant.yes && !output.json {
        note!("{asked}");
    }
    confirm(meant.yes, &asked).await?;
    let value = client.post(path, body).await?;
    client.tell_account(meant.account.as_deref(), output).await;
    sent(&value, output);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_says_what_is_given_what_it_brings_and_how_far_the_price_moves() {
        let quote = json!({ "give": 1_000_000, "take": 906, "fee": 3_000, "worse_bps": 940 });
        let bought = told(&quote, &Side { buy: Some(1_000_000), sell: None });
        assert_eq!(
            bought,
            "1 DNT buy 906 shares (0.003 DNT of it stay in the pool): 9.40 % less than at the present price"
        );
        let quote = json!({ "give": 906, "take": 1_000_000, "fee": 3, "worse_bps": 940 });
        let sold = told(&quote, &Side { buy: None, sell: Some(906) });
        assert_eq!(sold, "906 shares bring 1 DNT (3 of them stay in the pool): 9.40 % less than at the present price");
    }

    #[test]
    fn the_least_is_what_slippage_leaves() {
        let slippage = |slippage_bps| Slippage { slippage_bps, seconds: 1 };
        assert_eq!([0, 100, 10_000].map(|bps| least(1_000, &slippage(bps))), [1_000, 990, 0]);
    }
}
