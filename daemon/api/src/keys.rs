//! The accounts whose keys are on this node, and who else speaks for them.

use datanet_types::{Address, Amount, PublicKey, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is public about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyInfo {
    /// The name it is called by in the API and the CLI.
    pub name: String,
    /// The account that it signs for.
    #[schema(value_type = String)]
    pub address: Address,
    /// The public key, hex.
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
    /// The account that it is to sign for, whose owners grant it; one of its own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub account: Option<Address>,
}

/// Who speaks for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountKeys {
    /// The account.
    #[schema(value_type = String)]
    pub address: Address,
    /// How often its owners have changed; 0 where the key that its address was made of owns it.
    pub version: u64,
    /// Its owners' public keys, hex; none where `version` is 0.
    #[schema(value_type = Vec<String>)]
    pub owners: Vec<PublicKey>,
    /// How many of them sign a transaction.
    pub threshold: u32,
    /// The account that can replace its owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub guardian: Option<Address>,
    /// Seconds that its owners have to object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<u64>,
    /// The recovery that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingKeys>,
    /// Whose owners speak for it, if it is an agent's account, which has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub governor: Option<Address>,
    /// Keys that speak for it within limits.
    pub sub_keys: Vec<SubKey>,
}

/// Who will own an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingKeys {
    /// Their public keys, hex.
    #[schema(value_type = Vec<String>)]
    pub owners: Vec<PublicKey>,
    /// How many of them will sign a transaction.
    pub threshold: u32,
    /// Block time from which on, in seconds since 1970.
    pub due: u64,
}

/// A key that speaks for an account within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubKey {
    /// The public key, hex.
    #[schema(value_type = String)]
    pub key: PublicKey,
    /// Names of the actions that it may do.
    pub actions: Vec<String>,
    /// Whom it may deal with: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS`; anybody if there is none.
    pub counterparties: Vec<String>,
    /// Base units that it may spend in a period, fees included.
    pub budget: Amount,
    /// Base units left of that in this period.
    pub left: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Block time at which it ends, in seconds since 1970.
    pub expires: u64,
    /// Whether it has ended: by its time, or since the account has other owners than those that granted it.
    pub ended: bool,
}

/// A sub-key to grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubKey {
    /// Its public key, hex, or the name of a key on this node.
    pub key: String,
    /// Names of the actions that it may do, such as `transfer`, `open_channel`, `contribute`.
    pub actions: Vec<String>,
    /// Whom it may deal with: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS`; anybody if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterparties: Vec<String>,
    /// Base units that it may spend in a period, fees included.
    pub budget: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Seconds until it ends.
    pub lasts_seconds: u64,
}

/// A sub-key that is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantedKey {
    /// Its public key, hex.
    #[schema(value_type = String)]
    pub key: PublicKey,
    /// The account that it speaks for.
    #[schema(value_type = String)]
    pub account: Address,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Its block.
    pub height: u64,
}

/// A sub-key to end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// Its public key, hex, or the name of a key on this node.
    pub key: String,
}

/// How a key is rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The account that can replace the owners from now on; as before if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub guardian: Option<Address>,
    /// Seconds that the owners have to object; a week if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<u64>,
}

/// A key that has taken another's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedKey {
    /// The account that it owns.
    #[schema(value_type = String)]
    pub address: Address,
    /// Its public key, hex.
    #[schema(value_type = String)]
    pub public_key: PublicKey,
    /// The transaction; none where that had been done before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tx: Option<TxHash>,
}

/// A recovery to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecovery {
    /// The name of the guardian's key on this node.
    pub guardian: String,
    /// The next owners, all of whom will sign: public keys, hex, or names of keys on this node.
    pub owners: Vec<String>,
}

/// A recovery that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BegunRecovery {
    /// Block time from which on the next owners are, in seconds since 1970.
    pub due: u64,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}
