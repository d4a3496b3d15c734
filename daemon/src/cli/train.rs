//! Training through the node: a job from a file, followed to its end; and checking what others have trained.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use datanet_training::job::Job;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use super::args::{JobsCommand, TrainArgs, TrainCommand};
use super::client::{Client, read_text};
use super::output::{Output, excerpt, fields, short, table, text};

/// Gives the node a job and follows it.
pub async fn run(client: &Client, args: TrainArgs, output: Output) -> Result<()> {
    if let Some(TrainCommand::Verify { what, stretches }) = args.command {
        return verify(client, &what, stretches, output).await;
    }
    let request = request(&args)?;
    let job = client.post("/v1/fine_tuning/jobs", &request).await?;
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

fn table_of(path: &Path, text: &str) -> Result<Value> {
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
        true => client.get(&format!("/v1/fine_tuning/jobs/{what}")).await?["fine_tuned_model"].clone(),
        false => client.get(&format!("/v1/models/{what}")).await?["model_id"].clone(),
    };
    let model = model.as_str().with_context(|| format!("job {what} has released no model"))?;
    let job = client.post(&format!("/v1/models/{model}/verify"), &json!({ "stretches": stretches })).await?;
    let id = job["id"].as_str().context("the node's answer has no id")?.to_owned();
    let Some(job) = watch(client, &id, output).await? else { return Ok(()) };
    output.show(&job, |job| {
        table(
            &job["verdict"]["checks"],
            &[
                ("compared", &|check| text(&check["name"])),
                ("distance", &|check| format!("{:.2e}", check["distance"].as_f64().unwrap_or_default())),
                ("allowed", &|check| format!("{:.0e}", check["allowed"].as_f64().unwrap_or_default())),
                ("agrees", &|check| if check["passed"] == true { "yes" } else { "NO" }.to_owned()),
            ],
        );
    });
    match (job["status"].as_str(), job["verdict"]["passed"].as_bool()) {
        (Some("succeeded"), Some(true)) => Ok(()),
        (Some("succeeded"), _) => bail!("the run is NOT as claimed"),
        _ => bail!("the run could not be repeated: {}", text(&job["error"]["message"])),
    }
}

/// Follows a job to its end; Ctrl-C leaves it to the node.
async fn watch(client: &Client, id: &str, output: Output) -> Result<Option<Value>> {
    tokio::select! {
        job = follow(client, id, output) => job.map(Some),
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nthe job goes on in the node: `datanet jobs follow {id}` watches it, `datanet jobs cancel {id}` ends it");
            Ok(None)
        }
    }
}

async fn finish(client: &Client, id: &str, output: Output) -> Result<()> {
    let Some(job) = watch(client, id, output).await? else { return Ok(()) };
    output.show(&job, print_job);
    match job["status"].as_str() {
        Some("succeeded") => Ok(()),
        Some("failed") => bail!("the job failed: {}", text(&job["error"]["message"])),
        _ => bail!("the job was cancelled"),
    }
}

/// Lists, shows, follows and cancels jobs.
pub async fn jobs(client: &Client, command: JobsCommand, output: Output) -> Result<()> {
    match command {
        JobsCommand::List => {
            let value = client.get_with("/v1/fine_tuning/jobs", &[("limit", "1000".to_owned())]).await?;
            output.show(&value, |value| {
                table(
                    &value["data"],
                    &[
                        ("job", &|job| text(&job["id"])),
                        ("name", &|job| text(&job["name"])),
                        ("data", &|job| text(&job["training_file"])),
                        ("status", &|job| text(&job["status"])),
                        ("steps", &|job| {
                            format!("{}/{}", text(&job["progress"]["step"]), text(&job["progress"]["steps"]))
                        }),
                        ("model", &|job| short(&job["fine_tuned_model"])),
                        ("error", &|job| excerpt(&job["error"]["message"], 80)),
                    ],
                );
            });
        }
        JobsCommand::Show { id } => {
            let value = client.get(&format!("/v1/fine_tuning/jobs/{id}")).await?;
            output.show(&value, print_job);
        }
        JobsCommand::Follow { id } => finish(client, &id, output).await?,
        JobsCommand::Cancel { id } => {
            let value = client.post(&format!("/v1/fine_tuning/jobs/{id}/cancel"), &json!({})).await?;
            output.show(&value, |value| fields(value, &["id", "status"]));
        }
    }
    Ok(())
}

/// Follows a job's events until it is over; the job as it is then.
async fn follow(client: &Client, id: &str, output: Output) -> Result<Value> {
    let bar = bar(output);
    let path = format!("/v1/fine_tuning/jobs/{id}/events");
    let mut last = Value::Null;
    let mut after = String::new();
    // A stream that breaks off, because the node is started again, is taken up where it was.
    for attempt in 0..=RETRIES {
        let mut query = vec![("stream", "true".to_owned())];
        query.extend((!after.is_empty()).then(|| ("after", after.clone())));
        match client.send(client.request(Method::GET, &path).query(&query)).await {
            Ok(response) => read(response, &bar, &mut last, &mut after).await?,
            Err(error) if attempt == RETRIES || last.is_null() => return Err(error),
            Err(_) => {}
        }
        if matches!(last["status"].as_str(), Some("succeeded" | "failed" | "cancelled")) {
            bar.finish_and_clear();
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bail!("the node's events broke off; `datanet jobs follow {id}` takes them up")
}

/// Times that a broken stream is taken up, a second apart.
const RETRIES: usize = 30;

async fn read(response: reqwest::Response, bar: &ProgressBar, last: &mut Value, after: &mut String) -> Result<()> {
    let (mut stream, mut buffer) = (response.bytes_stream(), Vec::new());
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else { return Ok(()) };
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let value: Value = serde_json::from_slice(data).context("the node sent a damaged event")?;
            if value["object"] == "fine_tuning.job" {
                show_progress(bar, &value);
                *last = value;
            } else {
                *after = text(&value["id"]);
                if value["data"]["kind"] != "step" {
                    bar.println(text(&value["message"]));
                }
            }
        }
    }
    Ok(())
}

fn bar(output: Output) -> ProgressBar {
    let bar = if output.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn show_progress(bar: &ProgressBar, job: &Value) {
    let progress = &job["progress"];
    let phase = if job["status"] == "queued" { "waiting".to_owned() } else { text(&progress["phase"]) };
    bar.set_prefix(phase);
    bar.set_length(progress["steps"].as_u64().unwrap_or_default());
    bar.set_position(progress["step"].as_u64().unwrap_or_default());
    let mut parts = Vec::new();
    parts.extend(progress["loss"].as_f64().map(|loss| format!("loss {loss:.4}")));
    parts.extend(progress["seconds_left"].as_f64().map(|left| format!("{left:.0} s left")));
    parts.extend(progress["memory_bytes"].as_u64().map(|bytes| format!("{} MiB", bytes >> 20)));
    bar.set_message(parts.join("   "));
}

fn print_job(job: &Value) {
    fields(job, &["id", "status", "name", "model", "training_file", "trained_tokens", "seed", "account"]);
    say!("steps   {}/{}", text(&job["progress"]["step"]), text(&job["progress"]["steps"]));
    if let Some(model) = job["fine_tuned_model"].as_str() {
        say!("released as {model}\ndeploy it with `datanet model deploy {model}`");
    }
    if job["evaluation"].is_object() {
        for (name, value) in job["evaluation"].as_object().into_iter().flatten().filter(|(_, value)| value.is_number())
        {
            say!("  {name:24} {}", text(value));
        }
    }
    if job["error"].is_object() {
        say!("error   {}", text(&job["error"]["message"]));
    }
}
