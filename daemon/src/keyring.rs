//! The node's named account keys: one file each under `keys/`, readable by the owner only.
//!
//! `node` is the node's own account. Node keys and validator keys live elsewhere: an account key moves money and
//! nothing else, and can be kept on another machine altogether.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use datanet_api::keys::KeyInfo;
use datanet_types::{Address, NodeKey, PublicKey, SigningKey};

use crate::error::{Code, ServiceError, ServiceResult};

/// Name of the node's own account.
pub const NODE_ACCOUNT: &str = "node";

/// Most keys a keyring holds.
const MAX_KEYS: usize = 10_000;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    name: String,
    address: Address,
    public_key: PublicKey,
    secret_key: String,
}

/// All keys of a home; clones share them.
#[derive(Debug, Clone)]
pub struct Keyring {
    dir: PathBuf,
    keys: Arc<RwLock<BTreeMap<String, SigningKey>>>,
}

impl Keyring {
    /// Reads all keys under `dir`, which is made if absent.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or a key file is unusable ([`Code::BadKeyFile`]).
    pub fn open(dir: &Path) -> ServiceResult<Self> {
        let context = format!("cannot read keys in {}", dir.display());
        std::fs::create_dir_all(dir).map_err(|error| ServiceError::io(&context, &error))?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| ServiceError::io(&context, &error))?;
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(|error| ServiceError::io(&context, &error))? {
            let path = entry.map_err(|error| ServiceError::io(&context, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let (name, key) = read_key(&path)?;
                keys.insert(name, key);
            }
        }
        Ok(Self { dir: dir.to_owned(), keys: Arc::new(RwLock::new(keys)) })
    }

    /// The key called `name`.
    ///
    /// # Errors
    /// When there is none of that name ([`Code::UnknownKey`]).
    pub fn get(&self, name: &str) -> ServiceResult<SigningKey> {
        self.read(|keys| keys.get(name).cloned()).ok_or_else(|| {
            ServiceError::new(
                Code::UnknownKey,
                format!("no key named {name:?} on this node; make one with `datanet keys add {name}`"),
            )
        })
    }

    /// The key of `address`, if it is here.
    pub fn by_address(&self, address: &Address) -> Option<SigningKey> {
        self.read(|keys| keys.values().find(|key| key.address() == *address).cloned())
    }

    /// All keys by name.
    pub fn list(&self) -> Vec<KeyInfo> {
        self.read(|keys| keys.iter().map(|(name, key)| info(name, key)).collect())
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// As [`Keyring::import`], and when the system gives no randomness ([`Code::NoRandomness`]).
    pub fn add(&self, name: &str) -> ServiceResult<KeyInfo> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| {
            ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}"))
        })?;
        self.import(name, &SigningKey::from_bytes(&secret))
    }

    /// Stores an existing key under a new name.
    ///
    /// # Errors
    /// When the name has odd characters ([`Code::BadKeyName`]) or is in use ([`Code::KeyExists`]), the keyring is full
    /// ([`Code::KeyringFull`]), or the file cannot be written.
    pub fn import(&self, name: &str, key: &SigningKey) -> ServiceResult<KeyInfo> {
        let name_ok = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !name.starts_with('.');
        if !name_ok {
            return Err(ServiceError::new(
                Code::BadKeyName,
                "a key name is 1 to 64 of a-z A-Z 0-9 - _ . and does not start with a dot",
            ));
        }
        let mut keys = self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if keys.contains_key(name) {
            return Err(ServiceError::new(
                Code::KeyExists,
                format!("a key named {name:?} exists; choose another name"),
            ));
        }
        if keys.len() >= MAX_KEYS {
            return Err(ServiceError::new(Code::KeyringFull, format!("a keyring holds {MAX_KEYS} keys at most")));
        }
        write_key(&self.dir.join(format!("{name}.json")), name, key)?;
        keys.insert(name.to_owned(), key.clone());
        Ok(info(name, key))
    }

    fn read<T>(&self, f: impl FnOnce(&BTreeMap<String, SigningKey>) -> T) -> T {
        f(&self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Who this node is: the key by which peers and the ledger know it, and the account that acts for it.
#[derive(Debug, Clone)]
pub struct Identity {
    secret: SigningKey,
    keyring: Keyring,
}

impl Identity {
    /// The node that signs with `secret`, and whose account is in `keyring`.
    pub fn new(secret: SigningKey, keyring: Keyring) -> Self {
        Self { secret, keyring }
    }

    /// The key with which the node signs.
    pub fn secret(&self) -> &SigningKey {
        &self.secret
    }

    /// The node's public key: libp2p peer id, iroh endpoint id and name on the ledger.
    pub fn node_key(&self) -> NodeKey {
        self.secret.node_key()
    }

    /// The key of the node's own account.
    ///
    /// # Errors
    /// When it is not here ([`Code::UnknownKey`]).
    pub fn account_key(&self) -> ServiceResult<SigningKey> {
        self.keyring.get(NODE_ACCOUNT)
    }

    /// The node's own account.
    ///
    /// # Errors
    /// When its key is not here ([`Code::UnknownKey`]).
    pub fn account(&self) -> ServiceResult<Address> {
        Ok(self.account_key()?.address())
    }
}

fn info(name: &str, key: &SigningKey) -> KeyInfo {
    KeyInfo { name: name.to_owned(), address: key.address(), public_key: key.public_key() }
}

fn read_key(path: &Path) -> ServiceResult<(String, SigningKey)> {
    let bad = |reason: String| {
        ServiceError::new(Code::BadKeyFile, format!("key file {} is unusable: {reason}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let file: KeyFile = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let mut secret = [0; 32];
    hex::decode_to_slice(&file.secret_key, &mut secret).map_err(|error| bad(error.to_string()))?;
    let key = SigningKey::from_bytes(&secret);
    if key.address() != file.address || key.public_key() != file.public_key {
        return Err(bad("secret key and address do not belong together".into()));
    }
    Ok((file.name, key))
}

/// Writes beside, syncs, then renames, so that a crash never leaves half a key.
fn write_key(path: &Path, name: &str, key: &SigningKey) -> ServiceResult<()> {
    let file = KeyFile {
        name: name.to_owned(),
        address: key.address(),
        public_key: key.public_key(),
        secret_key: hex::encode(key.to_bytes()),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|error| ServiceError::caused(Code::KeyEncoding, error))?;
    write_private(path, text.as_bytes())
        .map_err(|error| ServiceError::io(&format!("cannot write {}", path.display()), &error))
}

/// Writes a file that only its owner can read, atomically and durably.
///
/// # Errors
/// When the file cannot be made, written or renamed.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_restart_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keyring::open(dir.path()).unwrap().add("alice").unwrap();
        let again = Keyring::open(dir.path()).unwrap();
        assert_eq!(again.list(), vec![made.clone()]);
        assert_eq!(again.get("alice").unwrap().address(), made.address);
        let mode = std::fs::metadata(dir.path().join("alice.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_name_in_use_or_a_path_as_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(dir.path()).unwrap();
        keyring.add("alice").unwrap();
        assert_eq!(keyring.add("alice").unwrap_err().code, Code::KeyExists);
        assert_eq!(keyring.add("../alice").unwrap_err().code, Code::BadKeyName);
        assert_eq!(keyring.get("bob").unwrap_err().code, Code::UnknownKey);
    }

    #[test]
    fn a_damaged_key_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        Keyring::open(dir.path()).unwrap().add("alice").unwrap();
        std::fs::write(dir.path().join("alice.json"), "{").unwrap();
        assert!(Keyring::open(dir.path()).unwrap_err().detail.contains("alice.json"));
    }
}
