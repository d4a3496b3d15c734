//! Training a model, and how far it is.

use datanet_api::fine_tuning::{
    Auto, DatanetChoice, FineTuningJob, Hyperparameters, JobUpdate, NewFineTuningJob, Page, PageParams,
};
use futures::StreamExt as _;
use rmcp::handler::server::tool::ToolRoute;
use rmcp::model::CallToolResult;
use rmcp::task_manager::{TaskContext, TaskExit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::within;
use crate::mcp::call::{Call, Outcome, Stop};
use crate::mcp::face::path;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route, structured};
use crate::mcp::server::{Server, protocol_error};

/// Most jobs of a list.
const MOST: usize = 100;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "train",
                title: "Train a model",
                description: "Trains an adapter over a base model on datanets, on this machine: it takes minutes to hours. Clients that poll tasks get one that ends with the model; others get the job, and ask `job`. `deploy` the model then.",
                shown: false,
            },
            train,
        ),
        route(
            About {
                name: "job",
                title: "Show a training job",
                description: "How far a training job is, and its model once it has one.",
                shown: false,
            },
            async |call: Call, args: WhichJob| Ok(show(&call, &args.job).await?),
        ),
        route(
            About {
                name: "jobs",
                title: "List training jobs",
                description: "The training jobs of this node, newest first.",
                shown: false,
            },
            list,
        ),
        route(
            About {
                name: "job_cancel",
                title: "Cancel a training job",
                description: "Ends a training job. What it has trained so far is lost.",
                shown: false,
            },
            cancel,
        ),
    ]
}

/// What to train.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TrainArgs {
    /// Names or ids of 1 to 16 datanets to learn from.
    #[schemars(length(min = 1, max = 16))]
    datanets: Vec<String>,
    /// The base model, by its name on this node (`models`), or `scratch`.
    model: String,
    /// `classify`, `embed` or `generate`; what the datanets are made for if not given.
    task: Option<String>,
    /// Times that the data is gone through.
    epochs: Option<f64>,
    /// Same seed, same data, same machine: the same model.
    seed: Option<u64>,
    /// Up to 64 of `a-z A-Z 0-9 - _ .`, a part of the model's name.
    name: Option<String>,
    /// Who will own the model: an account of this node; the node's own if not given.
    account: Option<String>,
}

/// A job.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichJob {
    /// Its id: `ftjob-` and 24 hexadecimal digits.
    job: String,
}

/// How many jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowMany {
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// A training job.
#[derive(Debug, Serialize, JsonSchema)]
struct JobView {
    /// Its id.
    job: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    status: String,
    /// What it does now.
    phase: String,
    /// Steps of that done.
    step: u64,
    /// Steps of that in all; 0 where it is not known.
    steps: u64,
    /// The model, once it is released: what `deploy` takes.
    model: Option<String>,
    /// The name that leads to it once it is deployed.
    name: String,
    /// Why it failed, and what to do.
    error: Option<String>,
}

/// Training jobs.
#[derive(Debug, Serialize, JsonSchema)]
struct Jobs {
    /// Newest first.
    jobs: Vec<JobView>,
    /// Whether there are more.
    more: bool,
}

impl From<FineTuningJob> for JobView {
    fn from(job: FineTuningJob) -> Self {
        Self {
            status: format!("{:?}", job.status).to_lowercase(),
            phase: job.progress.phase,
            step: job.progress.step,
            steps: job.progress.steps,
            model: job.fine_tuned_model,
            name: job.name,
            error: job.error.map(|failure| failure.message),
            job: job.id,
        }
    }
}

async fn train(call: Call, args: TrainArgs) -> Outcome<JobView> {
    let job = args.task.map(|task| Map::from_iter([("task".to_owned(), Value::from(task))]));
    let new = NewFineTuningJob {
        model: args.model,
        datanets: Some(args.datanets.into_iter().map(DatanetChoice::Name).collect()),
        hyperparameters: args
            .epochs
            .map(|epochs| Hyperparameters { n_epochs: Auto::Number(epochs), ..Hyperparameters::default() }),
        suffix: args.name,
        seed: args.seed,
        account: args.account,
        job,
        ..NewFineTuningJob::default()
    };
    let created: FineTuningJob = call.post(&["fine_tuning", "jobs"], &without_nothing(&new)?).await?;
    if call.takes_tasks() {
        let (id, work) = (created.id.clone(), call.clone());
        let says = format!("job {id} waits for its turn");
        if let Some(task) = call.server.tasks().begin(&call, &says, |task| Box::pin(as_task(work, id, task))) {
            return Err(Stop::Task(Box::new(task)));
        }
    }
    Ok(created.into())
}

/// The same request without what is not given: in OpenAI's shapes a field that is there is meant.
fn without_nothing(new: &NewFineTuningJob) -> Result<Map<String, Value>, Refusal> {
    match serde_json::to_value(new) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            if let Some(Value::Object(numbers)) = fields.get_mut("hyperparameters") {
                numbers.retain(|_, value| !value.is_null());
            }
            Ok(fields)
        }
        _ => Err(Refusal::failed("the job could not be written")),
    }
}

async fn show(call: &Call, job: &str) -> Result<JobView, Refusal> {
    Ok(call.get::<FineTuningJob>(&["fine_tuning", "jobs", job]).await?.into())
}

async fn list(call: Call, args: HowMany) -> Outcome<Jobs> {
    let limit = Some(within("limit", args.limit, 20, MOST)?);
    let params = PageParams { limit, ..PageParams::default() };
    let page: Page<FineTuningJob> = call.get_with(&["fine_tuning", "jobs"], &params).await?;
    Ok(Jobs { jobs: page.data.into_iter().map(JobView::from).collect(), more: page.has_more })
}

async fn cancel(call: Call, args: WhichJob) -> Outcome<JobView> {
    Ok(call.post_nothing::<FineTuningJob>(&["fine_tuning", "jobs", &args.job, "cancel"]).await?.into())
}

/// Follows a job to its end; to cancel the task is to cancel the job.
async fn as_task(call: Call, id: String, task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let failed = |refusal: Refusal| TaskExit::Error(protocol_error(refusal));
    tokio::select! {
        job = ended(&call, &id, &task) => structured(&job.map_err(failed)?).map_err(failed),
        () = task.cancelled() => {
            let path = ["fine_tuning", "jobs", &id, "cancel"];
            call.post_nothing::<FineTuningJob>(&path).await.map_err(failed)?;
            Err(TaskExit::Cancelled)
        }
    }
}

async fn ended(call: &Call, id: &str, task: &TaskContext) -> Result<JobView, Refusal> {
    let path = format!("{}?stream=true", path(&["fine_tuning", "jobs", id, "events"])?);
    let mut updates = call.face().events::<JobUpdate>(&call.caller, &path).await?;
    while let Some(update) = updates.next().await {
        if let JobUpdate::Job(job) = update {
            let over = job.status.is_over();
            let view = JobView::from(*job);
            task.set_status_message(format!(
                "job {id} is {}: {} {}/{}",
                view.status, view.phase, view.step, view.steps
            ));
            if over {
                return Ok(view);
            }
        }
    }
    show(call, id).await
}
