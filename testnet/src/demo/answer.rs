//! Asking the questions, several at a time, while one node is killed and brought back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::watch;

use super::contribute::PRICE;
use super::parties::Party;
use crate::api::{Answer, ApiError, Client};
use crate::data::{Dataset, Record};
use crate::network::Network;
use crate::ui::Ui;

/// Nodes that answer.
const SERVING: usize = 2;
/// Questions in flight.
const AT_ONCE: usize = 4;
/// A node that says "busy" is asked again after a rest, so often.
const TRIES: usize = 40;
const REST: Duration = Duration::from_millis(250);

/// One question and what came back.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The node that answered.
    pub node: usize,
    /// Whether the label was right.
    pub correct: bool,
    /// The answer.
    pub answer: Answer,
}

/// How many nodes serve in a network of so many.
pub(super) fn serving(nodes: usize) -> usize {
    SERVING.min(nodes)
}

/// Opens a channel for each caller with its node, with money for asking all questions twice.
pub(super) async fn open_channels(clients: &[Client], callers: &[Party], questions: usize) -> Result<()> {
    for caller in callers {
        let deposit = 2 * PRICE * questions as u64;
        clients[caller.node]
            .open_channel(&caller.key.name, None, deposit)
            .await
            .with_context(|| format!("cannot open a channel for {}", caller.name))?;
    }
    Ok(())
}

/// Asks all questions; once a quarter is answered, kills the last node (where there are four or more) and brings it
/// back while the rest is being answered.
pub(super) async fn ask_all(
    network: &mut Network,
    datanet: &str,
    data: &Dataset,
    callers: &[Party],
    ui: &Ui,
) -> Result<Vec<Asked>> {
    let clients = network.clients()?;
    let step = ui.bar("asking", data.questions.len());
    let (progress, watched) = watch::channel(0);
    let answered = AtomicUsize::new(0);
    let correct = AtomicUsize::new(0);
    let asking = stream::iter(data.questions.iter().enumerate())
        .map(|(i, question)| {
            let caller = &callers[i % callers.len()];
            let (clients, progress, answered, correct, step) = (&clients, &progress, &answered, &correct, &step);
            async move {
                let asked = ask(&clients[caller.node], datanet, question, caller).await?;
                let done = answered.fetch_add(1, Ordering::Relaxed) + 1;
                let right =
                    correct.fetch_add(usize::from(asked.correct), Ordering::Relaxed) + usize::from(asked.correct);
                progress.send_replace(done);
                step.one(format!("{right} right"));
                anyhow::Ok(asked)
            }
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>();
    let trouble = kill_and_restart(network, watched, data.questions.len() / 4, ui);
    let (asked, ()) = tokio::try_join!(asking, trouble)?;
    let right = asked.iter().filter(|a| a.correct).count();
    step.done(format!("{right} of {} right", asked.len()));
    Ok(asked)
}

/// One question, asked again while the node is too busy.
async fn ask(client: &Client, datanet: &str, question: &Record, caller: &Party) -> Result<Asked> {
    let mut tries = 0;
    let answer = loop {
        match client.ask(datanet, &question.text, &caller.key.name).await {
            Ok(answer) => break answer,
            // Busy is an answer worth waiting for; a lost connection is not repeated, because it may have been paid.
            Err(error @ ApiError::Problem { .. }) if error.is_transient() && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(REST).await;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot ask {:?}", question.text)),
        }
    };
    Ok(Asked { node: caller.node, correct: answer.label.is_some() && answer.label == question.label, answer })
}

/// Once `when` questions are answered: SIGKILL to the last node and its CometBFT, and a new start.
async fn kill_and_restart(
    network: &mut Network,
    mut answered: watch::Receiver<usize>,
    when: usize,
    ui: &Ui,
) -> Result<()> {
    let count = network.nodes().len();
    // Fewer than four validators cannot lose one and go on.
    if count < 4 {
        return Ok(());
    }
    // An error means that asking has ended, which the other half reports.
    if answered.wait_for(|n| *n >= when).await.is_err() {
        return Ok(());
    }
    let victim = count - 1;
    let name = network.nodes()[victim].name().to_owned();
    let step = ui.step(format!("kill -9 {name}, and back"));
    network.kill(victim).await?;
    step.say("killed, with its CometBFT; the others go on");
    network.restart(victim).await.with_context(|| format!("{name} does not come back after kill -9"))?;
    let height = network.nodes()[victim].status().await?.height;
    step.done(format!("it continued at height {height}"));
    Ok(())
}
