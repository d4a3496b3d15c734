//! CometBFT: built from its pinned Go module, into a folder of the cache, and moved into place when it has said
//! that it is the version wanted.

use std::path::{Path, PathBuf};

use super::cache::{Cache, blocking};
use super::command::{run, tool, typed};
use super::pins::{COMETBFT_PACKAGE, COMETBFT_PRINTS, COMETBFT_VERSION};
use super::stamp::{self, Expected, sha256_of};
use super::{Part, Reporter, SetupError, go};

const PROGRAM: &str = "cometbft";

/// The executable, and whether it was there already.
pub(super) async fn ensure(cache: &Cache, verify: bool, report: &Reporter) -> Result<(PathBuf, bool), SetupError> {
    let dir = cache.dir("cometbft").join(COMETBFT_VERSION);
    let program = dir.join(PROGRAM);
    if holds(&dir, verify).await? {
        return Ok((program, true));
    }
    let _lock = cache.lock(Part::Cometbft, report).await?;
    if holds(&dir, verify).await? {
        return Ok((program, true));
    }
    let partial = cache.partial(Part::Cometbft);
    std::fs::create_dir_all(&partial).map_err(SetupError::io("create", &partial))?;
    let built = build(&partial, report).await?;
    check_version(&built, &partial).await?;
    let target = program.clone();
    blocking(move || {
        std::fs::create_dir_all(&dir).map_err(SetupError::io("create", &dir))?;
        stamp::place(&built, &target)?;
        // Nobody pins the hash of what a compiler makes: record ours, so that a later change is noticed.
        let sha256 = sha256_of(&target).map_err(SetupError::io("read", &target))?;
        stamp::write(&dir, &identity(), &[Expected { name: PROGRAM.to_owned(), sha256 }])
    })
    .await?;
    // The toolchain, if one was unpacked there, has done its work.
    let _ = tokio::fs::remove_dir_all(&partial).await;
    Ok((program, false))
}

fn identity() -> String {
    format!("{COMETBFT_PACKAGE}@{COMETBFT_VERSION}")
}

async fn holds(dir: &Path, verify: bool) -> Result<bool, SetupError> {
    let dir = dir.to_path_buf();
    blocking(move || Ok(stamp::holds(&dir, &identity(), verify))).await
}

async fn build(partial: &Path, report: &Reporter) -> Result<PathBuf, SetupError> {
    let go = go::find(partial, report).await?;
    let bin = partial.join("bin");
    report.step(format!("building CometBFT {COMETBFT_VERSION} (about a minute)"));
    let mut command = tool(&go.program, partial);
    command.args(["install", "-v", "-trimpath"]).arg(identity());
    command.env("GOBIN", &bin).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
    // `go install` refuses GOBIN when it cross-compiles, and a user's flags may not fit this module.
    command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOFLAGS");
    if let Some(root) = &go.root {
        command.env("GOROOT", root);
    }
    let failed = |detail, command: &_| SetupError::Build { detail, command: typed(command) };
    let outcome = run(&mut command, |line| report.line(&brief(line)))
        .await
        .map_err(|error| failed(error.to_string(), &command))?;
    if !outcome.status.success() {
        return Err(failed(outcome.tail, &command));
    }
    Ok(bin.join(PROGRAM))
}

/// Go prints a bare package path for each package that it compiles.
fn brief(line: &str) -> String {
    match line.strip_prefix("go: ") {
        Some(rest) => rest.to_owned(),
        None => format!("compiling {line}"),
    }
}

async fn check_version(program: &Path, dir: &Path) -> Result<(), SetupError> {
    let outcome = run(tool(program, dir).arg("version"), |_| {}).await.map_err(SetupError::io("run", program))?;
    // A build outside its repository may append the commit after a plus sign.
    if outcome.tail.trim().split('+').next() == Some(COMETBFT_PRINTS) {
        return Ok(());
    }
    Err(SetupError::Version { path: program.to_path_buf(), found: outcome.tail, wanted: COMETBFT_PRINTS })
}
