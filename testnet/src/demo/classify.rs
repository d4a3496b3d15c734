//! Asking the fine-tuned model, on several nodes, for money; and having its receipts recomputed where it never ran.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::parties::Party;
use super::train::Model;
use crate::api::{Classified, Client};
use crate::data::{Dataset, Record};
use crate::ui::Ui;

/// Questions in flight.
const AT_ONCE: usize = 2;
/// Receipts of the sample that is recomputed elsewhere.
const SAMPLE: usize = 4;

/// What the model's answers gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Tuned {
    /// Questions asked.
    pub asked: usize,
    /// Answered with the right label.
    pub correct: usize,
    /// Sum of each contribution's shares, in parts per million.
    pub credited: BTreeMap<String, u64>,
    /// Sum of what each contribution did to the right answers beside all the others, in billionths of their logarithm.
    pub effects: BTreeMap<String, i64>,
    /// Sum of what each contribution did to all answers where half of the data is there, in billionths of their log-odds.
    pub worths: BTreeMap<String, i64>,
    /// Receipts recomputed by a node that does not serve the model, and found right.
    pub verified: usize,
    /// The same, found wrong.
    pub mismatched: usize,
}

impl Tuned {
    /// By how much likelier a contribution made the right answers beside all the others, on average, in per cent; - is less likely.
    pub(super) fn effect(&self, contribution: &str) -> Option<f64> {
        mean_percent(&self.effects, contribution, self.correct)
    }

    /// By how much it raised the odds of the answers where half of the data is there, on average, in per cent: what is netted.
    pub(super) fn worth(&self, contribution: &str) -> Option<f64> {
        mean_percent(&self.worths, contribution, self.asked)
    }
}

/// The mean of sums of logarithms in billionths, as a change in per cent; nothing of who is in none.
fn mean_percent(sums: &BTreeMap<String, i64>, contribution: &str, answers: usize) -> Option<f64> {
    let sum = *sums.get(contribution)? as f64;
    Some((sum / 1e9 / answers.max(1) as f64).exp_m1() * 100.0)
}

/// Has the nodes of the callers serve the model.
pub(super) async fn deploy(clients: &[Client], callers: &[Party], model: &Model, ui: &Ui) -> Result<()> {
    let step = ui.step("deploying it");
    for caller in callers {
        let node = caller.node;
        clients[node].deploy(&model.id).await.with_context(|| format!("node{node} cannot deploy {}", model.name))?;
    }
    step.done(format!("{} nodes fetched, checked and serve it", callers.len()));
    Ok(())
}

/// Asks all questions, each on the node of its caller, and has a sample of the receipts recomputed by the last node.
pub(super) async fn ask_all(
    clients: &[Client],
    model: &Model,
    data: &Dataset,
    callers: &[Party],
    ui: &Ui,
) -> Result<Tuned> {
    let step = ui.bar("asking the fine-tuned model", data.questions.len());
    let answers: Vec<(bool, Classified)> = stream::iter(data.questions.iter().enumerate())
        .map(|(i, question)| {
            let (caller, step) = (&callers[i % callers.len()], &step);
            async move {
                let answer = ask(&clients[caller.node], model, question, caller).await?;
                step.one("");
                anyhow::Ok(answer)
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut tuned = Tuned { asked: answers.len(), ..Tuned::default() };
    for (right, answer) in &answers {
        tuned.correct += usize::from(*right);
        for credit in &answer.receipt.credits {
            *tuned.credited.entry(credit.contribution.clone()).or_default() += credit.weight;
        }
        for moved in answer.influence.iter().flatten() {
            let contribution = moved.contribution.to_string();
            if *right {
                *tuned.effects.entry(contribution.clone()).or_default() += moved.value;
            }
            *tuned.worths.entry(contribution).or_default() += moved.worth;
        }
    }
    step.done(format!("{} of {} right", tuned.correct, tuned.asked));
    let step = ui.step("recomputing its receipts elsewhere");
    let elsewhere = clients.last().context("a network has a node")?;
    for (_, answer) in answers.iter().step_by(answers.len().div_ceil(SAMPLE).max(1)) {
        let id = &answer.receipt.id;
        let verdict =
            elsewhere.verify_receipt(id).await.with_context(|| format!("receipt {id} cannot be recomputed"))?;
        if verdict.stands() {
            tuned.verified += 1;
        } else {
            tuned.mismatched += 1;
            step.say(format!("receipt {id} is wrong: {}", verdict.details));
        }
    }
    step.done(format!("{} of {} found right", tuned.verified, tuned.verified + tuned.mismatched));
    Ok(tuned)
}

async fn ask(client: &Client, model: &Model, question: &Record, caller: &Party) -> Result<(bool, Classified)> {
    let answer = client.classify_explained(&model.id, &question.text, &caller.key.name).await;
    let answer = answer.with_context(|| format!("{} cannot be asked {:?}", model.name, question.text))?;
    Ok((Some(&answer.label) == question.label.as_ref(), answer))
}
