//! Fuzzes for as long as one likes, and keeps what was found.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use datanet_fuzz::{Finding, TARGETS, Target};

/// Feeds mutated inputs to the entries that parse what strangers send.
#[derive(Debug, Parser)]
struct Args {
    /// A target's name, or `all`.
    target: String,
    /// How long each target is fuzzed.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first input's seed; another one draws other inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where an input goes that a target does not bear.
    #[arg(long, default_value = "target/fuzz")]
    found: PathBuf,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let wanted: Vec<Target> =
        TARGETS.into_iter().filter(|target| args.target == "all" || args.target == target.name).collect();
    if wanted.is_empty() {
        let names = TARGETS.map(|target| target.name).join(", ");
        bail!("no target {:?}; name one of {names}, or all", args.target);
    }
    let mut code = ExitCode::SUCCESS;
    for target in wanted {
        let deadline = Instant::now() + Duration::from_secs(args.seconds);
        match target.fuzz(&target.corpus()?, args.seed, |_| Instant::now() < deadline) {
            Ok(tried) => println!("{}: {tried} inputs, none found", target.name),
            Err(Finding { input, .. }) => {
                let path = args.found.join(target.name).join(&blake3::hash(&input).to_hex()[..16]);
                std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
                std::fs::write(&path, &input).with_context(|| format!("cannot keep {}", path.display()))?;
                println!("{}: found {}; put it into fuzz/corpus/{0} once it is mended", target.name, path.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
