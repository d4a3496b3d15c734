//! `datanet dev`: one node alone, on the very same application, without CometBFT.

use anyhow::{Context, Result};
use datanet_config::{Home, Overrides};
use datanet_ledger::component::Params;

use super::args::DevArgs;
use super::output::Output;
use super::{setup, start};
use crate::init;
use crate::node::{self, NodeOptions};

pub(super) async fn run(home: Option<Home>, args: DevArgs, output: Output) -> Result<()> {
    // Without a home it is for a look only, and leaves nothing behind.
    let temporary =
        if home.is_none() { Some(tempfile::tempdir().context("cannot make a folder for the node")?) } else { None };
    let home = match (&home, &temporary) {
        (Some(home), _) => home.clone(),
        (None, Some(dir)) => Home::new(dir.path()),
        (None, None) => anyhow::bail!("no home"),
    };
    let flags = flags(&args)?;
    let file = home.config().exists().then(|| home.config());
    let config = datanet_config::load(file.as_deref(), std::env::vars(), &flags)?;
    start::log_to_stderr(&config)?;
    let outcome = init::init_home(&home, &config)?;
    if !home.genesis().exists() {
        init::write_genesis(
            &home,
            &init::own_genesis("datanet-dev", &outcome, "dev", Params::default(), start::now()?),
        )?;
    }
    let tools = setup::tools(false, output).await?;
    let node = node::spawn(NodeOptions { home, config, tools }).await?;
    start::banner(&node, output);
    let ended = start::until_stopped(node).await;
    drop(temporary);
    ended
}

fn flags(args: &DevArgs) -> Result<Overrides> {
    let base = Overrides::new().set("node.name", "dev").set("consensus.engine", "solo").set("log.filter", "warn");
    args.set.iter().try_fold(base, |flags, text| Ok(flags.set_text(text)?))
}
