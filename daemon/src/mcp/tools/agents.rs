//! Agents on the ledger, and what is said of sellers: for everybody to see.

use datanet_api::agents::{AgentView, Agents, AgentsParams, PayeeView, SupplierView};
use datanet_api::sellers::{SellerView, Sellers};
use datanet_types::AgentId;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{address_of, id, within};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most lines of a list.
const MOST: usize = 100;

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
pub(super) struct SupplierLine {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    pub(super) asset: String,
    /// Its part of what the agent earns, 1 to 10,000 basis points.
    pub(super) floor_bps: u32,
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
    let supplier = |one: SupplierView| SupplierLine { asset: one.asset, floor_bps: one.floor_bps };
    let payee = |one: PayeeView| PayeeLine { asset: one.asset, ppm: one.ppm };
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

fn agent_id(given: &str) -> Result<AgentId, Refusal> {
    given.parse::<AgentId>().map_err(|error| Refusal::argument(format!("\"after\" is no id: {error}")))
}
