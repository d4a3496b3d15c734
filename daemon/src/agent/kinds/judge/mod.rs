//! A judge: judges what committees have accepted, beside them, and doubts the verdicts that it finds wrong. It is paid by accuracy: a challenge that
//! stands brings its deposit back and up to as much again out of the bond; one in vain costs the deposit.

mod value;

use std::sync::Arc;

use anyhow::Result;
use datanet_api::contributions::ContributionView;
use datanet_types::amount::BPS;

use super::super::bench::{Batch, Bench, Vectors, contributions, records};
use super::super::desk::{Became, Desk};
use super::super::journal::{Deed, Observed};
use super::super::policy::{Choice, Decision, Observation, Policy, Quote};
use super::super::purse::Plan;
use super::super::spec::JudgeSpec;
use crate::db;

/// Records of a contribution that are judged: as many as judges judge.
const MAX_JUDGED: usize = 2_000;
/// Records that a model is shown.
const SHOWN: usize = 8;
const DOUBT: &str = "doubt";

/// Works until it is asked to stop, or for one round.
///
/// # Errors
/// When the node does not give what is needed, or the journal fails.
pub async fn run(desk: &mut Desk, policy: &Policy, spec: &JudgeSpec) -> Result<()> {
    let mut vectors = Vectors::default();
    loop {
        desk.take_up().await?;
        for datanet in &spec.datanets {
            look(desk, policy, spec, datanet, &mut vectors).await?;
        }
        if !super::next_round(desk, spec.every).await? {
            return Ok(());
        }
    }
}

async fn look(desk: &mut Desk, policy: &Policy, spec: &JudgeSpec, datanet: &str, vectors: &mut Vectors) -> Result<()> {
    let id = desk.node.client.datanet(datanet).await?.record.id.to_string();
    for view in contributions(&desk.node, &id).await? {
        if desk.stop.is_cancelled() {
            return Ok(());
        }
        // The list has no deadlines; what can be doubted says so by itself.
        let subject = format!("verdict/{}", view.id);
        if view.state != "final" || view.scores.is_none() || desk.purse.memory().is_decided(&subject) {
            continue;
        }
        let view = desk.node.client.contribution(&view.id).await?;
        if can_be_doubted(&view, &desk.node.address) {
            consider(desk, policy, spec, &subject, &view, vectors).await?;
        }
    }
    Ok(())
}

/// Whether a verdict can be doubted by somebody who did not give what was judged: an acceptance, for a while, once.
fn can_be_doubted(view: &ContributionView, own: &datanet_types::Address) -> bool {
    let open = view.challenge_until.is_some_and(|until| until > db::now()) && view.challenge_deposit.is_some();
    open && view.challenge.is_none() && view.state == "final" && view.contributor != *own
}

async fn consider(
    desk: &mut Desk,
    policy: &Policy,
    spec: &JudgeSpec,
    subject: &str,
    view: &ContributionView,
    vectors: &mut Vectors,
) -> Result<()> {
    let bench = Arc::new(Bench::set_up(&desk.node, vectors, &view.datanet.to_string(), Some(view.seq)).await?);
    let read = records(&desk.node, &view.id, &bench.datanet.schema, MAX_JUDGED).await;
    let observed = Observed::of(format!("the verdict on {}", view.id), &view.blob.0);
    let records = match read {
        Ok(records) => records,
        // What cannot be read now may be a moment later.
        Err(error) => {
            desk.told.say(&format!("{} cannot be judged now: {error:#}", view.id));
            return Ok(());
        }
    };
    let batch = Arc::new(Batch::of(&desk.node, vectors, records).await?);
    let judged = bench.judge(view.id, batch.clone()).await?;
    let (own, weakest) = (judged.scores.combined(), judged.scores.weakest());
    let said = view.combined.unwrap_or_default();
    desk.told.say(&format!(
        "{}: the committee says {said}, and I say {own} ({weakest} lowest), where {} are wanted",
        view.id, view.threshold
    ));
    if own.saturating_add(spec.margin_bps()) > view.threshold {
        return desk.pass(
            subject,
            observed,
            &format!("my own score of {own} does not speak against it clearly enough"),
        );
    }
    let deposit = view.challenge_deposit.unwrap_or_default();
    let penalty = view.bond.saturating_mul(u64::from(desk.node.client.status().await?.fees.bond_penalty_bps)) / BPS;
    let (right, wrong) = desk.purse.memory().doubted();
    let choice = Choice {
        name: DOUBT.to_owned(),
        what: format!(
            "challenges the acceptance: the committee's score is {said}, a judging of one's own gives {own}, {weakest} lowest, where {} are wanted",
            view.threshold
        ),
        cost: deposit,
        value: value::expected(right, wrong, spec.confidence(), deposit, penalty),
    };
    let quotes = batch
        .records
        .iter()
        .take(SHOWN)
        .map(|(place, record)| Quote { what: format!("record {place}"), text: record.text().to_owned() });
    let seen = Observation {
        what: "whether to challenge the verdict that accepted this contribution".to_owned(),
        choices: vec![choice],
        quotes: quotes.collect(),
        left: desk.purse.left(),
    };
    match policy.decide(desk, &seen).await? {
        Decision::Pass { why } => desk.pass(subject, observed, &why),
        Decision::Take { why, .. } => {
            let why = format!("{}; {why}", judged.report.summary);
            let deed = Deed::Challenge { contribution: view.id, deposit };
            let plan = Plan { subject: subject.to_owned(), observed, deed, why, reserved: deposit };
            if let Became::UnderWay = desk.carry_out(plan).await? {
                desk.told.say(&format!("{} is challenged; a second committee decides", view.id));
            }
            Ok(())
        }
    }
}
