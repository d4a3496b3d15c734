//! Packages of PyPI in a virtual environment.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;
use tokio::process::Command;

use super::{last_json, run};

/// Packages that go into one environment.
#[derive(Debug, Clone, Copy)]
pub struct PythonPackages {
    /// The folder's name.
    pub name: &'static str,
    /// Requirements, pinned.
    pub packages: &'static [&'static str],
}

/// An environment that is ready.
#[derive(Debug, Clone)]
pub struct Python {
    program: PathBuf,
}

impl PythonPackages {
    /// PyTorch with PEFT, and what it takes to read a model folder: a few gigabytes.
    pub const PEFT: Self =
        Self { name: "peers", packages: &["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "numpy==2.4.6"] };

    /// PyTorch with PEFT, and other people's attribution.
    pub const ATTRIBUTION: Self = Self {
        name: "attribution-peers",
        packages: &["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "numpy==2.4.6", "dattri==0.3.0"],
    };

    /// The official client of OpenAI's API.
    pub const OPENAI: Self = Self { name: "openai-python", packages: &["openai==3.54.0"] };

    /// Makes the environment unless it is there.
    ///
    /// # Errors
    /// When Python or PyPI cannot be had: in words that say which command failed.
    pub async fn ready(&self) -> Result<Python> {
        let folder = datanet_setup::default_cache()?.join("bench").join(self.name);
        let (program, stamp) = (folder.join("bin").join("python"), folder.join("requirements"));
        let wanted = self.packages.join("\n");
        if !std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            self.make(&folder, &program).await?;
            tokio::fs::write(stamp, wanted).await?;
        }
        Ok(Python { program })
    }

    async fn make(&self, folder: &Path, python: &Path) -> Result<()> {
        // What an interrupted attempt left is of no use.
        if folder.exists() {
            tokio::fs::remove_dir_all(folder).await?;
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(python).args(install).args(self.packages)).await?;
        Ok(())
    }
}

impl Python {
    /// Runs a script; its last line of output is one JSON value.
    ///
    /// # Errors
    /// When it fails, with the end of what it wrote.
    pub async fn run(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("script.py");
        tokio::fs::write(&path, script).await?;
        last_json(&run(Command::new(&self.program).arg(&path).args(arguments)).await?)
    }
}
