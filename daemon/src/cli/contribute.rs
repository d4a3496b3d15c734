//! Contributing a file, with progress, and following it to its verdict.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use datanet_types::record::Format;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::args::{ContributeArgs, ContributionCommand, ContributionsArgs};
use super::client::Client;
use super::output::{Output, fields, money, short, table, text};

pub async fn run(client: &Client, args: ContributeArgs, output: Output) -> Result<()> {
    let extension = args.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format = Format::from_extension(extension).with_context(|| {
        format!("{}: the name must end in .jsonl, .csv, .parquet, .md or .txt", args.file.display())
    })?;
    let file =
        tokio::fs::File::open(&args.file).await.with_context(|| format!("cannot open {}", args.file.display()))?;
    let size = file.metadata().await?.len();
    let bar = upload_bar(size, output);
    let counted = bar.clone();
    let body = ReaderStream::with_capacity(file, 256 * 1024).inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            counted.inc(chunk.len() as u64);
        }
    });
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.account.map(|account| ("account", account)));
    query.extend(args.bond.map(|bond| ("bond", bond.to_string())));
    let request = client
        .request(Method::POST, &format!("/v1/datanets/{}/contributions", args.datanet))
        .query(&query)
        .header("content-type", format.media_type())
        .header("idempotency-key", idempotency_key()?)
        .body(reqwest::Body::wrap_stream(body));
    let accepted = client.json(request).await;
    bar.finish_and_clear();
    let accepted = accepted?;
    let id = accepted["id"].as_str().context("the node's answer has no id")?.to_owned();
    if args.no_wait {
        output.show(&accepted, |accepted| fields(accepted, &["id", "records", "size", "blob", "record_root", "tx"]));
        return Ok(());
    }
    let verdict = follow(client, &id, output).await?;
    output.show(&verdict, print_contribution);
    if verdict["state"] == "refused" {
        bail!("the contribution was refused: {}", text(&verdict["reason"]));
    }
    Ok(())
}

fn idempotency_key() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}

fn upload_bar(size: u64, output: Output) -> ProgressBar {
    let bar = if output.json { ProgressBar::hidden() } else { ProgressBar::new(size) };
    let style = ProgressStyle::with_template("uploading {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Follows a contribution's events until its verdict.
async fn follow(client: &Client, id: &str, output: Output) -> Result<Value> {
    let spinner = if output.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    spinner.enable_steady_tick(Duration::from_millis(120));
    let response = client.send(client.request(Method::GET, &format!("/v1/contributions/{id}/events"))).await?;
    let mut stream = response.bytes_stream();
    let (mut buffer, mut last) = (Vec::new(), Value::Null);
    while let Some(chunk) = stream.next().await {
        buffer.extend_from_slice(&chunk.context("the node's events broke off")?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            last = serde_json::from_slice(data).context("the node sent a damaged event")?;
            spinner.set_message(progress(&last));
        }
    }
    spinner.finish_and_clear();
    if last.is_null() {
        bail!("the node sent no event; try `datanet contributions {id}`")
    }
    Ok(last)
}

fn progress(view: &Value) -> String {
    let members = view["committee"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |what: &str| members.iter().filter(|member| member[what] == true).count();
    format!(
        "{}: {} of {} judges committed, {} revealed, {} nodes keep it",
        text(&view["state"]),
        count("committed"),
        members.len(),
        count("revealed"),
        text(&view["attestations"])
    )
}

pub async fn list(client: &Client, args: ContributionsArgs, output: Output) -> Result<()> {
    let one = args.id.parse::<datanet_types::ContributionId>().is_ok();
    if one && let Ok(value) = client.get(&format!("/v1/contributions/{}", args.id)).await {
        output.show(&value, print_contribution);
        return Ok(());
    }
    let mut query = vec![("limit", "1000".to_owned())];
    query.extend(args.state.map(|state| ("state", state)));
    let value = client.get_with(&format!("/v1/datanets/{}/contributions", args.id), &query).await?;
    output.show(&value, |value| {
        table(
            &value["contributions"],
            &[
                ("#", &|c| text(&c["seq"])),
                ("id", &|c| short(&c["id"])),
                ("contributor", &|c| text(&c["contributor"])),
                ("records", &|c| text(&c["records"])),
                ("state", &|c| text(&c["state"])),
                ("combined", &|c| text(&c["combined"])),
                ("reason", &|c| text(&c["reason"])),
            ],
        );
    });
    Ok(())
}

pub async fn one(client: &Client, command: ContributionCommand, output: Output) -> Result<()> {
    match command {
        ContributionCommand::Show { id } => {
            let value = client.get(&format!("/v1/contributions/{id}")).await?;
            output.show(&value, print_contribution);
        }
        ContributionCommand::Revoke { id } => {
            let value = client.post(&format!("/v1/contributions/{id}/revoke"), &Value::Null).await?;
            output.show(&value, |revoked| fields(revoked, &["id", "state", "height", "tx"]));
        }
    }
    Ok(())
}

fn print_contribution(value: &Value) {
    fields(
        value,
        &[
            "id",
            "state",
            "reason",
            "datanet",
            "contributor",
            "records",
            "size",
            "format",
            "attestations",
            "height",
            "final_height",
            "revoked_height",
            "threshold",
        ],
    );
    say!("bond  {}", money(&value["bond"]));
    if value["scores"].is_object() {
        fields(&value["scores"], &["validity", "quality", "uniqueness", "usefulness"]);
    }
    table(
        &value["committee"],
        &[
            ("judge", &|member| text(&member["validator"])),
            ("weight", &|member| format!("{} %", member["weight_bps"].as_u64().unwrap_or_default() / 100)),
            ("revealed", &|member| text(&member["revealed"])),
            ("validity", &|member| text(&member["scores"]["validity"])),
            ("quality", &|member| text(&member["scores"]["quality"])),
            ("uniqueness", &|member| text(&member["scores"]["uniqueness"])),
            ("usefulness", &|member| text(&member["scores"]["usefulness"])),
        ],
    );
}
