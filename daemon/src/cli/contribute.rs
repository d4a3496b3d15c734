//! Contributing data, with progress, and following it to its verdict.

use anyhow::{Context, Result, bail};
use datanet_api::contributions::{Accepted, ContributeParams, ContributionView, MemberView};
use datanet_types::ContributionId;
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::args::{ContributeArgs, ContributionCommand, ContributionsArgs};
use super::client::{Client, told};
use super::confirm::confirm;
use super::costs;
use super::dry_run::{self, Terms};
use super::given::{Given, Lines, Named, body};
use super::link::{Link, Next};
use super::output::{Output, fields, lines, money, short, table, table_if_any, text, until};
use super::people::People;
use super::report;
use super::waiting::Waiting;
use crate::keyring::NODE_ACCOUNT;

/// What is sent of a file at once.
const PIECE: usize = 256 << 10;

pub(super) async fn run(client: &Client, args: ContributeArgs, output: Output) -> Result<()> {
    let given = Given::open(&Named {
        path: &args.file,
        format: args.format,
        config: args.config.as_deref(),
        split: args.split.as_deref(),
        columns: &args.columns,
    })?;
    let id = client.datanet(&args.datanet).await?;
    let datanet = client.node.datanet(&id).await.map_err(told)?.record;
    let licence_refusal = given.licence.clone().or_said(args.licence).refusal(&datanet.licence);
    if args.dry_run {
        let account = args.account.unwrap_or_else(|| NODE_ACCOUNT.to_owned());
        let terms = Terms { licence_refusal, bond: args.bond, account };
        return dry_run::run(client, given, terms, datanet, output).await;
    }
    if let Some(refusal) = licence_refusal {
        bail!("{refusal}; nothing was contributed");
    }
    let bytes = given.as_it_is().and_then(|file| file.size());
    costs::of_contribution(client, args.bond.unwrap_or(datanet.min_bond), bytes, output).await?;
    if let Some(taken) = given.taken.as_ref().filter(|_| !output.json) {
        note!("gives {taken}");
    }
    let account = args.account.map(|name| client.leave(&name));
    let params = ContributeParams { account, bond: args.bond, ..ContributeParams::default() };
    let accepted = send(client, &id, &datanet.schema, given, &params, output).await?;
    client.tell_account(params.account.as_deref(), output).await;
    if args.no_wait {
        let value = serde_json::to_value(&accepted)?;
        output.show(&value, |accepted| fields(accepted, &["id", "records", "size", "blob", "record_root", "tx"]));
        return Ok(());
    }
    let verdict = follow(client, &accepted.id, datanet.storage_quorum, output).await?;
    show(client, &serde_json::to_value(&verdict)?, output).await;
    if verdict.state == "refused" {
        let way = format!("`datanet contribution report {}` names the records", short(&json!(verdict.id)));
        bail!("the contribution was refused: {}; {way}", text(&verdict.reason.into()));
    }
    Ok(())
}

/// Sends what is given: one file as it is, else its records as JSONL.
async fn send(
    client: &Client,
    datanet: &str,
    schema: &Schema,
    given: Given,
    params: &ContributeParams,
    output: Output,
) -> Result<Accepted> {
    let (bar, media_type, coding, sent) = match given.as_it_is() {
        Some(file) => {
            let (mut raw, file) = (file.raw()?, file.clone());
            let (bar, coding) = (upload_bar(raw.size, output), raw.is_packed.then_some("gzip"));
            let media_type = file.format.media_type();
            let next = move || {
                let mut piece = vec![0; PIECE];
                let read = raw.reader.read(&mut piece).map_err(|error| file.unreadable(error))?;
                piece.truncate(read);
                Ok((read > 0).then_some(piece))
            };
            (bar.clone(), media_type, coding, body(next, bar))
        }
        None => {
            let mut lines = Lines::new(given.files, given.columns, schema.clone());
            let bar = upload_bar(None, output);
            (bar.clone(), Format::Jsonl.media_type(), None, body(move || lines.next_piece(), bar))
        }
    };
    let ((body, broken), key) = (sent, idempotency_key()?);
    let accepted = client.node.contribute_coded(datanet, params, media_type, coding, &key, body).await;
    bar.finish_and_clear();
    // What broke off is then not the node's doing.
    if let Some(reason) = broken.get() {
        bail!("{reason}; nothing was contributed");
    }
    accepted.map_err(told)
}

fn idempotency_key() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}

fn upload_bar(size: Option<u64>, output: Output) -> ProgressBar {
    let bar = match size {
        _ if output.json => ProgressBar::hidden(),
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::no_length(),
    };
    let style = match size {
        Some(_) => "uploading {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "uploading {spinner} {bytes} {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(style);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Follows a contribution's events until its verdict.
async fn follow(client: &Client, id: &ContributionId, quorum: u32, output: Output) -> Result<ContributionView> {
    let mut waiting = Waiting::new(output, "storing");
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
    if view.state == "storing" {
        return format!("storing: {} of {quorum} nodes keep it; its judges are drawn then", view.attestations);
    }
    if view.committee.is_empty() && !view.is_settled() {
        return format!("{}: the judges are being drawn; {} nodes keep it", view.state, view.attestations);
    }
    let count = |done: fn(&MemberView) -> bool| view.committee.iter().filter(|member| done(member)).count();
    format!(
        "{}: {} of {} judges committed, {} revealed; {} nodes keep it",
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
        ContributionCommand::Challenge { id, account, yes } => {
            let id = client.contribution(&id).await?;
            let contribution = client.get(&format!("/v1/contributions/{id}")).await?;
            let deposit = &contribution["challenge_deposit"];
            if deposit.is_null() {
                let state = text(&contribution["state"]);
                bail!(
                    "there is no verdict on contribution {id} that can be challenged: it is {state}, and not within its time for challenges"
                );
            }
            let what = format!(
                "The verdict on contribution {id} is to be challenged, for a deposit of {}, which is lost if it stands.",
                money(deposit)
            );
            confirm(yes, &what).await?;
            let body = json!({ "account": account.as_deref().map(|name| client.leave(name)) });
            let value = client.post(&format!("/v1/contributions/{id}/challenge"), &body).await?;
            output.show(&value, |value| {
                lines(&[("deposit", money(&value["deposit"])), ("tx", text(&value["tx"]))]);
                say!("`datanet contribution show {id}` says what its second committee finds");
            });
        }
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
    if value["challenge_until"].is_u64() {
        let deposit = money(&value["challenge_deposit"]);
        known.push(("verdict", format!("final {}; challenging it costs {deposit}", until(&value["challenge_until"]))));
    }
    if value["challenge"].is_object() {
        let (who, outcome) = (people.full(&value["challenge"]["challenger"]), text(&value["challenge"]["outcome"]));
        known.push(("challenged", format!("by {who}: {outcome}")));
    }
    lines(&known);
    if value["scores"].is_object() {
        fields(&value["scores"], &["validity", "quality", "uniqueness", "usefulness"]);
    }
    table_if_any(
        &value["committee"],
        &[
            ("judge", &|member| people.short(&member["validator"])),
            ("seats", &|member| text(&member["seats"])),
            ("revealed", &|member| match member["unavailable"].as_bool() {
                Some(true) => "unavailable".to_owned(),
                _ => text(&member["revealed"]),
            }),
            ("validity", &|member| text(&member["scores"]["validity"])),
            ("quality", &|member| text(&member["scores"]["quality"])),
            ("uniqueness", &|member| text(&member["scores"]["uniqueness"])),
            ("usefulness", &|member| text(&member["scores"]["usefulness"])),
        ],
    );
}
