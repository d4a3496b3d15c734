//! The ONNX Runtime library, loaded once in a process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::RuntimeError;

/// The library allows one environment in the life of a process, so it is kept for good.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The loaded library; cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    dylib: PathBuf,
}

impl Runtime {
    /// Loads the library, or returns the one loaded already.
    ///
    /// Nothing of `ort` may be used before this has succeeded: it would look for a library by itself and panic where
    /// it finds none.
    ///
    /// # Errors
    /// [`RuntimeError::Library`] where the file is missing, no ONNX Runtime, or too old; loading can then be tried again.
    /// [`RuntimeError::OtherLibrary`] where the process already uses another copy.
    pub fn init(dylib: &Path) -> Result<Self, RuntimeError> {
        let fail = |reason: String| RuntimeError::Library { path: dylib.to_owned(), reason };
        // The resolved name lets two links to one library count as one.
        let resolved = dylib.canonicalize().map_err(|error| fail(error.to_string()))?;
        if !resolved.is_file() {
            return Err(fail("it is not a file".to_owned()));
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.dylib == resolved {
                return Ok(runtime.clone());
            }
            return Err(RuntimeError::OtherLibrary { loaded: runtime.dylib.clone(), asked: resolved });
        }
        let environment = ort::init_from(&resolved)
            .map_err(|error| fail(error.to_string()))?
            .with_name("datanet")
            .with_telemetry(false)
            .build()
            .map_err(|error| fail(error.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let runtime = Self { environment, dylib: resolved };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library in use.
    pub fn dylib(&self) -> &Path {
        &self.dylib
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_names_the_fix() {
        for attempt in 0..2 {
            let message = Runtime::init(Path::new("/nowhere/libonnxruntime.so")).unwrap_err().to_string();
            assert!(message.contains("ORT_DYLIB_PATH") && message.contains("datanet setup"), "{attempt}: {message}");
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"not a library").unwrap();
        assert!(Runtime::init(file.path()).is_err());
        assert!(matches!(Runtime::init(Path::new("/")), Err(RuntimeError::Library { .. })));
    }
}
