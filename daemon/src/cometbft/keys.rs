//! CometBFT's ed25519 keys in its JSON formats.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use datanet_config::read_text;
use datanet_types::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::CometError;

const PUBLIC_TYPE: &str = "tendermint/PubKeyEd25519";
const PRIVATE_TYPE: &str = "tendermint/PrivKeyEd25519";

/// A key of CometBFT: a node's, by which peers know it, or a validator's, which signs votes.
#[derive(Debug, Clone)]
pub struct CometKey(SigningKey);

impl CometKey {
    /// A new key out of the operating system's randomness.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> std::io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        Ok(Self::from_seed(&secret))
    }

    /// The key of these 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 bytes of the public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.node_key().0
    }

    /// The key itself.
    pub(super) fn secret(&self) -> SigningKey {
        self.0.clone()
    }

    /// What peers call a node with this key.
    pub fn node_id(&self) -> NodeId {
        NodeId(address(&self.public()))
    }

    /// `node_key.json`.
    pub(super) fn node_json(&self) -> Value {
        json!({ "priv_key": self.private_json() })
    }

    /// `priv_validator_key.json`.
    pub(super) fn validator_json(&self) -> Value {
        let public = self.public();
        json!({
            "address": address_hex(&public),
            "pub_key": public_json(&public),
            "priv_key": self.private_json(),
        })
    }

    /// CometBFT keeps the seed and the public key in one: 64 bytes.
    fn private_json(&self) -> Value {
        let mut bytes = self.0.to_bytes().to_vec();
        bytes.extend(self.public());
        json!({ "type": PRIVATE_TYPE, "value": BASE64.encode(bytes) })
    }

    /// Reads either key file.
    pub(super) fn read(path: &Path) -> Result<Self, CometError> {
        let text = read_text(path).map_err(|error| CometError::NoKey { error })?;
        Self::parse(text.as_bytes()).map_err(|detail| CometError::BadKey { path: path.to_path_buf(), detail })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let private = &json["priv_key"];
        if private["type"] != PRIVATE_TYPE {
            return Err(format!("priv_key.type is {}, wanted {PRIVATE_TYPE}", private["type"]));
        }
        let value = private["value"].as_str().ok_or("priv_key.value is missing")?;
        let bytes = BASE64.decode(value).map_err(|error| error.to_string())?;
        let (seed, public) = bytes.split_first_chunk::<32>().ok_or("the key is too short")?;
        let key = Self::from_seed(seed);
        if key.public() == *public { Ok(key) } else { Err("its public part is of another key".to_owned()) }
    }
}

/// The first 20 bytes of the SHA-256 of a public key.
fn address(public: &[u8; 32]) -> [u8; 20] {
    let mut address = [0; 20];
    address.copy_from_slice(&Sha256::digest(public)[..20]);
    address
}

/// A validator's address as CometBFT prints it.
pub(super) fn address_hex(public: &[u8; 32]) -> String {
    hex::encode_upper(address(public))
}

/// A public key in CometBFT's JSON.
pub(super) fn public_json(public: &[u8; 32]) -> Value {
    json!({ "type": PUBLIC_TYPE, "value": BASE64.encode(public) })
}

/// What CometBFT's peers call a node: 20 bytes, 40 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 20]);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for NodeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut id = [0; 20];
        hex::decode_to_slice(text, &mut id)
            .map_err(|_| format!("{text:?} is not a CometBFT node id: 40 hex digits"))?;
        Ok(Self(id))
    }
}

impl serde::Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `cometbft init` of v0.38.25; a throw-away key.
    const BY_COMETBFT: &str = include_str!("testdata/priv_validator_key.json");

    #[test]
    fn a_key_file_of_cometbft_is_read_and_written_back_the_same() {
        let theirs: Value = serde_json::from_str(BY_COMETBFT).unwrap();
        let key = CometKey::parse(BY_COMETBFT.as_bytes()).unwrap();
        assert_eq!(key.validator_json(), theirs);
    }

    #[test]
    fn a_node_id_is_the_address_in_lower_case() {
        let key = CometKey::from_seed(&[5; 32]);
        assert_eq!(key.node_id().to_string(), address_hex(&key.public()).to_lowercase());
        assert_eq!(key.node_id().to_string().parse(), Ok(key.node_id()));
        assert!("zz".parse::<NodeId>().is_err());
    }

    #[test]
    fn damaged_key_files_are_refused_with_a_reason() {
        let mut json = CometKey::from_seed(&[5; 32]).node_json();
        assert!(CometKey::parse(b"{").is_err());
        json["priv_key"]["value"] = "AAAA".into();
        assert_eq!(CometKey::parse(json.to_string().as_bytes()).unwrap_err(), "the key is too short");
        json["priv_key"]["value"] = BASE64.encode([1; 64]).into();
        assert!(CometKey::parse(json.to_string().as_bytes()).unwrap_err().contains("another key"));
        json["priv_key"]["type"] = "tendermint/PrivKeySecp256k1".into();
        assert!(CometKey::parse(json.to_string().as_bytes()).unwrap_err().contains("wanted"));
    }
}
