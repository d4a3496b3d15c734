//! Packages of npm in a folder of their own.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;
use tokio::process::Command;

use super::{last_json, run};

/// Packages that go into one folder.
#[derive(Debug, Clone, Copy)]
pub struct NodePackages {
    /// The folder's name.
    pub name: &'static str,
    /// Package versions, pinned.
    pub packages: &'static [&'static str],
}

impl NodePackages {
    /// The official client of OpenAI's API.
    pub const OPENAI: Self = Self { name: "openai-node", packages: &["openai@7.57.0"] };

    /// Installs the packages unless they are there, and runs a module beside them; its last line of output is one
    /// JSON value.
    ///
    /// # Errors
    /// When Node.js or npm's registry cannot be had, or the module fails: with the end of what it wrote.
    pub async fn run(&self, module: &str, arguments: &[&str]) -> Result<Value> {
        let folder = self.ready().await?;
        let script = tempfile::Builder::new().prefix("script-").suffix(".mjs").tempfile_in(&folder)?;
        tokio::fs::write(script.path(), module).await?;
        last_json(&run(Command::new("node").arg(script.path()).args(arguments)).await?)
    }

    async fn ready(&self) -> Result<PathBuf> {
        let folder = datanet_setup::default_cache()?.join("bench").join(self.name);
        let (stamp, wanted) = (folder.join("requirements"), self.packages.join("\n"));
        if !std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            tokio::fs::create_dir_all(&folder).await?;
            let install = ["install", "--no-audit", "--no-fund", "--no-save", "--silent", "--prefix"];
            run(Command::new("npm").args(install).arg(&folder).args(self.packages)).await?;
            tokio::fs::write(stamp, wanted).await?;
        }
        Ok(folder)
    }
}
