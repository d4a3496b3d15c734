//! The chain's parameters and treasury, and what its authority announces of both.

use datanet_types::{Address, Amount, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The chain's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParamsView {
    /// Number of the present version; 0 is the genesis's.
    pub version: u64,
    /// First height at which it holds.
    pub from: u64,
    /// The numbers, by name.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// What is announced.
    pub announced: Option<AnnouncedParams>,
    /// All versions that the ledger still knows, oldest first.
    pub versions: Vec<ParamsVersion>,
    /// Who may announce others; none where genesis named nobody.
    #[schema(value_type = Option<String>)]
    pub authority: Option<Address>,
}

/// Parameters that will hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncedParams {
    /// Block time from which on they do, in seconds since 1970.
    pub due: u64,
    /// Those that change, with their new values.
    #[schema(value_type = Object)]
    pub changes: Map<String, Value>,
}

/// A version of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParamsVersion {
    /// Its number.
    pub version: u64,
    /// First height at which it held.
    pub from: u64,
}

/// Other parameters, to be announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewParams {
    /// Name of the authority's account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Those that change, with their new values.
    #[schema(value_type = Object)]
    pub changes: Map<String, Value>,
}

/// The treasury.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TreasuryView {
    /// Base units in it, less what is announced.
    pub balance: Amount,
    /// Who may announce payments; none where genesis named nobody.
    #[schema(value_type = Option<String>)]
    pub authority: Option<Address>,
    /// Base units that may be announced in the present period; in the next, where none is under way.
    pub period_most: Amount,
    /// Base units of them that were.
    pub period_spent: Amount,
    /// Block time of the period's end, in seconds since 1970.
    pub period_ends: u64,
    /// Payments that are announced.
    pub announced: Vec<SpendView>,
}

/// A payment that is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendView {
    /// Its number.
    pub number: u64,
    /// Who is paid.
    #[schema(value_type = String)]
    pub to: Address,
    /// Base units.
    pub amount: Amount,
    /// SHA-256 of the text that says what for.
    #[schema(value_type = String)]
    pub reason: Digest,
    /// Height at which it was announced.
    pub height: u64,
    /// Block time from which on it is paid, in seconds since 1970.
    pub due: u64,
}

/// A payment, to be announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSpend {
    /// Name of the authority's account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Who is paid.
    #[schema(value_type = String)]
    pub to: Address,
    /// Base units.
    pub amount: Amount,
    /// What for, in words. Its SHA-256 goes on the ledger; publish the words.
    pub reason: String,
}
