//! Where everything of a node lies. No other file joins these paths.

use std::path::{Path, PathBuf};

use crate::ConfigError;

/// The longest path of a Unix socket: 108 bytes with the closing zero on Linux, 104 on macOS.
const MAX_SOCKET_PATH: usize = 103;

/// A node's folder.
///
/// ```text
/// config.toml          api-token            genesis.json
/// keys/                the account's and the node's secret keys
/// cometbft/            CometBFT's home
/// data/ledger.redb     data/local.redb      data/blobs/     data/index/
/// data/models/         data/released/       base models; released models
/// data/runs/                                training under way
/// abci.sock            where CometBFT talks to the ledger (elsewhere if this path would be too long)
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The node's folder, which need not exist yet. A relative path is taken from the current folder, now: a later
    /// change of folder does not move a node.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()) }
    }

    /// `DATANET_HOME`, else `~/.datanet`; `None` where neither is known.
    pub fn default_root() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("DATANET_HOME").or_else(|| Some(set("HOME")?.join(".datanet")))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The network's genesis.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// The API's bearer token.
    pub fn api_token(&self) -> PathBuf {
        self.root.join("api-token")
    }

    /// The running node's process id and addresses, for the commands that talk to it.
    pub fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// The lock that keeps a second node off this home.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The node's own log.
    pub fn log(&self) -> PathBuf {
        self.root.join("datanet.log")
    }

    /// Secret keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// CometBFT's home.
    pub fn cometbft(&self) -> PathBuf {
        self.root.join("cometbft")
    }

    /// What the node keeps.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The ledger's state.
    pub fn ledger(&self) -> PathBuf {
        self.data().join("ledger.redb")
    }

    /// What only this node knows: judgements, receipts, jobs.
    pub fn local(&self) -> PathBuf {
        self.data().join("local.redb")
    }

    /// Contributions' bytes.
    pub fn blobs(&self) -> PathBuf {
        self.data().join("blobs")
    }

    /// The search index.
    pub fn index(&self) -> PathBuf {
        self.data().join("index")
    }

    /// Base models put there by people, one folder each.
    pub fn models(&self) -> PathBuf {
        self.data().join("models")
    }

    /// Files of released models that this node serves or trains on, one folder each.
    pub fn released(&self) -> PathBuf {
        self.data().join("released")
    }

    /// Checkpoints and results of training, one folder a job.
    pub fn runs(&self) -> PathBuf {
        self.data().join("runs")
    }

    /// Where the ledger listens for CometBFT. In the home, unless that path is too long for a socket: then in a
    /// folder of its own under the system's folder for run-time files, named after the home, so that it is found
    /// again. Its folder is the owner's alone once [`Home::create`] has run.
    pub fn abci_socket(&self) -> PathBuf {
        let here = self.root.join("abci.sock");
        if here.as_os_str().len() <= MAX_SOCKET_PATH { here } else { self.runtime_dir().join("abci.sock") }
    }

    fn runtime_dir(&self) -> PathBuf {
        let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = set("XDG_RUNTIME_DIR").filter(|path| path.as_os_str().len() < 64);
        let name = blake3::hash(self.root.as_os_str().as_encoded_bytes()).to_hex();
        base.unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("datanet-{}", &name[..16]))
    }

    /// Makes the folders, readable by their owner alone.
    ///
    /// # Errors
    /// When one cannot be made, or the socket's folder belongs to somebody else.
    pub fn create(&self) -> Result<(), ConfigError> {
        for dir in [self.root.clone(), self.keys(), self.cometbft(), self.data()] {
            private_dir(&dir)?;
        }
        match self.abci_socket().parent() {
            Some(dir) if dir != self.root => private_dir(dir),
            _ => Ok(()),
        }
    }
}

/// Makes `dir` for its owner alone, or checks that it is. Somebody else may have made the one below `/tmp` first.
fn private_dir(dir: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let failed = |source| ConfigError::Write { path: dir.to_path_buf(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let metadata = std::fs::symlink_metadata(dir).map_err(failed)?;
    if !metadata.is_dir() && !dir.is_dir() {
        return Err(failed(std::io::Error::other("it is not a folder")));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        // Fails for a folder that is not ours, as it should.
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_always_fits_and_is_found_again() {
        let short = Home::new("/n");
        assert_eq!(short.abci_socket(), Path::new("/n/abci.sock"));
        let long = Home::new(format!("/{}", "long/".repeat(40)));
        assert!(long.abci_socket().as_os_str().len() <= MAX_SOCKET_PATH);
        assert_eq!(long.abci_socket(), Home::new(long.root()).abci_socket());
        assert_ne!(long.abci_socket(), Home::new(long.root().join("x")).abci_socket());
    }

    #[test]
    fn a_home_is_for_its_owner_alone_even_if_it_was_open_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        std::fs::create_dir(home.root()).unwrap();
        std::fs::set_permissions(home.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
        home.create().unwrap();
        for dir in [home.root().to_path_buf(), home.keys(), home.data()] {
            assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_relative_home_stays_where_it_was() {
        assert!(Home::new("relative").root().is_absolute());
    }
}
