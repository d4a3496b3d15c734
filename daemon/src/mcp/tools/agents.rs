//! Agents on the ledger, and what is said of sellers: seen by everybody, and owned by whoever the operator's token speaks for.

use datanet_api::agents::{
    AgentView, Agents, AgentsParams, ChangedAgent, NewAgent, NewAgentKey, NewSupplier, RegisteredAgent, RevokedAgentKey,
};
use datanet_api::keys::GrantedKey;
use datanet_api::sellers::{SellerView, Sellers};
use datanet_api::transactions::Sent;
use datanet_types::amount::display;
use datanet_types::{AgentId, Amount, Asset, BlobHash};
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{address_of, fee, id, within};
use crate::mcp::call::{Call, Outcome, Stop};
use crate::mcp::money::Money;
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most lines of a list.
const MOST: usize = 100;
/// Seconds of a period, and of a key's life, where none are given.
const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    let about = |name, title, description| About { name, title, description, shown: false };
    vec![
        route(
            about(
                "agents",
                "List agents",
                "Agents on the ledger, by id: accounts that programs spend from within limits, each in its owner's hands. A page of them; `next` is the `after` of the following page.",
            ),
            list,
        ),
        route(
            about(
                "agent",
                "Show an agent",
                "One agent: whose it is, what it has and may spend, what it is made from and who has part in what it earns. `sellers` tells what those who paid it say.",
            ),
            show,
        ),
        route(
            about(
                "sellers",
                "Sellers and what is said of them",
                "Who was paid for answers, and how good those who paid say they are, weighed by settled money less what is their own or circular. Those first of whom most counts.",
            ),
            sellers,
        ),
        route(
            about(
                "agent_register",
                "Register an agent",
                "Makes an account that no key of its own controls, owned by yours, with a budget that all its keys share. `agent_grant` lets a key run it.",
            ),
            register,
        ),
        route(
            about(
                "agent_update",
                "Change an agent",
                "Says anew what an agent is made from and may spend, or ends all its keys; what is not given stays. Another card or other suppliers are its next release.",
            ),
            update,
        ),
        route(
            about(
                "agent_grant",
                "Let a key run an agent",
                "Lets a key do some actions in an agent's name, within limits of its own and the budget that all its keys share. Granted anew, a key has the new limits.",
            ),
            grant,
        ),
        route(
            about(
                "agent_revoke",
                "End an agent's key",
                "Ends a key that runs an agent, at once. It is let again by `agent_grant`.",
            ),
            revoke,
        ),
    ]
}

/// Which agents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichAgents {
    /// Only those of this account that are not retired: its address.
    owner: Option<String>,
    /// From behind the agent of this id.
    after: Option<String>,
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// An agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichAgent {
    /// Its id.
    agent: String,
}

/// Agents by id.
#[derive(Debug, Serialize, JsonSchema)]
struct AgentList {
    /// How to read what strangers wrote.
    notice: String,
    /// Those of this page.
    agents: Vec<AgentLine>,
    /// Send as `after` for the next page; none on the last.
    next: Option<String>,
}

/// An agent in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct AgentLine {
    /// Its id.
    id: String,
    /// What its owner calls it.
    name: Quoted,
    /// Its account: what `sellers` names it by.
    account: String,
    /// Its owner's account.
    owner: String,
    /// What it has.
    balance: Money,
    /// What all its keys together may still spend in this period.
    left: Money,
}

/// An agent.
#[derive(Debug, Serialize, JsonSchema)]
struct AgentDetails {
    /// How to read what strangers wrote.
    notice: String,
    /// Its id.
    id: String,
    /// What its owner calls it.
    name: Quoted,
    /// Its account: what `sellers` names it by.
    account: String,
    /// Its owner's account.
    owner: String,
    /// The hash of the blob that says what it is and does.
    card: String,
    /// The number of its latest release.
    release: u32,
    /// What that is made from, with the least that each has of what the agent earns.
    made_from: Vec<SupplierLine>,
    /// Who has part in what it earns, all floors through other agents worked out. What is left is its own.
    payees: Vec<PayeeLine>,
    /// What it has.
    balance: Money,
    /// What all its keys together may spend in a period.
    budget: Money,
    /// What of that is left in this one.
    left: Money,
    /// Seconds of a period.
    period_seconds: u64,
    /// Whether it was retired: no key spends anything of it again.
    retired: bool,
}

/// What an agent is made from.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SupplierLine {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    asset: String,
    /// Its part of what the agent earns, 1 to 10,000 basis points.
    floor_bps: u32,
}

/// Who has part in what an agent earns.
#[derive(Debug, Serialize, JsonSchema)]
struct PayeeLine {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    asset: String,
    /// Parts in a million.
    ppm: u32,
}

async fn list(call: Call, args: WhichAgents) -> Outcome<AgentList> {
    let limit = within("limit", args.limit, 20, MOST)?;
    let owner = match args.owner {
        None => None,
        Some(owner) => Some(owner.parse().map_err(|_| Refusal::argument("\"owner\" is no address"))?),
    };
    let after = args.after.as_deref().map(agent_id).transpose()?;
    let params = AgentsParams { owner, after, limit: Some(limit) };
    let found: Agents = call.get_with(&["agents"], &params).await?;
    let next = found.agents.last().filter(|_| found.agents.len() == limit).map(|last| last.id.to_string());
    let line = |one: AgentView| AgentLine {
        id: one.id.to_string(),
        name: Quoted::line(&one.name),
        account: one.account.to_string(),
        owner: one.owner.to_string(),
        balance: one.balance.into(),
        left: one.left.into(),
    };
    Ok(AgentList { notice: NOTICE.to_owned(), agents: found.agents.into_iter().map(line).collect(), next })
}

async fn show(call: Call, args: WhichAgent) -> Outcome<AgentDetails> {
    let agent = id::<AgentId>("agent", &args.agent)?;
    let one: AgentView = call.get(&["agents", &agent]).await?;
    let supplier = |one: datanet_api::agents::SupplierView| SupplierLine { asset: one.asset, floor_bps: one.floor_bps };
    let payee = |one: datanet_api::agents::PayeeView| PayeeLine { asset: one.asset, ppm: one.ppm };
    Ok(AgentDetails {
        notice: NOTICE.to_owned(),
        id: one.id.to_string(),
        name: Quoted::line(&one.name),
        account: one.account.to_string(),
        owner: one.owner.to_string(),
        card: one.card.to_string(),
        release: one.release,
        made_from: one.suppliers.into_iter().map(supplier).collect(),
        payees: one.payees.into_iter().map(payee).collect(),
        balance: one.balance.into(),
        budget: one.budget.into(),
        left: one.left.into(),
        period_seconds: one.period_seconds,
        retired: one.retired_height > 0,
    })
}

/// Which sellers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichSellers {
    /// Only this one: the address of a serving node's account, or an account's name on this node.
    account: Option<String>,
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// Who sells.
#[derive(Debug, Serialize, JsonSchema)]
struct SellerList {
    /// Those first of whom most counts.
    sellers: Vec<SellerLine>,
}

/// Who sells. All amounts halve every ninety days.
#[derive(Debug, Serialize, JsonSchema)]
struct SellerLine {
    /// The account of a serving node.
    account: String,
    /// The agent whose account it is, if it is one's.
    agent: Option<String>,
    /// How good it is, from 0 to 10,000, weighed by what counts; none where nothing counts.
    score_bps: Option<u32>,
    /// The payments by which it was rated and that count.
    counted: Money,
    /// All by which it was rated.
    rated: Money,
    /// Of them, its own owner's, which do not count.
    own: Money,
    /// Of them, what may have come back to who paid, which does not count.
    circular: Money,
    /// How often it was rated.
    ratings: u64,
    /// What it was paid for answers.
    earned: Money,
}

impl From<SellerView> for SellerLine {
    fn from(one: SellerView) -> Self {
        Self {
            account: one.account.to_string(),
            agent: one.agent.map(|agent| agent.to_string()),
            score_bps: one.score_bps,
            counted: one.counted.into(),
            rated: one.rated.into(),
            own: one.own.into(),
            circular: one.circular.into(),
            ratings: one.ratings,
            earned: one.earned.into(),
        }
    }
}

async fn sellers(call: Call, args: WhichSellers) -> Outcome<SellerList> {
    let limit = within("limit", args.limit, 20, MOST)?;
    let found = match args.account {
        Some(account) => {
            let address = address_of(&call, Some(&account)).await?;
            vec![call.get::<SellerView>(&["sellers", &address]).await?]
        }
        None => call.get::<Sellers>(&["sellers"]).await?.sellers,
    };
    Ok(SellerList { sellers: found.into_iter().take(limit).map(SellerLine::from).collect() })
}

/// An agent to register.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegisterArgs {
    /// What people call it, 1 to 64 bytes; an account gives a name once.
    name: String,
    /// The hash of the blob that says what it is and does.
    card: String,
    /// What it is made from, up to 16.
    made_from: Option<Vec<SupplierLine>>,
    /// Base units that all its keys together may spend in a period, fees included.
    budget: u64,
    /// Seconds of a period; a day if not given.
    period_seconds: Option<u64>,
    /// Base units that it is given now; none if not given.
    funds: Option<u64>,
    /// The owner: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that it may cost, what it is given included, in base units.
    max_price: Option<u64>,
}

/// An agent that was registered.
#[derive(Debug, Serialize, JsonSchema)]
struct Registered {
    /// Its id.
    id: String,
    /// Its account.
    account: String,
    /// The transaction.
    tx: String,
}

async fn register(call: Call, args: RegisterArgs) -> Outcome<Registered> {
    let RegisterArgs { name, card, made_from, budget, period_seconds, funds, account, max_price } = args;
    let funds = funds.unwrap_or_default();
    let new = NewAgent {
        account,
        name,
        card: card_hash(&card)?,
        suppliers: suppliers(made_from.unwrap_or_default())?,
        budget,
        period_seconds: period_seconds.unwrap_or(DAY),
        funds,
    };
    agreed(&call, funds, max_price).await?;
    let done: RegisteredAgent = call.post(&["agents"], &new).await?;
    Ok(Registered { id: done.id.to_string(), account: done.account.to_string(), tx: done.tx.to_string() })
}

/// What of an agent is to be otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpdateArgs {
    /// Its id.
    agent: String,
    /// Another card, by its hash: the next release.
    card: Option<String>,
    /// Other suppliers, all of them: the next release.
    made_from: Option<Vec<SupplierLine>>,
    /// Another budget, in base units, which begins with nothing spent.
    budget: Option<u64>,
    /// Another period, in seconds.
    period_seconds: Option<u64>,
    /// Whether all its keys end, at once.
    #[serde(default)]
    end_keys: bool,
    /// The owner: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

/// A transaction that did it.
#[derive(Debug, Serialize, JsonSchema)]
struct Done {
    /// The agent.
    agent: String,
    /// The transaction.
    tx: String,
}

async fn update(call: Call, args: UpdateArgs) -> Outcome<Done> {
    let UpdateArgs { agent, card, made_from, budget, period_seconds, end_keys, account, max_price } = args;
    let agent = id::<AgentId>("agent", &agent)?;
    let card = card.as_deref().map(card_hash).transpose()?;
    let suppliers = made_from.map(suppliers).transpose()?;
    let changed = ChangedAgent { account, card, suppliers, budget, period_seconds, end_keys };
    agreed(&call, 0, max_price).await?;
    let sent: Sent = call.post(&["agents", &agent], &changed).await?;
    Ok(Done { agent, tx: sent.tx.to_string() })
}

/// A key that is to run an agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrantArgs {
    /// The agent's id.
    agent: String,
    /// A public key, hex, or the name of a key on this node that signs for the agent's account.
    key: String,
    /// What it may do, such as `transfer`, `open_channel`, `contribute`.
    actions: Vec<String>,
    /// With whom: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS` each; with anybody if not given.
    counterparties: Option<Vec<String>>,
    /// Base units that it may spend in a period, fees included.
    budget: u64,
    /// Seconds of a period; a day if not given.
    period_seconds: Option<u64>,
    /// Seconds until it ends; thirty days if not given.
    lasts_seconds: Option<u64>,
    /// The owner: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

/// A key that runs an agent.
#[derive(Debug, Serialize, JsonSchema)]
struct Granted {
    /// The agent.
    agent: String,
    /// The public key, hex.
    key: String,
    /// The transaction.
    tx: String,
}

async fn grant(call: Call, args: GrantArgs) -> Outcome<Granted> {
    let agent = id::<AgentId>("agent", &args.agent)?;
    let new = NewAgentKey {
        account: args.account,
        key: args.key,
        actions: args.actions,
        counterparties: args.counterparties.unwrap_or_default(),
        budget: args.budget,
        period_seconds: args.period_seconds.unwrap_or(DAY),
        lasts_seconds: args.lasts_seconds.unwrap_or(MONTH),
    };
    agreed(&call, 0, args.max_price).await?;
    let granted: GrantedKey = call.post(&["agents", &agent, "keys"], &new).await?;
    Ok(Granted { agent, key: granted.key.to_string(), tx: granted.tx.to_string() })
}

/// A key that is to run an agent no more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeArgs {
    /// The agent's id.
    agent: String,
    /// A public key, hex, or the name of a key on this node.
    key: String,
    /// The owner: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

async fn revoke(call: Call, args: RevokeArgs) -> Outcome<Done> {
    let agent = id::<AgentId>("agent", &args.agent)?;
    agreed(&call, 0, args.max_price).await?;
    let body = RevokedAgentKey { account: args.account, key: args.key };
    let sent: Sent = call.post(&["agents", &agent, "keys", "revoke"], &body).await?;
    Ok(Done { agent, tx: sent.tx.to_string() })
}

/// Has the fee of a transaction agreed to, and what goes with it.
async fn agreed(call: &Call, given: Amount, max_price: Option<u64>) -> Result<(), Stop> {
    let fee = fee(call).await?;
    let with = if given > 0 { format!("; {} go to the agent with it", display(given)) } else { String::new() };
    let why = format!("the fee of a transaction, or a little more by its work{with}");
    call.server.prices().agree(call, &Price { units: fee.saturating_add(given), why }, max_price)
}

fn agent_id(given: &str) -> Result<AgentId, Refusal> {
    given.parse::<AgentId>().map_err(|error| Refusal::argument(format!("\"after\" is no id: {error}")))
}

fn card_hash(given: &str) -> Result<BlobHash, Refusal> {
    given.parse::<BlobHash>().map_err(|error| Refusal::argument(format!("\"card\" is no hash of a blob: {error}")))
}

fn suppliers(given: Vec<SupplierLine>) -> Result<Vec<NewSupplier>, Refusal> {
    let one = |line: SupplierLine| {
        let asset = id::<Asset>("made_from", &line.asset)?;
        Ok(NewSupplier { asset, floor_bps: line.floor_bps })
    };
    given.into_iter().map(one).collect()
}
