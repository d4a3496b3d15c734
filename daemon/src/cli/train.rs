//! Training through the node: a job from a file, followed to its end; and checking what others have trained.

use std::path::Path;

use anyhow::{Context, Result, bail};
use datanet_api::fine_tuning::{JobFailure, JobState};
use datanet_training::job::Job;
use serde_json::{Value, json};

use super::args::{JobsCommand, TrainArgs, TrainCommand};
use super::bought;
use super::client::Client;
use super::confirm::confirm;
use super::costs;
use super::files::read_text;
use super::follow::watch;
use super::measures::{Measures, print_attribution};
use super::output::{Output, ago, excerpt, fields, lines, short, table, table_if_any, text};

/// Gives the node a job and follows it.
pub(super) async fn run(client: &Client, args: TrainArgs, output: Output) -> Result<()> {
    match args.command {
        Some(TrainCommand::Verify { what, stretches }) => return verify(client, &what, stretches, output).await,
        Some(TrainCommand::Buy(wanted)) => return bought::buy(client, wanted, output).await,
        Some(TrainCommand::Take { id, at, account }) => return bought::take(client, &id, at, account, output).await,
        None => {}
    }
    let request = request(&args)?;
    let account = args.account.as_ref().map(|name| client.leave(name));
    costs::of_training(client, output).await?;
    let job = client.post("/v1/fine_tuning/jobs", &request).await?;
    client.tell_account(account.as_deref(), output).await;
    let id = job["id"].as_str().context("the node's answer has no id")?.to_owned();
    if args.detach {
        output.show(&job, |job| fields(job, &["id", "status", "model", "training_file"]));
        return Ok(());
    }
    finish(client, &id, output).await
}

/// The job file as the interface takes it. The file is checked here already, with errors that name its keys.
fn request(args: &TrainArgs) -> Result<Value> {
    let file = args.file.as_deref().context("name a job file")?;
    let text = read_text(file)?;
    let mut table = table_of(file, &text)?;
    let object = table.as_object_mut().context("a job file is a table")?;
    let model = match object.remove("base") {
        Some(base) => base,
        None if object.contains_key("scratch") => "scratch".into(),
        None => bail!("{}: base is missing; name the model to adapt, or add [scratch]", file.display()),
    };
    let mut request = json!({ "model": model, "job": table });
    if !args.datanets.is_empty() {
        request["datanets"] = json!(args.datanets);
    }
    for (key, value) in [("suffix", &args.name), ("account", &args.account), ("licence", &args.licence)] {
        if let Some(value) = value {
            request[key] = value.clone().into();
        }
    }
    Ok(request)
}

pub(super) fn table_of(path: &Path, text: &str) -> Result<Value> {
    let json = path.extension().is_some_and(|extension| extension == "json");
    let checked = if json { Job::from_json(text) } else { Job::from_toml(text) };
    checked.with_context(|| path.display().to_string())?;
    let parsed = match json {
        true => serde_json::from_str(text).map_err(anyhow::Error::from),
        false => toml::from_str(text).map_err(anyhow::Error::from),
    };
    parsed.with_context(|| path.display().to_string())
}

/// Has the node repeat a run, and says what came of it.
async fn verify(client: &Client, what: &str, stretches: Option<usize>, output: Output) -> Result<()> {
    let model = match what.starts_with("ftjob-") {
        true => {
            let job = client.job(what).await?;
            client.get(&format!("/v1/fine_tuning/jobs/{job}")).await?["fine_tuned_model"].clone()
        }
        false => {
            let model = client.model(what).await?;
            client.get(&format!("/v1/models/{model}")).await?["model_id"].clone()
        }
    };
    let model = model.as_str().with_context(|| format!("job {what} has released no model"))?;
    let job = client.post(&format!("/v1/models/{model}/verify"), &json!({ "stretches": stretches })).await?;
    let id = job["id"].as_str().context("the node's answer has no id")?.to_owned();
    let Some(job) = watch(client, &id, output).await? else { return Ok(()) };
    output.show(&serde_json::to_value(&job)?, |job| print_verdict(&job["verdict"]));
    let passed = job.verdict.is_some_and(|verdict| verdict["passed"] == true);
    match (job.status, passed) {
        (JobState::Succeeded, true) => Ok(()),
        (JobState::Succeeded, false) => bail!("the run is NOT as claimed"),
        _ => bail!("the run could not be repeated: {}", why(job.error)),
    }
}

async fn finish(client: &Client, id: &str, output: Output) -> Result<()> {
    let Some(job) = watch(client, id, output).await? else { return Ok(()) };
    show(client, &serde_json::to_value(&job)?, output).await?;
    match job.status {
        JobState::Succeeded => Ok(()),
        JobState::Failed => bail!("the job failed: {}", why(job.error)),
        _ => bail!("the job was cancelled"),
    }
}

/// Why a job failed, if that is known.
fn why(failure: Option<JobFailure>) -> String {
    text(&failure.map(|failure| failure.message).into())
}

fn short_job(job: &Value) -> String {
    text(&job["id"]).chars().take("ftjob-".len() + 8).collect()
}

async fn show(client: &Client, job: &Value, output: Output) -> Result<()> {
    if output.json {
        output.show(job, |_| {});
        return Ok(());
    }
    print_job(client, job).await
}

/// Lists, shows, follows and cancels jobs.
pub(super) async fn jobs(client: &Client, command: JobsCommand, output: Output) -> Result<()> {
    match command {
        JobsCommand::List => {
            let value = client.get_with("/v1/fine_tuning/jobs", &[("limit", "1000".to_owned())]).await?;
            output.show(&value, |value| {
                table(
                    &value["data"],
                    &[
                        ("given", &|job| ago(&job["created_at"])),
                        ("job", &short_job),
                        ("what", &|job| if job["verifies"].is_null() { "train" } else { "verify" }.to_owned()),
                        ("name", &|job| text(&job["name"])),
                        ("status", &|job| text(&job["status"])),
                        ("model", &|job| short(&job["fine_tuned_model"])),
                        ("error", &|job| excerpt(&job["error"]["message"], 60)),
                    ],
                );
            });
        }
        JobsCommand::Show { id } => {
            let id = client.job(&id).await?;
            let job = client.get(&format!("/v1/fine_tuning/jobs/{id}")).await?;
            show(client, &job, output).await?;
        }
        JobsCommand::Follow { id } => finish(client, &client.job(&id).await?, output).await?,
        JobsCommand::Cancel { id, yes } => {
            let id = client.job(&id).await?;
            confirm(yes, &format!("Job {id} is to be ended.")).await?;
            let value = client.post(&format!("/v1/fine_tuning/jobs/{id}/cancel"), &json!({})).await?;
            output.show(&value, |value| fields(value, &["id", "status"]));
        }
    }
    Ok(())
}

/// Steps of the training itself. A job's own progress is that of its last phase, so they are looked up in its events.
async fn training_steps(client: &Client, id: &str) -> Result<Option<(u64, u64)>> {
    let events = client.get_with(&format!("/v1/fine_tuning/jobs/{id}/events"), &[("limit", "1000".to_owned())]).await?;
    let mut newest_first = events["data"].as_array().into_iter().flatten().map(|event| &event["data"]);
    let step = newest_first.find(|data| data["kind"] == "step");
    Ok(step.and_then(|data| Some((data["step"].as_u64()?, data["total_steps"].as_u64()?))))
}

/// A job's summary.
async fn print_job(client: &Client, job: &Value) -> Result<()> {
    let mut known: Vec<(&str, String)> = vec![("id", text(&job["id"])), ("status", text(&job["status"]))];
    let named = [("name", "name"), ("base", "model"), ("verifies", "verifies"), ("data", "training_file")];
    let named = named.into_iter().chain([("tokens", "trained_tokens"), ("seed", "seed"), ("account", "account")]);
    known.extend(named.filter(|(_, key)| !job[key].is_null()).map(|(name, key)| (name, text(&job[key]))));
    let out = job["job"]["data"]["without"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !out.is_empty() {
        known.push(("left out", out.iter().map(short).collect::<Vec<_>>().join(", ")));
    }
    known.push(("given", ago(&job["created_at"])));
    if let Some((done, of)) = training_steps(client, &text(&job["id"])).await? {
        known.push(("steps", format!("{done} of {of}")));
    }
    lines(&known);
    print_verdict(&job["verdict"]);
    let evaluation = &job["evaluation"];
    if evaluation.is_object() {
        say!("evaluation");
        Measures::of_job(evaluation).print();
    }
    print_attribution(&evaluation["attribution"], 1.0);
    if job["error"].is_object() {
        say!("error  {}", text(&job["error"]["message"]));
    }
    if let Some(model) = job["fine_tuned_model"].as_str() {
        say!("next: datanet model deploy {model}");
    }
    Ok(())
}

fn print_verdict(verdict: &Value) {
    table_if_any(
        &verdict["checks"],
        &[
            ("compared", &|check| text(&check["name"])),
            ("distance", &|check| format!("{:.2e}", check["distance"].as_f64().unwrap_or_default())),
            ("allowed", &|check| format!("{:.0e}", check["allowed"].as_f64().unwrap_or_default())),
            ("agrees", &|check| if check["passed"] == true { "yes" } else { "NO" }.to_owned()),
        ],
    );
}
