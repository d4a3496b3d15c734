//! Having receipts checked by nodes that did not issue them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use datanet_types::receipt::AnswerRecord;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;

use super::answer::Asked;
use crate::api::Client;
use crate::ui::Ui;

/// Receipts of the sample; each is answered again from the checking node's own copy.
const SAMPLE: usize = 30;
/// Checks in flight.
const AT_ONCE: usize = 2;

/// What the checks gave.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Checked {
    /// Different receipts issued.
    pub issued: usize,
    /// Of the sample, found right.
    pub verified: usize,
    /// Of the sample, found wrong.
    pub mismatched: usize,
    /// Whether a forged one was caught; `None` if none could be made.
    pub forgery_caught: Option<bool>,
}

/// Verifies a sample, spread over all questions, each on a node other than the one that answered, and one forgery.
pub(super) async fn check(clients: &[Client], asked: &[Asked], ui: &Ui) -> Result<Checked> {
    let issued = asked.iter().map(|a| a.answer.receipt.id.as_str()).collect::<BTreeSet<_>>().len();
    let sample: Vec<&Asked> = asked.iter().step_by(asked.len().div_ceil(SAMPLE).max(1)).collect();
    let step = ui.bar("verifying receipts elsewhere", sample.len());
    let verdicts: Vec<bool> = stream::iter(sample.iter().enumerate())
        .map(|(i, asked)| {
            let step = &step;
            let checker = elsewhere(clients.len(), asked.node, i);
            async move {
                let id = &asked.answer.receipt.id;
                let verdict = clients[checker]
                    .verify_receipt(id)
                    .await
                    .with_context(|| format!("node{checker} cannot verify receipt {id}"))?;
                if !verdict.stands() {
                    step.say(format!("node{checker} finds receipt {id} wrong: {}", verdict.details));
                }
                step.one("");
                anyhow::Ok(verdict.stands())
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let verified = verdicts.iter().filter(|stands| **stands).count();
    let forgery_caught = match asked.iter().find(|a| a.answer.passages.len() > 1) {
        Some(asked) => Some(forgery_is_caught(clients, asked).await?),
        None => None,
    };
    step.done(format!(
        "{verified} of {} recomputed and found right{}",
        verdicts.len(),
        if forgery_caught == Some(true) { "; a forged one was caught" } else { "" }
    ));
    Ok(Checked { issued, verified, mismatched: verdicts.len() - verified, forgery_caught })
}

/// A node other than `node`, another one each time.
fn elsewhere(count: usize, node: usize, turn: usize) -> usize {
    if count < 2 { node } else { (node + 1 + turn % (count - 1)) % count }
}

/// Moves weight from one contributor to another in the record of an answer and has the result checked elsewhere. A
/// refusal of the record as a whole counts as caught.
async fn forgery_is_caught(clients: &[Client], asked: &Asked) -> Result<bool> {
    let id = &asked.answer.receipt.id;
    let checker = &clients[elsewhere(clients.len(), asked.node, 0)];
    let shown = clients[asked.node].receipt(id).await?;
    let record = shown["record"].as_str().with_context(|| format!("receipt {id} comes without its record"))?;
    match checker.check_record(forged(&hex::decode(record)?)?).await {
        Ok(verdict) => Ok(!verdict.stands()),
        Err(error) if error.status().is_some_and(|s| (400..500).contains(&s)) => Ok(true),
        Err(error) => Err(error).context("cannot have a forged receipt checked"),
    }
}

/// The record with a thousandth of the answer moved between its first two passages, and between the first two credits
/// where there are two. All sums stay right; the signature does not fit any more.
fn forged(record: &[u8]) -> Result<Vec<u8>> {
    let mut record = AnswerRecord::decode(record)?;
    ensure!(record.output.passages.len() > 1, "an answer from one passage has no weight to move");
    let moved = 1_000.min(record.output.passages[0].weight.0);
    record.output.passages[0].weight.0 -= moved;
    record.output.passages[1].weight.0 += moved;
    if let [first, second, ..] = record.receipt.credits.as_mut_slice() {
        let moved = 1_000.min(first.weight.0);
        first.weight.0 -= moved;
        second.weight.0 += moved;
    }
    Ok(record.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checker_is_never_the_node_that_answered() {
        for count in 2..6 {
            for node in 0..count {
                assert!((0..10).all(|turn| elsewhere(count, node, turn) != node));
            }
        }
    }
}
