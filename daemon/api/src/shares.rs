//! Shares in what datanets and models earn, and the pools in which they are traded. An asset reads `datanet:ID` or `model:ID`.

use datanet_types::{Account, Address, Amount};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An asset's shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharesView {
    /// Of what.
    pub asset: String,
    /// How many there are, for ever.
    pub supply: u64,
    /// Who issued them, and decides about the asset.
    #[schema(value_type = String)]
    pub issuer: Address,
    /// When.
    pub issued_height: u64,
    /// Base units that came in since they were issued.
    pub income: Amount,
    /// Base units of it that are still to be divided, evenly until `divided_until`.
    pub undivided: Amount,
    /// Block time at which that is done, in seconds since 1970.
    pub divided_until: u64,
    /// Up to 1,000 holders, the largest first; a pool is one, under its own account.
    pub holders: Vec<HolderView>,
}

/// What somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HolderView {
    /// Who: a user, or the account of a pool.
    #[schema(value_type = String)]
    pub account: Account,
    /// Shares.
    pub shares: u64,
    /// Base units that they have earned and that can be withdrawn.
    pub owed: Amount,
}

/// All assets with shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllShares {
    /// Up to 1,000 of them.
    pub shares: Vec<SharesSummary>,
}

/// An asset's shares, without who holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharesSummary {
    /// Of what.
    pub asset: String,
    /// How many there are, for ever.
    pub supply: u64,
    /// Who issued them, and decides about the asset.
    #[schema(value_type = String)]
    pub issuer: Address,
    /// Base units that came in since they were issued.
    pub income: Amount,
}

/// What an account holds of all assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldShares {
    /// Up to 1,000 assets.
    pub held: Vec<HeldView>,
}

/// What an account holds of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldView {
    /// Of what.
    pub asset: String,
    /// Shares.
    pub shares: u64,
    /// How many there are.
    pub supply: u64,
    /// Units of their pool.
    pub units: u64,
    /// Base units that both have earned and that can be withdrawn.
    pub owed: Amount,
}

/// Shares to issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShares {
    /// Name of the owning account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// How many there are to be, for ever: from 100 to 10^15.
    pub supply: u64,
}

/// Shares to give away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SharesTransfer {
    /// Name of the giving account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Who receives.
    #[schema(value_type = String)]
    pub to: Address,
    /// How many.
    pub shares: u64,
}

/// Money for the holders of shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIncome {
    /// Name of the paying account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Base units.
    pub amount: Amount,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Of what.
    pub asset: String,
    /// Shares in it.
    pub shares: u64,
    /// Base units in it.
    pub amount: Amount,
    /// Its units, 1,000 of them nobody's.
    pub units: u64,
    /// What of an exchange stays in it, in basis points.
    pub fee_bps: u32,
    /// What a share costs before the fee, in base units, rounded down.
    pub price: Amount,
    /// Who opened it.
    #[schema(value_type = String)]
    pub creator: Address,
    /// When.
    pub created_height: u64,
}

/// All pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pools {
    /// Up to 1,000 of them.
    pub pools: Vec<PoolView>,
}

/// A pool to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// Name of the account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Shares put in.
    pub shares: u64,
    /// Base units put in: with the shares they make the first price.
    pub amount: Amount,
}

/// Shares and money for a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreLiquidity {
    /// Name of the account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Most shares that it may take.
    pub max_shares: u64,
    /// Most base units that it may take.
    pub max_amount: Amount,
    /// Fewest units that it must give.
    pub min_units: u64,
    /// Seconds of block time within which it must happen; 120 if not given.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Units of a pool to give up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LessLiquidity {
    /// Name of the account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Units.
    pub units: u64,
    /// Fewest shares that it must give.
    pub min_shares: u64,
    /// Fewest base units that it must give.
    pub min_amount: Amount,
    /// Seconds of block time within which it must happen; 120 if not given.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Shares to buy or to sell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trade {
    /// Name of the account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// What is given: base units where shares are bought, shares where they are sold.
    pub give: u64,
    /// The least that it must bring: shares where they are bought, base units where they are sold.
    pub least: u64,
    /// Seconds of block time within which it must happen; 120 if not given.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuoteParams {
    /// Base units for which shares would be bought.
    pub buy: Option<Amount>,
    /// Shares that would be sold.
    pub sell: Option<u64>,
}

/// What a trade would bring now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// Of what.
    pub asset: String,
    /// What is given: base units where shares are bought, shares where they are sold.
    pub give: u64,
    /// What it brings: shares, or base units.
    pub take: u64,
    /// What of `give` stays in the pool, in its units.
    pub fee: u64,
    /// By how much less it brings than at the present price without a fee, in basis points.
    pub worse_bps: u64,
}
