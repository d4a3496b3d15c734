//! Where everything of a node lies. No other file joins these paths.

use std::path::{Path, PathBuf};

use crate::file::user_name;
use crate::tilde::{expand, set};
use crate::{ConfigError, PathError};

/// The longest path of a Unix socket: 108 bytes with the closing zero on Linux, 104 on macOS.
const MAX_SOCKET_PATH: usize = 103;

/// A node's folder.
///
/// ```text
/// config.toml          api-token            genesis.json
/// used                                      there once the stores are made
/// keys/                the account's and the node's secret keys
/// cometbft/            CometBFT's home
/// data/ledger.redb     data/local.redb      data/blobs/     data/index/
/// data/models/         data/released/       base models; released models
/// data/runs/                                training under way
/// cometbft/abci.sock   where CometBFT talks to the ledger (elsewhere if this path would be too long)
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

    /// What `DATANET_HOME` says, if it is set.
    ///
    /// # Errors
    /// When it begins with a `~` that stands for nothing.
    pub fn root_of_env() -> Result<Option<PathBuf>, PathError> {
        set("DATANET_HOME").map(expand).transpose()
    }

    /// `DATANET_HOME`, else `~/.datanet`.
    ///
    /// # Errors
    /// When neither is known, or `DATANET_HOME` begins with a `~` that stands for nothing.
    pub fn default_root() -> Result<PathBuf, PathError> {
        match (Self::root_of_env()?, set("HOME")) {
            (Some(root), _) => Ok(root),
            (None, Some(user)) => Ok(PathBuf::from(user).join(".datanet")),
            (None, None) => Err(PathError::NoRoot),
        }
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

    /// There once a node has made its stores in this home.
    pub fn used(&self) -> PathBuf {
        self.root.join("used")
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
        let here = self.cometbft().join("abci.sock");
        if here.as_os_str().len() <= MAX_SOCKET_PATH { here } else { self.runtime_dir().join("abci.sock") }
    }

    fn runtime_dir(&self) -> PathBuf {
        let base = set("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.filter(|path| path.as_os_str().len() < 64 && path.to_str().is_some());
        let name = blake3::hash(self.root.as_os_str().as_encoded_bytes()).to_hex();
        base.unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("datanet-{}", &name[..16]))
    }

    /// Makes the folders that are missing, readable by their owner alone. Those that are there stay as they are.
    ///
    /// # Errors
    /// When one cannot be made, or the socket's folder is not this user's alone.
    pub fn create(&self) -> Result<(), ConfigError> {
        for dir in [self.root.clone(), self.keys(), self.cometbft(), self.data()] {
            make_private(&dir)?;
        }
        match self.abci_socket().parent() {
            Some(dir) if dir != self.cometbft() => make_private(dir).and_then(|()| require_ours(dir)),
            _ => Ok(()),
        }
    }
}

/// Makes `dir` for its owner alone. What is there is somebody's choice, and not changed.
fn make_private(dir: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| ConfigError::Write { path: dir.to_path_buf(), source })
}

/// Somebody else may have made the one below `/tmp` first.
fn require_ours(dir: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::MetadataExt;
    let path = dir.to_path_buf();
    let found = std::fs::symlink_metadata(dir).map_err(|source| ConfigError::Write { path: path.clone(), source })?;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let reason = match (found.is_dir(), owner == nix::unistd::Uid::effective().as_raw()) {
        (false, _) => "is no folder".to_owned(),
        (true, false) => format!("belongs to {}", user_name(owner)),
        (true, true) if mode & 0o077 != 0 => format!("is open to others (mode {mode:o})"),
        (true, true) => return Ok(()),
    };
    Err(ConfigError::NotOurs { path, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_always_fits_and_is_found_again() {
        let short = Home::new("/n");
        assert_eq!(short.abci_socket(), Path::new("/n/cometbft/abci.sock"));
        let long = Home::new(format!("/{}", "long/".repeat(40)));
        assert!(long.abci_socket().as_os_str().len() <= MAX_SOCKET_PATH);
        assert_eq!(long.abci_socket(), Home::new(long.root()).abci_socket());
        assert_ne!(long.abci_socket(), Home::new(long.root().join("x")).abci_socket());
    }

    fn mode_of(dir: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(dir).unwrap().permissions().mode() & 0o777
    }

    fn folder(dir: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir(dir).unwrap();
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone_and_what_was_there_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (Home::new(dir.path().join("new")), Home::new(dir.path().join("old")));
        folder(old.root(), 0o755);
        new.create().unwrap();
        old.create().unwrap();
        assert_eq!((mode_of(new.root()), mode_of(old.root())), (0o700, 0o755));
        for home in [new, old] {
            for dir in [home.keys(), home.cometbft(), home.data()] {
                assert_eq!(mode_of(&dir), 0o700, "{}", dir.display());
            }
        }
    }

    #[test]
    fn a_sockets_folder_that_is_open_to_others_or_no_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [ours, open, link] = ["ours", "open", "link"].map(|name| dir.path().join(name));
        folder(&ours, 0o700);
        folder(&open, 0o755);
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(require_ours(&open).unwrap_err().to_string().contains("open to others (mode 755)"));
        assert!(require_ours(&link).unwrap_err().to_string().contains("is no folder"));
        assert!(require_ours(&ours).is_ok());
    }

    #[test]
    fn a_relative_home_stays_where_it_was() {
        assert!(Home::new("relative").root().is_absolute());
    }
}
