//! Where the model and the ONNX Runtime library lie: what an environment variable names, or the per-user cache that
//! `datanet setup` fills.
//!
//! ```text
//! $DATANET_CACHE, or $XDG_CACHE_HOME/datanet, or ~/.cache/datanet
//! ├── models/minilm-l6/{config.json, model.safetensors, tokenizer.json}
//! └── onnxruntime/1.31.1/libonnxruntime.so
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The version of ONNX Runtime that the cache holds.
pub const ONNXRUNTIME_VERSION: &str = "1.31.1";

/// The folder of the default embedding model below `models/`.
pub const DEFAULT_MODEL: &str = "minilm-l6";

/// The files of a model folder.
pub const MODEL_FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// Why the model or the library is not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// No home folder and no variable that names a cache.
    #[error("no cache folder: set HOME, XDG_CACHE_HOME or DATANET_CACHE")]
    NoCache,
    /// A model file is not there.
    #[error("model file {0} is missing; run `datanet setup`, or set DATANET_MODEL to a folder that has it")]
    NoModel(PathBuf),
    /// The library is not there.
    #[error("ONNX Runtime is missing at {0}; run `datanet setup`, or set ORT_DYLIB_PATH to a libonnxruntime")]
    NoRuntime(PathBuf),
}

/// The paths in force, whether or not anything lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The per-user cache.
    pub cache: PathBuf,
    /// The folder of the embedding model (`DATANET_MODEL` wins).
    pub model: PathBuf,
    /// The ONNX Runtime library (`ORT_DYLIB_PATH` wins).
    pub dylib: PathBuf,
}

impl Locations {
    /// The paths under this process's environment.
    ///
    /// # Errors
    /// [`LocateError::NoCache`].
    pub fn from_env() -> Result<Self, LocateError> {
        Self::from_lookup(|key| std::env::var_os(key))
    }

    /// The paths under the environment that `lookup` answers for; empty values count as unset.
    ///
    /// # Errors
    /// [`LocateError::NoCache`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, LocateError> {
        let path = |key| lookup(key).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = path("DATANET_CACHE")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("datanet")))
            .or_else(|| path("HOME").map(|home| home.join(".cache").join("datanet")))
            .ok_or(LocateError::NoCache)?;
        Ok(Self {
            model: path("DATANET_MODEL").unwrap_or_else(|| Self::cached_model(&cache)),
            dylib: path("ORT_DYLIB_PATH").unwrap_or_else(|| Self::cached_dylib(&cache)),
            cache,
        })
    }

    /// Where the cache keeps the default model.
    pub fn cached_model(cache: &Path) -> PathBuf {
        cache.join("models").join(DEFAULT_MODEL)
    }

    /// Where the cache keeps the library.
    pub fn cached_dylib(cache: &Path) -> PathBuf {
        let name = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        cache.join("onnxruntime").join(ONNXRUNTIME_VERSION).join(name)
    }

    /// Succeeds if every file is there.
    ///
    /// # Errors
    /// [`LocateError::NoModel`] and [`LocateError::NoRuntime`] name the first file that is not.
    pub fn check(&self) -> Result<(), LocateError> {
        for file in MODEL_FILES.map(|file| self.model.join(file)) {
            if !file.is_file() {
                return Err(LocateError::NoModel(file));
            }
        }
        if !self.dylib.is_file() {
            return Err(LocateError::NoRuntime(self.dylib.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(variables: &[(&str, &str)]) -> Result<Locations, LocateError> {
        Locations::from_lookup(|key| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_nearest_variable_wins() {
        assert_eq!(locate(&[("HOME", "/h")]).unwrap().cache, Path::new("/h/.cache/datanet"));
        assert_eq!(locate(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap().cache, Path::new("/x/datanet"));
        let all = locate(&[("XDG_CACHE_HOME", "/x"), ("DATANET_CACHE", "/d"), ("DATANET_MODEL", "/m")]).unwrap();
        assert_eq!((all.cache.as_path(), all.model.as_path()), (Path::new("/d"), Path::new("/m")));
        assert!(all.dylib.starts_with("/d/onnxruntime"));
        assert!(matches!(locate(&[("HOME", "")]), Err(LocateError::NoCache)));
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_brings_it() {
        let folder = tempfile::tempdir().unwrap();
        let empty = locate(&[("DATANET_CACHE", folder.path().to_str().unwrap())]).unwrap();
        let message = empty.check().unwrap_err().to_string();
        assert!(message.contains("config.json") && message.contains("datanet setup"), "{message}");
    }
}
