//! The node's named account keys: one file each under `keys/`, readable by the owner only.
//!
//! `node` is the node's own account. Node keys and validator keys live elsewhere: an account key moves money and
//! nothing else, and can be kept on another machine altogether. A key signs for the account that its address was made of, unless its file
//! names another: then that account's owners have let it, or it has become one of them.
//!
//! What else lies in the folder (an editor's backups, what file managers leave, folders, notes) is left aside with a
//! word. What ought to be a key and is none is an error: it may be somebody's money.

mod account_key;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use datanet_api::keys::KeyInfo;
use datanet_config::{FileError, holds_something};
use datanet_types::beacon::BeaconSecret;
use datanet_types::{Address, NodeKey, PublicKey, SigningKey};

pub use account_key::AccountKey;

use crate::caller::{self, Payer};
use crate::error::{Code, ServiceError, ServiceResult};

/// Name of the node's own account.
pub const NODE_ACCOUNT: &str = "node";

/// Most keys a keyring holds.
const MAX_KEYS: usize = 10_000;

/// All keys of a home; clones share them.
#[derive(Debug, Clone)]
pub struct Keyring {
    dir: PathBuf,
    keys: Arc<RwLock<BTreeMap<String, AccountKey>>>,
}

impl Keyring {
    /// Reads all keys under `dir`, which is made if absent.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or a key file is unusable ([`Code::BadKeyFile`]).
    pub fn open(dir: &Path) -> ServiceResult<Self> {
        let context = format!("cannot read keys in {}", dir.display());
        let failed = |error: std::io::Error| match FileError::of(dir, error) {
            FileError::Io { source, .. } => ServiceError::io(&context, &source),
            told => ServiceError::new(Code::BadKeyFile, told.to_string()),
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match read_entry(&path)? {
                Entry::Key(name, key) => drop(keys.insert(name, *key)),
                Entry::Foreign(why) => tracing::warn!("{} is left aside: {why}", path.display()),
            }
        }
        Ok(Self { dir: dir.to_owned(), keys: Arc::new(RwLock::new(keys)) })
    }

    /// The key called `name`, or the one that signs for the account of this address, for whoever is answered now ([`crate::caller`]).
    ///
    /// # Errors
    /// When there is none of that name ([`Code::UnknownKey`]), or it is not for who asks ([`Code::ForeignAccount`],
    /// [`Code::NotOnThePublicFace`]).
    pub fn get(&self, name: &str) -> ServiceResult<AccountKey> {
        caller::refuse_strangers()?;
        match self.own(name) {
            Ok(key) => caller::lend(key),
            Err(unknown) => {
                let found = name.parse().ok().map(|address| self.by_address(&address)).transpose()?;
                found.flatten().ok_or(unknown)
            }
        }
    }

    /// The same for the node itself, whoever has set off what it is for.
    pub(crate) fn own(&self, name: &str) -> ServiceResult<AccountKey> {
        self.read(|keys| keys.get(name).cloned()).ok_or_else(|| {
            ServiceError::new(
                Code::UnknownKey,
                format!("no key named {name:?} on this node; make one with `datanet keys add {name}`"),
            )
        })
    }

    /// The key that signs for `address`, if one is here, for whoever is answered now: of several the one that its address was made of, or that
    /// an owner was rotated to.
    ///
    /// # Errors
    /// When it is not for who asks ([`Code::ForeignAccount`], [`Code::NotOnThePublicFace`]).
    pub fn by_address(&self, address: &Address) -> ServiceResult<Option<AccountKey>> {
        caller::refuse_strangers()?;
        let found = self.read(|keys| {
            let of_account = keys.values().filter(|key| key.address() == *address);
            of_account.max_by_key(|key| key.standing()).cloned()
        });
        found.map(caller::lend).transpose()
    }

    /// Whether a key here signs for `address`.
    pub fn has(&self, address: &Address) -> bool {
        self.read(|keys| keys.values().any(|key| key.address() == *address))
    }

    /// The account of the key called `name`.
    ///
    /// # Errors
    /// When there is none of that name ([`Code::UnknownKey`]), and for strangers.
    pub fn address_of(&self, name: &str) -> ServiceResult<Address> {
        caller::refuse_strangers()?;
        Ok(self.own(name)?.address())
    }

    /// The public key that is typed, or that of the key called so.
    ///
    /// # Errors
    /// When it is neither ([`Code::UnknownKey`]).
    pub fn public_key(&self, name_or_hex: &str) -> ServiceResult<PublicKey> {
        name_or_hex.parse().or_else(|_| self.own(name_or_hex).map(|key| key.public_key()))
    }

    /// All keys by name.
    pub fn list(&self) -> Vec<KeyInfo> {
        self.read(|keys| keys.iter().map(|(name, key)| key.info(name)).collect())
    }

    /// Makes a new key, of an account of its own or one that signs for `account`.
    ///
    /// # Errors
    /// As [`Keyring::import`], and when the system gives no randomness ([`Code::NoRandomness`]).
    pub fn add(&self, name: &str, account: Option<Address>) -> ServiceResult<KeyInfo> {
        let secret = fresh()?;
        self.import(name, AccountKey::of_account(account.unwrap_or(secret.address()), secret))
    }

    /// Stores an existing key under a new name.
    ///
    /// # Errors
    /// When the name has odd characters ([`Code::BadKeyName`]) or is in use ([`Code::KeyExists`]), the keyring is full
    /// ([`Code::KeyringFull`]), or the file cannot be written.
    pub fn import(&self, name: &str, key: AccountKey) -> ServiceResult<KeyInfo> {
        if !is_name(name) {
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
        let path = self.path(name);
        if holds_something(&path) {
            let path = path.display();
            let detail = format!("{path} is there and is not the key {name:?}; move it away, or choose another name");
            return Err(ServiceError::new(Code::KeyExists, detail));
        }
        account_key::write(&path, name, &key)?;
        let info = key.info(name);
        keys.insert(name.to_owned(), key);
        Ok(info)
    }

    /// The key called `name` with another beside it that will take its place; the same one until it has ([`Keyring::rotated`]).
    ///
    /// # Errors
    /// When there is none of that name ([`Code::UnknownKey`]), the system gives no randomness ([`Code::NoRandomness`]), or the file cannot
    /// be written.
    pub fn rotating(&self, name: &str) -> ServiceResult<AccountKey> {
        self.change(name, |key| match key.next() {
            Some(_) => Ok(key),
            None => Ok(key.heading_for(fresh()?)),
        })
    }

    /// The key that has taken the place of the one called `name`.
    ///
    /// # Errors
    /// When there is none of that name ([`Code::UnknownKey`]), or the file cannot be written.
    pub fn rotated(&self, name: &str) -> ServiceResult<AccountKey> {
        self.change(name, |key| Ok(key.rotated()))
    }

    fn change(
        &self,
        name: &str,
        change: impl FnOnce(AccountKey) -> ServiceResult<AccountKey>,
    ) -> ServiceResult<AccountKey> {
        let key = self.get(name)?;
        let mut keys = self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Whoever was faster has changed it already.
        let changed = change(keys.get(name).cloned().unwrap_or(key))?;
        account_key::write(&self.path(name), name, &changed)?;
        keys.insert(name.to_owned(), changed.clone());
        Ok(changed)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn read<T>(&self, f: impl FnOnce(&BTreeMap<String, AccountKey>) -> T) -> T {
        f(&self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The secret keys of a validator.
#[derive(Debug, Clone)]
pub struct ValidatorSecrets {
    /// Signs proposals and votes; CometBFT alone does that.
    pub consensus: SigningKey,
    /// Moves the beacon on.
    pub beacon: BeaconSecret,
}

/// Who this node is: the keys by which peers, the ledger and other validators know it, and the account that acts for it.
#[derive(Debug, Clone)]
pub struct Identity {
    name: Arc<str>,
    secret: SigningKey,
    validator: ValidatorSecrets,
    keyring: Keyring,
}

impl Identity {
    /// The node called `name` that signs with `secret`, orders blocks with the keys in `validator`, and whose account is in `keyring`.
    pub fn new(name: &str, secret: SigningKey, validator: ValidatorSecrets, keyring: Keyring) -> Self {
        Self { name: name.into(), secret, validator, keyring }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keys with which it orders blocks, where it is a validator.
    pub fn validator(&self) -> &ValidatorSecrets {
        &self.validator
    }

    /// The key with which the node signs.
    pub fn secret(&self) -> &SigningKey {
        &self.secret
    }

    /// The node's public key: libp2p peer id, iroh endpoint id and name on the ledger.
    pub fn node_key(&self) -> NodeKey {
        self.secret.node_key()
    }

    /// The key of whoever is answered now and names nobody: of the one account that its token acts for, else the node's own.
    ///
    /// # Errors
    /// When it is not here ([`Code::UnknownKey`]), or not for who asks ([`Code::ForeignAccount`], [`Code::NotOnThePublicFace`]).
    pub fn account_key(&self) -> ServiceResult<AccountKey> {
        if let Payer::Account(account) = caller::payer() {
            return self.keyring.get(&account.to_string());
        }
        self.keyring.get(NODE_ACCOUNT)
    }

    /// The same for what the node does of itself, whoever has set it off: settling what it owes.
    ///
    /// # Errors
    /// When it is not here ([`Code::UnknownKey`]).
    pub fn own_account_key(&self) -> ServiceResult<AccountKey> {
        self.keyring.own(NODE_ACCOUNT)
    }

    /// The node's own account.
    ///
    /// # Errors
    /// When its key is not here ([`Code::UnknownKey`]).
    pub fn account(&self) -> ServiceResult<Address> {
        Ok(self.own_account_key()?.address())
    }
}

fn fresh() -> ServiceResult<SigningKey> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(SigningKey::from_bytes(&secret))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !name.starts_with('.')
}

/// What lies among the keys.
enum Entry {
    Key(String, Box<AccountKey>),
    /// Nothing of ours, and how that is seen.
    Foreign(String),
}

fn read_entry(path: &Path) -> ServiceResult<Entry> {
    let foreign = |why: &str| Ok(Entry::Foreign(why.to_owned()));
    let named = path.extension().is_some_and(|extension| extension == "json");
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| named && is_name(stem)) else {
        return foreign("a key's file is called NAME.json");
    };
    if path.is_dir() {
        return foreign("it is a folder");
    }
    let bad = |reason: &dyn std::fmt::Display| {
        const MEND: &str = "restore it from a backup, or move it out of the folder to do without this key";
        ServiceError::new(Code::BadKeyFile, format!("the key file {} is unusable: {reason}; {MEND}", path.display()))
    };
    let text = datanet_config::read_text(path).map_err(|error| bad(&error))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(&error))?;
    if json.get("secret_key").is_none() {
        return foreign("it holds no secret key");
    }
    let (name, key) = account_key::read(json, &bad)?;
    match name == stem {
        true => Ok(Entry::Key(name, Box::new(key))),
        false => foreign(&format!("it holds the key {name:?}, whose file is called {name}.json")),
    }
}

/// Writes a file that only its owner can read, atomically and durably.
///
/// # Errors
/// When the file cannot be made, written or renamed.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_whole(path, bytes, 0o600)
}

/// The same for a file that everybody may read.
///
/// # Errors
/// As [`write_private`].
pub fn write_public(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_whole(path, bytes, 0o644)
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_survive_a_restart_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keyring::open(dir.path()).unwrap().add("alice", None).unwrap();
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
        keyring.add("alice", None).unwrap();
        assert_eq!(keyring.add("alice", None).unwrap_err().code, Code::KeyExists);
        assert_eq!(keyring.add("../alice", None).unwrap_err().code, Code::BadKeyName);
        assert_eq!(keyring.get("bob").unwrap_err().code, Code::UnknownKey);
    }

    #[test]
    fn a_rotated_key_signs_for_the_same_account_and_keeps_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(dir.path()).unwrap();
        let before = keyring.add("alice", None).unwrap();
        let next = keyring.rotating("alice").unwrap().next().unwrap().public_key();
        // A node that stops here goes on with the same one.
        let keyring = Keyring::open(dir.path()).unwrap();
        assert_eq!(keyring.rotating("alice").unwrap().next().unwrap().public_key(), next);
        assert_eq!(keyring.list(), vec![before.clone()]);
        keyring.rotated("alice").unwrap();
        let helper = keyring.add("a-helper", Some(before.address)).unwrap();
        let keyring = Keyring::open(dir.path()).unwrap();
        let alice = keyring.by_address(&before.address).unwrap().unwrap();
        assert_eq!((alice.address(), alice.public_key()), (before.address, next));
        assert!(alice.secret_of(&before.public_key).is_some() && alice.secret_of(&helper.public_key).is_none());
        assert_eq!(keyring.get("a-helper").unwrap().address(), before.address);
    }

    #[test]
    fn a_damaged_key_file_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        Keyring::open(dir.path()).unwrap().add("alice", None).unwrap();
        for damaged in ["", "{", r#"{"name": "alice", "secret_key": "5e"}"#] {
            std::fs::write(dir.path().join("alice.json"), damaged).unwrap();
            let told = Keyring::open(dir.path()).unwrap_err().detail;
            assert!(told.contains("alice.json is") && told.contains("move it out of the folder"), "{damaged}: {told}");
        }
    }

    #[test]
    fn what_is_no_key_is_left_aside_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(dir.path()).unwrap();
        let alice = keyring.add("alice", None).unwrap();
        let at = |name: &str| dir.path().join(name);
        for copy in
            ["alice.json~", ".alice.json", "._alice.json", "alice (copy).json", "alice-old.json", "alice.json.bak"]
        {
            std::fs::copy(at("alice.json"), at(copy)).unwrap();
        }
        std::fs::write(at(".DS_Store"), [0, 0xff]).unwrap();
        std::fs::write(at("notes.json"), r#"["feed the owls"]"#).unwrap();
        std::fs::create_dir(at("old.json")).unwrap();
        std::fs::create_dir(at("old")).unwrap();
        let keyring = Keyring::open(dir.path()).unwrap();
        assert_eq!(keyring.list(), vec![alice]);
        for taken in ["alice-old", "notes", "old"] {
            let refused = keyring.add(taken, None).unwrap_err();
            assert!(refused.code == Code::KeyExists && refused.detail.contains("move it away"), "{refused}");
        }
    }
}
