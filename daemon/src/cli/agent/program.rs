//! Programs that work as agents here: written, run, looked at, stopped.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use datanet_types::amount::display;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::agent::hands::VoucherKey;
use crate::agent::journal::{Deed, Ended, Entry, Journal, Outcome, Reader};
use crate::agent::purse::Limits;
use crate::agent::spec::{Kind, Loaded};
use crate::agent::{self, JOURNAL, Told, control, sample};
use crate::cli::args::ProgramCommand;
use crate::cli::output::{Output, fields};
use crate::cli::stop::StopSignals;

/// How often a journal is looked at by whoever follows it: it is another process' file.
const LOOK: Duration = Duration::from_millis(250);

pub(in crate::cli) async fn run(command: ProgramCommand, output: Output) -> Result<()> {
    match command {
        ProgramCommand::New { kind, spec } => new(kind, &spec, output),
        ProgramCommand::Run { spec } => work(&Loaded::read(&spec)?, output).await,
        ProgramCommand::Status { spec } => status(&Loaded::read(&spec)?, output),
        ProgramCommand::Stop { spec } => stop(&Loaded::read(&spec)?, output).await,
        ProgramCommand::Log { spec, follow } => log(&Loaded::read(&spec)?, follow, output).await,
        ProgramCommand::Key { spec } => {
            let key = VoucherKey::of(&Loaded::read(&spec)?.state)?.public();
            output.show(&json!({ "voucher_key": key }), |value| fields(value, &["voucher_key"]));
            Ok(())
        }
    }
}

fn new(kind: Kind, path: &Path, output: Output) -> Result<()> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=40).contains(&stem.len()) || !stem.chars().all(good) {
        bail!("an agent is called after its file, and {stem:?} is no name: 1 to 40 of a-z 0-9 -");
    }
    let mut file = match OpenOptions::new().create_new(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and is left as it is; name another file", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    file.write_all(sample::sample(kind, stem).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    output.show(&json!({ "spec": path, "kind": kind.name(), "name": stem }), |_| {
        say!("wrote {}: read it, make the account and the token that it names, and then", path.display());
        say!("  datanet agent run {}", path.display());
    });
    Ok(())
}

async fn work(loaded: &Loaded, output: Output) -> Result<()> {
    let stop = CancellationToken::new();
    let mut asked = StopSignals::listen()?;
    let told = Told::new(move |line| {
        if output.json {
            note!("{}", json!({ "told": line }));
        } else {
            note!("{}", harmless(line));
        }
    });
    let mut work = std::pin::pin!(agent::run(loaded, stop.clone(), told));
    let summary = tokio::select! {
        summary = &mut work => summary?,
        () = asked.next() => {
            note!("stopping once what is under way is done; Ctrl-C again stops at once, and the next run takes it up");
            stop.cancel();
            asked.in_order(&mut work).await??
        }
    };
    output.show(&json!(summary), |value| {
        fields(value, &["done", "refused", "passed", "pending"]);
        say!("spent {}", display(summary.spent));
    });
    Ok(())
}

/// Words of strangers and of models stand in what is told.
fn harmless(line: &str) -> String {
    crate::quoted::clean(line, 2_000).replace('\n', " ")
}

fn status(loaded: &Loaded, output: Output) -> Result<()> {
    let pid = control::running(&loaded.state);
    let path = loaded.state.join(JOURNAL);
    let limits = Limits::from(&loaded.spec.budget);
    let memory = Journal::recall(&path, limits.window)?;
    let now = crate::db::now();
    let (done, refused, passed) = memory.counts();
    let value = json!({
        "name": loaded.spec.name, "kind": loaded.kind.name(), "running": pid.is_some(), "pid": pid, "done": done,
        "refused": refused, "passed": passed, "pending": memory.pending().count(), "spent": memory.total(),
        "spent_in_period": memory.spent(now), "budget": limits.amount, "reserved": memory.reserved(),
        "sellers": memory.sellers(), "doubted": { "right": memory.doubted().0, "wrong": memory.doubted().1 },
        "sales": memory.sales(), "journal": path,
    });
    output.show(&value, |value| {
        fields(value, &["name", "kind", "running", "done", "refused", "passed", "pending"]);
        say!(
            "spent {} in all, {} of {} in this period, {} of it set aside",
            display(memory.total()),
            display(memory.spent(now)),
            display(limits.amount),
            display(memory.reserved())
        );
        for (name, tally) in memory.sellers() {
            say!(
                "  {name}: {} answers for {}, {} right and {} wrong where the truth is known, {} refusals",
                tally.bought,
                display(tally.paid),
                tally.right,
                tally.wrong,
                tally.refused
            );
        }
        let sales = memory.sales();
        if sales.sold > 0 || sales.not_sold > 0 {
            say!(
                "sold {} answers for {}, whose suppliers took {}; {} calls came to nothing, for {}",
                sales.sold,
                display(sales.taken),
                display(sales.cost),
                sales.not_sold,
                display(sales.lost)
            );
        }
        say!("journal {}", path.display());
    });
    Ok(())
}

async fn stop(loaded: &Loaded, output: Output) -> Result<()> {
    let stopped = control::stop(&loaded.state).await?;
    output.show(&json!({ "stopped": stopped }), |_| {
        say!("{}", if stopped { "stopped" } else { "it does not run" });
    });
    Ok(())
}

async fn log(loaded: &Loaded, follow: bool, output: Output) -> Result<()> {
    let (mut reader, path) = (Reader::default(), loaded.state.join(JOURNAL));
    loop {
        for entry in reader.more(&path)? {
            show(&entry, output)?;
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn show(entry: &Entry, output: Output) -> Result<()> {
    let value = serde_json::to_value(entry)?;
    output.show(&value, |_| match entry {
        Entry::Began { agent, kind, .. } => say!("-- {agent}, a {kind}, begins"),
        Entry::Intended(intended) => {
            let cost = display(intended.reserved);
            say!(
                "{}  {} ({}), for {cost} at most: {}",
                intended.id,
                deed(&intended.deed),
                harmless(&intended.observed.what),
                harmless(&intended.why)
            );
        }
        Entry::Ended(ended) => say!("{}  {}", ended.id, outcome(ended)),
        Entry::Passed(passed) => {
            say!("{}  nothing ({}): {}", passed.id, harmless(&passed.observed.what), harmless(&passed.why))
        }
    });
    Ok(())
}

fn deed(deed: &Deed) -> String {
    match deed {
        Deed::Ask(ask) => format!("asks {}", ask.seller),
        Deed::Contribute { records, .. } => format!("gives {records} records"),
        Deed::Challenge { contribution, .. } => format!("doubts the verdict on {contribution}"),
        Deed::Rate(rate) => {
            format!("says {} of 10000 of node {}, by its epoch {}", rate.score_bps, rate.node, rate.epoch)
        }
        Deed::Supply(supply) => format!("buys the {} of a sale", supply.step.name()),
        Deed::Sell(sell) if sell.said.is_ok() => format!("sells for {}", display(sell.price)),
        Deed::Sell(_) => "sells nothing".to_owned(),
        Deed::Think { .. } => "thinks".to_owned(),
    }
}

fn outcome(ended: &Ended) -> String {
    let how = match ended.outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Unknown => "unknown",
    };
    let detail = &ended.detail;
    let said = ["label", "answer", "state", "why"].into_iter().find_map(|name| Value::as_str(&detail[name]));
    let said =
        said.map(|said| format!(": {}", harmless(said).chars().take(120).collect::<String>())).unwrap_or_default();
    format!("{how} for {}{said}", display(ended.captured))
}
