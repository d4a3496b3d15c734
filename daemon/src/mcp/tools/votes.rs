//! What is put to the vote, and voting.

use datanet_api::proposals::{NewVote, ProposalView, Proposals, TallyView};
use datanet_api::transactions::Sent;
use datanet_types::action::Choice;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fee, within};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::price::Price;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most lines of a list.
const MOST: usize = 100;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "proposals",
                title: "Proposals",
                description: "What is, and lately was, put to the vote: changes of the rules, spends of the treasury, upgrades, texts; and what stake says of each.",
                shown: false,
            },
            list,
        ),
        route(
            About {
                name: "vote",
                title: "Vote",
                description: "Votes on a proposal with all stake that an account has behind validators. Called again it replaces the vote.",
                shown: false,
            },
            vote,
        ),
    ]
}

/// How many proposals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowMany {
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// What is put to the vote.
#[derive(Debug, Serialize, JsonSchema)]
struct ProposalList {
    /// How to read what strangers wrote.
    notice: String,
    /// The latest first.
    proposals: Vec<ProposalLine>,
}

/// A proposal.
#[derive(Debug, Serialize, JsonSchema)]
struct ProposalLine {
    /// Its number.
    number: u64,
    /// `voting`, `passed`, `done`, `rejected`, `no_quorum`, `vetoed`, `lapsed` or `failed`.
    status: String,
    /// `text`, `params`, `spend`, `upgrade`, `retire_authority` or `reset`.
    kind: String,
    /// What it is called.
    title: Quoted,
    /// Why.
    reason: Quoted,
    /// What is done if it passes, as at `/v1/proposals`.
    change: Quoted,
    /// Block time at which the vote ends, in seconds since 1970.
    ends: u64,
    /// Stake for it.
    yes: Money,
    /// Stake against it.
    no: Money,
    /// Stake neither for nor against.
    abstain: Money,
    /// Stake against it, and against its having been put to the vote.
    veto: Money,
    /// Stake behind all validators that may take part.
    bonded: Money,
    /// Whether it would pass, or has passed, by that.
    passes: bool,
}

impl From<ProposalView> for ProposalLine {
    fn from(one: ProposalView) -> Self {
        let TallyView { yes, no, abstain, veto, bonded } = one.tally;
        let word = |value| serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
        let change = serde_json::to_string(&one.change).unwrap_or_default();
        Self {
            number: one.number,
            status: one.status,
            kind: word(one.change.kind).unwrap_or_default(),
            title: Quoted::line(&one.title),
            reason: Quoted::text(&one.reason),
            change: Quoted::text(&change),
            ends: one.ends,
            yes: yes.into(),
            no: no.into(),
            abstain: abstain.into(),
            veto: veto.into(),
            bonded: bonded.into(),
            passes: one.passes,
        }
    }
}

async fn list(call: Call, args: HowMany) -> Outcome<ProposalList> {
    let limit = within("limit", args.limit, 20, MOST)?;
    let found: Proposals = call.get(&["proposals"]).await?;
    let proposals = found.proposals.into_iter().take(limit).map(ProposalLine::from).collect();
    Ok(ProposalList { notice: NOTICE.to_owned(), proposals })
}

/// What to say of a proposal.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Says {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Neither.
    Abstain,
    /// Against it, and against its having been put to the vote.
    Veto,
}

/// A vote.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VoteArgs {
    /// The proposal's number.
    proposal: u64,
    /// What to say.
    choice: Says,
    /// Who votes: an account's name on this node; your own if not given.
    account: Option<String>,
    /// The most that the transaction may cost, in base units.
    max_price: Option<u64>,
}

/// A vote cast.
#[derive(Debug, Serialize, JsonSchema)]
struct Voted {
    /// The proposal.
    proposal: u64,
    /// The transaction.
    tx: String,
}

async fn vote(call: Call, args: VoteArgs) -> Outcome<Voted> {
    let number = args.proposal.to_string();
    // One that there is not is told before a price is.
    let _: ProposalView = call.get(&["proposals", &number]).await?;
    let why = "the fee of a transaction, or a little more by its work".to_owned();
    call.server.prices().agree(&call, &Price { units: fee(&call).await?, why }, args.max_price)?;
    let choice = match args.choice {
        Says::Yes => Choice::Yes,
        Says::No => Choice::No,
        Says::Abstain => Choice::Abstain,
        Says::Veto => Choice::Veto,
    };
    let vote = NewVote { account: args.account, choice };
    let sent: Sent = call.post(&["proposals", &number, "vote"], &vote).await?;
    Ok(Voted { proposal: args.proposal, tx: sent.tx.to_string() })
}
