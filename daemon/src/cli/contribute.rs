//! Contributing a file, with progress, and following it to its verdict.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use datanet_api::contributions::{ContributeParams, ContributionView, MemberView};
use datanet_types::ContributionId;
use datanet_types::record::Format;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::args::{ContributeArgs, ContributionCommand, ContributionsArgs};
use super::client::{Client, told};
use super::confirm::confirm;
use super::costs;
use super::files;
use super::link::{Link, Next};
use super::output::{Output, fields, lines, money, short, table, table_if_any, text};
use super::people::People;
use super::report;
use super::waiting::Waiting;

pub(super) async fn run(client: &Client, args: ContributeArgs, output: Output) -> Result<()> {
    let file = files::open(&args.file)?;
    let format = format_of(&args.file)?;
    let size = file.metadata().map_err(|error| files::unreadable(&args.file, error))?.len();
    let datanet = client.datanet(&args.datanet).await?;
    let shown = client.get(&format!("/v1/datanets/{datanet}")).await?;
    costs::of_contribution(client, &shown, args.bond, output).await?;
    let bar = upload_bar(size, output);
    let (counted, broken) = (bar.clone(), Arc::new(OnceLock::new()));
    let (path, reading) = (args.file.clone(), broken.clone());
    let file = tokio::fs::File::from_std(file);
    let body = ReaderStream::with_capacity(file, 256 * 1024).map(move |chunk| {
        chunk.inspect(|chunk| counted.inc(chunk.len() as u64)).map_err(|error| {
            let kind = error.kind();
            let _ = reading.set(files::unreadable(&path, error).to_string());
            std::io::Error::from(kind)
        })
    });
    let params = ContributeParams { account: args.account.map(|name| client.leave(&name)), bond: args.bond };
    let (key, body) = (idempotency_key()?, reqwest::Body::wrap_stream(body));
    let accepted = client.node.contribute(&datanet, &params, format.media_type(), &key, body).await;
    bar.finish_and_clear();
    // What broke off is then not the node's doing.
    if let Some(reason) = broken.get() {
        bail!("{reason}; nothing was contributed");
    }
    let accepted = accepted.map_err(told)?;
    client.tell_account(params.account.as_deref(), output).await;
    if args.no_wait {
        let value = serde_json::to_value(&accepted)?;
        output.show(&value, |accepted| fields(accepted, &["id", "records", "size", "blob", "record_root", "tx"]));
        return Ok(());
    }
    let quorum = client.node.datanet(&datanet).await.map_err(told)?.record.storage_quorum;
    let verdict = follow(client, &accepted.id, quorum, output).await?;
    show(client, &serde_json::to_value(&verdict)?, output).await;
    if verdict.state == "refused" {
        let way = format!("`datanet contribution report {}` names the records", short(&json!(verdict.id)));
        bail!("the contribution was refused: {}; {way}", text(&verdict.reason.into()));
    }
    Ok(())
}

/// The format that a file's name says; what it certainly is not is told before anything is sent.
fn format_of(path: &Path) -> Result<Format> {
    let shown = path.display();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Format::from_extension(extension).with_context(|| match extension.to_ascii_lowercase().as_str() {
        "xlsx" | "xls" | "ods" => format!("{shown} is a spreadsheet; save the sheet as CSV UTF-8 and give that"),
        "gz" | "zip" | "zst" | "bz2" | "xz" => format!("{shown} is compressed; unpack it and give what is in it"),
        "json" => format!("{shown}: write one object a line (jq -c '.[]' does it) and end the name in .jsonl"),
        _ => format!("{shown}: the name must end in .jsonl, .csv, .tsv, .parquet, .md or .txt"),
    })
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
async fn follow(client: &Client, id: &ContributionId, quorum: u32, output: Output) -> Result<ContributionView> {
    let mut waiting = Waiting::new(output, "judging");
    let verdict = until_settled(client, id, quorum, &mut waiting).await;
    waiting.end();
    verdict
}

async fn until_settled(
    client: &Client,
    id: &ContributionId,
    quorum: u32,
    waiting: &mut Waiting,
) -> Result<ContributionView> {
    let back = format!(
        "the contribution is on the ledger, and is judged whether or not this node runs: `datanet contribution show {id}` says what became of it"
    );
    let mut link = Link::new(client, back);
    loop {
        let node = link.node.clone();
        if let Some(events) = link.open(node.contribution_events(id)).await.map_err(told)? {
            let mut events = std::pin::pin!(events);
            loop {
                match link.next(&mut events).await.context("a damaged event")? {
                    Next::Event(view) if view.is_settled() => return Ok(view),
                    Next::Event(view) => waiting.say(&progress(&view, quorum)),
                    Next::Quiet => waiting.still(),
                    Next::Over => break,
                }
            }
        }
        link.wait().await?;
    }
}

fn progress(view: &ContributionView, quorum: u32) -> String {
    let count = |done: fn(&MemberView) -> bool| view.committee.iter().filter(|member| done(member)).count();
    format!(
        "{}: {} of {} judges committed, {} revealed; {} of {quorum} nodes keep it",
        view.state,
        count(|member| member.committed),
        view.committee.len(),
        count(|member| member.revealed),
        view.attestations,
    )
}

pub(super) async fn list(client: &Client, args: ContributionsArgs, output: Output) -> Result<()> {
    // A datanet's name or id, or a contribution's: what begins no contribution's id is the node's to find.
    if let Ok(id) = client.contribution(&args.id).await
        && id.parse::<datanet_types::ContributionId>().is_ok()
        && let Ok(value) = client.get(&format!("/v1/contributions/{id}")).await
    {
        show(client, &value, output).await;
        return Ok(());
    }
    let datanet = client.datanet(&args.id).await?;
    let mut query = vec![("limit", "1000".to_owned())];
    query.extend(args.state.map(|state| ("state", state)));
    let value = client.get_with(&format!("/v1/datanets/{datanet}/contributions"), &query).await?;
    let people = if output.json { People::default() } else { People::here(client).await };
    output.show(&value, |value| {
        table(
            &value["contributions"],
            &[
                ("#", &|c| text(&c["seq"])),
                ("id", &|c| short(&c["id"])),
                ("contributor", &|c| people.short(&c["contributor"])),
                ("records", &|c| text(&c["records"])),
                ("state", &|c| text(&c["state"])),
                ("combined", &|c| text(&c["combined"])),
                ("reason", &|c| text(&c["reason"])),
            ],
        );
    });
    Ok(())
}

pub(super) async fn one(client: &Client, command: ContributionCommand, output: Output) -> Result<()> {
    match command {
        ContributionCommand::Show { id } => {
            let id = client.contribution(&id).await?;
            let value = client.get(&format!("/v1/contributions/{id}")).await?;
            show(client, &value, output).await;
        }
        ContributionCommand::Report { id } => report::show(client, &client.contribution(&id).await?, output).await?,
        ContributionCommand::Revoke { id, yes } => {
            let id = client.contribution(&id).await?;
            let question = if yes { String::new() } else { what_goes(client, &id).await? };
            confirm(yes, &question).await?;
            let value = client.post(&format!("/v1/contributions/{id}/revoke"), &Value::Null).await?;
            let models = if output.json { Value::Null } else { client.get("/v1/models").await? };
            output.show(&value, |revoked| {
                fields(revoked, &["id", "state", "height", "tx"]);
                for model in tainted_by(&models, &id) {
                    say!("tainted  {} {}", text(&model["name"]), text(&model["model_id"]));
                }
            });
        }
    }
    Ok(())
}

/// What taking a contribution back does.
async fn what_goes(client: &Client, id: &str) -> Result<String> {
    let contribution = client.get(&format!("/v1/contributions/{id}")).await?;
    let models = client.get("/v1/models").await?;
    let records = text(&contribution["records"]);
    let mut said = format!("{records} records of contribution {id} are to be served, trained on and paid no more.");
    let learnt = trained_on(&models, &contribution["datanet"]);
    if !learnt.is_empty() {
        said += "\nModels that have learnt from its datanet are marked tainted where it was among their data:\n";
    }
    said.extend(learnt.iter().map(|model| format!("  {} {}\n", text(&model["name"]), text(&model["model_id"]))));
    Ok(said)
}

/// The models whose record on the ledger names this datanet.
fn trained_on<'a>(models: &'a Value, datanet: &Value) -> Vec<&'a Value> {
    let names = |model: &&Value| model["ledger"]["datanets"].as_array().is_some_and(|all| all.contains(datanet));
    models["data"].as_array().into_iter().flatten().filter(names).collect()
}

/// The models that this contribution has tainted.
fn tainted_by<'a>(models: &'a Value, contribution: &str) -> Vec<&'a Value> {
    let by = |model: &&Value| {
        let taint = model["ledger"]["taint"].as_array().into_iter().flatten();
        taint.into_iter().any(|taint| taint["contribution"] == contribution)
    };
    models["data"].as_array().into_iter().flatten().filter(by).collect()
}

async fn show(client: &Client, contribution: &Value, output: Output) {
    let people = if output.json { People::default() } else { People::here(client).await };
    output.show(contribution, |contribution| print_contribution(contribution, &people));
}

fn print_contribution(value: &Value, people: &People) {
    let mut known = vec![("id", text(&value["id"])), ("state", text(&value["state"]))];
    known.extend(Some(("reason", text(&value["reason"]))).filter(|(_, reason)| !reason.is_empty()));
    known.push(("datanet", text(&value["datanet"])));
    known.push(("contributor", people.full(&value["contributor"])));
    let plain = ["records", "size", "format", "attestations", "height", "final_height", "revoked_height", "threshold"];
    known.extend(plain.into_iter().filter(|name| !value[name].is_null()).map(|name| (name, text(&value[name]))));
    known.push(("bond", money(&value["bond"])));
    lines(&known);
    if value["scores"].is_object() {
        fields(&value["scores"], &["validity", "quality", "uniqueness", "usefulness"]);
    }
    table_if_any(
        &value["committee"],
        &[
            ("judge", &|member| people.short(&member["validator"])),
            ("weight", &|member| format!("{} %", member["weight_bps"].as_u64().unwrap_or_default() / 100)),
            ("revealed", &|member| text(&member["revealed"])),
            ("validity", &|member| text(&member["scores"]["validity"])),
            ("quality", &|member| text(&member["scores"]["quality"])),
            ("uniqueness", &|member| text(&member["scores"]["uniqueness"])),
            ("usefulness", &|member| text(&member["scores"]["usefulness"])),
        ],
    );
}
