//! Owning agents on the ledger: made, changed, and run by keys within limits. What the operator's token alone may.

use datanet_api::agents::{ChangedAgent, NewAgent, NewAgentKey, NewSupplier, RegisteredAgent, RevokedAgentKey};
use datanet_api::keys::GrantedKey;
use datanet_api::transactions::Sent;
use datanet_types::amount::display;
use datanet_types::{AgentId, Amount, Asset, BlobHash};
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agents::SupplierLine;
use super::{fee, id};
use crate::mcp::call::{Call, Outcome, Stop};
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;

/// Seconds of a period, and of a key's life, where none are given.
const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    let about = |name, title, description| About { name, title, description, shown: false };
    vec![
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
