//! The accounts whose keys are on this node.

use datanet_types::{Address, PublicKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is public about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyInfo {
    /// The name it is called by in the API and the CLI.
    pub name: String,
    /// The account's address.
    #[schema(value_type = String)]
    pub address: Address,
    /// The account's public key, hex.
    #[schema(value_type = String)]
    pub public_key: PublicKey,
}

/// All keys, without their secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// By name.
    pub keys: Vec<KeyInfo>,
}

/// A key to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// 1 to 64 of `a-z A-Z 0-9 - _ .`.
    pub name: String,
}
