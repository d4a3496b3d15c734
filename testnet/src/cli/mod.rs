//! `cargo testnet …`.

mod bench;

use std::ffi::OsString;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use bench::Bench;

use crate::application;
use crate::demo::economy::{self, EconomyOptions};
use crate::demo::{self, DemoOptions};
use crate::network::{self, Network, NetworkOptions};
use crate::signals::interrupted;
use crate::tour::{self, TourOptions};
use crate::ui::Ui;

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(200);

/// Local networks of real Datanet nodes: started, perturbed, demonstrated, measured.
#[derive(Parser, Debug)]
#[command(name = "testnet", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Starts a network and stays until Ctrl-C (with --detach: returns once all nodes agree)
    Up(Up),
    /// Stops a network
    Down {
        #[command(flatten)]
        place: Place,
        /// Remove its folder too: keys, ledger, data
        #[arg(long)]
        delete: bool,
    },
    /// Prints the logs of a node, or the end of every node's
    Logs {
        #[command(flatten)]
        place: Place,
        /// node0, or just 0
        node: Option<String>,
        /// Keep printing what is added
        #[arg(short, long)]
        follow: bool,
    },
    /// Says where each node stands
    Status {
        #[command(flatten)]
        place: Place,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Does the whole job on real data: contribute, judge, store, search, answer, attribute, pay
    Demo(Demo),
    /// Tells a story in steps on a network of its own, and checks each
    Tour(Tour),
    /// Measures an interface against the bare library underneath it
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
    /// The ledger alone behind its socket: what `bench ledger` measures
    #[command(hide = true)]
    Application {
        /// The home of its keys and data
        #[arg(long, value_parser = path())]
        home: PathBuf,
    },
    /// The datanet command: what a network's nodes are processes of
    #[command(hide = true, disable_help_flag = true)]
    Node {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// A path as a shell would hand it over, `~` at its beginning put in; and text, since configurations carry it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|written| -> Result<PathBuf> {
        let path = datanet_config::expand(written)?;
        anyhow::ensure!(path.to_str().is_some(), "{} is not UTF-8; name another folder", path.display());
        Ok(path)
    })
}

/// Which network.
#[derive(Args, Debug)]
struct Place {
    /// Folder of networks [default: .testnet in the workspace]
    #[arg(long, env = "TESTNET_DIR", value_parser = path())]
    dir: Option<PathBuf>,
    /// Its name
    #[arg(long, default_value = "local")]
    name: String,
}

impl Place {
    fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(Network::default_root).join(&self.name)
    }
}

#[derive(Args, Debug)]
struct Up {
    #[command(flatten)]
    place: Place,
    /// Nodes, each with a validator (a network that exists keeps its own)
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=32))]
    nodes: Option<u8>,
    /// Return once all nodes agree, and leave them running
    #[arg(long)]
    detach: bool,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
struct Demo {
    #[command(subcommand)]
    other: Option<OtherDemo>,
    /// Folder in which the network is made [default: .testnet in the workspace]
    #[arg(long, env = "TESTNET_DIR", value_parser = path())]
    dir: Option<PathBuf>,
    /// Nodes, each with a validator; from four on, one is killed on the way
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    nodes: u8,
    /// Your own data: a folder for each contributor with .jsonl, .csv or .txt files, and holdout.jsonl
    #[arg(long, value_name = "DIR", value_parser = path())]
    data: Option<PathBuf>,
    /// Print one JSON object as the last line; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Leave the network running
    #[arg(long)]
    keep: bool,
    /// Deals the data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Subcommand, Debug)]
enum OtherDemo {
    /// An economy of agents over several epochs, four cheats among them: a table, a drawing, and books to the last unit
    Economy(Economy),
}

#[derive(Args, Debug)]
struct Economy {
    /// Folder in which the network is made [default: .testnet in the workspace]
    #[arg(long, env = "TESTNET_DIR", value_parser = path())]
    dir: Option<PathBuf>,
    /// Where the drawing goes [default: economy.svg in that folder]
    #[arg(long, value_name = "FILE", value_parser = path())]
    svg: Option<PathBuf>,
    /// Print one JSON object as the last line; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Leave the network running
    #[arg(long)]
    keep: bool,
    /// Deals the data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Economy {
    async fn run(self) -> Result<()> {
        let root = self.dir.unwrap_or_else(Network::default_root);
        std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let svg = self.svg.unwrap_or_else(|| root.join("economy.svg"));
        economy::run(&EconomyOptions { root, json: self.json, keep: self.keep, seed: self.seed, svg }).await
    }
}

#[derive(Args, Debug)]
struct Tour {
    /// Which
    #[arg(value_enum)]
    story: Story,
    /// Folder in which the network is made [default: .testnet in the workspace]
    #[arg(long, env = "TESTNET_DIR", value_parser = path())]
    dir: Option<PathBuf>,
    /// Print one JSON object a step; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Leave the network running
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Story {
    /// Stake, data, pay, keys, and what becomes of those who cheat
    Ledger,
    /// Agents with limits, buyers, curators and judges at work, shares, a vote, and strangers who pay
    Agents,
}

impl Tour {
    async fn run(self) -> Result<()> {
        let root = self.dir.unwrap_or_else(Network::default_root);
        let options = TourOptions { root, json: self.json, keep: self.keep, program: None };
        match self.story {
            Story::Ledger => tour::run(&options).await,
            Story::Agents => tour::agents::run(&options).await,
        }
    }
}

/// The arguments of `testnet node …`, if that is what this process was started as. Such a process is a node: it has
/// its own runtime, logging and exit status, so it is told apart before anything else happens.
pub fn node_arguments() -> Option<Vec<OsString>> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == "node").then(|| arguments.collect())
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// In words for the person at the terminal.
    pub async fn run(self) -> Result<()> {
        match self.command {
            Command::Up(up) => up.run().await,
            Command::Down { place, delete } => down(&place, delete).await,
            Command::Logs { place, node, follow } => logs(&place, node.as_deref(), follow).await,
            Command::Status { place, json } => status(&place, json).await,
            Command::Demo(demo) => demo.run().await,
            Command::Tour(tour) => tour.run().await,
            Command::Bench { bench } => bench.run().await,
            Command::Application { home } => application::run(&home).await,
            Command::Node { .. } => bail!("`node` must be the first argument"),
        }
    }
}

impl Up {
    async fn run(self) -> Result<()> {
        let ui = Ui::new(false);
        network::setup(&ui).await?;
        let folder = self.place.folder();
        let mut network = if Network::exists(&folder) {
            let network = Network::open(&folder)?;
            if let Some(nodes) = self.nodes.filter(|n| usize::from(*n) != network.nodes().len()) {
                let there = network.nodes().len();
                bail!(
                    "{} holds a network of {there} nodes, not {nodes}: remove it with `cargo testnet down --delete`",
                    folder.display()
                );
            }
            if network.is_running() {
                bail!("the network in {} runs already: see `cargo testnet status`", folder.display());
            }
            network
        } else {
            Network::create(&NetworkOptions::new(folder, &self.place.name, self.nodes.unwrap_or(4).into())).await?
        };
        let step = ui.step(format!("starting {} nodes", network.nodes().len()));
        let agreed = tokio::select! {
            agreed = network.up(|text| step.say(text)) => agreed,
            () = interrupted() => Err(anyhow::anyhow!("interrupted")),
        };
        let agreed = match agreed {
            Ok(agreed) => agreed,
            Err(error) => {
                step.failed("");
                network.down().await?;
                return Err(error);
            }
        };
        step.done(format!("all agree at height {}, state {}", agreed.height, agreed.app_hash));
        describe(&network, &ui)?;
        if self.detach {
            ui.line("\nStop it with `cargo testnet down`.");
            return Ok(());
        }
        ui.line("\nCtrl-C stops it; its data stays for the next `cargo testnet up`.");
        interrupted().await;
        let step = ui.step("stopping");
        network.down().await?;
        step.done("");
        Ok(())
    }
}

/// Everything a person needs to use each node.
fn describe(network: &Network, ui: &Ui) -> Result<()> {
    ui.line(format!("\nchain {} in {}", network.chain_id(), network.dir().display()));
    for node in network.nodes() {
        let api = node.api()?;
        ui.line(format!("\n{}", node.name()));
        ui.line(format!("  API      {api}   (try {api}/docs)"));
        ui.line(format!("  token    {}", node.token()?));
        ui.line(format!("  account  {}", node.account()));
        ui.line(format!("  keys     {}", node.home().join("keys").display()));
        for log in node.logs() {
            ui.line(format!("  log      {}", log.display()));
        }
    }
    Ok(())
}

async fn down(place: &Place, delete: bool) -> Result<()> {
    let mut network = Network::open(&place.folder())?;
    let ran = network.is_running();
    let dir = network.dir().to_owned();
    if delete {
        network.delete().await?;
        crate::ui::print(format_args!("stopped and removed {}", dir.display()));
    } else {
        network.down().await?;
        let stopped = if ran { "stopped" } else { "nothing ran" };
        crate::ui::print(format_args!("{stopped}; keys and data stay in {} (--delete removes them)", dir.display()));
    }
    Ok(())
}

async fn status(place: &Place, json: bool) -> Result<()> {
    let network = Network::open(&place.folder())?;
    let nodes = network.status().await;
    if json {
        crate::ui::print(serde_json::json!({ "nodes": nodes }));
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_BORDERS_ONLY).set_header(["node", "height", "state", "peers", "API"]);
    for node in nodes {
        let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |v| v.to_string());
        table.add_row([
            node.name,
            number(node.height),
            node.app_hash.unwrap_or_default().chars().take(16).collect(),
            number(node.peers),
            node.api.unwrap_or_else(|| "down".to_owned()),
        ]);
    }
    crate::ui::print(&table);
    Ok(())
}

/// Prints log files, and with `follow` what is added to them until Ctrl-C.
async fn logs(place: &Place, node: Option<&str>, follow: bool) -> Result<()> {
    let network = Network::open(&place.folder())?;
    let nodes = match node {
        Some(name) => vec![network.node(name)?],
        None => network.nodes().iter().collect(),
    };
    let mut files: Vec<(String, PathBuf, u64)> = Vec::new();
    for node in nodes {
        for path in node.logs() {
            let label = format!("{}/{}", node.name(), path.file_name().unwrap_or_default().to_string_lossy());
            files.push((label, path, 0));
        }
    }
    loop {
        for (label, path, from) in &mut files {
            *from = print_from(label, path, *from)?;
        }
        if !follow {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW) => {}
            () = interrupted() => return Ok(()),
        }
    }
}

/// Prints the full lines behind `from`; returns where they end. A file that became shorter is read from the start.
fn print_from(label: &str, path: &Path, from: u64) -> Result<u64> {
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let from = if file.metadata()?.len() < from { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut out = std::io::stdout().lock();
    for line in String::from_utf8_lossy(&bytes[..end]).lines() {
        if let Err(error) = writeln!(out, "{label}: {line}") {
            // `logs | head`: nobody reads on.
            let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
            std::process::exit(i32::from(!quiet));
        }
    }
    Ok(from + end as u64)
}

impl Demo {
    async fn run(self) -> Result<()> {
        if let Some(OtherDemo::Economy(economy)) = self.other {
            return economy.run().await;
        }
        let options = DemoOptions {
            nodes: self.nodes.into(),
            data: self.data,
            json: self.json,
            keep: self.keep,
            seed: self.seed,
            root: self.dir.unwrap_or_else(Network::default_root),
        };
        demo::run(&options).await
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_log_is_printed_from_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        std::fs::write(&path, "one\ntwo\nhal").unwrap();
        assert_eq!(print_from("x", &path, 0).unwrap(), 8);
        assert_eq!(print_from("x", &path, 8).unwrap(), 8);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(print_from("x", &path, 8).unwrap(), 4);
    }
}
