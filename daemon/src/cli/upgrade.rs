//! The commands about rules that come, and what happens when they are there.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use datanet_api::proposals::UpgradeView;
use datanet_config::Home;
use serde_json::{Value, json};

use super::args::UpgradeCommand;
use super::client::Client;
use super::output::{Output, fields, table, text};
use crate::upgrade::{EXIT_UPGRADE, Staged, UpgradeNeeded, stage};

pub(super) async fn run(client: &Client, command: UpgradeCommand, output: Output) -> Result<()> {
    let value = client.get("/v1/upgrade").await?;
    match command {
        UpgradeCommand::Show => output.show(&value, print),
        UpgradeCommand::Stage { file } => {
            let view: UpgradeView = serde_json::from_value(value).context("the node is of another version")?;
            let Some(planned) = view.planned else {
                bail!("no upgrade is planned; `datanet proposal list` says what is voted on")
            };
            let home = client.home.root().to_owned();
            let version = planned.version;
            let staged = tokio::task::spawn_blocking(move || stage(&home, version, &planned.binaries, &file));
            let staged = staged.await.context("staging broke off")??;
            let told = json!({ "version": version, "height": planned.height, "program": staged.program,
                "sha256": staged.sha256 });
            output.show(&told, |value| {
                fields(value, &["version", "height", "program", "sha256"]);
                say!("\n`datanet start` takes it when the height has come, and copies the ledger before");
            });
        }
    }
    Ok(())
}

fn print(value: &Value) {
    say!("version {} of the rules; this node knows up to {}", text(&value["version"]), text(&value["knows"]));
    let planned = &value["planned"];
    if planned.is_null() {
        return say!("no other is planned");
    }
    say!("version {} from height {} on", text(&planned["version"]), text(&planned["height"]));
    let binaries = planned["binaries"].as_object().into_iter().flatten();
    let rows = binaries.map(|(platform, sha256)| json!({ "platform": platform, "sha256": sha256 })).collect();
    table(&Value::Array(rows), &[("platform", &|row| text(&row["platform"])), ("sha256", &|row| text(&row["sha256"]))]);
}

/// The node has stopped because it must be upgraded: what is staged goes on in this program's place, with the ledger copied before; else this one ends
/// with a status of its own.
pub(super) fn go_on(needed: &UpgradeNeeded, args: &[OsString], output: Output) -> ExitCode {
    let failed = match swap(needed, args) {
        Ok(None) => anyhow::Error::new(needed.clone()),
        Ok(Some(error)) => {
            anyhow::Error::new(error).context("the staged program cannot be started").context(needed.clone())
        }
        Err(error) => error.context(needed.clone()),
    };
    output.fail(&failed);
    ExitCode::from(EXIT_UPGRADE)
}

/// Comes back only if nothing is staged, or what is cannot be started.
fn swap(needed: &UpgradeNeeded, args: &[OsString]) -> Result<Option<std::io::Error>> {
    let Some(staged) = Staged::find(&needed.home, needed.outdated.needs)? else { return Ok(None) };
    let backup = staged.back_up(&Home::new(&needed.home).ledger())?;
    note!(
        "version {} of the rules begins: {} goes on; the ledger before it is {}",
        needed.outdated.needs,
        staged.program.display(),
        backup.display()
    );
    Ok(Some(Command::new(&staged.program).args(args.iter().skip(1)).exec()))
}
