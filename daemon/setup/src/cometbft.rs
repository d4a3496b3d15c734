//! CometBFT, and its sample applications: built from the pinned Go module, into a folder of the cache, and moved into place when
//! they have said that they are the version wanted.

use std::path::{Path, PathBuf};

use super::cache::{Cache, blocking};
use super::command::{run, tool, typed};
use super::pins::{ABCI_CLI_PACKAGE, ABCI_CLI_PRINTS, COMETBFT_PACKAGE, COMETBFT_PRINTS, COMETBFT_VERSION};
use super::stamp::{self, Expected, sha256_of};
use super::{Part, Reporter, SetupError, go};

/// A program of CometBFT's module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    part: Part,
    /// Of the executable, and of the folder in the cache that holds its versions.
    name: &'static str,
    package: &'static str,
    /// What it says of its version.
    prints: &'static str,
}

pub(super) const COMETBFT: Program =
    Program { part: Part::Cometbft, name: "cometbft", package: COMETBFT_PACKAGE, prints: COMETBFT_PRINTS };
pub(super) const ABCI_CLI: Program =
    Program { part: Part::AbciCli, name: "abci-cli", package: ABCI_CLI_PACKAGE, prints: ABCI_CLI_PRINTS };

/// The executable, and whether it was there already.
pub(super) async fn ensure(
    of: &Program,
    cache: &Cache,
    verify: bool,
    report: &Reporter,
) -> Result<(PathBuf, bool), SetupError> {
    let (dir, identity, name) = (cache.dir(of.name).join(COMETBFT_VERSION), of.identity(), of.name);
    let program = dir.join(name);
    if holds(&dir, &identity, verify).await? {
        return Ok((program, true));
    }
    let _lock = cache.lock(of.part, report).await?;
    if holds(&dir, &identity, verify).await? {
        return Ok((program, true));
    }
    let partial = cache.partial(of.part);
    std::fs::create_dir_all(&partial).map_err(SetupError::io("create", &partial))?;
    let built = of.build(&partial, report).await?;
    of.check_version(&built, &partial).await?;
    let target = program.clone();
    blocking(move || {
        std::fs::create_dir_all(&dir).map_err(SetupError::io("create", &dir))?;
        stamp::place(&built, &target)?;
        // Nobody pins the hash of what a compiler makes: record ours, so that a later change is noticed.
        let sha256 = sha256_of(&target).map_err(SetupError::io("read", &target))?;
        stamp::write(&dir, &identity, &[Expected { name: name.to_owned(), sha256 }])
    })
    .await?;
    // The toolchain, if one was unpacked there, has done its work.
    let _ = tokio::fs::remove_dir_all(&partial).await;
    Ok((program, false))
}

async fn holds(dir: &Path, identity: &str, verify: bool) -> Result<bool, SetupError> {
    let (dir, identity) = (dir.to_path_buf(), identity.to_owned());
    blocking(move || Ok(stamp::holds(&dir, &identity, verify))).await
}

impl Program {
    fn identity(&self) -> String {
        format!("{}@{COMETBFT_VERSION}", self.package)
    }

    async fn build(&self, partial: &Path, report: &Reporter) -> Result<PathBuf, SetupError> {
        let go = go::find(self.part, partial, report).await?;
        let bin = partial.join("bin");
        report.step(format!("building {} {COMETBFT_VERSION} (about a minute)", self.part.label()));
        let mut command = tool(&go.program, partial);
        command.args(["install", "-v", "-trimpath"]).arg(self.identity());
        command.env("GOBIN", &bin).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        // `go install` refuses GOBIN when it cross-compiles, and a user's flags may not fit this module.
        command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOFLAGS");
        if let Some(root) = &go.root {
            command.env("GOROOT", root);
        }
        let (program, variable) = (self.part.label(), self.part.env());
        let failed = |detail, command: &_| SetupError::Build { program, detail, command: typed(command), variable };
        let outcome = run(&mut command, |line| report.line(&brief(line)))
            .await
            .map_err(|error| failed(error.to_string(), &command))?;
        if !outcome.status.success() {
            return Err(failed(outcome.tail, &command));
        }
        Ok(bin.join(self.name))
    }

    async fn check_version(&self, program: &Path, dir: &Path) -> Result<(), SetupError> {
        let outcome = run(tool(program, dir).arg("version"), |_| {}).await.map_err(SetupError::io("run", program))?;
        // A build outside its repository may append the commit after a plus sign.
        if outcome.tail.trim().split('+').next() == Some(self.prints) {
            return Ok(());
        }
        let (path, found) = (program.to_path_buf(), outcome.tail);
        Err(SetupError::Version { path, found, wanted: self.prints, variable: self.part.env() })
    }
}

/// Go prints a bare package path for each package that it compiles.
fn brief(line: &str) -> String {
    match line.strip_prefix("go: ") {
        Some(rest) => rest.to_owned(),
        None => format!("compiling {line}"),
    }
}
