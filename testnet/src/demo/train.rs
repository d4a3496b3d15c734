//! Fine-tuning a classifier on what was accepted, on one node; and, beside the network, on everything that was sent.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_training::data::{Dataset as TrainingData, Example, Source, Task};
use datanet_training::job::Job;
use datanet_training::run::{self, Control, Event, Setup};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::api::{Client, FineTuningJob, JobUpdate};
use crate::data::{Contributor, Dataset, Record};
use crate::ui::{Step, Ui};
use datanet_setup::Toolbox;

/// The longest wait for a model.
const PATIENCE: Duration = Duration::from_secs(900);

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

/// How the demo's models are trained: adapters in the two upper layers, so that the four below run once a record;
/// everything else as by default. Adapters on more maps answer more of the questions rightly, and their attribution is
/// less faithful.
fn job(data: &Dataset) -> Value {
    // A model refuses what is longer than it was made for. Tokens of prose have over two characters.
    let texts = data.contributors.iter().flat_map(|c| &c.records).chain(&data.holdout).chain(&data.questions);
    let longest = texts.map(|record| record.text.chars().count()).max().unwrap_or_default();
    json!({
        "task": "classify",
        "max_tokens": (longest / 2).clamp(32, 256),
        "lora": { "rank": 4, "alpha": 8.0, "targets": ["query", "value"], "layers": [4, 5] },
    })
}

/// Has a node train on everything final in the datanet and release the model.
pub(super) async fn fine_tune(client: &Client, datanet: &str, data: &Dataset, ui: &Ui) -> Result<Model> {
    let began = Instant::now();
    let step = ui.step("fine-tuning on what was accepted");
    let mut plan = job(data);
    plan["attribution"] =
        json!({ "method": "influence", "curvature": "signs-2", "audit_subsets": 8, "audit_contributors": 4 });
    let body = json!({ "model": "minilm-l6", "training_file": datanet, "suffix": "contracts", "seed": 0, "job": plan });
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
async fn follow(client: &Client, id: &str, step: &Step) -> Result<(FineTuningJob, u64)> {
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
    let (training, mut plan) = (everything(data)?, job(data));
    plan["base"] = json!("minilm-l6");
    let (model, library) = (tools.model_dir.clone(), tools.onnxruntime.clone());
    let accuracy = tokio::task::spawn_blocking(move || accuracy(&model, &library, training, &plan)).await??;
    step.done(format!("held-out accuracy {}", percent(Some(accuracy))));
    Ok(accuracy)
}

fn accuracy(model: &Path, library: &Path, data: TrainingData, plan: &Value) -> Result<f64> {
    let runtime = Runtime::init(library)?;
    let job = Job::from_json(&plan.to_string())?;
    let folder = tempfile::tempdir()?;
    let session = SessionConfig::default();
    let setup = Setup {
        job: &job,
        data: &data,
        snapshot: "",
        memory: None,
        base: model,
        runtime,
        session,
        folder: folder.path(),
    };
    let outcome = run::train(&setup, &mut |_: Event| Control::Continue)?;
    outcome.evaluation.get("accuracy").context("the training says nothing of its accuracy")
}

/// All contributors' records to learn from, and what the accepted ones' model is measured on.
fn everything(data: &Dataset) -> Result<TrainingData> {
    let example = |record: &Record, source: usize| {
        let label = record.label.as_ref().and_then(|label| data.labels.iter().position(|known| known == label));
        Example { text: record.text.clone(), label, pair: None, source }
    };
    let records = |(source, contributor): (usize, &Contributor)| {
        contributor.records.iter().map(|record| example(record, source)).collect::<Vec<_>>()
    };
    let training = TrainingData {
        task: Task::Classify,
        labels: data.labels.clone(),
        train: data.contributors.iter().enumerate().flat_map(records).collect(),
        held_out: data.holdout.iter().map(|record| example(record, 0)).collect(),
        sources: data.contributors.iter().map(|contributor| Source { name: contributor.name.clone() }).collect(),
    };
    training.check()?;
    Ok(training)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}
