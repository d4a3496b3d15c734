//! A curator: finds where a datanet is weak, looks for material in the folders and feeds that it was given, measures what that would be worth with the
//! function by which judges judge, and gives it if it is worth more than it costs.

mod pick;
mod staging;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use datanet_data::corpus::Record;
use datanet_types::amount::display;
use datanet_types::{ContributionId, Digest};

use super::super::bench::{Batch, Bench, Spot, Vectors, right, weak};
use super::super::desk::{Became, Desk};
use super::super::feeds::{Feeds, Found};
use super::super::hands::contribution_cost;
use super::super::journal::{Deed, Observed, Outcome};
use super::super::policy::{Choice, Decision, Observation, Policy, Quote};
use super::super::purse::Plan;
use super::super::spec::{CuratorSpec, MaterialSpec};
use pick::pick;
use staging::{Staged, given_leaves, stage};

/// Records of material that are looked at in one round: each takes the node's model a moment.
const MAX_CANDIDATES: usize = 5_000;
/// Records of a batch that a model is shown.
const SHOWN: usize = 8;
/// The one choice.
const GIVE: &str = "give";

/// Works until it is asked to stop, or for one round.
///
/// # Errors
/// When the spec does not fit the datanet, the node does not give what is needed, or the journal fails.
pub async fn run(desk: &mut Desk, policy: &Policy, spec: &CuratorSpec, material: &MaterialSpec) -> Result<()> {
    let (feeds, mut vectors) = (Feeds::new(material), Vectors::default());
    loop {
        round(desk, policy, spec, &feeds, &mut vectors).await?;
        if !super::next_round(desk, spec.every).await? {
            return Ok(());
        }
    }
}

/// One round: until there is nothing more to give.
async fn round(
    desk: &mut Desk,
    policy: &Policy,
    spec: &CuratorSpec,
    feeds: &Feeds,
    vectors: &mut Vectors,
) -> Result<()> {
    // What was found useless once is looked at again when the datanet has changed, not in this round.
    let mut useless = BTreeSet::new();
    while !desk.stop.is_cancelled() {
        let bench = Arc::new(Bench::set_up(&desk.node, vectors, &spec.datanet, None).await?);
        check_licence(&bench, spec)?;
        let spots = spots(&bench);
        say_weak(desk, &bench, &spots);
        if spots.is_empty() {
            return Ok(());
        }
        let batch = batch(desk, spec, feeds, vectors, &bench, &spots, &useless).await?;
        if batch.records.len() < spec.least() {
            let (found, least) = (batch.records.len(), spec.least());
            desk.told.say(&format!("{found} new records lie where the datanet is weak; {least} make a batch"));
            return Ok(());
        }
        useless.extend(batch.records.iter().map(|(_, record)| record.leaf()));
        if !consider(desk, policy, spec, &bench, batch).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn check_licence(bench: &Bench, spec: &CuratorSpec) -> Result<()> {
    let (datanet, own) = (&bench.datanet.licence, &spec.licence);
    ensure!(
        datanet == own,
        "[curator] licence = {own:?}, and the datanet takes records under {datanet:?} alone; give it only what you may give so"
    );
    Ok(())
}

fn spots(bench: &Bench) -> Vec<Spot> {
    let held_out: Vec<_> = bench.held_out.points().collect();
    weak(&held_out, &right(&held_out, &bench.points()))
}

fn say_weak(desk: &Desk, bench: &Bench, spots: &[Spot]) {
    let wrong: usize = spots.iter().map(|spot| spot.wrong.len()).sum();
    let all = bench.held_out.records.len();
    let worst = spots.first().map(|spot| format!("; at its weakest {} of {}", spot.wrong.len(), spot.members.len()));
    let how = if bench.is_labelled() { "answers" } else { "reaches" };
    let name = &bench.datanet.name;
    desk.told.say(&format!(
        "{name} {how} {} of {all} held-out records rightly{}",
        all - wrong.min(all),
        worst.unwrap_or_default()
    ));
}

/// New records that lie where the datanet is weak.
async fn batch(
    desk: &Desk,
    spec: &CuratorSpec,
    feeds: &Feeds,
    vectors: &mut Vectors,
    bench: &Arc<Bench>,
    spots: &[Spot],
    useless: &BTreeSet<Digest>,
) -> Result<Batch> {
    let material = feeds.look(&bench.datanet.schema).await;
    for skipped in &material.skipped {
        desk.told.say(&format!("{} is passed over: {}", skipped.source, skipped.why));
    }
    let given = given_leaves(desk.hands.state(), &bench.datanet.schema, |hash| desk.purse.memory().is_given(hash))?;
    let records = fresh(material.found, |leaf| given.contains(leaf) || useless.contains(leaf));
    let candidates = Arc::new(Batch::of(&desk.node, vectors, records).await?);
    let repeats = bench.repeats(candidates.clone()).await?;
    let held_out: Vec<_> = bench.held_out.points().collect();
    let points: Vec<_> = candidates.points().collect();
    let picked = pick(&points, &repeats, &held_out, spots, spec.batch());
    let numbered = (0u64..).zip(picked.iter().filter_map(|place| candidates.records.get(*place)));
    let records = numbered.map(|(number, (_, record))| (number, record.clone())).collect();
    let vectors = picked.iter().filter_map(|place| candidates.vectors.get(*place).cloned()).collect();
    Ok(Batch { records, vectors })
}

/// Each record once, without those that are known.
fn fresh(found: Vec<Found>, known: impl Fn(&Digest) -> bool) -> Vec<(u64, Record)> {
    let mut seen = BTreeSet::new();
    let new = found.into_iter().map(|found| found.record).filter(|record| {
        let leaf = record.leaf();
        !known(&leaf) && seen.insert(leaf)
    });
    (0u64..).zip(new.take(MAX_CANDIDATES)).collect()
}

/// Measures a batch and gives it, if that is worth it; false where the agent must end.
async fn consider(
    desk: &mut Desk,
    policy: &Policy,
    spec: &CuratorSpec,
    bench: &Arc<Bench>,
    batch: Batch,
) -> Result<bool> {
    let Staged { bytes, hash } = stage(&batch);
    let subject = format!("batch/{}/{hash}", bench.datanet.id);
    if desk.purse.memory().is_decided(&subject) {
        return Ok(true);
    }
    let count = batch.records.len();
    let observed = Observed::of(format!("a batch of {count} records for {}", bench.datanet.name), &bytes);
    let gain = gain(bench, &batch);
    let batch = Arc::new(batch);
    let judged = bench.judge(ContributionId([0xff; 32]), batch.clone()).await?;
    let (combined, needed) =
        (judged.scores.combined(), bench.datanet.accept_threshold.saturating_add(spec.margin_bps()));
    let (weakest, bond) = (judged.scores.weakest(), bench.datanet.min_bond);
    let cost = contribution_cost(&desk.node.client.status().await?.fees, bytes.len() as u64).saturating_add(bond);
    desk.told.say(&format!("a batch of {count} records scores {combined} ({weakest} is its weakest) where {needed} are wanted, and has {gain} more held-out records answered rightly; giving it takes {}", display(cost)));
    let worth = gain.max(0) as f64 * spec.worth.0 as f64;
    let give = Choice {
        name: GIVE.to_owned(),
        what: format!(
            "gives {count} records, which score {combined} of 10000, {weakest} lowest, where the datanet wants {}; {gain} more held-out records would be answered rightly",
            bench.datanet.accept_threshold
        ),
        cost,
        value: worth,
    };
    let quotes = batch
        .records
        .iter()
        .take(SHOWN)
        .map(|(place, record)| Quote { what: format!("record {place} of the batch"), text: record.text().to_owned() });
    // What judges would refuse is no choice: nobody, not even a model that was talked into it, pays a bond for it.
    let seen = Observation {
        what: "whether to give this batch to the datanet".to_owned(),
        choices: if combined >= needed { vec![give] } else { Vec::new() },
        quotes: quotes.collect(),
        left: desk.purse.left(),
    };
    let why = match policy.decide(desk, &seen).await? {
        Decision::Take { why, .. } => why,
        Decision::Pass { why } if combined >= needed => return passed(desk, &subject, observed, &why),
        Decision::Pass { .. } => return passed(desk, &subject, observed, &judged.report.summary),
    };
    let file = staging::keep(desk.hands.state(), &hash, &bytes).context("cannot set the batch aside")?;
    crate::failpoint::reached("agent-staged");
    let datanet = bench.datanet.id.to_string();
    let deed = Deed::Contribute { datanet, file, blob: hash, records: count as u64, bond };
    let plan = Plan { subject, observed, deed, why, reserved: cost };
    match desk.carry_out(plan).await? {
        // What keeps one batch from being taken keeps the next.
        Became::Ended(ended) => Ok(ended.outcome != Outcome::Refused),
        Became::UnderWay | Became::Not(_) => Ok(false),
    }
}

fn passed(desk: &mut Desk, subject: &str, observed: Observed, why: &str) -> Result<bool> {
    desk.pass(subject, observed, why)?;
    Ok(true)
}

/// How many more held-out records are answered rightly with the batch.
fn gain(bench: &Bench, batch: &Batch) -> i64 {
    let held_out: Vec<_> = bench.held_out.points().collect();
    let mut points = bench.points();
    let count = |right: Vec<bool>| i64::try_from(right.iter().filter(|right| **right).count()).unwrap_or(i64::MAX);
    let before = count(right(&held_out, &points));
    points.extend(batch.points());
    count(right(&held_out, &points)).saturating_sub(before)
}
