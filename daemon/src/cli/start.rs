//! `datanet init` and `datanet start`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use datanet_api::Join;
use datanet_config::{Engine, Home, LogFormat, NodeConfig, Overrides, holds_something};
use datanet_ledger::component::migrations::Rules;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::args::{InitArgs, StartArgs};
use super::files::read_text;
use super::output::{self, Output, fields, text};
use super::stop::StopSignals;
use super::{public, setup};
use crate::init::{self, NetworkGenesis};
use crate::node::{self, NodeHandle, NodeOptions, Stopped};
use crate::preflight;

pub(super) fn init(home: &Home, args: InitArgs, output: Output) -> Result<()> {
    for warning in preflight::home::is_writable(home)? {
        note!("warning: {warning}");
    }
    let public = match &args.public {
        Some(host) => {
            let file = home.config();
            anyhow::ensure!(
                !holds_something(&file),
                "{} is there and is left as it is; change p2p.listen, p2p.blob_bind, p2p.announce, consensus.p2p_listen and consensus.external_address in it, or name another --home",
                file.display()
            );
            public::settings(host)?
        }
        None => Overrides::new(),
    };
    let flags = overrides_over(public, &args.set)?.set("node.name", &args.name);
    let config = datanet_config::load(None, std::iter::empty(), &flags)?;
    // Read before anything is made: a file that can't be used makes no home.
    let genesis = args.genesis.as_deref().map(read_genesis).transpose()?;
    let outcome = init::init_home(home, &config)?;
    let genesis = match genesis {
        Some(genesis) => genesis,
        None if holds_something(&home.genesis()) => init::read_genesis(home)?,
        None => init::own_genesis(&args.chain_id, &outcome, &args.name, init::own_params(), now()?),
    };
    init::write_genesis(home, &genesis)?;
    let value = json!({
        "home": home.root(), "chain_id": genesis.chain_id, "account": outcome.account, "node_key": outcome.node_key,
        "validator": outcome.validator, "beacon_key": outcome.beacon_key, "comet_node_id": outcome.comet_node_id.to_string(),
        "token": home.api_token(), "config": home.config(), "genesis": home.genesis(),
    });
    output.show(&value, |value| {
        fields(
            value,
            &[
                "home",
                "chain_id",
                "account",
                "node_key",
                "validator",
                "beacon_key",
                "comet_node_id",
                "token",
                "config",
                "genesis",
            ],
        );
        say!("\nnext: datanet start --home {}", home.root().display());
    });
    Ok(())
}

fn read_genesis(path: &Path) -> Result<NetworkGenesis> {
    Ok(init::parse_genesis(path, &read_text(path)?)?)
}

pub(super) async fn start(
    home: Home,
    args: StartArgs,
    rules: Rules,
    mut asked: StopSignals,
    output: Output,
) -> Result<()> {
    preflight::home::is_made(&home)?;
    let warnings = preflight::home::is_writable(&home)?;
    let config = datanet_config::load(Some(&home.config()), std::env::vars_os(), &overrides(&args.set)?)?;
    log_to_stderr(&config)?;
    warn(&warnings);
    warn(&datanet_config::unknown_variables(std::env::vars_os()));
    preflight::named::is_there(&home, &config)?;
    preflight::open_files::ensure(&config)?;
    let cometbft = config.consensus.engine == Engine::Cometbft;
    match asked.unless(setup::tools(cometbft, output)).await {
        Some(tools) => run(NodeOptions { home, config, tools: tools?, rules }, asked, output).await,
        None => Ok(()),
    }
}

/// What is odd about a home.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Runs a node until somebody asks it to stop, also while it starts.
pub(super) async fn run(options: NodeOptions, mut asked: StopSignals, output: Output) -> Result<()> {
    let stop = CancellationToken::new();
    let mut starting = std::pin::pin!(node::spawn_until(options, stop.clone()));
    let Some(started) = asked.unless(&mut starting).await else {
        tracing::info!("stopping before the node has started");
        stop.cancel();
        return match asked.in_order(starting).await? {
            Ok(node) => node.stop().await,
            Err(error) if error.is::<Stopped>() => Ok(()),
            Err(error) => Err(error),
        };
    };
    let node = started?;
    output::serve();
    banner(&node, output);
    until_stopped(node, asked).await
}

/// What a person needs to know of a node that has started.
fn banner(node: &NodeHandle, output: Output) {
    let (services, home) = (node.services(), node.home());
    let account = services.identity.account().map(|account| account.to_string()).unwrap_or_default();
    let value = json!({
        "name": node.name(), "api": node.api_url(), "docs": format!("{}/docs", node.api_url()),
        "token": home.api_token(), "home": home.root(), "chain_id": services.chain.id(),
        "node_key": services.identity.node_key(), "account": account,
        "p2p": services.network.listen_addrs(), "engine": services.chain.engine().name(),
        "join": join_value(node.join()), "waits": services.chain.begins().told(),
    });
    output.show(&value, |value| {
        fields(value, &["name", "api", "docs", "token", "home", "chain_id", "engine", "node_key", "account", "p2p"]);
        if services.chain.engine().name() == "cometbft" {
            say_join(value);
        }
        if let Some(waits) = value["waits"].as_str() {
            say!("\n{waits}");
        }
        say!("\nrunning; Ctrl-C stops it");
    });
}

/// How another machine joins, for programs.
pub(super) fn join_value(join: Option<&Join>) -> Value {
    join.map_or(Value::Null, |join| {
        json!({
            "genesis": join.genesis, "bootstrap": join.bootstrap, "persistent_peer": join.persistent_peer,
            "commands": join.commands(),
        })
    })
}

/// The same for people: what to type there.
pub(super) fn say_join(value: &Value) {
    let join = &value["join"];
    let Some(commands) = join["commands"].as_array() else {
        say!("\nonly this machine can reach this node; `datanet init --public` makes one that others can join");
        return;
    };
    say!("\nto join from another machine, copy {} there and type", text(&join["genesis"]));
    for command in commands {
        say!("  {}", text(command));
    }
}

/// Waits for Ctrl-C, SIGTERM or the node's own end, and stops it in order.
async fn until_stopped(node: NodeHandle, mut asked: StopSignals) -> Result<()> {
    if let Some(ended) = asked.unless(node.wait()).await {
        return ended;
    }
    tracing::info!("stopping");
    asked.in_order(node.stop()).await?
}

/// Configuration flags.
pub(super) fn overrides(set: &[String]) -> Result<Overrides> {
    overrides_over(Overrides::new(), set)
}

/// Configuration flags over others.
fn overrides_over(base: Overrides, set: &[String]) -> Result<Overrides> {
    set.iter().try_fold(base, |flags, text| Ok(flags.set_text(text)?))
}

/// Logs to standard error; whoever starts the node decides where that goes.
pub(super) fn log_to_stderr(config: &NodeConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log.filter).context("log.filter is no filter")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    set.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

/// Seconds since 1970, for a genesis.
pub(super) fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?.as_secs())
}
