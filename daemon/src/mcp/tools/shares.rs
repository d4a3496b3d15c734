//! Shares in what datanets and models earn: seen, traded, given away, and their income.

use datanet_api::shares::{HeldShares, Quote, QuoteParams, SharesTransfer, Trade};
use datanet_api::transactions::Sent;
use datanet_api::validators::InTheNameOf;
use datanet_types::Asset;
use datanet_types::amount::display;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{address_of, fee, id};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "shares",
                title: "Shares",
                description: "What an account holds of what datanets and models earn, what that has earned, and what it would bring if it were sold to the pool now.",
                shown: false,
            },
            held,
        ),
        route(
            About {
                name: "shares_buy",
                title: "Buy shares",
                description: "Buys shares of a datanet or model from their pool. Agree by `max_price`, what is given included; `least` guards against a price that moves meanwhile.",
                shown: false,
            },
            buy,
        ),
        route(
            About {
                name: "shares_sell",
                title: "Sell shares",
                description: "Sells shares of a datanet or model to their pool. `max_price` is for the transaction's fee; `least` guards against a price that moves meanwhile.",
                shown: false,
            },
            sell,
        ),
        route(
            About {
                name: "shares_transfer",
                title: "Give shares away",
                description: "Gives shares to another account. What they have earned until then stays the giver's.",
                shown: false,
            },
            transfer,
        ),
        route(
            About {
                name: "shares_income",
                title: "Collect the income of shares",
                description: "Pays out what an account's shares of one datanet or model have earned. Called again it pays nothing twice.",
                shown: false,
            },
            income,
        ),
    ]
}

/// Whose shares.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// An address, or an account's name on this node; your own if not given.
    account: Option<String>,
}

/// What an account holds.
#[derive(Debug, Serialize, JsonSchema)]
struct Holdings {
    /// Its address.
    address: String,
    /// One line a datanet or model, up to 1,000.
    held: Vec<Holding>,
}

/// What an account holds of one.
#[derive(Debug, Serialize, JsonSchema)]
struct Holding {
    /// Of what: `datanet:ID` or `model:ID`.
    asset: String,
    /// Shares.
    shares: u64,
    /// How many there are.
    supply: u64,
    /// Units of their pool.
    pool_units: u64,
    /// What both have earned and `shares_income` would pay now.
    owed: Money,
    /// What the pool would give for all of the shares now; none if there is no pool.
    worth: Option<Money>,
}

async fn held(call: Call, args: Whose) -> Outcome<Holdings> {
    let address = address_of(&call, args.account.as_deref()).await?;
    let found: HeldShares = call.get(&["accounts", &address, "shares"]).await?;
    let mut held = Vec::new();
    for one in found.held {
        let worth = match one.shares {
            0 => None,
            shares => quote(&call, &one.asset, QuoteParams { buy: None, sell: Some(shares) }).await.ok(),
        };
        let worth = worth.map(|quote| quote.take.into());
        let (shares, supply, pool_units, owed) = (one.shares, one.supply, one.units, one.owed.into());
        held.push(Holding { asset: one.asset, shares, supply, pool_units, owed, worth });
    }
    Ok(Holdings { address, held })
}

async fn quote(call: &Call, asset: &str, what: QuoteParams) -> Result<Quote, Refusal> {
    call.get_with(&["pools", asset, "quote"], &what).await
}

/// Shares to buy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BuyArgs {
    /// Of what: `datanet:ID` or `model:ID`.
    asset: String,
    /// Base units to give.
    amount: u64,
    /// Fewest shares that it must bring.
    least: u64,
    /// Who buys: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that it may cost, what is given included, in base units.
    max_price: Option<u64>,
}

/// Shares to sell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SellArgs {
    /// Of what: `datanet:ID` or `model:ID`.
    asset: String,
    /// Shares to give.
    shares: u64,
    /// Fewest base units that it must bring.
    least: u64,
    /// Who sells: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

/// A trade done.
#[derive(Debug, Serialize, JsonSchema)]
struct Traded {
    /// Of what.
    asset: String,
    /// What was given: base units where shares were bought, shares where they were sold.
    gave: u64,
    /// What it brings at least: shares, or base units.
    at_least: u64,
    /// The transaction.
    tx: String,
}

async fn buy(call: Call, args: BuyArgs) -> Outcome<Traded> {
    let asset = id::<Asset>("asset", &args.asset)?;
    let expected = quote(&call, &asset, QuoteParams { buy: Some(args.amount), sell: None }).await?;
    let fee = fee(&call).await?;
    let why = format!(
        "{} for about {} shares, and {} for the transaction or a little more by its work",
        display(args.amount),
        expected.take,
        display(fee)
    );
    let price = Price { units: args.amount.saturating_add(fee), why };
    call.server.prices().agree(&call, &price, args.max_price)?;
    trade(&call, "buy", asset, Trade { account: args.account, give: args.amount, least: args.least, seconds: None })
        .await
}

async fn sell(call: Call, args: SellArgs) -> Outcome<Traded> {
    let asset = id::<Asset>("asset", &args.asset)?;
    let expected = quote(&call, &asset, QuoteParams { buy: None, sell: Some(args.shares) }).await?;
    let why = format!(
        "the fee of a transaction, or a little more by its work; {} shares bring about {}",
        args.shares,
        display(expected.take)
    );
    call.server.prices().agree(&call, &Price { units: fee(&call).await?, why }, args.max_price)?;
    trade(&call, "sell", asset, Trade { account: args.account, give: args.shares, least: args.least, seconds: None })
        .await
}

async fn trade(call: &Call, side: &str, asset: String, trade: Trade) -> Outcome<Traded> {
    let sent: Sent = call.post(&["pools", &asset, side], &trade).await?;
    Ok(Traded { asset, gave: trade.give, at_least: trade.least, tx: sent.tx.to_string() })
}

/// Shares to give away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TransferArgs {
    /// Of what: `datanet:ID` or `model:ID`.
    asset: String,
    /// Who receives: an address, or an account's name on this node.
    to: String,
    /// How many.
    shares: u64,
    /// Who gives: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

/// A transaction that did it.
#[derive(Debug, Serialize, JsonSchema)]
struct Done {
    /// Of what.
    asset: String,
    /// The transaction.
    tx: String,
}

async fn transfer(call: Call, args: TransferArgs) -> Outcome<Done> {
    let asset = id::<Asset>("asset", &args.asset)?;
    let to = address_of(&call, Some(&args.to)).await?.parse().map_err(|_| Refusal::argument("\"to\" is no address"))?;
    let why = format!("the fee of a transaction, or a little more by its work; {} shares go with it", args.shares);
    call.server.prices().agree(&call, &Price { units: fee(&call).await?, why }, args.max_price)?;
    let new = SharesTransfer { account: args.account, to, shares: args.shares };
    let sent: Sent = call.post(&["shares", &asset, "transfer"], &new).await?;
    Ok(Done { asset, tx: sent.tx.to_string() })
}

/// Whose income, of what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IncomeArgs {
    /// Of what: `datanet:ID` or `model:ID`.
    asset: String,
    /// Whose: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

async fn income(call: Call, args: IncomeArgs) -> Outcome<Done> {
    let asset = id::<Asset>("asset", &args.asset)?;
    let why = "the fee of a transaction, or a little more by its work".to_owned();
    call.server.prices().agree(&call, &Price { units: fee(&call).await?, why }, args.max_price)?;
    let whose = InTheNameOf { account: args.account };
    let sent: Sent = call.post(&["shares", &asset, "withdraw"], &whose).await?;
    Ok(Done { asset, tx: sent.tx.to_string() })
}
