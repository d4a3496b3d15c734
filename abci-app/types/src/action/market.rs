//! What is done about shares in what earns, and about the pools in which they are traded.
//!
//! Each names its [`Asset`] in the first fields, of which those up to 9 are kept for further kinds of assets.

use crate::asset::Asset;
use crate::{Address, Amount};

use super::ClaimItem;

/// Divides an asset's income into shares, once and for good: all of them are the owner's first. What the owner decides about the asset stays
/// the owner's to decide.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct IssueShares {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// How many there are for ever, 100 to 10^15.
    #[prost(uint64, tag = "10")]
    pub supply: u64,
}

/// Gives shares to another account. What they have earned until now stays the sender's.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct TransferShares {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Who receives.
    #[prost(message, required, tag = "10")]
    pub to: Address,
    /// How many, more than zero.
    #[prost(uint64, tag = "11")]
    pub shares: u64,
}

/// Pays out what the signer's shares of an asset, and its liquidity in their pool, have earned.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct WithdrawIncome {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
}

/// Pays an asset's owner, or the holders of its shares once there are some, what it earned in epochs of serving nodes. Anyone may send it. What
/// was claimed before is passed over.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ClaimIncome {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Ordered by node and epoch, one for each, up to 64.
    #[prost(message, repeated, tag = "10")]
    pub items: Vec<ClaimItem>,
}

/// Pays the holders of an asset's shares from the signer's account.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct PayIncome {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Base units, more than zero.
    #[prost(uint64, tag = "10")]
    pub amount: Amount,
}

/// Opens the pool in which an asset's shares are traded against the chain's money. Shares and money that the signer puts in make its first
/// price.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CreatePool {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Shares put in.
    #[prost(uint64, tag = "10")]
    pub shares: u64,
    /// Base units put in.
    #[prost(uint64, tag = "11")]
    pub amount: Amount,
}

/// Puts shares and money into a pool, in the proportion in which they are there.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AddLiquidity {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Most shares that it may take.
    #[prost(uint64, tag = "10")]
    pub max_shares: u64,
    /// Most base units that it may take.
    #[prost(uint64, tag = "11")]
    pub max_amount: Amount,
    /// Fewest units of the pool that it must give.
    #[prost(uint64, tag = "12")]
    pub min_units: u64,
    /// Block time after which it is refused, in seconds since 1970.
    #[prost(uint64, tag = "13")]
    pub deadline: u64,
}

/// Takes shares and money out of a pool, in the proportion in which they are there.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RemoveLiquidity {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Units of the pool that are given up.
    #[prost(uint64, tag = "10")]
    pub units: u64,
    /// Fewest shares that it must give.
    #[prost(uint64, tag = "11")]
    pub min_shares: u64,
    /// Fewest base units that it must give.
    #[prost(uint64, tag = "12")]
    pub min_amount: Amount,
    /// Block time after which it is refused, in seconds since 1970.
    #[prost(uint64, tag = "13")]
    pub deadline: u64,
}

/// Buys shares from their pool for so much money.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct BuyShares {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Base units paid.
    #[prost(uint64, tag = "10")]
    pub amount: Amount,
    /// Fewest shares that it must give.
    #[prost(uint64, tag = "11")]
    pub min_shares: u64,
    /// Block time after which it is refused, in seconds since 1970.
    #[prost(uint64, tag = "12")]
    pub deadline: u64,
}

/// Sells so many shares to their pool.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SellShares {
    /// Of what.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Shares given.
    #[prost(uint64, tag = "10")]
    pub shares: u64,
    /// Fewest base units that it must give.
    #[prost(uint64, tag = "11")]
    pub min_amount: Amount,
    /// Block time after which it is refused, in seconds since 1970.
    #[prost(uint64, tag = "12")]
    pub deadline: u64,
}
