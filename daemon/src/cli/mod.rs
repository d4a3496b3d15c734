//! The `datanet` command. Everything but `setup`, `init`, `ledger`, `start` and `dev` talks to a running node over its interface (agents by tokens of their own),
//! so what the command can do, any program can do.

/// `println!` that ends the program quietly when nobody reads on: `datanet … | head` is no failure.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::cli::output::line(format_args!($($part)*))
    };
}

/// `eprintln!` that does not mind when nobody reads on.
macro_rules! note {
    ($($part:tt)*) => {
        $crate::cli::output::note(format_args!($($part)*))
    };
}

mod account;
mod agent;
mod args;
mod ask;
mod bought;
mod chat;
mod classify;
mod client;
mod complete;
mod confirm;
mod contribute;
mod costs;
mod debts;
mod dev;
mod dry_run;
mod epoch;
mod explain;
mod export;
mod files;
mod follow;
mod from_folder;
mod given;
mod ids;
mod keys;
mod ledger;
mod link;
mod mcp;
mod measures;
mod model;
mod model_files;
mod nearest;
mod output;
mod page;
mod people;
mod pool;
mod problem;
mod progress;
mod proposal;
mod public;
mod query;
mod reap;
mod report;
mod sellers;
mod setup;
mod shares;
mod start;
mod stop;
mod tokens;
mod train;
mod treasury;
mod upgrade;
mod validator;
mod waiting;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use datanet_config::Home;
use datanet_ledger::component::migrations::Rules;

use args::{AgentCommand, Cli, Command};
use client::Client;
use output::Output;
use stop::StopSignals;

use crate::amounts;
use crate::preflight;
use crate::upgrade::UpgradeNeeded;

/// Runs the command line `args` (the first is the program's name) and returns how it went.
pub fn run<I>(args: I) -> ExitCode
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    run_with(args, Rules::default())
}

/// The same of a program that knows other rules of the ledger than this code: a newer one, built around it.
pub fn run_with<I>(args: I, rules: Rules) -> ExitCode
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, args.iter().any(|arg| arg == "--json")),
    };
    let output = Output { json: cli.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&anyhow::Error::from(error).context("cannot start the async runtime")),
    };
    let result = runtime.block_on(execute(cli, rules, output));
    // A long computation that nobody waits for any more, such as a judgement, must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<UpgradeNeeded>() {
            Some(needed) => upgrade::go_on(needed, &args, output),
            None => output.fail(&error),
        },
    }
}

async fn execute(cli: Cli, rules: Rules, output: Output) -> Result<()> {
    let asked = match &cli.command {
        Command::Start(_) | Command::Dev(_) => {
            reap::orphans_of_process_one();
            Some(StopSignals::listen()?)
        }
        _ => None,
    };
    preflight::environment()?;
    let home = || -> Result<Home> {
        let home = Home::new(cli.home.clone().map_or_else(Home::default_root, Ok)?);
        preflight::home::is_readable(&home)?;
        Ok(home)
    };
    match (cli.command, asked) {
        (Command::Start(args), Some(asked)) => start::start(home()?, args, rules, asked, output).await,
        (Command::Dev(args), Some(asked)) => dev::run(cli.home, args, rules, asked, output).await,
        (Command::Agent(AgentCommand::Program(command)), _) => agent::program(command, output).await,
        (command, _) => {
            stop::end_as_process_one()?;
            talk(command, &home, output).await
        }
    }
}

/// Everything that runs no node.
async fn talk(command: Command, home: &dyn Fn() -> Result<Home>, output: Output) -> Result<()> {
    match command {
        Command::Start(_) | Command::Dev(_) | Command::Agent(AgentCommand::Program(_)) => Ok(()),
        Command::Setup(args) => setup::run(args, output).await,
        Command::Init(args) => start::init(&home()?, args, output),
        Command::Ledger(command) => ledger::run(&home()?, command, output),
        Command::Mcp => mcp::run(&home()?).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "datanet", &mut script);
            output::piece(&script);
            Ok(())
        }
        command => {
            let client = Client::of(&home()?)?;
            let done = ask_node(&client, command, output).await;
            match done {
                Ok(()) => Ok(()),
                Err(error) => Err(client.suggest(error).await),
            }
        }
    }
}

/// Everything that talks to a running node.
async fn ask_node(client: &Client, command: Command, output: Output) -> Result<()> {
    match command {
        Command::Status => query::status(client, output).await,
        Command::Peers => query::peers(client, output).await,
        Command::Tx { hash } => query::tx(client, &hash, output).await,
        Command::Datanet(command) => query::datanet(client, command, output).await,
        Command::Contribute(args) => contribute::run(client, args, output).await,
        Command::Export(args) => export::run(client, args, output).await,
        Command::Contributions(args) => contribute::list(client, args, output).await,
        Command::Contribution(command) => contribute::one(client, command, output).await,
        Command::Search(args) => query::search(client, args, output).await,
        Command::Embed { texts, model } => query::embed(client, texts, model, output).await,
        Command::Ask(args) => ask::ask(client, args, output).await,
        Command::Quote(args) => ask::quote(client, args, output).await,
        Command::Receipt(command) => ask::receipt(client, command, output).await,
        Command::Train(args) => train::run(client, args, output).await,
        Command::Jobs(command) => train::jobs(client, command, output).await,
        Command::Model(command) => model::run(client, command, output).await,
        Command::Classify(args) => classify::run(client, args, output).await,
        Command::Complete(args) => complete::complete(client, args, output).await,
        Command::Chat(args) => chat::run(client, args, output).await,
        Command::Attribute { receipt } => model::attribute(client, &receipt, output).await,
        Command::Channel(command) => ask::channel(client, command, output).await,
        Command::Settle => ask::settle(client, output).await,
        Command::Epoch(command) => epoch::run(client, command, output).await,
        Command::Stake { amount, yes } => account::stake(client, amount, yes, output).await,
        Command::Validator(command) => validator::run(client, command, output).await,
        Command::Shares(command) => shares::run(client, command, output).await,
        Command::Agent(AgentCommand::Ledger(command)) => agent::on_ledger(client, command, output).await,
        Command::Sellers(command) => sellers::run(client, command, output).await,
        Command::Pool(command) => pool::run(client, command, output).await,
        Command::Treasury(command) => treasury::treasury(client, command, output).await,
        Command::Params(command) => treasury::params(client, command, output).await,
        Command::Proposal(command) => proposal::run(client, command, output).await,
        Command::Upgrade(command) => upgrade::run(client, command, output).await,
        Command::Keys(command) => keys::keys(client, command, output).await,
        Command::Token(command) => tokens::run(client, command, output).await,
        Command::Account { account } => account::show(client, &account, output).await,
        Command::Transfer(args) => account::transfer(client, args, output).await,
        Command::Earnings { account } => account::earnings(client, &account, output).await,
        Command::Claim { account } => account::claim(client, &account, output).await,
        // The others talk to no node.
        _ => Ok(()),
    }
}
