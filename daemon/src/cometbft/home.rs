//! CometBFT's folder: what we write into it, and what we never touch.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use datanet_config::{FileError, read_text};
use datanet_types::{ConsensusKey, SigningKey};
use serde_json::Value;

use super::half_made::is_half_made;
use super::{CometError, CometGenesis, CometKey, NodeId};

/// A CometBFT home with its two keys.
#[derive(Debug, Clone)]
pub struct CometHome {
    root: PathBuf,
    node_key: CometKey,
    validator_key: CometKey,
}

impl CometHome {
    /// Opens the home, making the folder, the keys and the empty signing state where they are missing. What is there
    /// stays as it is.
    ///
    /// # Errors
    /// When a file cannot be read or written, a key is damaged, or the signing state is gone from under its blocks.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CometError> {
        let root = root.into();
        // CometBFT runs in another folder than we do.
        let root = std::path::absolute(&root).map_err(CometError::io("find", &root))?;
        for dir in [root.join("config"), root.join("data")] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(CometError::io("create", &dir))?;
        }
        let node_key = key(&root.join("config/node_key.json"), CometKey::node_json)?;
        let validator_key = key(&root.join("config/priv_validator_key.json"), CometKey::validator_json)?;
        sign_state(&root.join("data"))?;
        Ok(Self { root, node_key, validator_key })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log file.
    pub fn log_path(&self) -> PathBuf {
        self.root.join("cometbft.log")
    }

    pub(super) fn data_path(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn pid_path(&self) -> PathBuf {
        self.root.join("cometbft.pid")
    }

    /// What peers call this node.
    pub fn node_id(&self) -> NodeId {
        self.node_key.node_id()
    }

    /// The public key that this node's votes are signed with, for the genesis and for staking.
    pub fn validator_key(&self) -> ConsensusKey {
        ConsensusKey(self.validator_key.public())
    }

    /// The secret key that this node's votes are signed with: for the proof that a stake on it is meant.
    pub fn validator_secret(&self) -> SigningKey {
        self.validator_key.secret()
    }

    /// Writes the genesis, unless this chain's is there already: a genesis never changes.
    ///
    /// # Errors
    /// When the file cannot be written, or is of another chain.
    pub fn write_genesis(&self, genesis: &CometGenesis) -> Result<(), CometError> {
        let path = self.root.join("config/genesis.json");
        let there = match read_text(&path) {
            // One that was cut short is made again from ours.
            Ok(text) => serde_json::from_str::<Value>(&text).unwrap_or_default(),
            Err(error) if error.is_absence() => Value::Null,
            Err(error) => return Err(error.into()),
        };
        match there["chain_id"].as_str() {
            None => write_json(&path, &genesis.to_json()),
            Some(found) if found == genesis.chain_id => Ok(()),
            Some(found) => {
                Err(CometError::OtherChain { path, found: found.to_owned(), wanted: genesis.chain_id.clone() })
            }
        }
    }

    pub(super) fn write_config(&self, text: &str) -> Result<(), CometError> {
        write(&self.root.join("config/config.toml"), text.as_bytes())
    }
}

fn key(path: &Path, to_json: fn(&CometKey) -> Value) -> Result<CometKey, CometError> {
    if !matches!(read_text(path), Err(FileError::Missing(_))) {
        return CometKey::read(path);
    }
    let key = CometKey::generate().map_err(CometError::io("generate a key for", path))?;
    write_json(path, &to_json(&key))?;
    Ok(key)
}

/// A validator must remember what it has signed, or it may sign twice. Only a home without blocks may start at zero.
fn sign_state(data: &Path) -> Result<(), CometError> {
    let path = data.join("priv_validator_state.json");
    let state = match read_text(&path) {
        Ok(text) if serde_json::from_str::<Value>(&text).is_ok_and(|state| state["height"].is_string()) => {
            return Ok(());
        }
        Ok(_) => "cut short",
        Err(FileError::Missing(_)) => "missing",
        Err(FileError::Empty(_)) => "empty",
        Err(error) => return Err(error.into()),
    };
    let blocks = data.join("blockstore.db");
    if blocks.exists() && !is_half_made(&blocks) {
        return Err(CometError::LostSignState { path, state, data: data.to_path_buf() });
    }
    write_json(&path, &serde_json::json!({ "height": "0", "round": 0, "step": 0 }))
}

fn write_json(path: &Path, json: &Value) -> Result<(), CometError> {
    write(path, format!("{json:#}\n").as_bytes())
}

/// In one step, readable by the owner alone: a crash leaves the old file or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CometError> {
    let place = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    place().map_err(CometError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_are_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = CometHome::open(dir.path()).unwrap();
        let again = CometHome::open(dir.path()).unwrap();
        assert_eq!(first.node_id(), again.node_id());
        assert_eq!(first.validator_key(), again.validator_key());
        let mode = std::fs::metadata(dir.path().join("config/node_key.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_validator_that_forgot_what_it_signed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        CometHome::open(dir.path()).unwrap();
        let state = dir.path().join("data/priv_validator_state.json");
        std::fs::remove_file(&state).unwrap();
        CometHome::open(dir.path()).unwrap();
        std::fs::remove_file(&state).unwrap();
        let blocks = dir.path().join("data/blockstore.db");
        std::fs::create_dir(&blocks).unwrap();
        std::fs::write(blocks.join("CURRENT"), "MANIFEST-000000").unwrap();
        for (text, says) in [(None, "is missing"), (Some(""), "is empty"), (Some("{\"height\": \"1"), "is cut short")] {
            text.inspect(|text| std::fs::write(&state, text).unwrap());
            let error = CometHome::open(dir.path()).unwrap_err();
            assert!(matches!(error, CometError::LostSignState { .. }) && error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn what_a_full_disk_left_empty_or_cut_is_made_again_where_nothing_can_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let home = CometHome::open(dir.path()).unwrap();
        let genesis = CometGenesis::new("one", 0, vec![], Value::Null);
        let (state, copy) = (dir.path().join("data/priv_validator_state.json"), dir.path().join("config/genesis.json"));
        for left in ["", "{\"chain_id\": \"on"] {
            std::fs::write(&state, left).unwrap();
            std::fs::write(&copy, left).unwrap();
            CometHome::open(dir.path()).unwrap();
            home.write_genesis(&genesis).unwrap();
            for file in [&state, &copy] {
                serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap();
            }
        }
        let key = dir.path().join("config/node_key.json");
        std::fs::write(&key, "").unwrap();
        let error = CometHome::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("node_key.json is empty") && error.contains("restore it from a backup"), "{error}");
    }

    #[test]
    fn a_genesis_of_another_chain_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = CometHome::open(dir.path()).unwrap();
        let genesis = |chain: &str| CometGenesis::new(chain, 0, vec![], Value::Null);
        home.write_genesis(&genesis("one")).unwrap();
        home.write_genesis(&genesis("one")).unwrap();
        let error = home.write_genesis(&genesis("two")).unwrap_err();
        assert!(matches!(error, CometError::OtherChain { ref found, .. } if found == "one"), "{error}");
    }
}
