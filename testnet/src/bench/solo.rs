//! One node alone, in a process of its own, for as long as a measurement takes.

use std::path::Path;

use anyhow::Result;

use crate::api::Client;
use crate::network::{Engine, Network, NetworkOptions};

/// A node on the solo engine that judges nothing by itself, so that nothing but the measured work runs.
pub(super) struct Solo {
    network: Network,
    _folder: tempfile::TempDir,
}

impl Solo {
    /// Starts a node with so many threads for the model, in a folder below `root` that goes away with it.
    pub(super) async fn start(root: &Path, threads: u32) -> Result<Self> {
        std::fs::create_dir_all(root)?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(root)?;
        let options = NetworkOptions {
            engine: Engine::Solo,
            automatic_judging: false,
            inference_threads: threads,
            ..NetworkOptions::new(folder.path().join("n"), "bench", 1)
        };
        let mut network = Network::create(&options).await?;
        network.up(|_| {}).await?;
        Ok(Self { network, _folder: folder })
    }

    /// A client of it.
    pub(super) fn client(&self) -> Result<Client> {
        self.network.nodes()[0].client()
    }

    /// Its highest memory so far, in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        self.network.nodes()[0].peak_memory().unwrap_or_default() as f64 / (1024.0 * 1024.0)
    }

    /// Runs `work` on it and stops it, whatever happens, Ctrl-C included.
    pub(super) async fn during<T>(mut self, work: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let done = tokio::select! {
            done = work(&self) => done,
            () = crate::signals::interrupted() => Err(anyhow::anyhow!("interrupted")),
        };
        self.network.down().await?;
        done
    }
}
