//! Accounts and their money.

use datanet_api::accounts::{AccountView, Claims, Earnings};
use datanet_api::channels::{ChannelParams, Channels, NewChannel, OpenedChannel};
use datanet_api::datanets::DatanetView;
use datanet_api::models::ModelView;
use datanet_api::status::NodeStatus;
use datanet_types::Amount;
use datanet_types::amount::display;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{address_of, fee, giving, usual_account, within};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;

/// Most lines of an account's earnings.
const MOST: usize = 200;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "balance",
                title: "Balance",
                description: "What an account owns, and what is left on its channel to this node, from which answers are paid.",
                shown: false,
            },
            balance,
        ),
        route(
            About {
                name: "quote",
                title: "What it would cost",
                description: "Free. What an answer, a number of classifications, or a contribution would cost now, and what its `max_price` must be.",
                shown: false,
            },
            quote,
        ),
        route(
            About {
                name: "channel_open",
                title: "Open a payment channel",
                description: "Locks a deposit of an account for answers of this node; what is not used comes back when the channel ends. Agree by `max_price`, deposit included, or confirm when asked.",
                shown: false,
            },
            channel_open,
        ),
        route(
            About {
                name: "earnings",
                title: "Earnings",
                description: "What an account has earned and why, line by line: which contribution, in how many answers, as what.",
                shown: false,
            },
            earnings,
        ),
        route(
            About {
                name: "claim",
                title: "Claim earnings",
                description: "Has an account paid what it earned, for the fee of a transaction for each node that owes it. Called again it pays nothing twice.",
                shown: false,
            },
            claim,
        ),
    ]
}

/// Whose.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// An address, or an account's name on this node; the node's own if not given.
    account: Option<String>,
}

/// What an account owns.
#[derive(Debug, Serialize, JsonSchema)]
struct Balance {
    /// Its address.
    address: String,
    /// What it can spend.
    balance: Money,
    /// What is locked as its node's stake.
    stake: Money,
    /// What is left for answers of this node on its open channels.
    for_answers: Money,
}

async fn balance(call: Call, args: Whose) -> Outcome<Balance> {
    let address = address_of(&call, args.account.as_deref()).await?;
    let account: AccountView = call.get(&["accounts", &address]).await?;
    let for_answers = on_channels(&call, &address).await?.into();
    Ok(Balance { address, balance: account.balance.into(), stake: account.stake.into(), for_answers })
}

/// What is left of the deposits of an account's open channels to this node.
async fn on_channels(call: &Call, address: &str) -> Result<Amount, Refusal> {
    let node = call.get::<NodeStatus>(&["status"]).await?.node_key;
    let params = ChannelParams { account: Some(address.to_owned()) };
    let channels: Channels = call.get_with(&["channels"], &params).await?;
    let open = channels.channels.iter().filter(|one| one.channel.node == node && one.channel.closed_height == 0);
    Ok(open.map(|one| one.channel.deposit.saturating_sub(one.promised)).fold(0, Amount::saturating_add))
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Deed {
    /// `ask`, of `datanet`.
    Ask,
    /// `classify`, of `model`, for so many `passages`.
    Classify,
    /// `contribute`, to `datanet`, with so many `bytes`.
    Contribute,
}

/// What to quote.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuoteArgs {
    /// Which tool's price.
    what: Deed,
    /// The datanet's name or id, for `ask` and `contribute`.
    datanet: Option<String>,
    /// The model's name or id, for `classify`.
    model: Option<String>,
    /// For `classify`; 1 if not given.
    passages: Option<u64>,
    /// For `contribute`: about how long the records are; less than a MiB if not given.
    bytes: Option<u64>,
    /// For `contribute`: base units to lock; the datanet's least if not given.
    bond: Option<u64>,
}

/// What it would cost.
#[derive(Debug, Serialize, JsonSchema)]
struct Quote {
    /// What it costs, and locks, in all.
    price: Money,
    /// In words.
    why: String,
    /// What to send as `max_price` to agree.
    max_price: u64,
}

async fn quote(call: Call, args: QuoteArgs) -> Outcome<Quote> {
    let named = |name: &str, given: Option<String>| {
        given.ok_or_else(|| Refusal::argument(format!("\"{name}\" is missing: which one is it about?")))
    };
    let price = match args.what {
        Deed::Ask => {
            let datanet: DatanetView = call.get(&["datanets", &named("datanet", args.datanet)?]).await?;
            Price { units: datanet.record.price, why: "one answer".to_owned() }
        }
        Deed::Classify => {
            let model: ModelView = call.get(&["models", &named("model", args.model)?]).await?;
            let passages = args.passages.unwrap_or(1);
            let why = format!("{passages} passages at {} each", display(model.price));
            Price { units: model.price.saturating_mul(passages), why }
        }
        Deed::Contribute => {
            let datanet: DatanetView = call.get(&["datanets", &named("datanet", args.datanet)?]).await?;
            giving::cost(&call, &datanet, args.bond, args.bytes.unwrap_or(0)).await?
        }
    };
    Ok(Quote { price: price.units.into(), why: price.why, max_price: price.units })
}

/// A channel to open.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelArgs {
    /// Who pays: an account's name on this node; the node's own if not given.
    account: Option<String>,
    /// Base units to lock.
    deposit: u64,
    /// The most that it may cost, the deposit included, in base units.
    max_price: Option<u64>,
}

/// A channel opened.
#[derive(Debug, Serialize, JsonSchema)]
struct Opened {
    /// Its id.
    channel: String,
    /// What is locked.
    deposit: Money,
    /// The transaction.
    tx: String,
}

async fn channel_open(call: Call, args: ChannelArgs) -> Outcome<Opened> {
    let fee = fee(&call).await?;
    let why = format!(
        "{} locked for answers, and {} for the transaction or a little more by its work",
        display(args.deposit),
        display(fee)
    );
    let price = Price { units: args.deposit.saturating_add(fee), why };
    call.server.prices().agree(&call, &price, args.max_price)?;
    let account = match args.account {
        Some(account) => account,
        None => usual_account(&call).await?,
    };
    let new = NewChannel { account, deposit: args.deposit, ..NewChannel::default() };
    let opened: OpenedChannel = call.post(&["channels"], &new).await?;
    Ok(Opened { channel: opened.channel.to_string(), deposit: args.deposit.into(), tx: opened.tx.to_string() })
}

/// Whose earnings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EarningsArgs {
    /// An address, or an account's name on this node; the node's own if not given.
    account: Option<String>,
    /// At most this many lines, 1 to 200; 50 if not given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

/// What an account has earned.
#[derive(Debug, Serialize, JsonSchema)]
struct Earned {
    /// Its address.
    address: String,
    /// In settled epochs.
    earned: Money,
    /// Claimed of it.
    claimed: Money,
    /// What `claim` would pay now.
    claimable: Money,
    /// In epochs that can still be challenged.
    pending: Money,
    /// Block time from which some of that is final, in seconds since 1970.
    next_final: Option<u64>,
    /// Why; the sums count lines that are not shown too.
    lines: Vec<EarningLine>,
    /// Nodes whose statements could not be read now, so that sums are too small.
    unread_nodes: u64,
}

/// One reason for pay.
#[derive(Debug, Serialize, JsonSchema)]
struct EarningLine {
    /// As what: contributor, owner, lineage, validator, storage or treasury.
    role: String,
    /// The datanet asked.
    datanet: String,
    /// The contribution.
    contribution: Option<String>,
    /// Answers that rest on it, or were moved by it.
    answers: u64,
    /// The model whose answers were netted over the epoch, so that one share of all pays; none where each answer paid by itself.
    model: Option<String>,
    /// The contribution's share of the fees that follow worth of that model's answers, in parts per million.
    share_ppm: Option<u64>,
    /// What that earned.
    amount: Money,
}

async fn earnings(call: Call, args: EarningsArgs) -> Outcome<Earned> {
    let limit = within("limit", args.limit, 50, MOST)?;
    let address = address_of(&call, args.account.as_deref()).await?;
    let found: Earnings = call.get(&["accounts", &address, "earnings"]).await?;
    let line = |one: datanet_api::accounts::EarningView| EarningLine {
        role: format!("{:?}", one.role).to_lowercase(),
        datanet: one.datanet.to_string(),
        contribution: one.contribution.map(|contribution| contribution.to_string()),
        answers: one.answers,
        model: one.netted.and_then(|netted| netted.model).map(|model| model.to_string()),
        share_ppm: one.netted.and_then(|netted| netted.share_ppm).map(|share| share.0),
        amount: one.amount.into(),
    };
    Ok(Earned {
        address,
        earned: found.earned.into(),
        claimed: found.claimed.into(),
        claimable: found.claimable.into(),
        pending: found.pending.into(),
        next_final: found.next_final,
        lines: found.lines.into_iter().take(limit).map(line).collect(),
        unread_nodes: found.missing.len() as u64,
    })
}

/// Whose earnings to pay.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClaimArgs {
    /// An account's name on this node, or its address; the node's own if not given.
    account: Option<String>,
    /// The most that the transactions may cost, in base units.
    max_price: Option<u64>,
}

/// What was paid.
#[derive(Debug, Serialize, JsonSchema)]
struct Claimed {
    /// The account.
    address: String,
    /// In all.
    paid: Money,
    /// The transactions.
    transactions: Vec<String>,
    /// Nodes that may owe something and did not pay all of it now, each with the reason.
    not_paid: Vec<NotPaid>,
}

/// What a node did not pay.
#[derive(Debug, Serialize, JsonSchema)]
struct NotPaid {
    /// The node.
    node: String,
    /// Why not, and what to do.
    reason: String,
}

async fn claim(call: Call, args: ClaimArgs) -> Outcome<Claimed> {
    let address = address_of(&call, args.account.as_deref()).await?;
    let owed: Earnings = call.get(&["accounts", &address, "earnings"]).await?;
    if owed.claimable > 0 {
        let fee = fee(&call).await?;
        let why =
            format!("the fee of a transaction, or a little more by its work, to be paid {}", display(owed.claimable));
        call.server.prices().agree(&call, &Price { units: fee, why }, args.max_price)?;
    }
    let claims: Claims = call.post_nothing(&["accounts", &address, "claim"]).await?;
    let not_paid = |one: datanet_api::accounts::NotClaimed| NotPaid { node: one.node.to_string(), reason: one.reason };
    Ok(Claimed {
        address,
        paid: claims.total.into(),
        transactions: claims.claims.iter().map(|one| one.tx.to_string()).collect(),
        not_paid: claims.failed.into_iter().map(not_paid).collect(),
    })
}
