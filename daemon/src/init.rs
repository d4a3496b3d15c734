//! Making a node's home: keys, token, configuration, genesis. Nothing that exists is ever overwritten.

use std::path::Path;

use datanet_config::{FileError, Home, ModelsConfig, NodeConfig, holds_something, read_text};
use datanet_ledger::component::staking::{self, GenesisValidator};
use datanet_ledger::component::{EngineParams, Genesis, GenesisAccount, Params, params};
use datanet_ledger::{CommitInfo, LedgerReader};
use datanet_types::amount::DNT;
use datanet_types::{Address, BeaconKey, BeaconSecret, ConsensusKey, NodeKey, SigningKey};

use crate::cometbft::{CometGenesis, CometHome, CometValidator, NodeId};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::{Keyring, NODE_ACCOUNT, ValidatorSecrets, write_private, write_public};

/// What a network starts from: the file that all its nodes share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkGenesis {
    /// The network's id, part of everything that is signed.
    pub chain_id: String,
    /// Seconds since 1970.
    pub genesis_time: u64,
    /// What the ledger starts from, those who order blocks among it. Of a network that goes on from an export, its parameters alone.
    pub app_state: Genesis,
    /// Where it goes on, if it was exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continues>,
}

/// A network that goes on from an export of its ledger, with an engine that begins anew.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continues {
    /// The last height in the export.
    pub height: u64,
    /// The ledger's hash after it, which every home's must have.
    #[serde(with = "hex::serde")]
    pub app_hash: [u8; 32],
    /// Who orders blocks from there on.
    pub validators: Vec<ContinuedValidator>,
}

/// A validator that the engine begins with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinuedValidator {
    /// Its key.
    pub key: ConsensusKey,
    /// Its voting power.
    pub power: u64,
    /// A name for people.
    pub name: String,
}

/// What a new home holds.
#[derive(Debug, Clone, serde::Serialize)]
pub struct InitOutcome {
    /// The node's own account.
    pub account: Address,
    /// The node's key.
    pub node_key: NodeKey,
    /// The key with which it orders blocks, where it does.
    pub validator: ConsensusKey,
    /// The key with which its validator moves the beacon on.
    pub beacon_key: BeaconKey,
    /// What CometBFT's peers call it.
    #[serde(serialize_with = "as_text")]
    pub comet_node_id: NodeId,
}

fn as_text<S: serde::Serializer>(value: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Base units that the first account of a network of one's own gets.
const OWN_SUPPLY: u64 = 1_000_000 * DNT;
/// What of them stands behind its validator.
const OWN_STAKE: u64 = 10_000 * DNT;
/// Makes what is missing in `home`: folders, keys, token, and `config.toml` from `config`.
///
/// # Errors
/// When a folder or file cannot be made, what is there already is unusable, or the system gives no randomness
/// ([`Code::NoRandomness`]).
pub fn init_home(home: &Home, config: &NodeConfig) -> ServiceResult<InitOutcome> {
    home.create().map_err(|error| ServiceError::caused(Code::Home, error))?;
    for dir in [spool_dir(home), embeddings_dir(home), home.index(), home.blobs()] {
        std::fs::create_dir_all(&dir)
            .map_err(|error| ServiceError::io(&format!("cannot make {}", dir.display()), &error))?;
    }
    let keyring = Keyring::open(&home.keys())?;
    if keyring.get(NODE_ACCOUNT).is_err() {
        keyring.add(NODE_ACCOUNT, None)?;
    }
    write_if_absent(&home.api_token(), random_hex)?;
    write_if_absent(&node_key_file(home), random_hex)?;
    write_if_absent(&beacon_key_file(home), random_hex)?;
    write_if_absent(&home.config(), || Ok(config.to_toml()))?;
    describe(home)
}

/// What an existing home holds.
///
/// # Errors
/// When CometBFT's home is unusable ([`Code::CometbftHome`]), or the node's account or a key of it is missing or unusable
/// ([`Code::UnknownKey`], [`Code::BadKeyFile`], [`Code::NodeKey`], [`Code::BeaconKey`]).
pub fn describe(home: &Home) -> ServiceResult<InitOutcome> {
    let comet = CometHome::open(home.cometbft()).map_err(|error| ServiceError::caused(Code::CometbftHome, error))?;
    Ok(InitOutcome {
        account: Keyring::open(&home.keys())?.get(NODE_ACCOUNT)?.address(),
        node_key: node_secret(home)?.node_key(),
        validator: comet.validator_key(),
        beacon_key: beacon_secret(home)?.key(),
        comet_node_id: comet.node_id(),
    })
}

/// A network of this node alone: it validates, and its account owns everything and is the chain's authority.
pub fn own_genesis(chain_id: &str, outcome: &InitOutcome, name: &str, params: Params, now: u64) -> NetworkGenesis {
    let account = GenesisAccount { address: outcome.account, balance: OWN_SUPPLY, name: Some(name.to_owned()) };
    let validator = GenesisValidator {
        key: outcome.validator,
        beacon_key: outcome.beacon_key,
        operator: outcome.account,
        stake: OWN_STAKE,
        commission_bps: 0,
        name: name.to_owned(),
    };
    NetworkGenesis {
        chain_id: chain_id.to_owned(),
        genesis_time: now,
        app_state: Genesis {
            params,
            accounts: vec![account],
            validators: vec![validator],
            authority: Some(outcome.account),
        },
        continues: None,
    }
}

/// The numbers of a chain of one's own. Its one node audits nobody and is audited by nobody, so that nothing waits for a challenge, nor for others to
/// keep a statement.
/// A network for strangers is founded with [`Params::default`].
pub fn own_params() -> Params {
    Params { challenge_seconds: 0, verdict_challenge_seconds: 0, statement_quorum: 0, ..Params::default() }
}

/// Puts a network's genesis into a home.
///
/// # Errors
/// When another network's is there already ([`Code::OtherGenesis`]), or the file cannot be read or written.
pub fn write_genesis(home: &Home, genesis: &NetworkGenesis) -> ServiceResult<()> {
    if holds_something(&home.genesis()) {
        if read_genesis(home)? == *genesis {
            return Ok(());
        }
        return Err(ServiceError::new(
            Code::OtherGenesis,
            format!("{} belongs to another network; choose another --home", home.genesis().display()),
        ));
    }
    let text = serde_json::to_string_pretty(genesis).map_err(|error| ServiceError::caused(Code::Genesis, error))?;
    write_public(&home.genesis(), text.as_bytes())
        .map_err(|error| ServiceError::io(&format!("cannot write {}", home.genesis().display()), &error))
}

/// The network a home belongs to.
///
/// # Errors
/// When the file is missing, empty or cannot be read ([`Code::NoGenesis`]), or is no good genesis ([`Code::BadGenesis`]).
pub fn read_genesis(home: &Home) -> ServiceResult<NetworkGenesis> {
    let path = home.genesis();
    let text = read_text(&path).map_err(|error| no(Code::NoGenesis, &error, FETCH_GENESIS))?;
    parse_genesis(&path, &text)
}

/// The network that a file tells of.
///
/// # Errors
/// When it is no good genesis ([`Code::BadGenesis`]).
pub fn parse_genesis(path: &Path, text: &str) -> ServiceResult<NetworkGenesis> {
    let bad = |error: &dyn std::fmt::Display| {
        let path = path.display();
        ServiceError::new(Code::BadGenesis, format!("{path} is cut short or no genesis ({error}); {FETCH_GENESIS}"))
    };
    let genesis: NetworkGenesis = serde_json::from_str(text).map_err(|error| bad(&error))?;
    genesis.app_state.validate().map_err(|error| bad(&error))?;
    Ok(genesis)
}

const FETCH_GENESIS: &str =
    "copy it from another node of the network or from a backup; a new home gets one of `datanet init`";

/// A file of the home that is not to be used, and what mends it; what is another user's has nothing to be mended here.
fn no(code: Code, error: &FileError, mend: &str) -> ServiceError {
    match error {
        FileError::Denied(denied) => ServiceError::new(code, denied.to_string()),
        error => ServiceError::new(code, format!("{error}; {mend}")),
    }
}

impl NetworkGenesis {
    /// Of a network that goes on from what `reader` sees: the same on every node that imported the same export.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn continuing(reader: &LedgerReader) -> ServiceResult<Self> {
        let CommitInfo { height, app_hash, time_seconds } = reader.commit_info();
        let named = |active: staking::Active| -> ServiceResult<ContinuedValidator> {
            let validator = staking::get(reader, &active.key.address())?;
            let name = validator.map(|validator| validator.name).unwrap_or_default();
            Ok(ContinuedValidator { key: active.key, power: active.power, name })
        };
        let validators = staking::active(reader)?.into_iter().map(named).collect::<ServiceResult<_>>()?;
        Ok(Self {
            chain_id: reader.chain_id().to_owned(),
            // Block times never go back.
            genesis_time: u64::try_from(time_seconds).unwrap_or(0),
            app_state: Genesis { params: params::get(reader)?, ..Genesis::default() },
            continues: Some(Continues { height, app_hash, validators }),
        })
    }

    /// Refuses a ledger that has not what this network goes on from.
    ///
    /// # Errors
    /// When the network goes on from an export that was not imported here ([`Code::NotImported`]).
    pub fn check_continued(&self, ledger: &CommitInfo) -> ServiceResult<()> {
        match &self.continues {
            Some(continues) if ledger.height < continues.height => Err(ServiceError::new(
                Code::NotImported,
                format!(
                    "this network goes on from an export of height {}, and the ledger here is at {}; make the home with `datanet ledger import FILE`",
                    continues.height, ledger.height
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The same in CometBFT's words.
    ///
    /// # Errors
    /// When what the ledger starts from cannot be written as JSON ([`Code::Genesis`]).
    pub fn to_comet(&self) -> ServiceResult<CometGenesis> {
        let app_state =
            serde_json::to_value(&self.app_state).map_err(|error| ServiceError::caused(Code::Genesis, error))?;
        // The ledger names the validators, so that each has something at stake.
        let genesis = CometGenesis::new(self.chain_id.clone(), self.genesis_time, Vec::new(), app_state);
        let genesis = CometGenesis { engine: EngineParams::of(&self.app_state.params), ..genesis };
        let Some(continues) = &self.continues else { return Ok(genesis) };
        // The ledger is there already, so that nobody asks it who validates.
        let validators = continues.validators.iter().map(ContinuedValidator::to_comet).collect();
        let initial_height = continues.height.saturating_add(1);
        let app_hash = hex::encode_upper(continues.app_hash);
        Ok(CometGenesis { validators, initial_height, app_hash, ..genesis })
    }
}

impl ContinuedValidator {
    fn to_comet(&self) -> CometValidator {
        CometValidator { public_key: self.key.0, power: self.power, name: self.name.clone() }
    }
}

/// The node's secret key.
///
/// # Errors
/// When the file cannot be read or is no key ([`Code::NodeKey`]).
pub fn node_secret(home: &Home) -> ServiceResult<SigningKey> {
    const MEND: &str = "restore it from a backup, or remove it and run `datanet init`: it makes a new key, by which others \
                        know this node as a new one";
    Ok(SigningKey::from_bytes(&secret(&node_key_file(home), Code::NodeKey, MEND)?))
}

/// The secret key with which the node's validator moves the beacon on.
///
/// # Errors
/// When the file cannot be read or is no key ([`Code::BeaconKey`]).
pub fn beacon_secret(home: &Home) -> ServiceResult<BeaconSecret> {
    const MEND: &str = "restore it from a backup, or remove it and run `datanet init`: it makes a new key, with which a validator \
                        that was registered with the old one proposes nothing";
    Ok(BeaconSecret::from_bytes(&secret(&beacon_key_file(home), Code::BeaconKey, MEND)?))
}

/// The secret in a file of 64 hex digits.
fn secret(path: &Path, code: Code, mend: &str) -> ServiceResult<[u8; 32]> {
    let text = read_text(path).map_err(|error| no(code, &error, mend))?;
    let mut secret = [0; 32];
    hex::decode_to_slice(text.trim(), &mut secret).map_err(|_| {
        let (path, found) = (path.display(), text.trim().len());
        ServiceError::new(code, format!("{path} is no key of 64 hex digits ({found} characters); {mend}"))
    })?;
    Ok(secret)
}

/// The secret keys with which the node orders blocks, where it is a validator.
///
/// # Errors
/// When CometBFT's home is unusable ([`Code::CometbftHome`]), or the beacon's key is missing or none ([`Code::BeaconKey`]).
pub fn validator_secrets(home: &Home) -> ServiceResult<ValidatorSecrets> {
    let comet = CometHome::open(home.cometbft()).map_err(|error| ServiceError::caused(Code::CometbftHome, error))?;
    Ok(ValidatorSecrets { consensus: comet.validator_secret(), beacon: beacon_secret(home)? })
}

/// The API's token.
///
/// # Errors
/// When the file is missing, empty or cannot be read ([`Code::NoToken`]).
pub fn api_token(home: &Home) -> ServiceResult<String> {
    let text = read_text(&home.api_token())
        .map_err(|error| no(Code::NoToken, &error, "`datanet init` writes a new one and leaves all else as it is"))?;
    Ok(text.trim().to_owned())
}

fn node_key_file(home: &Home) -> std::path::PathBuf {
    home.root().join("node-key")
}

fn beacon_key_file(home: &Home) -> std::path::PathBuf {
    home.root().join("beacon-key")
}

/// Where uploads are spooled.
pub fn spool_dir(home: &Home) -> std::path::PathBuf {
    home.data().join("spool")
}

/// Where embeddings are kept.
pub fn embeddings_dir(home: &Home) -> std::path::PathBuf {
    home.data().join("embeddings")
}

/// Where base models lie.
pub fn models_folder(home: &Home, models: &ModelsConfig) -> std::path::PathBuf {
    if models.folder.as_os_str().is_empty() { home.models() } else { models.folder.clone() }
}

/// An empty file is as good as none.
fn write_if_absent(path: &Path, content: impl FnOnce() -> ServiceResult<String>) -> ServiceResult<()> {
    if holds_something(path) {
        return Ok(());
    }
    write_private(path, content()?.as_bytes())
        .map_err(|error| ServiceError::io(&format!("cannot write {}", path.display()), &error))
}

fn random_hex() -> ServiceResult<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let first = init_home(&home, &NodeConfig::default()).unwrap();
        let token = api_token(&home).unwrap();
        let second = init_home(&home, &NodeConfig::default()).unwrap();
        assert_eq!(
            (first.account, first.node_key, first.validator, first.beacon_key),
            (second.account, second.node_key, second.validator, second.beacon_key)
        );
        assert_eq!(api_token(&home).unwrap(), token);
    }

    #[test]
    fn another_networks_genesis_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let outcome = init_home(&home, &NodeConfig::default()).unwrap();
        let genesis = own_genesis("one", &outcome, "n", Params::default(), 1);
        write_genesis(&home, &genesis).unwrap();
        write_genesis(&home, &genesis).unwrap();
        let other = own_genesis("two", &outcome, "n", Params::default(), 1);
        assert_eq!(write_genesis(&home, &other).unwrap_err().code, Code::OtherGenesis);
        assert_eq!(read_genesis(&home).unwrap(), genesis);
    }

    /// What is said of a home one of whose files was replaced by `text`.
    fn said(name: &str, text: Option<&str>) -> String {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let outcome = init_home(&home, &NodeConfig::default()).unwrap();
        write_genesis(&home, &own_genesis("one", &outcome, "n", Params::default(), 1)).unwrap();
        match text {
            Some(text) => std::fs::write(dir.path().join(name), text).unwrap(),
            None => std::fs::remove_file(dir.path().join(name)).unwrap(),
        }
        let error = match name {
            "genesis.json" => read_genesis(&home).map(drop),
            "node-key" => node_secret(&home).map(drop),
            "beacon-key" => beacon_secret(&home).map(drop),
            _ => api_token(&home).map(drop),
        };
        error.unwrap_err().detail
    }

    #[test]
    fn a_missing_an_empty_and_a_cut_file_are_told_alike_with_their_name_and_the_fix() {
        for (name, cut, fix) in [
            ("genesis.json", "{\"chain_id\": \"on", "copy it from another node of the network"),
            ("node-key", "abcdef", "remove it and run `datanet init`"),
            ("beacon-key", "abcdef", "proposes nothing"),
            ("api-token", " \n", "`datanet init` writes a new one"),
        ] {
            for text in [None, Some(""), Some(cut)] {
                let said = said(name, text);
                assert!(said.contains(&format!("/{name} is ")) && said.contains(fix), "{text:?}: {said}");
            }
        }
        assert!(said("node-key", Some("abcdef")).contains("no key of 64 hex digits (6 characters)"));
    }

    #[test]
    fn init_fills_in_what_a_full_disk_left_empty_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let first = init_home(&home, &NodeConfig::default()).unwrap();
        for empty in [home.api_token(), home.config()] {
            std::fs::write(empty, "").unwrap();
        }
        let second = init_home(&home, &NodeConfig::default()).unwrap();
        assert_eq!((first.node_key, first.account), (second.node_key, second.account));
        assert_eq!(api_token(&home).unwrap().len(), 64);
        assert!(holds_something(&home.config()));
    }
}
