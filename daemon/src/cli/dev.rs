//! `datanet dev`: one node alone, on the very same application, without CometBFT.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use datanet_config::{Home, Overrides};
use datanet_ledger::component::migrations::Rules;

use super::args::DevArgs;
use super::output::Output;
use super::stop::StopSignals;
use super::{setup, start};
use crate::init;
use crate::node::NodeOptions;
use crate::preflight;

pub(super) async fn run(
    root: Option<PathBuf>,
    args: DevArgs,
    rules: Rules,
    mut asked: StopSignals,
    output: Output,
) -> Result<()> {
    let home = root.map_or_else(Home::root_of_env, |root| Ok(Some(root)))?.map(Home::new);
    // Without a home it is for a look only, and leaves nothing behind.
    let temporary = if home.is_none() { Some(private_folder()?) } else { None };
    let home = match (&home, &temporary) {
        (Some(home), _) => home.clone(),
        (None, Some(dir)) => Home::new(dir.path()),
        (None, None) => anyhow::bail!("no home"),
    };
    let warnings = preflight::home::is_writable(&home)?;
    let flags = flags(&args)?;
    let file = datanet_config::holds_something(&home.config()).then(|| home.config());
    let config = datanet_config::load(file.as_deref(), std::env::vars_os(), &flags)?;
    start::log_to_stderr(&config)?;
    start::warn(&warnings);
    start::warn(&datanet_config::unknown_variables(std::env::vars_os()));
    preflight::open_files::ensure(&config)?;
    let outcome = init::init_home(&home, &config)?;
    preflight::named::is_there(&home, &config)?;
    if !datanet_config::holds_something(&home.genesis()) {
        init::write_genesis(
            &home,
            &init::own_genesis("datanet-dev", &outcome, "dev", init::own_params(), start::now()?),
        )?;
    }
    let ended = match asked.unless(setup::tools(false, output)).await {
        Some(tools) => start::run(NodeOptions { home, config, tools: tools?, rules }, asked, output).await,
        None => Ok(()),
    };
    drop(temporary);
    ended
}

fn private_folder() -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o700));
    builder.tempdir().with_context(|| format!("cannot make a folder in {}", std::env::temp_dir().display()))
}

fn flags(args: &DevArgs) -> Result<Overrides> {
    let base = Overrides::new().set("node.name", "dev").set("consensus.engine", "solo").set("log.filter", "warn");
    args.set.iter().try_fold(base, |flags, text| Ok(flags.set_text(text)?))
}
