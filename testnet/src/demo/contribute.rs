//! Opening the datanet, uploading every contribution, and following each until its verdict.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::parties::Party;
use crate::api::{Client, Contribution, State};
use crate::data::{Contributor, Dataset, Kind, to_jsonl};
use crate::network::Network;
use crate::ui::Step;

/// Name of the datanet.
pub(super) const DATANET: &str = "passages";
/// Base units an answer costs.
pub(super) const PRICE: u64 = 50_000;
/// The lowest score a contribution may have, in basis points. Usefulness is 5,000 for labels drawn at random and 1,250
/// more for each standard deviation above that: this asks for 2.4 of them, which random labels reach about one time in a
/// hundred. `cargo testnet bench learning` says how far the honest are from it.
pub(crate) const ACCEPT_THRESHOLD: u32 = 8_000;
/// The same for data from elsewhere, of which nobody knows how clear its labels are: 1.2 deviations, which random labels
/// reach about one time in nine.
const GIVEN_THRESHOLD: u32 = 6_500;
/// Base units that a contributor loses if refused.
const BOND: u64 = 1_000_000;
/// Contributions judged at the same time: enough to keep every node busy, few enough to meet the deadlines.
const AT_ONCE: usize = 4;
/// The longest wait for one verdict, its turn in the queue included.
const VERDICT: Duration = Duration::from_secs(180);
/// A rest before asking again a node that went away or has not heard of the contribution yet.
const REST: Duration = Duration::from_millis(200);

/// Opens the datanet for this data on the first node and registers the model that all nodes use; returns its id.
pub(super) async fn open_datanet(client: &Client, data: &Dataset, nodes: usize) -> Result<String> {
    let id = client.create_datanet(&datanet(data, nodes)).await.context("cannot create the datanet")?;
    client.register_model("minilm-l6", "Apache-2.0").await.context("cannot register the model")?;
    Ok(id)
}

fn datanet(data: &Dataset, nodes: usize) -> Value {
    let labelled = data.contributors.iter().all(|c| c.records.iter().all(|r| r.label.is_some()));
    let given = data.contributors.iter().any(|contributor| contributor.kind == Kind::Given);
    json!({
        "name": DATANET,
        "description": "Sentences of API documentation, with the part of the contract that they state",
        "schema": { "fields": [
            { "name": "text", "kind": "string", "role": "text", "required": true },
            { "name": "label", "kind": "string", "role": "label", "required": labelled, "allowed": data.labels },
        ]},
        "licence": "Apache-2.0 OR MIT",
        "price": PRICE,
        "accept_threshold": if given { GIVEN_THRESHOLD } else { ACCEPT_THRESHOLD },
        "committee_size": nodes.min(3),
        "storage_quorum": nodes.min(2),
        "min_bond": BOND,
        "holdout": to_jsonl(&data.holdout),
    })
}

/// Uploads these contributions, each through the node of its contributor, and follows them to their verdicts, which
/// are returned in the same order. `uploaded` is called as each is in.
pub(super) async fn contribute(
    network: &Network,
    datanet: &str,
    who: &[(&Contributor, &Party)],
    step: &Step,
    uploaded: impl Fn() + Sync,
) -> Result<Vec<Contribution>> {
    let uploaded = &uploaded;
    stream::iter(who.iter().copied())
        .map(|(contributor, party)| async move {
            let client = network.nodes()[party.node].client()?;
            let body = contributor.to_jsonl();
            let sent = client
                .contribute(datanet, &party.key.name, "application/x-ndjson", &party.key.name, body)
                .await
                .with_context(|| format!("cannot upload the contribution of {}", contributor.name))?;
            uploaded();
            step.say(format!("{} is being stored and judged", contributor.name));
            let settled = follow(network, party.node, &sent.id)
                .await
                .with_context(|| format!("the contribution of {} got no verdict", contributor.name))?;
            step.one(format!("{}: {}", contributor.name, settled.state.as_str()));
            anyhow::Ok(settled)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Listens to a contribution's events until it is settled: at its own node, and when that goes away at another.
async fn follow(network: &Network, home: usize, id: &str) -> Result<Contribution> {
    let deadline = Instant::now() + VERDICT;
    let mut last: Option<Contribution> = None;
    let count = network.nodes().len();
    for turn in 0.. {
        let heard = timeout_at(deadline, listen(network, (home + turn) % count, id, &mut last)).await;
        match (heard, &last) {
            (Ok(Some(settled)), _) => return Ok(settled),
            (Ok(None), _) => {}
            (Err(_), Some(last)) => {
                bail!("still {} after {} s: {}", last.state.as_str(), VERDICT.as_secs(), progress(last))
            }
            (Err(_), None) => bail!("no node knows it after {} s", VERDICT.as_secs()),
        }
        sleep(REST).await;
    }
    bail!("no verdict")
}

/// One node's events, until the verdict or the end of the stream.
async fn listen(network: &Network, node: usize, id: &str, last: &mut Option<Contribution>) -> Option<Contribution> {
    let client = network.nodes()[node].client().ok()?;
    let events = client.contribution_events(id).await.ok()?;
    let mut events = std::pin::pin!(events);
    while let Some(Ok(contribution)) = events.next().await {
        if contribution.state.is_settled() {
            return Some(contribution);
        }
        *last = Some(contribution);
    }
    None
}

/// What a contribution that is not settled waits for.
fn progress(contribution: &Contribution) -> String {
    if contribution.state == State::Storing {
        return format!("{} nodes attested that they keep it", contribution.attestations);
    }
    if contribution.committee.is_empty() {
        return "the judges are being drawn".to_owned();
    }
    let done = |what: &str| contribution.committee.iter().filter(|member| member[what].as_bool() == Some(true)).count();
    format!(
        "{} of {} validators committed, {} revealed",
        done("committed"),
        contribution.committee.len(),
        done("revealed")
    )
}
