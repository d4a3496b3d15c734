//! Fine-tuning a classifier on what was accepted, on one node; and, beside the network, on everything that was sent.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use datanet_setup::Toolbox;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::api::{Client, FineTuningJob, JobUpdate};
use crate::data::Dataset;
use crate::learning;
use crate::ui::{Step, Ui};

/// The longest wait for a model.
const PATIENCE: Duration = Duration::from_secs(900);

/// Seed of the training.
const SEED: u64 = 0;

/// A released model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// Its id on the ledger.
    pub id: String,
    /// The name by which it is asked.
    pub name: String,
    /// Steps of its training.
    pub steps: u64,
    /// From the job to the release, the audit included.
    pub seconds: f64,
    /// How it did on the held-out set, by measure.
    pub evaluation: Value,
}

/// Has a node train on everything final in the datanet and release the model.
pub(super) async fn fine_tune(client: &Client, datanet: &str, data: &Dataset, ui: &Ui) -> Result<Model> {
    let began = Instant::now();
    let step = ui.step("fine-tuning on what was accepted");
    let mut plan = learning::job(data);
    // One pair of halves pays as near to retraining as two, and takes half the time.
    plan["attribution"] = json!({
        "method": "influence", "curvature": "signs-2", "audit_subsets": 8, "audit_contributors": 4, "halves": 2,
    });
    let body =
        json!({ "model": "minilm-l6", "training_file": datanet, "suffix": "contracts", "seed": SEED, "job": plan });
    let job = client.create_job(&body).await.context("the node takes no fine-tuning job")?;
    let done = tokio::time::timeout(PATIENCE, follow(client, &job.id, &step)).await;
    let (job, steps) = done.with_context(|| format!("{} is not done after {} s", job.id, PATIENCE.as_secs()))??;
    let (Some(id), Some(name)) = (job.release, job.fine_tuned_model) else {
        bail!("{} ended as {} without a model: {}", job.id, job.status, job.error["message"])
    };
    let seconds = began.elapsed().as_secs_f64();
    step.done(format!(
        "model {id:.12}…: {steps} steps, held-out accuracy {}",
        percent(measure(&job.evaluation, "accuracy"))
    ));
    Ok(Model { id, name, steps, seconds, evaluation: job.evaluation })
}

/// Follows a job to its end; gives it and the steps of its training.
pub(super) async fn follow(client: &Client, id: &str, step: &Step) -> Result<(FineTuningJob, u64)> {
    let updates = client.job_updates(id).await?;
    let mut updates = std::pin::pin!(updates);
    let mut steps = 0;
    while let Some(update) = updates.next().await {
        match update? {
            JobUpdate::Job(job) if job.is_over() => return Ok((*job, steps)),
            JobUpdate::Job(job) => step.say(words(&job.progress)),
            JobUpdate::Event(event) => steps = event["data"]["total_steps"].as_u64().unwrap_or(steps),
        }
    }
    let job = client.job(id).await?;
    if job.is_over() { Ok((job, steps)) } else { bail!("the node ended the stream of {id} while it is {}", job.status) }
}

/// How far a job is, in words.
fn words(progress: &Value) -> String {
    let phase = progress["phase"].as_str().unwrap_or("waiting");
    let left = progress["seconds_left"].as_f64().map(|left| format!(", {left:.0} s left")).unwrap_or_default();
    match (progress["step"].as_u64(), progress["steps"].as_u64()) {
        (Some(step), Some(steps)) if steps > 0 => format!("{phase} {step} of {steps}{left}"),
        _ => phase.to_owned(),
    }
}

/// A measure of an evaluation, by name.
fn measure(evaluation: &Value, name: &str) -> Option<f64> {
    evaluation[name].as_f64()
}

/// What the same training would have given with what was refused: its accuracy on the held-out set. The network never
/// trains on refused data, so this runs here.
pub(super) async fn with_refused(tools: &Toolbox, data: &Dataset, ui: &Ui) -> Result<f64> {
    let step = ui.step("the same with what was refused, for comparison");
    let evaluation = learning::train(tools, data, |_| true, SEED).await?;
    let accuracy = evaluation.get("accuracy").context("the training says nothing of its accuracy")?;
    step.done(format!("held-out accuracy {}", percent(Some(accuracy))));
    Ok(accuracy)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}
