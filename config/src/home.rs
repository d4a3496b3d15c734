//! Where everything of a node lies. No other file joins these paths.

use std::path::{Path, PathBuf};

use crate::file::user_name;
use crate::tilde::{expand, set};
use crate::{ConfigError, PathError};

/// The longest path of a Unix socket: 108 bytes with the closing zero on Linux, 104 on macOS.
const MAX_SOCKET_PATH: usize = 103;
/// The longest name of a socket.
const LONGEST_SOCKET: &str = "abci.sock";

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
/// sockets/abci.sock    where CometBFT talks to the ledger
/// sockets/rpc.sock     where the node talks to CometBFT (both elsewhere if these paths would be too long)
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

    /// What the public face does not give out: hashes, one a line. There if the operator has made it.
    pub fn denied(&self) -> PathBuf {
        self.root.join("denied")
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

    /// Where the ledger listens for CometBFT; see [`Home::sockets`].
    pub fn abci_socket(&self) -> PathBuf {
        self.sockets().join("abci.sock")
    }

    /// Where CometBFT's RPC listens for the node; see [`Home::sockets`].
    pub fn rpc_socket(&self) -> PathBuf {
        self.sockets().join("rpc.sock")
    }

    /// The folder of the sockets. In the home, unless their paths would be too long there: then a folder of its own under the
    /// system's folder for run-time files, named after the home, so that it is found again. [`Home::make_sockets`] makes it.
    pub fn sockets(&self) -> PathBuf {
        let here = self.root.join("sockets");
        if here.join(LONGEST_SOCKET).as_os_str().len() <= MAX_SOCKET_PATH { here } else { self.runtime_dir() }
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
    /// When one cannot be made.
    pub fn create(&self) -> Result<(), ConfigError> {
        [self.root.clone(), self.keys(), self.cometbft(), self.data()].iter().try_for_each(|dir| make_private(dir))
    }

    /// Makes the folder of the sockets, and closes it to everybody else if it is there: whoever gets in can order the chain
    /// about. Called at every start, since what lies among run-time files goes when the system starts anew.
    ///
    /// # Errors
    /// When it cannot be made, is no folder, or is somebody else's.
    pub fn make_sockets(&self) -> Result<(), ConfigError> {
        let dir = self.sockets();
        make_private(&dir)?;
        close_ours(&dir)
    }
}

/// Makes `dir` for its owner alone. What is there is somebody's choice, and not changed.
fn make_private(dir: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| ConfigError::Write { path: dir.to_path_buf(), source })
}

/// Closes a folder of this user's to others. Somebody else may have made the one below `/tmp` first.
fn close_ours(dir: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let path = || dir.to_path_buf();
    let found = std::fs::symlink_metadata(dir).map_err(|source| ConfigError::Write { path: path(), source })?;
    let reason = match (found.is_dir(), found.uid()) {
        (false, _) => "is no folder".to_owned(),
        (true, owner) if owner != nix::unistd::Uid::effective().as_raw() => format!("belongs to {}", user_name(owner)),
        (true, _) if found.mode() & 0o077 == 0 => return Ok(()),
        (true, _) => {
            let closed = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
            return closed.map_err(|source| ConfigError::Write { path: path(), source });
        }
    };
    Err(ConfigError::NotOurs { path: path(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_always_fits_and_is_found_again() {
        let short = Home::new("/n");
        assert_eq!(short.abci_socket(), Path::new("/n/sockets/abci.sock"));
        assert_eq!(short.rpc_socket(), Path::new("/n/sockets/rpc.sock"));
        let long = Home::new(format!("/{}", "long/".repeat(40)));
        for socket in [Home::abci_socket, Home::rpc_socket] {
            assert!(socket(&long).as_os_str().len() <= MAX_SOCKET_PATH);
            assert_eq!(socket(&long), socket(&Home::new(long.root())));
            assert_ne!(socket(&long), socket(&Home::new(long.root().join("x"))));
        }
    }

    #[test]
    fn both_sockets_lie_in_one_folder_however_long_the_homes_path_is() {
        for length in 1..150 {
            let home = Home::new(format!("/{}", "n".repeat(length)));
            assert_eq!(home.abci_socket().parent(), home.rpc_socket().parent());
            for socket in [home.abci_socket(), home.rpc_socket()] {
                assert!(socket.as_os_str().len() <= MAX_SOCKET_PATH, "{}", socket.display());
                assert_eq!(socket.starts_with(home.root()), length <= 84, "{length}: {}", socket.display());
            }
        }
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
    fn the_sockets_folder_is_closed_to_others_and_a_link_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        home.make_sockets().unwrap();
        assert_eq!(mode_of(&home.sockets()), 0o700);
        std::fs::set_permissions(home.sockets(), std::os::unix::fs::PermissionsExt::from_mode(0o2775)).unwrap();
        home.make_sockets().unwrap();
        assert_eq!(mode_of(&home.sockets()), 0o700);
        let elsewhere = dir.path().join("elsewhere");
        folder(&elsewhere, 0o755);
        std::fs::remove_dir(home.sockets()).unwrap();
        std::os::unix::fs::symlink(&elsewhere, home.sockets()).unwrap();
        assert!(home.make_sockets().unwrap_err().to_string().contains("is no folder; remove it"));
        assert_eq!(mode_of(&elsewhere), 0o755, "what a link leads to stays as it was");
    }

    #[test]
    fn a_relative_home_stays_where_it_was() {
        assert!(Home::new("relative").root().is_absolute());
    }
}
