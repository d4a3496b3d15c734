//! The demo, step by step.

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result};
use datanet_setup::Toolbox;

use super::classify::Tuned;
use super::parties::Party;
use super::report::{Answers, Attribution, ContributionLine, LeftOut, Receipts, Report, Supply, Training};
use super::{answer, classify, contribute, parties, pay, receipts, train};
use crate::api::{Client, Contribution};
use crate::data::{Contributor, Dataset, Kind};
use crate::network::Network;
use crate::ui::Ui;

/// Starts the nodes and does everything once.
pub(super) async fn tell(network: &mut Network, data: &Dataset, tools: &Toolbox, ui: &Ui) -> Result<Report> {
    let mut report = Report { nodes: network.nodes().len(), ..Report::default() };
    let step = ui.step(format!("starting {} nodes", report.nodes));
    let agreed = network.up(|text| step.say(text)).await?;
    report.seconds.up = step.done(format!("all at height {} with state {}…", agreed.height, short(&agreed.app_hash)));
    let clients = network.clients()?;
    report.supply.before = clients[0].supply().await?;

    let began = Instant::now();
    let step = ui.step("accounts and the datanet");
    let contributors = parties::contributors(&clients, data).await?;
    let callers = parties::callers(&clients, answer::serving(clients.len())).await?;
    let datanet = contribute::open_datanet(&clients[0], data, clients.len()).await?;
    step.done(format!("{} accounts, datanet {}…", contributors.len() + callers.len(), short(&datanet)));
    let verdicts = judge_all(network, &datanet, data, &contributors, ui, began, &mut report).await?;

    let began = Instant::now();
    answer::open_channels(&clients, &callers, data.questions.len()).await?;
    let asked = answer::ask_all(network, &datanet, data, &callers, ui).await?;
    report.seconds.answer = began.elapsed().as_secs_f64();
    report.answers = Answers {
        asked: asked.len(),
        correct: asked.iter().filter(|a| a.correct).count(),
        majority_correct: data.majority_correct(),
    };

    // A node that was restarted may answer elsewhere than before.
    let clients = network.clients()?;
    let began = Instant::now();
    let tuned = factory(&clients, &datanet, data, &contributors, &callers, tools, &mut report, ui).await?;
    report.seconds.train = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let checked = receipts::check(&clients, &asked, ui).await?;
    report.receipts = Receipts {
        issued: checked.issued + tuned.asked,
        verified: checked.verified + tuned.verified,
        mismatched: checked.mismatched + tuned.mismatched,
    };
    report.forgery_caught = checked.forgery_caught;
    pay::settle(&clients, callers.len(), ui).await?;
    pay::wait_for_audits(&clients, callers.len(), ui).await?;
    report.payouts = pay::claim_all(network, &clients, &contributors, ui).await?;
    report.seconds.settle = began.elapsed().as_secs_f64();

    report.contributions = verdicts
        .iter()
        .zip(&contributors)
        .map(|(verdict, party)| contribution_line(verdict, party, &asked, &tuned))
        .collect();
    compare(network, &mut report, ui).await?;
    report.supply = Supply { before: report.supply.before, after: clients[0].supply().await? };
    Ok(report)
}

/// The model factory: trains on what is final, serves on the callers' nodes, asks every question once more.
#[expect(clippy::too_many_arguments, reason = "a part of the story, cut out for its length")]
async fn factory(
    clients: &[Client],
    datanet: &str,
    data: &Dataset,
    contributors: &[Party],
    callers: &[Party],
    tools: &Toolbox,
    report: &mut Report,
    ui: &Ui,
) -> Result<Tuned> {
    if !data.is_labelled() {
        ui.line("  no labels, so no classifier is trained");
        return Ok(Tuned::default());
    }
    let model = train::fine_tune(&clients[0], datanet, data, ui).await?;
    let held_out_with_refused = train::with_refused(tools, data, ui).await?;
    classify::deploy(clients, callers, &model, ui).await?;
    let tuned = classify::ask_all(clients, &model, data, callers, ui).await?;
    report.training = Some(Training {
        steps: model.steps,
        seconds: model.seconds,
        accuracy: tuned.correct as f64 / tuned.asked.max(1) as f64,
        held_out_with_refused,
        held_out: model.evaluation["accuracy"].as_f64(),
        base_held_out: model.evaluation["base_accuracy"].as_f64(),
    });
    let gate = &model.evaluation["attribution"];
    let (method, why) = (gate["method"].as_str().unwrap_or("none"), gate["why"].as_str().unwrap_or_default());
    let method = format!("influence by {} ({why})", datanet_training::attribution::title(method));
    let number = |name: &str| gate[name].as_f64();
    report.attribution =
        Some(Attribution { method, lds: number("lds"), leave_one_out: number("leave_one_out"), pay: number("pay") });
    let name = |address: &str| contributors.iter().find(|party| party.key.address == address).map(|p| p.name.clone());
    let left_out = gate["left_out"].as_array().into_iter().flatten().filter_map(|one| {
        let contributor = name(one["source"].as_str()?)?;
        Some(LeftOut { contributor, actual: one["actual"].as_f64()?, predicted: one["predicted"].as_f64()? })
    });
    report.left_out = left_out.collect();
    Ok(tuned)
}

/// First everybody honest, then those who are not: what is a copy is judged against what was there before.
async fn judge_all(
    network: &Network,
    datanet: &str,
    data: &Dataset,
    parties: &[Party],
    ui: &Ui,
    began: Instant,
    report: &mut Report,
) -> Result<Vec<Contribution>> {
    let everybody: Vec<(usize, &Contributor, &Party)> =
        data.contributors.iter().zip(parties).enumerate().map(|(i, (c, p))| (i, c, p)).collect();
    let (bad, good): (Vec<_>, Vec<_>) = everybody.into_iter().partition(|(_, c, _)| matches!(c.kind, Kind::Bad(_)));
    let last_upload = Mutex::new(Instant::now());
    let uploaded = || {
        if let Ok(mut last) = last_upload.lock() {
            *last = Instant::now();
        }
    };
    let mut verdicts: Vec<(usize, Contribution)> = Vec::new();
    for (title, group) in [("judging contributions", good), ("judging the suspicious ones", bad)] {
        if group.is_empty() {
            continue;
        }
        let step = ui.bar(title, group.len());
        let who: Vec<(&Contributor, &Party)> = group.iter().map(|(_, c, p)| (*c, *p)).collect();
        let settled = contribute::contribute(network, datanet, &who, &step, uploaded).await?;
        step.done(tally(&settled));
        verdicts.extend(group.iter().map(|(i, ..)| *i).zip(settled));
        if report.seconds.contribute == 0.0 {
            let last = last_upload.lock().map_or_else(|_| Instant::now(), |last| *last);
            report.seconds.contribute = last.duration_since(began).as_secs_f64();
        }
    }
    report.seconds.judge = began.elapsed().as_secs_f64() - report.seconds.contribute;
    verdicts.sort_by_key(|(i, _)| *i);
    Ok(verdicts.into_iter().map(|(_, c)| c).collect())
}

/// How many became what.
fn tally(settled: &[Contribution]) -> String {
    let refused = settled.iter().filter(|c| c.state == crate::api::State::Refused).count();
    format!("{} final, {refused} refused", settled.len() - refused)
}

fn contribution_line(
    verdict: &Contribution,
    party: &Party,
    asked: &[answer::Asked],
    tuned: &Tuned,
) -> ContributionLine {
    let used =
        |a: &&answer::Asked| a.answer.receipt.credits.iter().any(|c| c.contribution == verdict.id && c.weight > 0);
    ContributionLine {
        id: verdict.id.clone(),
        contributor: party.name.clone(),
        records: verdict.records,
        status: verdict.state.as_str().to_owned(),
        scores: verdict.scores,
        reason: verdict.reason.clone().unwrap_or_default(),
        credited: asked.iter().filter(used).count(),
        influence: tuned.credited.get(&verdict.id).copied().unwrap_or_default() as f64 / 1e6,
        effect: tuned.effect(&verdict.id),
        worth: tuned.worth(&verdict.id),
    }
}

/// The nodes' states at the end, the one that was killed included. A disagreement is a finding, not an error.
async fn compare(network: &Network, report: &mut Report, ui: &Ui) -> Result<()> {
    let step = ui.step("comparing states");
    match network.agreement().await {
        Ok(agreed) => {
            (report.height, report.app_hashes_equal) = (agreed.height, true);
            step.done(format!("all at height {} with state {}…", agreed.height, short(&agreed.app_hash)));
        }
        Err(error) => {
            step.failed(error.to_string());
            let status = network.nodes().first().context("a network has a node")?.status().await?;
            report.height = status.height;
        }
    }
    Ok(())
}

/// The first digits of a hash.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
