//! Giving records, and following them to their verdict.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use datanet_api::contributions::{Accepted, ContributeParams, ContributionView};
use datanet_api::datanets::DatanetView;
use datanet_api::status::NodeStatus;
use datanet_ledger::component::Params;
use datanet_types::ContributionId;
use datanet_types::amount::display;
use futures::StreamExt as _;
use rmcp::handler::server::tool::ToolRoute;
use rmcp::task_manager::{TaskContext, TaskExit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::mcp::call::{Call, Outcome, Stop};
use crate::mcp::face::{Caller, Face, path};
use crate::mcp::money::Money;
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route, structured};
use crate::mcp::server::Server;
use crate::mcp::server::protocol_error;
use crate::quoted::{NOTICE, Quoted};

/// Most records in one call; more are more contributions, or an upload at `/v1`.
const MOST_RECORDS: usize = 2_000;
/// The longest that a call waits for a verdict, in seconds.
const LONGEST_WAIT: u64 = 300;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "contribute",
                title: "Contribute records",
                description: "Costs money: a fee for judging, and a bond that comes back unless the records are refused. Gives records to a datanet, in its schema (`datanet` shows it); what is given is public and is judged. The same call sent again gives nothing twice. `follow` it afterwards. Agree by `max_price`, or confirm when asked.",
                shown: false,
            },
            contribute,
        ),
        route(
            About {
                name: "follow",
                title: "Follow a contribution",
                description: "How a contribution is: stored, judged, final or refused, with the judges' scores and reason. Waits for the verdict up to `wait_seconds`; clients that poll tasks get one.",
                shown: false,
            },
            follow,
        ),
    ]
}

/// What to give.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ContributeArgs {
    /// The datanet's name or id.
    datanet: String,
    /// 1 to 2,000 records, each an object with the datanet's fields.
    #[schemars(length(min = 1, max = 2000))]
    records: Vec<Map<String, Value>>,
    /// Who gives and is paid: an account of this node; the node's own if not given.
    account: Option<String>,
    /// Base units to lock until the verdict; the datanet's least if not given.
    bond: Option<u64>,
    /// The most that it may cost, bond included, in base units.
    max_price: Option<u64>,
}

/// Records given.
#[derive(Debug, Serialize, JsonSchema)]
struct Given {
    /// The contribution.
    contribution: String,
    /// Records in it.
    records: u64,
    /// Its size in bytes.
    bytes: u64,
    /// `storing`: it is judged once enough nodes keep it.
    state: String,
    /// The transaction.
    tx: String,
}

async fn contribute(call: Call, args: ContributeArgs) -> Outcome<Given> {
    let many = args.records.len();
    if !(1..=MOST_RECORDS).contains(&many) {
        let detail = format!("there are {many} \"records\"; one call takes 1 to {MOST_RECORDS}");
        return Err(Refusal::argument(detail).into());
    }
    let mut body = String::new();
    for record in args.records {
        body.push_str(&Value::Object(record).to_string());
        body.push('\n');
    }
    let datanet: DatanetView = call.get(&["datanets", &args.datanet]).await?;
    let price = cost(&call, &datanet, args.bond, body.len() as u64).await?;
    call.server.prices().agree(&call, &price, args.max_price)?;
    let params = ContributeParams { account: args.account, bond: args.bond, ..ContributeParams::default() };
    let path = path(&["datanets", &datanet.record.id.to_string(), "contributions"])?;
    let accepted: Accepted =
        call.face().upload(&call.caller, &path, &params, headers(&call), body.into_bytes()).await?;
    Ok(Given {
        contribution: accepted.id.to_string(),
        records: accepted.records,
        bytes: accepted.size,
        state: accepted.state,
        tx: accepted.tx.to_string(),
    })
}

/// What giving so many bytes costs and locks.
pub(super) async fn cost(call: &Call, datanet: &DatanetView, bond: Option<u64>, bytes: u64) -> Result<Price, Refusal> {
    let fees = call.get::<NodeStatus>(&["status"]).await?.fees;
    let chain = Params { review_fee: fees.review, review_fee_per_mib: fees.review_per_mib, ..Params::default() };
    let review = chain.review_fee_of(bytes);
    let bond = bond.unwrap_or(datanet.record.min_bond);
    let why = format!(
        "{} to the judges, {} for the transaction or a little more by its work, and {} locked as bond until the verdict",
        display(review),
        display(fees.transaction),
        display(bond)
    );
    Ok(Price { units: review.saturating_add(fees.transaction).saturating_add(bond), why })
}

/// JSONL, and a key by which the very same call of the same caller is known again.
fn headers(call: &Call) -> HeaderMap {
    let key = blake3::hash(&[call.caller.principal(), call.digest].concat()).to_hex();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(HeaderName::from_static("idempotency-key"), key);
    }
    headers
}

/// Which contribution.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FollowArgs {
    /// Its id, 64 hexadecimal digits.
    contribution: String,
    /// Seconds to wait for its verdict, up to 300; 0, which is usual, looks once.
    #[schemars(range(min = 0, max = 300))]
    wait_seconds: Option<u64>,
}

/// How a contribution is.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct ContributionState {
    /// How to read what strangers wrote.
    notice: String,
    /// The contribution.
    contribution: String,
    /// Its datanet.
    datanet: String,
    /// Who gave it.
    contributor: String,
    /// `storing`, `judging`, `final`, `refused` or `revoked`.
    state: String,
    /// Whether that stays: it is final, refused or revoked.
    settled: bool,
    /// Records in it.
    records: u64,
    /// What is locked for it.
    bond: Money,
    /// Nodes that keep it.
    keepers: u32,
    /// Seats that judge it: drawn, committed, revealed.
    seats: Seats,
    /// The committee's scores in basis points, once tallied.
    scores: Option<ScoreView>,
    /// What the lowest score must reach.
    threshold: u32,
    /// Why the verdict is what it is.
    reason: Quoted,
}

/// How far a committee is.
#[derive(Debug, Serialize, JsonSchema)]
struct Seats {
    /// Members drawn.
    drawn: u64,
    /// Of them, who committed.
    committed: u64,
    /// Of them, who revealed.
    revealed: u64,
}

/// Scores in basis points.
#[derive(Debug, Serialize, JsonSchema)]
struct ScoreView {
    /// Whether records fit the schema.
    validity: u32,
    /// How well written they are.
    quality: u32,
    /// Whether nobody gave them before.
    uniqueness: u32,
    /// How much they help on the held-out set.
    usefulness: u32,
}

impl From<ContributionView> for ContributionState {
    fn from(view: ContributionView) -> Self {
        let count = |done: fn(&datanet_api::contributions::MemberView) -> bool| {
            view.committee.iter().filter(|member| done(member)).count() as u64
        };
        let seats = Seats {
            drawn: view.committee.len() as u64,
            committed: count(|member| member.committed),
            revealed: count(|member| member.revealed),
        };
        Self {
            notice: NOTICE.to_owned(),
            contribution: view.id.to_string(),
            datanet: view.datanet.to_string(),
            contributor: view.contributor.to_string(),
            settled: view.is_settled(),
            records: view.records,
            bond: view.bond.into(),
            keepers: view.attestations,
            seats,
            scores: view.scores.map(|scores| ScoreView {
                validity: scores.validity,
                quality: scores.quality,
                uniqueness: scores.uniqueness,
                usefulness: scores.usefulness,
            }),
            threshold: view.threshold,
            reason: Quoted::text(&view.reason),
            state: view.state,
        }
    }
}

impl ContributionState {
    fn says(&self) -> String {
        let Seats { drawn, committed, revealed } = &self.seats;
        format!(
            "{}: {} keep it, {committed} of {drawn} judges committed, {revealed} revealed",
            self.state, self.keepers
        )
    }
}

/// One contribution.
///
/// # Errors
/// The node's refusal, where it knows none of that id.
pub(in crate::mcp) async fn show(face: &Face, caller: &Caller, id: &str) -> Result<ContributionState, Refusal> {
    let id = super::id::<ContributionId>("contribution", id)?;
    Ok(face.get::<ContributionView>(caller, &path(&["contributions", &id])?).await?.into())
}

async fn follow(call: Call, args: FollowArgs) -> Outcome<ContributionState> {
    let wait = args.wait_seconds.unwrap_or(0);
    if wait > LONGEST_WAIT {
        let detail = format!("\"wait_seconds\" is {wait}; it is at most {LONGEST_WAIT}: call again to wait on");
        return Err(Refusal::argument(detail).into());
    }
    let now = show(call.face(), &call.caller, &args.contribution).await?;
    if now.settled || wait == 0 {
        return Ok(now);
    }
    if call.takes_tasks() {
        let (says, id, work) = (now.says(), args.contribution.clone(), call.clone());
        if let Some(task) = call.server.tasks().begin(&call, &says, |task| Box::pin(as_task(work, id, task))) {
            return Err(Stop::Task(Box::new(task)));
        }
    }
    let verdict = verdict(&call, &args.contribution, None);
    match tokio::time::timeout(Duration::from_secs(wait), verdict).await {
        Ok(state) => Ok(state?),
        Err(_) => Ok(show(call.face(), &call.caller, &args.contribution).await?),
    }
}

/// The last state of a contribution, once its events have ended; each on the way is told to whoever waits, by the task if it
/// is one.
async fn verdict(call: &Call, id: &str, task: Option<&TaskContext>) -> Result<ContributionState, Refusal> {
    let mut events =
        call.face().events::<ContributionView>(&call.caller, &path(&["contributions", id, "events"])?).await?;
    let mut step = 0;
    while let Some(view) = events.next().await {
        let state = ContributionState::from(view);
        step += 1;
        if state.settled {
            return Ok(state);
        }
        match task {
            Some(task) => task.set_status_message(state.says()),
            None => call.progress(step, None, state.says()).await,
        }
    }
    show(call.face(), &call.caller, id).await
}

async fn as_task(call: Call, id: String, task: TaskContext) -> Result<rmcp::model::CallToolResult, TaskExit> {
    tokio::select! {
        state = verdict(&call, &id, Some(&task)) => {
            let result = state.and_then(|state| structured(&state));
            result.map_err(|refusal| TaskExit::Error(protocol_error(refusal)))
        }
        () = task.cancelled() => Err(TaskExit::Cancelled),
    }
}
